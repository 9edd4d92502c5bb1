"""`make bench SIZE=large`: all facts and the whole walk of 100 M events of a million people, the week after them, and Spark."""

from __future__ import annotations

import shutil
import sys
from functools import partial
from pathlib import Path

from benchmarks import agreement, measure
from benchmarks.community import WEEKS
from benchmarks.large import Large
from benchmarks.measure import Cost, is_missed

EVENTS, PEOPLE = 100_000_000, 1_000_000
MOST_TIME_OF_FACTS, MOST_MEMORY_OF_FACTS = 1.2, 4.0
MOST_TIME_OF_WALK, FIXED_SECONDS, MOST_MEMORY_OF_WALK = 1.5, 10.0, 6.0
MOST_TIME_OF_APPENDING = 0.2
MOST_TIME_OF_SPARK = 1.2
PART_ON_SPARK = 10  # of the events
BY_HAND = {  # program by program, with what each is given
    "clean events, what warns, all facts": ("benchmarks.walk_by_hand", "clean", "{log}", "{made}/clean"),
    "interests and portraits": ("benchmarks.portraits_by_hand", "{made}/clean/facts", "{made}/portraits"),
    "portraits of thirteen weeks": ("benchmarks.walk_by_hand", "weeks", "{made}/clean/facts", "{made}/weeks"),
    "all tiers and their moves": ("benchmarks.tiers", "by_hand", "{made}/clean/facts", "{made}/tiers"),
    "cohorts, actives, growth": ("benchmarks.returns_by_hand", "{made}/clean/events/*.parquet", "{made}/returns"),
}


def main(folder: Path, events: int = EVENTS, people: int = PEOPLE) -> bool:
    """Print the measures; whether one is out of bounds."""
    community = Large(events, people=people)
    missed = [work(community, folder) for work in (facts, walk, on_spark)]
    return any(missed)


def facts(community: Large, folder: Path) -> bool:
    """From clean events to all facts."""
    events = folder / "events.parquet"
    rows = community.write_parquet(events)
    print(f"{rows:,} events of {community.people:,} people in Parquet to all facts", flush=True)
    sides = {}
    for name, said in {"ours": "this toolkit", "by_hand": "SQL by hand"}.items():
        (folder / name).mkdir()
        sides[name] = _told(said, measure.ask(f"benchmarks.{name}", "all_facts", events, folder / name, built=folder))
    agreement.check_alike(folder / "ours", folder / "by_hand")
    slow = is_missed("times SQL by hand", sides["ours"].seconds / sides["by_hand"].seconds, MOST_TIME_OF_FACTS)
    large = is_missed("GB of memory", sides["ours"].memory, MOST_MEMORY_OF_FACTS)
    for name in ("ours", "by_hand", "events.parquet"):
        _remove(folder / name)
    return slow or large


def walk(community: Large, folder: Path) -> bool:
    """The whole walk from raw files to pages, then the week after them; beside it the SQL of its tables."""
    log, built, made = folder / "log", folder / "built", folder / "by_hand"
    community.write_sources(log)
    print(f"The whole walk of {community.rows:,} events of {community.people:,} people, and the week after it", flush=True)
    by_hand = _by_hand(log, made)
    report = partial(measure.watch, [sys.executable, "-m", "helpers", "report", str(log), "--root", str(log)], built=built)
    cold = _told("the walk", report())
    agreement.check_alike(_week(built, log), made / "clean" / "facts")
    _remove(made)
    community.write_sources(log, WEEKS + 1, first=WEEKS)
    appended = _told("the week after", report())
    total = sum(cost.seconds for cost in by_hand)
    slow = is_missed("times SQL by hand, and 10 s", (cold.seconds - FIXED_SECONDS) / total, MOST_TIME_OF_WALK)
    large = is_missed("GB of memory", max(cold.memory, appended.memory), MOST_MEMORY_OF_WALK)
    weekly = is_missed("of the cold walk for a week", appended.seconds / cold.seconds, MOST_TIME_OF_APPENDING)
    for place in (log, built):
        _remove(place)
    return slow or large or weekly


def _by_hand(log: Path, made: Path) -> list[Cost]:
    made.mkdir()
    (made / "tiers").mkdir()
    return [
        _told(f"by hand: {name}", measure.ask(*(word.format(log=log, made=made) for word in words), built=made))
        for name, words in BY_HAND.items()
    ]


def _week(built: Path, log: Path) -> Path:
    """The folder of the newest week's artefacts."""
    return max((built / "data" / log.name / "built").glob("*-W*"))


def on_spark(community: Large, folder: Path) -> bool:
    """`user_day` on two processors by Spark."""
    events = folder / "fewer.parquet"
    rows = Large(community.rows // PART_ON_SPARK, people=community.people // PART_ON_SPARK).write_parquet(events)
    print(f"{rows:,} events in Parquet to user_day on Spark local[2]", flush=True)
    sides = {
        side: _told(said, measure.ask("benchmarks.on_spark", side, events, folder / side, built=folder))
        for side, said in {"ours": "this toolkit", "by_hand": "PySpark by hand"}.items()
    }
    agreement.check_equal(folder / "ours", folder / "by_hand")
    return is_missed("times PySpark by hand", sides["ours"].seconds / sides["by_hand"].seconds, MOST_TIME_OF_SPARK)


def _told(name: str, cost: Cost) -> Cost:
    """The same, said as soon as it is known: the next takes long."""
    print(f"  {name:<46}{cost.seconds:8.1f} s {cost.memory:6.1f} GB", flush=True)
    return cost


def _remove(place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
