"""The reader's words, and the metrics: every word that a person sees comes from words.toml or metrics.toml.

Each further language has files of its own: words.zh.toml (the same keys), texts.zh.toml (the English texts that stand in cells of
notebooks), prose.zh.toml (the prose of notebooks, by cell). What a language lacks is said in English.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from helpers.errors import nearest
from helpers.show import gate, seams

HERE = Path(__file__).parent
FALLBACK = "en"
FORMS = ("format.", "money.")  # of numbers and dates, whose blanks are their own
_BROKEN = re.compile(r"(?<=[^\x00-\x7f])\n(?=[^\x00-\x7f])")  # the end of a line in a script without blanks


@dataclass(frozen=True)
class Metric:
    """One metric, defined once.

    `unit` is a unit of `format`, `good` the direction that is welcome ("up", "down" or ""), `digits` the decimals
    shown (None: the unit's own), `denominator` what it is a share of or counted over.
    """

    key: str
    label: str
    unit: str
    good: str
    definition: str
    denominator: str
    digits: int | None = None


@cache
def _toml(name: str) -> dict:
    return tomllib.loads((HERE / name).read_text(encoding="utf-8"))


@cache
def _optional(kind: str, language: str) -> dict:
    """A file of another language, if there is one."""
    name = f"{kind}.{language}.toml"
    return _toml(name) if language != FALLBACK and (HERE / name).is_file() else {}


@cache
def _said(language: str) -> dict:
    """All words of a language, those that it lacks in English."""
    return _over(_toml("words.toml")[FALLBACK], _optional("words", language).get(language, {}))


def _over(below: dict, above: dict) -> dict:
    """The lower table, in which what the upper one says stands instead."""
    return below | {
        name: _over(below[name], own) if isinstance(own, dict) and isinstance(below.get(name), dict) else own
        for name, own in above.items()
    }


def _spoken() -> dict:
    return _said(gate.settings().language)


def word(key: str, **values: object) -> str:
    """The words of a dotted key (`page.skip`), with `{name}` filled from `values`; values are never read as templates.

    Raises:
        KeyError: words.toml has no such key; names the nearest.
    """
    table: object = _spoken()
    for part in key.split("."):
        if not isinstance(table, dict) or part not in table:
            known = keys()
            raise KeyError(f'words.toml has no "{key}".{nearest(key, known)}')
        table = table[part]
    if not values:
        return str(table)
    is_woven = gate.settings().language == "zh" and not key.startswith(FORMS)
    return seams.filled(str(table), values) if is_woven else str(table).format(**values)


def word_or(section: str, key: str, otherwise: str) -> str:
    """The words of a key of a section, or those of another where it has none of that name."""
    table = _spoken()[section]
    return table.get(key, table[otherwise])


def text(literal: object) -> str:
    """The words of an English text that stands in a cell of a notebook or in an artefact; any other, such as a finding, as it is.

    Never for what comes from the data: a topic that is called "Food" is called that in every language.
    """
    return _optional("texts", gate.settings().language).get(str(literal), str(literal))


def templates(language: str) -> dict[str, str]:
    """The English texts with places in them that are filled in for a person, and what they are in a language."""
    return {english: own for english, own in _optional("texts", language).items() if "{" in english}


def prose(notebook: str, cell: str, source: str) -> str:
    """The prose of a notebook's cell; `source` is what it says in English."""
    own = _optional("prose", gate.settings().language).get(notebook, {}).get(cell)
    return source if own is None else _BROKEN.sub("", own).strip()


def called(notebook: str, cell: str) -> str:
    """What a folded cell is called; "" where it is called by its own heading or id."""
    return _optional("prose", gate.settings().language).get(notebook, {}).get("called", {}).get(cell, "")


def keys(language: str = FALLBACK) -> list[str]:
    """All dotted keys that a language has words of its own for."""
    return _keys(_toml("words.toml")[FALLBACK] if language == FALLBACK else _optional("words", language).get(language, {}))


def _keys(table: dict, prefix: str = "") -> list[str]:
    found: list[str] = []
    for name, inner in table.items():
        found += _keys(inner, f"{prefix}{name}.") if isinstance(inner, dict) else [prefix + name]
    return found


def label(name: object) -> str:
    """What a column or a tier is called: its words, else its own name, readable."""
    spoken, own = _spoken(), str(name)
    if own in spoken["columns"]:
        return spoken["columns"][own]
    if own in _toml("metrics.toml"):
        return metric(own).label
    tidy = gate.name(spoken["tiers"].get(own, own)).replace("_", " ")
    return tidy[:1].upper() + tidy[1:]


def tier(key: object) -> str:
    """The words of a tier or of a metric; a key that comes from the data stays exactly as it is."""
    own, tiers = str(key), _spoken()["tiers"]
    return tiers[own] if own in tiers else metric(own).label if own in metrics() else gate.name(own)


def dimension(name: object) -> str:
    """What a dimension is called, of tiers ("value") or any other ("channel")."""
    return metric(str(name)).label if str(name) in dimensions() else label(name)


def subject() -> str:
    """What the people of the dataset are called: "members", "customers", "people"."""
    return gate.settings().subject or word("gate.subject")


def metrics() -> tuple[str, ...]:
    """The keys of all metrics, in the order of the file; without the dimensions of tiers."""
    return tuple(key for key, entry in _toml("metrics.toml").items() if not entry.get("tiers"))


def dimensions() -> tuple[str, ...]:
    """The keys of the dimensions of tiers, which have a number for each tier."""
    return tuple(key for key, entry in _toml("metrics.toml").items() if entry.get("tiers"))


def metric(key: str) -> Metric:
    """The definition of one metric.

    Raises:
        KeyError: metrics.toml has no such metric; names the nearest.
    """
    table = _toml("metrics.toml")
    if key not in table:
        raise KeyError(f'metrics.toml has no metric "{key}".{nearest(key, table)}')
    entry = table[key]
    own = entry[FALLBACK] | entry.get(gate.settings().language, {})
    spoken = {name: said.format(people=subject()) for name, said in own.items()}
    return Metric(key, spoken["label"], entry["unit"], entry.get("good", ""), spoken["definition"],
                  spoken.get("denominator", ""), entry.get("digits"))  # fmt: skip
