"""The reader's words, and the metrics: every word that a person sees comes from words.toml or metrics.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from helpers.errors import nearest
from helpers.show import gate

HERE = Path(__file__).parent
FALLBACK = "en"


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


def _spoken(table: dict) -> dict:
    return table.get(gate.settings().language) or table[FALLBACK]


def word(key: str, **values: object) -> str:
    """The words of a dotted key (`page.skip`), with `{name}` filled from `values`; values are never read as templates.

    Raises:
        KeyError: words.toml has no such key; names the nearest.
    """
    table: object = _spoken(_toml("words.toml"))
    for part in key.split("."):
        if not isinstance(table, dict) or part not in table:
            known = _keys(_toml("words.toml")[FALLBACK])
            raise KeyError(f'words.toml has no "{key}".{nearest(key, known)}')
        table = table[part]
    return str(table).format(**values) if values else str(table)


def _keys(table: dict, prefix: str = "") -> list[str]:
    found: list[str] = []
    for name, inner in table.items():
        found += _keys(inner, f"{prefix}{name}.") if isinstance(inner, dict) else [prefix + name]
    return found


def label(name: object) -> str:
    """What a column or a tier is called: its words, else its own name, readable."""
    spoken = _spoken(_toml("words.toml"))
    text = str(name)
    if text in spoken["columns"]:
        return spoken["columns"][text]
    if text in _toml("metrics.toml"):
        return metric(text).label
    tidy = spoken["tiers"].get(text, text).replace("_", " ")
    return tidy[:1].upper() + tidy[1:]


def tier(key: object) -> str:
    """The words of a tier or of a metric; a key that comes from the data stays exactly as it is."""
    text = str(key)
    tiers = _spoken(_toml("words.toml"))["tiers"]
    return tiers[text] if text in tiers else metric(text).label if text in _toml("metrics.toml") else text


def subject() -> str:
    """What the people of the dataset are called: "members", "customers", "people"."""
    return gate.settings().subject or word("gate.subject")


def metrics() -> tuple[str, ...]:
    """The keys of all metrics, in the order of the file."""
    return tuple(_toml("metrics.toml"))


def metric(key: str) -> Metric:
    """The definition of one metric.

    Raises:
        KeyError: metrics.toml has no such metric; names the nearest.
    """
    table = _toml("metrics.toml")
    if key not in table:
        raise KeyError(f'metrics.toml has no metric "{key}".{nearest(key, table)}')
    entry = table[key]
    spoken = {name: text.format(people=subject()) for name, text in _spoken(entry).items()}
    return Metric(key, spoken["label"], entry["unit"], entry.get("good", ""), spoken["definition"],
                  spoken.get("denominator", ""), entry.get("digits"))  # fmt: skip
