"""What numbers were made from when they were published, kept small for ever: so that it can be said why one has moved.

    reports/<name>/made_of.jsonl   a line a run: hashes of what counts, and how many rows its week and the weeks before had
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers import paths
from helpers.runs import weeks

if TYPE_CHECKING:
    from helpers.runs.graph import Step
    from helpers.sources.dataset import Dataset

NAME = "made_of.jsonl"
# Each kind of number: the artefact that it comes from, and what it reads beside the events.
KINDS = {"main": ("weeks", ()), "tiers": ("tier_sizes", ("users",)), "effects": ("effects", ("users", "assignments", "units"))}
SHORT = 12
SPANS = ("week", "before")
WHOLE = ("dataset.toml", "experiments.toml", "requirements.lock", "engine", "who is forgotten", "pseudonym key")


def of(record: dict[str, Any], dataset: str) -> dict[str, Any]:
    """The line of a run, from what run.json says of it."""
    week = record["week"]
    return {"run": record["run"], "week": week, "hashes": flat(record["made_of"]), "rows": rows(dataset, week)}


def flat(made_of: dict[str, Any]) -> dict[str, str]:
    """What counts for the numbers, by a name each; whole values shortened to a piece of their hash."""
    found = {name: made_of[name] for name in WHOLE}
    found["helpers"] = made_of["versions"]["helpers"]
    kinds = (("rules.toml", "rules.toml"), ("notebooks", "notebook"), ("parameters", "parameter"), ("sources", "source"))
    for name, kind in kinds:
        found |= {f"{kind} {key}": value for key, value in made_of.get(name, {}).items()}  # sources are not in old records
    return {name: _short(value) for name, value in sorted(found.items())}


def of_sources(dataset: Dataset, files: dict[str, str]) -> dict[str, str]:
    """A hash of the files of each source beside the events, whose rows count by day.

    Args:
        files: The hash of each file, by its label.
    """
    from helpers.runs import keys
    from helpers.sources.profile import label_of

    found = {}
    for source in (source for source in dataset.sources() if source.kind != "events"):
        labels = [label_of(path, dataset.root) for path in dataset.files(source)]
        found[source.name] = keys.digest([[label, files.get(label)] for label in labels])
    return found


def _short(value: Any) -> str:
    from helpers.runs import keys

    return keys.digest(value)[:SHORT]


def rows(dataset: str, week: str) -> dict[str, list]:
    """Rows of events in a week, and in all weeks before it: how many, and a hash of what they say. Nothing without events."""
    own = weeks.parse(week)
    if own.monday is None:
        return {}
    spans: dict[str, list] = {name: [] for name in SPANS}
    for day, count, says in _days(dataset):
        if day <= own.sunday:
            spans["week" if day >= own.monday else "before"].append([str(day), count, says])
    return {name: [sum(count for _, count, _ in found), _short(found)] for name, found in spans.items()}


def _days(dataset: str) -> Iterator[tuple[date, int, list]]:
    """Each local day with rows, as the sources hold them now: how many, and what they say."""
    from helpers.sources import events, groups

    folder = paths.built(dataset) / events.FOLDER
    index = groups.load(folder)
    for day, mark in events.Events(folder, index, tuple(index.groups)).marks.items():
        found = json.loads(mark)
        yield day, sum(count for _, _, count, _ in found), [[name, says] for name, _, _, says in found]


def append(top: Path, line: dict[str, Any]) -> None:
    """Add the line of a run, once."""
    from helpers.runs import publish

    path = top / NAME
    before = publish.text(path)
    if f'{{"run": "{line["run"]}"' not in before:
        publish.write_whole(path, before + json.dumps(line, ensure_ascii=False) + "\n")


def read(top: Path) -> dict[str, dict[str, Any]]:
    """The lines by run; a line that cannot be read is passed over."""
    from helpers.runs import publish

    found = {}
    for line in publish.text(top / NAME).splitlines():
        try:
            own = json.loads(line)
            found[own["run"]] = own
        except (ValueError, KeyError, TypeError):
            continue
    return found


def counting(steps: list[Step], kind: str) -> set[str]:
    """What the numbers of a kind can depend on, by the names that `flat` gives: of the steps that lead to them alone.

    Where no step makes the artefact that they come from, all of them count.
    """
    artefact, sources = KINDS[kind]
    by_name = {step.name: step for step in steps}
    makers = [step.name for step in steps if artefact in step.names.writes] or list(by_name)
    wanted = list(makers)
    seen: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name not in seen and name in by_name:
            seen.add(name)
            wanted += by_name[name].after
    own = [by_name[name] for name in seen]
    found = {"dataset.toml", "requirements.lock", "engine", "who is forgotten", "helpers"}
    found |= {f"notebook {step.name}" for step in own} | {f"parameter {name}" for step in own for name in step.values}
    found |= {"experiments.toml" for name in makers if by_name[name].names.experiments} | {f"source {name}" for name in sources}
    return found | {f"rules.toml {section}" for step in own for section in step.names.rules}


def why(then: dict[str, Any] | None, hashes: dict[str, str], dataset: str, names: set[str]) -> list[tuple[str, dict[str, Any]]]:
    """What has changed since a run, as keys of words with what they are about; none where nothing has that is recorded.

    Args:
        then: The line of the run; None where it has none.
        hashes: As `flat` gives them now.
        names: What counts, as `counting` gives it.
    """
    if then is None:
        return [("unrecorded", {})]
    differ = {name for name, value in then["hashes"].items() if hashes.get(name, value) != value}
    changed = sorted(name for name in differ if _counts(name, names))
    found = _of_rows(then["rows"], rows(dataset, then["week"]))
    if "pseudonym key" in differ:  # rows say something else under each key
        found = [(key, told) for key, told in found if told["n"]]
    said: dict[str, dict[str, Any]] = {}
    for name in changed:
        kind, _, rest = name.partition(" ")
        key, told = {
            "rules.toml": (f"rules {rest}", {"section": rest}), "parameter": (f"parameter {rest}", {"name": rest}),
            "dataset.toml": ("dataset", {}), "requirements.lock": ("libraries", {}), "engine": ("engine", {}),
            "who": ("forgotten", {}), "experiments.toml": ("experiments", {}), "source": (f"source {rest}", {"name": rest}),
        }.get(kind, ("code", {}))  # fmt: skip
        said[key] = told
    return [*found, *((key.partition(" ")[0], told) for key, told in said.items())] or [("unknown", {})]


def _counts(name: str, names: set[str]) -> bool:
    from helpers.runs.graph import EVERYTHING

    kind = name.partition(".")[0] if name.startswith("source ") else name  # of several units each is a source
    return {name, kind} & names != set() or (name.startswith("rules.toml ") and f"rules.toml {EVERYTHING}" in names)


def _of_rows(then: dict[str, list], now: dict[str, list]) -> list[tuple[str, dict[str, Any]]]:
    """What has become of the rows of the week, and of those before it."""
    found = []
    for span, end in (("week", ""), ("before", "_before")):
        if span in then and span in now and then[span][1] != now[span][1]:
            more = now[span][0] - then[span][0]
            key = "late" if more > 0 else "fewer" if more < 0 else "other"
            found.append((key + end, {"n": abs(more)}))
    return found
