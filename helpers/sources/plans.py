"""experiments.toml: the plans of a dataset's experiments, checked and complete, over the shipped defaults of the analysis."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from helpers.errors import nearest
from helpers.paths import DEFAULTS
from helpers.sources import mistakes, plan_checks, plan_metrics
from helpers.sources.mistakes import Mistake
from helpers.sources.plan_checks import Defaults, Guardrail, Plan
from helpers.sources.plan_metrics import Fault, checked, no_such_key

if TYPE_CHECKING:
    from helpers.sources.dataset import Dataset, Source

FILE = "experiments.toml"
TOP = ("defaults", "metric", "experiment")
KEYS = (
    "name", "hypothesis", "units", "control", "variants", "start", "end", "users", "exposure", "primary", "secondary",
    "guardrails", "matters", "matters_relative", "alpha", "power", "looks", "look_times", "spending", "covariates",
    "covariate_days", "strata", "slices", "absent", "several_arms", "correction", "metric",
)  # fmt: skip
GROUPS = ("strata", "slices", "covariates")  # what tells people apart before the exposure


@dataclass
class _Metrics:
    """Metrics by name as they were read, the blocks as they were written, and what messages call them."""

    read: dict[str, dict[str, Any]] = field(default_factory=dict)
    written: dict[str, dict[str, Any]] = field(default_factory=dict)
    at: dict[str, str] = field(default_factory=dict)
    faulty: set[str] = field(default_factory=set)

    def with_own(self, blocks: list[dict], at: str, wrong: list[Mistake]) -> _Metrics:
        """These, and those of further blocks; two of one name are a mistake."""
        made = _Metrics(dict(self.read), dict(self.written), dict(self.at), set(self.faulty))
        for number, block in enumerate(blocks, start=1):
            name = block.get("name")
            place = f"{at} {name}" if name and isinstance(name, str) else f"{at} block {number}"
            found, faults = plan_metrics.read(block, place)
            wrong += faults
            if "name" in found and name in made.read:
                wrong.append(Mistake(f"{place}: name", "There are two metrics of this name; call one of them otherwise.", name))
            elif "name" in found:
                made.read[name], made.written[name], made.at[name] = found, block, place
                made.faulty |= {name} if faults else set()
        return made

    def faults(self, name: str, source: Source | None, measured: Collection[str]) -> list[Mistake]:
        """What is wrong with a metric in an experiment; see `plan_metrics.fits`."""
        found = plan_metrics.fits(self.read[name], self.written[name], source, measured)
        return [Mistake(f"{self.at[name]}: {key}", told, value) for key, told, value in found]


def experiments(dataset: Dataset) -> dict[str, Any]:
    """The experiments with their plans and metrics complete, and the defaults of the analysis.

    Returns:
        `experiment`, the plans in the file's order, each with every key that the analysis relies on; `defaults`.

    Raises:
        InputError: Keys, values, names or numbers of the file are wrong; all of them, each with its place, its value, what is
            allowed and the nearest match.
    """
    wrong: list[Mistake] = []
    path = dataset.folder / FILE
    own = mistakes.read_toml(path)[0] if path.is_file() else {}
    wrong += [Mistake(key, no_such_key(key, TOP), value) for key, value in own.items() if key not in TOP]
    defaults = mistakes.read_toml(DEFAULTS / FILE)[0]["defaults"]
    if isinstance(own.get("defaults", {}), dict):
        said, faults = checked(Defaults, own.get("defaults", {}), "[defaults]")
        defaults, wrong = {**defaults, **said}, wrong + faults
    else:
        wrong.append(Mistake("defaults", "It is one section, [defaults], with one bracket.", own["defaults"]))
    shared = _Metrics().with_own(_blocks(own, "metric", wrong), "[[metric]]", wrong)
    plans: list[dict[str, Any]] = []
    seen: set[str] = set()
    for number, block in enumerate(_blocks(own, "experiment", wrong), start=1):
        name = block.get("name")
        at = f"[[experiment]] {name}" if name and isinstance(name, str) else f"[[experiment]] block {number}"
        plan, faults = _plan(block, at, dataset, defaults, shared)
        if isinstance(name, str) and name in seen:
            faults.append(Mistake(f"{at}: name", "There are two experiments of this name; call one of them otherwise.", name))
        seen.add(str(name))
        wrong += faults
        plans.append(plan)
    if wrong:
        raise mistakes.tell(path, wrong)
    return {"experiment": plans, "defaults": defaults}


def _blocks(own: dict[str, Any], key: str, wrong: list[Mistake]) -> list[dict]:
    value = own.get(key, [])
    if isinstance(value, list) and all(isinstance(block, dict) for block in value):
        return value
    wrong.append(Mistake(f"[{key}]", f"It stands under [[{key}]], with two brackets, one block for each."))
    return []


def _plan(
    block: dict[str, Any], at: str, dataset: Dataset, defaults: dict[str, Any], shared: _Metrics
) -> tuple[dict[str, Any], list[Mistake]]:
    """An experiment's plan, complete, and what is wrong with it; with mistakes there is no plan."""
    written = {**block, "primary": [block["primary"]]} if isinstance(block.get("primary"), str) else block
    said, wrong = checked(Plan, written, at)
    source = dataset.units.get(said.get("units", ""))
    absent = plan_checks.absent(dataset, source)
    planned = {name for key in GROUPS for name in said.get(key, [])}
    said |= {key: [name for name in said[key] if name not in absent] for key in GROUPS if key in said}
    metrics = shared.with_own(said.get("metric", []), f"{at}: metric", wrong)
    guards = _guardrails(said.get("guardrails", []), at, wrong)
    named = {role: said.get(role, []) for role in ("primary", "secondary", "exploratory")}
    used = _roles(named, guards, metrics, said)
    found = [
        *plan_checks.place_faults(said, block, dataset),
        *plan_checks.faults(said, block, defaults["looks"]),
        *_role_faults(named, guards, metrics),
    ]
    if "units" not in block or source is not None:
        measured = {column for name in used for column in plan_metrics.columns(metrics.read[name]).values()} if source else set()
        found += plan_checks.group_faults(said, dataset, source, measured)
        wrong += [mistake for name in used for mistake in metrics.faults(name, source, measured)]
    wrong += [Mistake(f"{at}: {key}", told, value) for key, told, value in found]
    if wrong or metrics.faulty & set(used):
        return {}, wrong
    made = [plan_metrics.resolved(metrics.read[name], role, source, said.get("covariates")) for name, role in used.items()]
    return _complete({**defaults, **said, "absent": sorted(planned & absent)}, guards, made), []


def _guardrails(given: list[dict], at: str, wrong: list[Mistake]) -> list[dict[str, Any]]:
    """The guardrails as the analysis takes them; `margin` is 0 where it is wrong, which stops the run anyway."""
    made = []
    for number, block in enumerate(given, start=1):
        place = f"{at}: guardrails {number}"
        said, faults = checked(Guardrail, block, place)
        slip = set(block) - set(Guardrail.model_fields)
        if ("margin" in block) == ("margin_relative" in block) and not slip:
            told = "A guardrail has one of both: margin in the metric's unit, or margin_relative as a share of control."
            faults.append(Mistake(f"{place}: margin", told, block.get("margin", mistakes.NOTHING)))
        wrong += faults
        relative = "margin_relative" in said
        margin = float(said.get("margin_relative" if relative else "margin", 0))
        made.append({"metric": said.get("metric", ""), "margin": margin, "relative": relative})
    return made


def _roles(
    named: dict[str, list[str]], guards: list[dict[str, Any]], metrics: _Metrics, said: dict[str, Any]
) -> dict[str, str]:
    """The role of each metric of an experiment, the primary ones first; metrics that do not exist are left out."""
    own = [block.get("name") for block in said.get("metric", [])]
    asked = [(name, "primary") for name in named["primary"]] + [(name, "secondary") for name in named["secondary"]]
    asked += [(guard["metric"], "guardrail") for guard in guards]
    asked += [(name, "exploratory") for name in [*named["exploratory"], *own] if isinstance(name, str)]
    made: dict[str, str] = {}
    for name, role in asked:
        if name in metrics.read:
            made.setdefault(name, role)
    return made


def _role_faults(named: dict[str, list[str]], guards: list[dict[str, Any]], metrics: _Metrics) -> Iterator[Fault]:
    """Metrics that are named and do not exist, or have two roles; and no metric to decide."""
    have = list(metrics.written)
    if not have:
        told = "It needs at least one: [[metric]] for several experiments, [[experiment.metric]] for this one alone."
        yield "metric", told, mistakes.NOTHING
        return
    asked = [(key, number, name) for key, names in named.items() for number, name in enumerate(names, start=1)]
    asked += [("guardrails", number, guard["metric"]) for number, guard in enumerate(guards, start=1) if guard["metric"]]
    first: dict[str, str] = {}
    for key, number, name in asked:
        place = key if len(named.get(key, guards)) == 1 and key != "guardrails" else f"{key} {number}"
        if name not in have:
            yield place, f"It must be one of the metrics: {', '.join(have)}.{nearest(name, have)}", name
        elif name in first:
            where = "there twice" if first[name] == key else f"under {first[name]}, too; a metric has one role"
            yield place, f"It stands {where}.", name
        first.setdefault(name, key)


def _complete(said: dict[str, Any], guards: list[dict[str, Any]], metrics: list[dict[str, Any]]) -> dict[str, Any]:
    """A plan that is right, with every key that the analysis relies on."""
    usual = {"hypothesis": "", "secondary": [], "strata": [], "slices": [], "look_times": [1.0]}
    empty = dict.fromkeys(("units", "start", "end", "users", "exposure", "matters", "matters_relative"))
    covariates = [name for metric in metrics for name in metric["covariates"]]
    made = {**empty, **usual, **said}
    numbers = ("alpha", "power", "matters", "matters_relative")
    made |= {key: float(made[key]) for key in numbers if made[key] is not None}
    made |= {
        "look_times": [float(time) for time in made["look_times"]],
        "variants": plan_checks.whole(said["variants"]),
        "guardrails": guards,
        "covariates": list(dict.fromkeys([*said.get("covariates", []), *covariates])),
        "metric": metrics,
    }
    return {key: made[key] for key in KEYS}
