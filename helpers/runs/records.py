"""Records of experiments as files, and their proof: the same numbers once more, from the record alone.

    data/<name>/built/<week>/records/experiment_<name>.json    readable by its owner alone: it holds counts of few people
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers import paths
from helpers.errors import InputError, RunFailed
from helpers.runs.store import RECORDS

if TYPE_CHECKING:
    import pandas as pd

    from helpers.runs.store import Run

LIBRARIES = ("numpy", "scipy", "pandas", "statsmodels", "ibis-framework", "duckdb", "growth-rings")
MOST = 10  # differences that are named
COLUMNS = ["experiment", "file", "plan", "sha256", "numbers"]
SHAPE = {"dataset": str, "week": str, "versions": dict, "sha256": dict, "parts": dict}


def write(run: Run, records: Mapping[str, dict[str, Any]]) -> pd.DataFrame:
    """Write each experiment's record for this week, whole or not at all; the others of the week stay.

    Args:
        records: As `helpers.experiments.records` makes them.

    Returns:
        One row an experiment: `file` (from where everything is built), `plan` and `sha256` (hashes of the plan and of the
        file), `numbers` (that were computed).

    Raises:
        EnvironmentFault: The disk is full or not writable.
    """
    import pandas as pd

    from helpers.experiments.deciding.record import numbers

    folder = run.folder / RECORDS
    paths.make_private(folder)
    told = {
        "dataset": run.dataset.name,
        "week": run.week,
        "as_of": run.as_of.isoformat() if run.as_of else None,
        "dataset_sha256": run.dataset.sha256,
        "versions": versions(),
    }
    rows = []
    for name, record in records.items():
        text = as_text({**record, **told})
        path = folder / file_name(name)
        _write(path, text)
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        shown = path.relative_to(paths.built_root()).as_posix()
        rows.append((name, shown, record["sha256"]["plan"], sha256, sum(numbers(record).values())))
    made = pd.DataFrame(rows, columns=COLUMNS)
    return made.astype({name: "int64" if name == "numbers" else "str" for name in made.columns})


def file_name(experiment: str) -> str:
    """`experiment_tour.json`; a name that no file should have is made safe, and kept apart by a piece of its hash."""
    safe = re.sub(r"[^a-z0-9_]+", "_", experiment.lower())[:60].strip("_")
    mark = "" if safe == experiment else f"-{hashlib.sha256(experiment.encode()).hexdigest()[:8]}"
    return f"experiment_{safe}{mark}.json"


def as_text(record: Mapping[str, Any]) -> str:
    """JSON with a line for each part; the same record gives the same bytes."""
    lines = [f"{json.dumps(key)}: {_dumped(value)}" for key, value in record.items() if key != "parts"]
    parts = [f"{json.dumps(key)}: {_dumped(value)}" for key, value in record["parts"].items()]
    return "{\n" + ",\n".join([*lines, '"parts": {\n' + ",\n".join(parts) + "\n}"]) + "\n}\n"


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def versions() -> dict[str, str]:
    """Of everything that may move the last digit of a number: libraries, our own code, the kind of processor."""
    import numpy

    from helpers.runs import keys

    found = numpy.show_config(mode="dicts").get("SIMD Extensions", {})
    kinds = [*found.get("baseline", []), *found.get("found", [])]
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
        "helpers": keys.source_hash(paths.PROJECT / "helpers"),
        "processor": " ".join([platform.system(), platform.machine(), *kinds[-1:]]),
    }


def read(path: Path) -> dict[str, Any]:
    """A record.

    Raises:
        InputError: There is none, it cannot be read, or it is something else; says what to give.
    """
    from helpers.experiments.deciding.record import FORMAT, VERSION

    if path.is_dir():
        inside = sorted(own.name for own in (*path.glob("experiment_*.json"), *path.glob(f"{RECORDS}/experiment_*.json")))
        held = f" It holds {', '.join(inside[:5])}{' and others' if len(inside) > 5 else ''}." if inside else ""
        raise InputError(f"{path}: is a folder. Give one record of an experiment.{held}")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file. Records lie in data/<name>/built/<week>/{RECORDS}/.") from None
    except OSError as fault:
        raise InputError(f"{path}: cannot be read ({fault.strerror}).") from None
    except (ValueError, RecursionError):
        raise InputError(f"{path}: is no record of an experiment: it is not JSON.") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise InputError(f"{path}: is no record of an experiment. Records lie in data/<name>/built/<week>/{RECORDS}/.")
    if found.get("version") != VERSION:
        known, own = found.get("version"), VERSION
        raise InputError(f"{path}: is of format {known}, and this version reads {own}. Use the version that wrote it.")
    wrong = [name for name, kind in SHAPE.items() if not isinstance(found.get(name), kind)]
    if wrong:
        raise InputError(f"{path}: is a damaged record: its {' and '.join(wrong)} cannot be read.")
    return found


@dataclass(frozen=True)
class Verified:
    """What a verification found, in lines, and whether all is as it was recorded."""

    lines: list[str]
    holds: bool


def verify(path: str | Path) -> Verified:
    """Compute the numbers of a record again from its cube alone, and compare them one by one.

    Numbers must be the same to the last digit where nothing but the clock has changed, and to twelve digits under other
    versions.

    Raises:
        InputError: No record of an experiment, or one so damaged that nothing can be computed from it.
        RunFailed: The record is as it was written, and yet nothing can be computed from it.
    """
    from helpers.experiments.deciding.record import ACROSS_VERSIONS, compare, not_recomputed, recompute
    from helpers.show import gate

    held = read(Path(path))
    altered, others = _altered(held, path), other_versions(held["versions"])
    try:
        again = recompute(held)
        compared = compare(held, again, within=ACROSS_VERSIONS if others else 0.0)
        kept = not_recomputed(held)
    except Exception as fault:
        what = f"{type(fault).__name__}: {gate.plain(fault)}".rstrip(": ")
        causes = " ".join(_causes(altered, others)) or "Nothing has been changed in it: this is a fault of ours."
        kind = InputError if altered else RunFailed
        raise kind(f"{path}: its numbers cannot be computed again ({what}). {causes}") from fault
    lines = [f"{held['parts']['about'].get('experiment')} of {held['dataset']}, {held['week']}"]
    lines += [_step_line(name, compared[compared["step"] == name]) for name in again]
    lines += [f"{name}: {n:,} numbers, which need the people's rows and are not computed again" for name, n in kept.items()]
    wrong, numbers = compared[~compared["equal"]], compared[compared["is_number"]]
    lines += [_difference(row) for row in wrong.head(MOST).to_dict("records")]
    lines += [f"  and {len(wrong) - MOST:,} more"] if len(wrong) > MOST else []
    lines.append(f"{int(numbers['equal'].sum()):,} of {len(numbers):,} equal")
    told = [gate.plain(line) for line in [*lines, *_causes(altered, others)]]
    return Verified(told, wrong.empty and not altered)


def _altered(held: dict[str, Any], path: str | Path) -> list[str]:
    from helpers.experiments.deciding.record import altered

    try:
        return altered(held)
    except ValueError:
        raise InputError(f"{path}: is a damaged record: it holds numbers that JSON does not know.") from None


def _step_line(name: str, own: pd.DataFrame) -> str:
    numbers, words = own[own["is_number"]], own[~own["is_number"]]
    apart = int((~words["equal"]).sum())
    also = f", {apart:,} of {len(words):,} words differ" if apart else ""
    return f"{name}: {int(numbers['equal'].sum()):,} of {len(numbers):,} numbers equal{also}"


def _difference(row: dict[str, Any]) -> str:
    old, new = (_shown(row[name]) for name in ("recorded", "recomputed"))
    return f"  {row['step']}, {row['at']}, {row['column']}: recorded {old}, computed again {new}"


def _shown(value: Any) -> str:
    return "nothing" if value is None else repr(value) if isinstance(value, float) else str(value)


def _causes(altered: list[str], others: list[str]) -> list[str]:
    """What is not as it was when the record was made."""
    changed = [f"Changed in the file since it was made: {', '.join(altered)}."] if altered else []
    moved = [f"Other versions than then: {'; '.join(others)}. Numbers count as equal to twelve digits."] if others else []
    return changed + moved


def other_versions(then: Mapping[str, str], now: Mapping[str, str] | None = None) -> list[str]:
    """What is of another version now than then: "scipy 1.17.1, was 1.16.0"."""
    now = now or versions()
    apart = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    return [
        "helpers/ itself" if name == "helpers" else f"{name} {now.get(name, 'none')}, was {then.get(name, 'none')}"
        for name in apart
    ]


def _write(path: Path, text: str) -> None:
    with paths.whole(path) as fresh, open(fresh, "x", encoding="utf-8", opener=_private) as stream:
        stream.write(text)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
