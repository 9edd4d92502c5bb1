"""rules.toml and experiments.toml: the shipped defaults, overlaid by what a dataset says itself."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.errors import nearest
from helpers.paths import DEFAULTS
from helpers.sources import mistakes
from helpers.sources.mistakes import Mistake

if TYPE_CHECKING:
    from helpers.sources.dataset import Dataset

METRIC_KINDS = ("proportion", "mean")
EXPERIMENT_KEYS = ("name", "units", "assignments", "control", "variants", "primary", "metric")


def rules(dataset: Dataset) -> dict[str, Any]:
    """The limits, weights and tag rules that hold for a dataset.

    Raises:
        InputError: The dataset's rules.toml has a key that the defaults do not have, or a value of another type.
    """
    wrong: list[Mistake] = []
    path = dataset.folder / "rules.toml"
    made = merge(_defaults("rules.toml"), _own(path), wrong)
    if wrong:
        raise mistakes.tell(path, wrong)
    return made


def experiments(dataset: Dataset) -> dict[str, Any]:
    """The experiments with their plans and metrics, and the defaults of the analysis.

    Raises:
        InputError: A key or type is unknown, an experiment names a unit table, variant or metric that does not exist,
            or planned shares do not add up to 1.
    """
    wrong: list[Mistake] = []
    path = dataset.folder / "experiments.toml"
    own = _own(path)
    made = merge(_defaults("experiments.toml"), own, wrong, named=("experiment",))
    listed = own.get("experiment", [])
    for block in listed if isinstance(listed, list) else []:
        if isinstance(block, dict):
            wrong += _experiment(block, dataset)
    if wrong:
        raise mistakes.tell(path, wrong)
    made.setdefault("experiment", [])
    return made


def merge(defaults: dict, own: dict, wrong: list[Mistake], *, named: tuple[str, ...] = ()) -> dict[str, Any]:
    """Defaults overlaid by a dataset's own values, section by section.

    A section that is empty in the defaults takes any key. Arrays of tables merge by `name`: one that is new is added.

    Args:
        defaults: What holds when nothing is said.
        own: What the dataset says.
        wrong: Takes the mistakes found.
        named: Arrays of tables that may be given even though the defaults have none.
    """
    return _merge(copy.deepcopy(defaults), own, [], wrong, named)


def _merge(base: dict, own: dict, at: list[str], wrong: list[Mistake], named: tuple[str, ...] = ()) -> dict:
    is_open = not base and bool(at)
    for key, value in own.items():
        place = [*at, key]
        if key not in base:
            if is_open or key in named:
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
    made = {block.get("name"): block for block in base}
    known = {key: value for block in base for key, value in block.items()}
    for number, block in enumerate(own, start=1):
        name = block.get("name")
        if not isinstance(name, str) or not name:
            wrong.append(Mistake(f"[[{'.'.join(at)}]] block {number}: name", "It must be given, as a text."))
            continue
        made[name] = _merge({**{key: made[name].get(key, known[key]) for key in known}}, block, [*at, name], wrong) \
            if name in made else _added(known, block, [*at, name], wrong)  # fmt: skip
    return list(made.values())


def _added(known: dict, block: dict, at: list[str], wrong: list[Mistake]) -> dict:
    """A new table of an array: its keys are those that the others have."""
    for key, value in block.items():
        if key not in known:
            told = f"There is no such key.{nearest(key, known)} Allowed: {', '.join(known)}."
            wrong.append(Mistake(_place([*at, key]), told, value))
        elif fault := _type_fault(known[key], value):
            wrong.append(Mistake(_place([*at, key]), fault, value))
    return dict(block)


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


def _experiment(block: dict[str, Any], dataset: Dataset) -> list[Mistake]:
    at = f"[[experiment]] {block.get('name', '')}".rstrip()
    wrong: list[Mistake] = []

    def say(key: str, text: str) -> None:
        wrong.append(Mistake(f"{at}: {key}", text, block.get(key, mistakes.NOTHING)))

    if not isinstance(block.get("name"), str) or not block["name"]:
        say("name", "It must be given, as a text.")
    variants = block.get("variants", {})
    shares = list(variants.values()) if isinstance(variants, dict) else []
    numbers = all(isinstance(share, int | float) and not isinstance(share, bool) and share > 0 for share in shares)
    if len(shares) < 2 or not numbers or abs(sum(shares) - 1) > 1e-6:
        say("variants", "It must give each variant's planned share, two or more, above 0 and adding up to 1.")
    elif block.get("control") not in variants:
        say("control", f"It must be one of the variants: {', '.join(variants)}.{nearest(str(block.get('control')), variants)}")
    units = block.get("units")
    if units is not None and units not in dataset.units:
        have = ", ".join(dataset.units) or "none"
        say("units", f"dataset.toml has no section [units.{units}]; it has: {have}.{nearest(str(units), dataset.units)}")
    metrics = block.get("metric", [])
    if not _tables(metrics):
        say("metric", "It needs at least one [[experiment.metric]] block.")
        return wrong
    names = [str(metric.get("name")) for metric in metrics]
    if block.get("primary") not in names:
        say("primary", f"It must be one of the metrics: {', '.join(names)}.{nearest(str(block.get('primary')), names)}")
    for metric in metrics:
        wrong += _metric(metric, at, dataset.units.get(units) if isinstance(units, str) else None)
    return wrong


def _metric(metric: dict[str, Any], at: str, source: Any) -> list[Mistake]:
    name, kind = str(metric.get("name")), metric.get("kind")
    wrong = []
    if kind not in METRIC_KINDS:
        told = f"Allowed: {', '.join(METRIC_KINDS)}.{nearest(str(kind), METRIC_KINDS)}"
        wrong.append(Mistake(f"{at}: metric {name}: kind", told, kind if kind is not None else mistakes.NOTHING))
    if source is not None and name not in source.columns:
        told = f"[{source.name}] of dataset.toml maps no such column.{nearest(name, source.columns)} It maps: "
        wrong.append(Mistake(f"{at}: metric name", f"{told}{', '.join(source.columns)}.", name))
    return wrong
