"""What an [[experiment]] of experiments.toml may say, and what is wrong with what it says of arms, time, looks and people."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from helpers.errors import nearest
from helpers.sources import blocks, mistakes, plan_metrics, privacy
from helpers.sources.checks import ROLES
from helpers.sources.plan_metrics import Fault, Part, Text, one_of

if TYPE_CHECKING:
    from helpers.sources.dataset import Dataset, Source

LOOKS = ("fixed-horizon", "group-sequential", "always-valid")
SENIORITY = "seniority"  # a slice that every event log has: new, or known from before the day of the exposure
MOST_SLICES, MOST_LOOKS = 20, 100
ROUNDED = 0.0011  # planned shares may miss 1 by that, as three times 0.333 do
NOT_SLICES = ("user_id", "registered_at", "referrer_id", "birth_year")
CUTS = ("all", "day", "age", "until")  # what the cube calls its own cuts
Above0 = Annotated[float, Field(gt=0)]


def _look_times(times: list[float]) -> list[float]:
    if not 1 <= len(times) <= MOST_LOOKS:
        raise ValueError(f"It must name 1 to {MOST_LOOKS} looks.")
    if any(later <= earlier for earlier, later in zip([0.0, *times], times, strict=False)):
        raise ValueError("They must be above 0 and rise from one to the next.")
    if times[-1] != 1:
        raise ValueError("The last look is at the planned end, 1.0.")
    return times


def _some(names: list[str]) -> list[str]:
    if not names:
        raise ValueError("It must name at least one metric: the one that decides.")
    return names


class Defaults(Part):
    """What holds for every experiment that does not say otherwise."""

    alpha: Annotated[float, Field(gt=0, lt=0.5)] | None = None
    power: Annotated[float, Field(gt=0, lt=1)] | None = None
    looks: Annotated[str, one_of(*LOOKS)] | None = None
    spending: Annotated[str, one_of("obrien-fleming", "pocock")] | None = None
    covariate_days: Annotated[int, Field(ge=1, le=365)] | None = None
    several_arms: Annotated[str, one_of("left_out", "first_seen")] | None = None
    correction: Annotated[str, one_of("holm", "bonferroni", "none")] | None = None


class Plan(Defaults):
    """Everything that an [[experiment]] may say."""

    name: Text
    hypothesis: str | None = None
    units: Text | None = None
    control: Text
    variants: dict[Text, float]
    start: date | None = None
    end: date | None = None
    users: Annotated[int, Field(ge=2)] | None = None
    exposure: Annotated[str, one_of(*ROLES)] | None = None
    primary: Annotated[list[Text], AfterValidator(_some)]
    secondary: list[Text] | None = None
    guardrails: list[dict] | None = None
    exploratory: list[Text] | None = None
    matters: Above0 | None = None
    matters_relative: Above0 | None = None
    look_times: Annotated[list[float], AfterValidator(_look_times)] | None = None
    covariates: list[Text] | None = None
    strata: list[Text] | None = None
    slices: list[Text] | None = None
    metric: list[dict] | None = None


class Guardrail(Part):
    """A metric that must not get worse by the margin or more."""

    metric: Text
    margin: Above0 | None = None
    margin_relative: Above0 | None = None


def faults(said: dict[str, Any], written: Collection[str], usual: str) -> Iterator[Fault]:
    """What is wrong with arms, dates, sizes and looks.

    Args:
        said: The keys of an experiment whose types are right.
        written: All its keys: what is wrong already is not told again.
        usual: How experiments are looked at where nothing is said.
    """
    yield from _arms(said)
    if said.get("exposure") and "units" in written:
        yield "exposure", "A unit table holds those who were exposed; only [assignments] go with it.", said["exposure"]
    start, end = said.get("start"), said.get("end")
    if start and end and end < start:
        yield "end", f"It must not be before the start, {start.isoformat()}.", end
    if "matters" in said and "matters_relative" in said:
        told = "One of both is said: matters in the metric's unit, or matters_relative as a share of control."
        yield "matters_relative", told, said["matters_relative"]
    looks = said.get("looks", usual)
    if "looks" in written and "looks" not in said:
        return
    if looks != "group-sequential":
        if "look_times" in said:
            yield "look_times", f'Only looks = "group-sequential" has them; here looks = "{looks}".', said["look_times"]
        return
    if "look_times" not in written:
        yield "look_times", "Group-sequential looks need them, such as [0.25, 0.5, 0.75, 1.0].", mistakes.NOTHING
    if "users" not in written and not {"start", "end"} <= set(written):
        yield "users", "Group-sequential looks need the planned size: users, or start and end.", mistakes.NOTHING


def _arms(said: dict[str, Any]) -> Iterator[Fault]:
    if "variants" not in said:
        return
    variants = said["variants"]
    empty = [arm for arm, share in variants.items() if share <= 0]
    total = math.fsum(variants.values())
    if len(variants) < 2:
        yield "variants", "An experiment compares two arms or more; give the planned share of each.", variants
    elif empty:
        yield "variants", f'The planned share of "{empty[0]}" must be above 0; leave out an arm that nobody is to see.', variants
    elif abs(total - 1) > ROUNDED:
        yield "variants", f"The planned shares must add up to 1; these add up to {total:g}.", variants
    if "control" in said and said["control"] not in variants:
        told = f"It must be one of the variants: {', '.join(variants)}.{nearest(said['control'], variants)}"
        yield "control", told, said["control"]


def whole(variants: dict[str, float]) -> dict[str, float]:
    """Planned shares that add up to 1, where rounded ones were written."""
    total = math.fsum(variants.values())
    near = abs(total - 1) < 1e-9
    return {arm: float(share) if near else share / total for arm, share in variants.items()}


def place_faults(said: dict[str, Any], written: Collection[str], dataset: Dataset) -> Iterator[Fault]:
    """Why an experiment has no people: neither assignments nor its unit table are there."""
    units = said.get("units")
    if units is not None and units not in dataset.units:
        have = ", ".join(dataset.units) or "none"
        yield "units", f"dataset.toml has no section [units.{units}].{nearest(units, dataset.units)} It has: {have}.", units
    elif "units" not in written and dataset.assignments is None:
        have = f"it has [units.{'], [units.'.join(dataset.units)}]" if dataset.units else "nor any [units.NAME]"
        yield "units", f"It must be given, since dataset.toml has no [assignments]; {have}.", mistakes.NOTHING


def absent(dataset: Dataset, source: Source | None) -> set[str]:
    """Attributes that dataset.toml maps and no file has: what is planned of them is left out, as everywhere."""
    raw = mistakes.read_toml(dataset.path)[0]
    section = raw.get("users", {}) if source is None else raw["units"][source.name.partition(".")[2]]
    there = source or dataset.users
    return set(section) - set(blocks.READING) - set(there.columns if there else ())


def group_faults(said: dict[str, Any], dataset: Dataset, source: Source | None, measured: set[str]) -> Iterator[Fault]:
    """What is wrong with the slices, strata and covariates.

    Args:
        measured: Columns of the unit table that are metrics of the experiment, so of after the exposure.
    """
    for key in ("slices", "strata"):
        names = said.get(key, [])
        if len(names) > MOST_SLICES:
            yield key, f"At most {MOST_SLICES}, each an attribute of before the exposure; these are {len(names)}.", names
        for number, name in enumerate(names, start=1):
            told = "It stands there twice." if name in names[: number - 1] else plan_metrics.OF_AFTER if name in measured else ""
            if told := told or _no_slice(name, dataset, source):
                yield f"{key} {number}", told, name
    yield from plan_metrics.covariate_faults(said.get("covariates", []), source, measured)


def _no_slice(name: str, dataset: Dataset, source: Source | None) -> str:
    """Why people are not told apart by a name; empty where they are."""
    if source is not None:
        allowed = plan_metrics.own_columns(source)
        told = plan_metrics.no_such_column(name, source)
    else:
        mapped = dataset.users.columns if dataset.users is not None else ()
        allowed = [SENIORITY, *(column for column in mapped if column not in NOT_SLICES)]
        told = f"Allowed: {', '.join(allowed)}; others are mapped under [users] of dataset.toml.{nearest(name, allowed)}"
        if name == SENIORITY and SENIORITY in mapped:
            return "This slice is built in (new or known); map the attribute under another name in dataset.toml."
    expression = (source or dataset.users).columns[name] if name in allowed and name != SENIORITY else None
    if expression and privacy.is_contact(name, expression, dataset):
        return "It looks like contact data and is dropped at the door, unless [privacy] allow_columns of dataset.toml names it."
    if name in CUTS and name in allowed:
        return "Experiments use this word themselves; map the attribute under another name in dataset.toml."
    return "" if name in allowed else told
