"""A published week once more: built again aside from what its run.json says it was made of, and compared number by number."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers import paths
from helpers.errors import GrowthRingsError, InputError
from helpers.runs import (
    failures,
    notebooks,
    opening,
    origins,
    page_numbers,
    parameters,
    pipeline,
    planning,
    publish,
    records,
)
from helpers.runs.planning import Request
from helpers.runs.progress import Plain, Silent
from helpers.runs.records import MOST, Verified

ASIDE = "verifying"  # the folder below built/ in which a week is built once more
FIELDS = ("value", "low", "high", "n")
ACROSS_VERSIONS = 1e-9
NEEDED = ("run", "dataset", "week", "parameters", "files", "numbers", "pages")


@dataclass(frozen=True)
class Held:
    """A run as it was published: its folder, what run.json says, and the folder above the runs."""

    folder: Path
    record: dict[str, Any]

    @property
    def top(self) -> Path:
        return self.folder.parent.parent

    @property
    def name(self) -> str:
        return f"{self.record['dataset']}, {self.record['week']}"


def is_of_week(path: Path) -> bool:
    """Whether `verify` is given a week or a run rather than the record of an experiment."""
    if path.is_dir():
        return not any((*path.glob("experiment_*.json"), *path.glob(f"{records.RECORDS}/experiment_*.json")))
    return path.name == "run.json" or path.suffix != ".json"


def read(path: Path) -> Held:
    """The run of a week's folder, of a run's folder, or of a run.json.

    Raises:
        InputError: There is none; says what to give.
    """
    folder = path.parent if path.name == "run.json" else path
    if not folder.is_dir():
        raise InputError(f"{path}: there is no such folder.{_weeks_beside(folder)}")
    try:
        found = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no run.json lies there, so it is no published week.{_weeks_in(folder)}") from None
    except (OSError, ValueError):
        raise InputError(f"{path}: its run.json cannot be read. Another run of the week may lie in .runs beside it.") from None
    lacking = [name for name in NEEDED if not isinstance(found, dict) or name not in found]
    if lacking:
        raise InputError(f"{path}: its run.json says nothing of {', '.join(lacking)}. Build the week again, then verify it.")
    return Held(folder.resolve(), found)


def _weeks_beside(folder: Path) -> str:
    return _weeks_in(folder.parent) or " Weeks lie in reports/<name>/<week>."


def _weeks_in(folder: Path) -> str:
    weeks = publish.weeks_of(folder) if folder.is_dir() else []
    return f" Published are: {', '.join(weeks[-5:])}." if weeks else ""


def verify(
    path: str | Path,
    *,
    dataset: str | None = None,
    root: str | None = None,
    books: Path | None = None,
    progress: Plain | None = None,
) -> Verified:
    """Build a published week again, aside, and compare every number of published.csv and of the pages.

    Args:
        dataset: The folder of its dataset.toml, where it does not lie under data/.
        root: Where its sources lie, if neither in data/<name>/raw nor where the last report found them.

    Raises:
        InputError: No published week; its sources are gone; says what to give.
        GrowthRingsError: It cannot be built any more.
    """
    progress = progress or Silent()
    held = read(Path(path))
    request = _request(held, dataset, root, books or paths.NOTEBOOKS)
    progress.say(f"{held.name}: run {held.record['run']}, built at {held.record.get('built_at', 'an unknown time')}")
    with _aside(held) as place:
        try:
            changed = _changed(held.record, pipeline.made_of(planning.plan(planning.check(request))))
            progress.say(_told(changed))
            outcome = pipeline.report(request, progress)
        except GrowthRingsError as fault:
            raise fault.worded(f"{path}: cannot be built again.\n{_clean(fault, place)}") from None
        return _compared(held, outcome.published, exactly=not changed)


def _request(held: Held, dataset: str | None, root: str | None, books: Path) -> Request:
    """The run as it was asked for; a parameter that no notebook has any more is left out, and shows as a change."""
    from helpers.sources import dataset as datasets

    name = held.record["dataset"]
    folder = dataset or opening.remembered_folder(name) or name
    found = datasets.load(folder, root or (None if dataset else opening.remembered_root(name)))
    known = parameters.collect(notebooks.read_all(books))
    values = {key: value for own in held.record["parameters"].values() for key, value in own.items()}
    given = tuple(f"{key}={parameters.shown(value)}" for key, value in sorted(values.items()) if key in known)
    request = Request(dataset=str(folder), week=held.record["week"], root=str(found.root), given=given, notebooks=books)
    if found.simulate is None and not found.root.is_dir():
        raise InputError(f"{held.name}: its sources are gone, {found.root} does not exist. Say where they lie: --root DIR.")
    return request


@contextmanager
def _aside(held: Held) -> Iterator[Path]:
    """A built root of its own, private and gone afterwards, in which is published what was so before the run."""
    name = held.record["dataset"]
    built = paths.built(name)
    place = built / ASIDE / str(os.getpid())
    paths.make_private(place)
    before = os.environ.get(paths.BUILT_ROOT_VARIABLE)
    try:
        _lay_out(held, built, place)
        os.environ[paths.BUILT_ROOT_VARIABLE] = str(place)
        yield place
    finally:
        if before is None:
            os.environ.pop(paths.BUILT_ROOT_VARIABLE, None)
        else:
            os.environ[paths.BUILT_ROOT_VARIABLE] = before
        paths.remove(place)


def _lay_out(held: Held, built: Path, place: Path) -> None:
    from helpers.sources import privacy

    name = held.record["dataset"]
    mine = place / "data" / name / "built"
    paths.make_private(mine)
    if (built / privacy.FORGOTTEN).exists():
        (mine / privacy.FORGOTTEN).write_bytes((built / privacy.FORGOTTEN).read_bytes())
    reports = place / "reports" / name
    reports.mkdir(parents=True)
    run = held.record["run"]
    for file, mark in (("published.csv", f",{run}\n"), (origins.NAME, f'{{"run": "{run}"')):
        lines = publish.text(held.top / file).splitlines(keepends=True)
        earlier = "".join(lines[: next((number for number, line in enumerate(lines) if mark in line), len(lines))])
        if earlier:
            (reports / file).write_text(earlier, encoding="utf-8")


def _clean(fault: GrowthRingsError, place: Path) -> str:
    """The message without lines about the place that is gone by the time it is read."""
    gone = (failures.short(place), str(place))
    return "\n".join(line for line in str(fault).splitlines() if not any(text in line for text in gone))


def _changed(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What the week was made of and is no longer as it was."""
    found = []
    for part in now:
        if part not in then.get("made_of", {}):
            found.append(f"{part} (not recorded then)")
        elif part == "versions":
            found += records.other_versions(then["made_of"][part], now[part])
        elif isinstance(now[part], dict):
            before = then["made_of"][part]
            found += [_of(part, name) for name in {**before, **now[part]} if before.get(name) != now[part].get(name)]
        elif then["made_of"][part] != now[part]:
            found.append(part)
    return found


def _of(part: str, name: str) -> str:
    return {"files": name, "notebooks": f"notebook {name}"}.get(part, f"{part} [{name}]")


def _told(changed: list[str]) -> str:
    if not changed:
        return "Nothing has changed since: files, dataset.toml, rules, notebooks, code, versions, pseudonym key."
    more = f" and {len(changed) - MOST} more" if len(changed) > MOST else ""
    return f"Changed since: {'; '.join(changed[:MOST])}{more}."


def _compared(held: Held, again: publish.Published, *, exactly: bool) -> Verified:
    from helpers.show import gate

    counts = {"published numbers": published_apart(held.record["numbers"], again.record["numbers"], exactly=exactly)}
    spoilt = []
    for name, recorded in held.record["pages"].items():
        path, fresh = held.folder / name, again.folder / name
        if not path.exists() or publish.file_hash(path) != recorded:
            spoilt.append(name)
        counts[name] = page_numbers.compared(_on_page(path), _on_page(fresh))
    lines = [f"{what}: {equal:,} of {total:,} equal" for what, (equal, total, _) in counts.items()]
    apart = [f"  {what}, {place}: {old or 'nothing'}, now {new or 'nothing'}"
             for what, (_, _, found) in counts.items() for place, old, new in found]  # fmt: skip
    lines += apart[:MOST] + ([f"  and {len(apart) - MOST:,} more"] if len(apart) > MOST else [])
    equal, total = (sum(own[at] for own in counts.values()) for at in (0, 1))
    lines.append(f"{equal:,} of {total:,} equal")
    if spoilt:
        lines.append(f"Not as it was published: {', '.join(spoilt)}.")
    return Verified([gate.plain(line) for line in lines], not apart and not spoilt)


def _on_page(path: Path) -> dict[str, list[str]]:
    if not path.exists():
        return {}
    text = path.read_text(encoding="utf-8")
    return page_numbers.of_page(text) if path.suffix == ".html" else page_numbers.of_text(text)


def published_apart(
    old: list[dict[str, Any]], new: list[dict[str, Any]], *, exactly: bool
) -> tuple[int, int, list[tuple[str, str, str]]]:
    """As `page_numbers.compared`, of rows of published.csv: by metric, slice and field; not exactly: to nine digits."""
    before, now = ({(row["metric"], row["slice"]): row for row in rows} for rows in (old, new))
    equal, total, apart = 0, 0, []
    for key in {**before, **now}:
        for name in FIELDS:
            a, b = (rows.get(key, {}).get(name) for rows in (before, now))
            if a is None and b is None:
                continue
            total += 1
            if _same(a, b, exactly):
                equal += 1
            else:
                apart.append((f"{key[0]}, {key[1]}, {name}", _shown(a), _shown(b)))
    return equal, total, apart


def _same(a: float | None, b: float | None, exactly: bool) -> bool:
    if a is None or b is None or exactly:
        return a == b
    return math.isclose(a, b, rel_tol=ACROSS_VERSIONS, abs_tol=ACROSS_VERSIONS)


def _shown(value: float | None) -> str:
    return "" if value is None else repr(value)
