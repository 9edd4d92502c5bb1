"""rules.toml: the shipped defaults, overlaid by what a dataset says itself; experiments.toml is read in `plans.py`."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.errors import nearest
from helpers.paths import DEFAULTS
from helpers.sources import mistakes
from helpers.sources.mistakes import Mistake
from helpers.sources.plans import experiments

if TYPE_CHECKING:
    from helpers.sources.dataset import Dataset

__all__ = ["experiments", "merge", "own_tags", "rules"]

OPEN = ("segments",)  # sections that take any key; its value is a text, as those that are shipped
TAG_NEEDS = ("group", "version", "when", "reason", "meaning")
GROUPS = ("basic", "behaviour", "social", "spending", "interests")


def rules(dataset: Dataset) -> dict[str, Any]:
    """The limits, weights and tag rules that hold for a dataset.

    Raises:
        InputError: The dataset's rules.toml has a key that the defaults do not have, or a value of another type.
    """
    wrong: list[Mistake] = []
    path = dataset.folder / "rules.toml"
    own = _own(path)
    made = merge(_defaults("rules.toml"), own, wrong)
    for tag in () if wrong else own_tags(own, made):
        wrong += _tag(tag)
    if wrong:
        raise mistakes.tell(path, wrong)
    return made


def merge(defaults: dict, own: dict, wrong: list[Mistake]) -> dict[str, Any]:
    """Defaults overlaid by a dataset's own values, section by section.

    A section that is empty in the defaults takes any key, and so does one that is OPEN. Arrays of tables merge by `name`:
    one that is new is added.

    Args:
        defaults: What holds when nothing is said.
        own: What the dataset says.
        wrong: Takes the mistakes found.
    """
    return _merge(copy.deepcopy(defaults), own, [], wrong)


def _merge(base: dict, own: dict, at: list[str], wrong: list[Mistake]) -> dict:
    is_open = not base and bool(at)
    for key, value in own.items():
        place = [*at, key]
        if key not in base and tuple(at) == OPEN and isinstance(value, str):
            base[key] = value
        elif key not in base:
            if is_open:
                base[key] = value
            else:
                told = f"There is no such key.{nearest(key, base)} Allowed: {', '.join(base)}."
                wrong.append(Mistake(_place(place), told, value))
        elif isinstance(base[key], dict) and isinstance(value, dict):
            _merge(base[key], value, place, wrong)
        elif _tables(base[key]) and _tables(value):
            base[key] = _merge_named(base[key], value, place, wrong)
        elif fault := _type_fault(base[key], value):
            wrong.append(Mistake(_place(place), fault, value))
        else:
            base[key] = value
    return base


def _merge_named(base: list[dict], own: list[dict], at: list[str], wrong: list[Mistake]) -> list[dict]:
    """Tables of an array by name; a key is known if any of the shipped tables has it."""
    made = {block.get("name"): block for block in base}
    known = {key: value for block in base for key, value in block.items()}
    for number, block in enumerate(own, start=1):
        name = block.get("name")
        if not isinstance(name, str) or not name:
            wrong.append(Mistake(f"[[{'.'.join(at)}]] block {number}: name", "It must be given, as a text."))
            continue
        for key, value in block.items():
            if key not in known:
                told = f"There is no such key.{nearest(key, known)} Allowed: {', '.join(known)}."
                wrong.append(Mistake(_place([*at, name, key]), told, value))
            elif fault := _type_fault(known[key], value):
                wrong.append(Mistake(_place([*at, name, key]), fault, value))
        made[name] = {**made.get(name, {}), **block}
    return list(made.values())


def _tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _type_fault(default: Any, value: Any) -> str | None:
    kinds = {bool: "true or false", str: "a text in quotes", list: "a list", dict: "a section"}
    for kind in kinds:
        if isinstance(default, kind) or isinstance(value, kind):
            if type(default) is not type(value):
                return f"It must be {_kind(default, kinds)}."
            faults = [_type_fault(default[0], item) for item in value] if kind is list and default else []
            return next((f"In the list: {fault}" for fault in faults if fault), None)
    if isinstance(default, int) and not isinstance(value, int):
        return f"It must be a whole number, such as {default}."
    return None


def _kind(default: Any, kinds: dict[type, str]) -> str:
    return next((words for kind, words in kinds.items() if isinstance(default, kind)), f"a number, such as {default}")


def _place(at: list[str]) -> str:
    return f"[{'.'.join(at[:-1])}] {at[-1]}" if len(at) > 1 else at[0]


def _own(path: Path) -> dict[str, Any]:
    return mistakes.read_toml(path)[0] if path.is_file() else {}


def _defaults(name: str) -> dict[str, Any]:
    return _own(DEFAULTS / name)


def own_tags(own: dict[str, Any], made: dict[str, Any]) -> list[dict[str, Any]]:
    """The tags that a dataset adds or changes, as they hold: what it leaves out is as it was shipped."""
    named = {tag["name"] for tag in own.get("tag", [])}
    return [tag for tag in made["tag"] if tag["name"] in named]


def _tag(tag: dict[str, Any]) -> list[Mistake]:
    at = f"[[tag]] {tag['name']}"
    faults = {key: "It must be given." for key in TAG_NEEDS if key not in tag}
    if tag.get("group", GROUPS[0]) not in GROUPS:
        faults["group"] = f"Allowed: {', '.join(GROUPS)}.{nearest(tag['group'], GROUPS)}"
    faults |= {key: "It must be at least 1." for key in ("version", "min_weeks", "exclusive") if tag.get(key, 1) < 1}
    return [Mistake(f"{at}: {key}", text, tag.get(key, mistakes.NOTHING)) for key, text in faults.items()]
