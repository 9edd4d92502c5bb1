"""All notebooks one after the other in this process, on a community with everything in it: for laws of all artefacts."""

from __future__ import annotations

import random
import shutil
from datetime import date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from helpers import contracts, paths
from helpers.runs import notebooks
from helpers.sources import privacy

SAMPLE = paths.PROJECT / "data" / "sample"
KEY = "a key that only tests have"
MEMBERS, WEEKS = 300, 22
WEEK, AS_OF, UNTIL = "2026-W06", datetime(2026, 2, 9), date(2026, 3, 8)
TIMES = {"users.csv": 2, "assignments.csv": 3, "touches.csv": 2, "feedback.csv": 1}  # where a row's time stands
EVENT_TIME = 1
ARMS = ("holdout", "touched", "touched")


def community(folder: Path) -> Path:
    """A dataset with a row of every kind, which goes on for four weeks after the week of the report."""
    from helpers.sources import sample

    raw = folder / "raw"
    sample.build(raw, seed=7, members=MEMBERS, weeks=WEEKS)
    (raw / sample.STAMP).unlink()
    text = (SAMPLE / "dataset.toml").read_text("utf-8")
    kept = [line for line in text.splitlines() if not line.startswith(("simulate", "title"))]
    (folder / "dataset.toml").write_text(f"data_until = {UNTIL}\n" + "\n".join(kept) + UNITS, "utf-8")
    shutil.copy(SAMPLE / "experiments.toml", folder)
    arms = "\n".join(f"p{number},{'ab'[number % 2]},{number % 3}" for number in range(60))
    days = [f"2025-12-0{day} 10:00:00" for day in range(1, 8)]
    sent = "\n".join(f"u{number:06d},autumn,{days[number % 7]},{ARMS[number % 3]},0.80" for number in range(1, 240))
    (raw / "touches.csv").write_text((raw / "touches.csv").read_text("utf-8") + sent + "\n", "utf-8")
    (raw / "trial.csv").write_text(f"unit,arm,score\n{arms}\n", "utf-8")
    rewrite(folder, lambda lines, path: lines)  # what is later stands below, so that places stay as they are
    return folder


UNITS = """
[units.trial]
file = "trial.csv"
unit_id = "unit"
variant = "arm"
score = "score"
"""


def walk(folder: Path, built: Path, patch: pytest.MonkeyPatch, key: str = KEY) -> dict[str, pd.DataFrame]:
    """Every artefact of the week, sorted by its key, after all notebooks ran on the dataset with this pseudonym key."""
    patch.setenv(privacy.KEY_VARIABLE, key)
    patch.setenv(paths.BUILT_ROOT_VARIABLE, str(built))
    patch.setenv("GROWTH_RINGS_HEADLESS", "1")
    patch.setenv("GROWTH_RINGS_SOURCES", str(folder / "raw"))
    read = sorted(notebooks.read_all(paths.PROJECT / "notebooks"), key=lambda one: (one.name == notebooks.FRONT, one.name))
    for notebook in read:
        names: dict = {}
        for cell in notebook.code:
            exec(compile(cell.source, f"{notebook.name}:{cell.id}", "exec"), names)
            if "parameters" in cell.tags:
                names |= {"dataset": str(folder), "week": WEEK}
    return {name: table(name, built) for name in contracts.all_contracts() if file(name, built).exists()}


def file(name: str, built: Path) -> Path:
    return built / "data" / "community" / "built" / WEEK / f"{name}.parquet"


def table(name: str, built: Path) -> pd.DataFrame:
    frame = pq.read_table(file(name, built)).to_pandas()
    return frame.sort_values(list(contracts.find(name).key), ignore_index=True)


def later(line: str, at: int) -> bool:
    """Whether a row of the export lies at or after the end of the week."""
    cells = line.split(",")
    return len(cells) > at and cells[at][:10] >= str(AS_OF.date())


def rewrite(folder: Path, change) -> None:
    """Give the rows after the end of the week, of each file, to a function that tells what stands there instead."""
    for path in sorted((folder / "raw").rglob("*.csv")):
        at = EVENT_TIME if path.parent.name == "events" else TIMES.get(path.name)
        if at is not None:
            header, *lines = path.read_text("utf-8").splitlines()
            past, future = ([line for line in lines if later(line, at) is wanted] for wanted in (False, True))
            path.write_text("\n".join([header, *past, *change(future, path)]) + "\n", "utf-8")


def deleted(lines: list[str], path: Path) -> list[str]:
    """Nothing; of what is no event one row is left, since a file without rows is an error."""
    return [] if path.parent.name == "events" else lines[:1]


def scrambled(chance: random.Random):
    """Other people did other things at other times, all of them later."""

    def change(lines: list[str], path: Path) -> list[str]:
        if path.name == "users.csv" or not lines:
            return [line.replace("2025", "2026") for line in lines]
        rows = [line.split(",") for line in lines if '"' not in line]
        whole = max(len(cells) for cells in rows)
        columns = [list(column) for column in zip(*(cells for cells in rows if len(cells) == whole), strict=True)]
        for column in columns:
            chance.shuffle(column)
        return [",".join(cells) for cells in zip(*columns, strict=True)]

    return change


def added(chance: random.Random):
    """Many more events of old and new people, all of them later."""

    def change(lines: list[str], path: Path) -> list[str]:
        if path.parent.name != "events":
            return lines
        times = [AS_OF + timedelta(seconds=chance.randrange(20 * 86400)) for _ in range(400)]
        kinds = ["view,音乐,c1,post,,9,,,", "pay,,,membership,,,99900,0,", "like,美食,c2,post,,,,,", "checkin,,,,,,,,march"]
        return [*lines, *(f"u{chance.randrange(1, 400):06d},{time},{chance.choice(kinds)}" for time in times)]

    return change


def dealt_again(folder: Path, chance: random.Random) -> None:
    """The same rows in another order, the events dealt to other files."""
    raw = folder / "raw"
    files = sorted((raw / "events").glob("*.csv"))
    header = files[0].read_text("utf-8").splitlines()[0]
    lines = [line for path in files for line in path.read_text("utf-8").splitlines()[1:]]
    chance.shuffle(lines)
    for path in files:
        path.unlink()
    cut = chance.randrange(1, len(lines))
    for name, part in (("one.csv", lines[:cut]), ("two.csv", lines[cut:])):
        (raw / "events" / name).write_text("\n".join([header, *part]) + "\n", "utf-8")
    for name in TIMES:
        header, *rows = (raw / name).read_text("utf-8").splitlines()
        chance.shuffle(rows)
        (raw / name).write_text("\n".join([header, *rows]) + "\n", "utf-8")
