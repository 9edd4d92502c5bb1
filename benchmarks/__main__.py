"""`python -m benchmarks [full | small | large]`: ratios for any machine; 1 when a bound is missed or a result is wrong."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks import agreement, coverage, large_works, measure, null_bands, people, walk
from benchmarks import experiments as trial
from benchmarks.community import WEEKS, Community
from benchmarks.measure import Cost, is_missed

SIZES = {"full": (10_000_000, 2), "small": (1_000_000, 3)}  # rows of the log, rounds
LARGE = "large"  # works of its own
MOST_TIME_OF_CLEANING, MOST_MEMORY_OF_CLEANING = 2.0, 2.0
MOST_TIME_OF_FACTS = 1.2
MOST_TIME_OF_APPENDING = 0.1
MOST_TIME_OF_PEOPLE, MOST_MEMORY_OF_PEOPLE = 1.3, 4.0
MOST_TIME_OF_RETURNS, MOST_TIME_WITH_FACTS, MOST_MEMORY_OF_RETURNS = 0.25, 1.0, 1.5
MOST_TIME_OF_MOMENTS, MOST_TIME_OF_CUTS, MOST_MEMORY_OF_MOMENTS = 1.3, 2.0, 1.5
EVENTS_A_ROW = 5  # what the questions about returns are asked of is larger than the log that is cleaned
FEW_COMMUNITIES = 3
ROWS_OF_A_PERSON = 10  # of the log; facts of people are made apart, with 51 events a person


def main(size: str = "full") -> int:
    """Print the measures of one size; 1 when one of the full or the large size is out of bounds, 2 for a size that there is not.

    At the small size fixed costs weigh, so that its ratios are told and bind nobody; a wrong result stops at any size.
    """
    if size not in (*SIZES, LARGE):
        print(f"SIZE={size}: there are {', '.join(SIZES)} and {LARGE}.", file=sys.stderr)
        return 2
    if size == LARGE:
        with tempfile.TemporaryDirectory(prefix="growth-rings-bench-") as folder:
            return int(large_works.main(Path(folder)))
    rows, rounds = SIZES[size]
    missed = [bool(walk.main())]
    with tempfile.TemporaryDirectory(prefix="growth-rings-bench-") as folder:
        missed += [work(Community(rows), Path(folder), rounds) for work in WORKS]
    return int(any(missed) and size == "full")


def cleaning(community: Community, folder: Path, rounds: int) -> bool:
    """From dirty CSV files to facts and the row ledger, whose every count is known beforehand."""
    log, built, target = folder / "made", folder / "ours", folder / "by_hand"
    planted = community.write_csv(log)
    ours, by_hand = measure.in_turn(
        [
            lambda: measure.ask("benchmarks.ours", "clean", log, built=_emptied(built)),
            lambda: measure.ask("benchmarks.by_hand", "clean", log, _emptied(target), built=built),
        ],
        rounds,
    )
    tables = next(built.glob("data/made/built/*-W*"))
    agreement.check_ledger(tables, planted)
    agreement.check_tables(tables, target)
    print(f"{community.rows:,} rows of dirty CSV to clean facts with the row ledger, which holds every planted fault")
    _print_costs(ours, by_hand)
    slow = is_missed("times SQL by hand", ours.seconds / by_hand.seconds, MOST_TIME_OF_CLEANING)
    large = is_missed("GB of memory", ours.memory, MOST_MEMORY_OF_CLEANING)
    return slow or large


def facts(community: Community, folder: Path, rounds: int) -> bool:
    """From clean events in Parquet to `user_day`."""
    events, ours_at, by_hand_at = (folder / f"{name}.parquet" for name in ("events", "user_day", "user_day_by_hand"))
    rows = community.write_parquet(events)
    ours, by_hand = measure.in_turn(
        [
            lambda: measure.ask("benchmarks.ours", "user_day", events, ours_at, built=folder),
            lambda: measure.ask("benchmarks.by_hand", "user_day", events, by_hand_at, built=folder),
        ],
        rounds,
    )
    agreement.check_equal(ours_at, by_hand_at)
    print(f"{rows:,} events in Parquet to user_day")
    _print_costs(ours, by_hand)
    return is_missed("times SQL by hand", ours.seconds / by_hand.seconds, MOST_TIME_OF_FACTS)


def appending(community: Community, folder: Path, rounds: int) -> bool:
    """From files to facts: one more week, where 26 are built, against building these. The facts are those of one build."""
    log, built, anew = folder / "made", folder / "appended", folder / "anew"
    later = folder / "later" / "made"
    community.write_csv(later, WEEKS, WEEKS + 1)
    [week] = (later / "events").iterdir()

    def build() -> Cost:
        (log / "events" / week.name).unlink(missing_ok=True)
        community.write_toml(log)
        return measure.ask("benchmarks.ours", "facts", log, built=_emptied(built))

    def append() -> Cost:
        shutil.copy(week, log / "events")
        community.write_toml(log, WEEKS + 1)
        return measure.ask("benchmarks.ours", "facts", log, built=built)

    building, appended = measure.in_turn([build, append], rounds)
    measure.ask("benchmarks.ours", "facts", log, built=anew)
    agreement.check_facts(*(max(root.glob("data/made/built/*-W*")) for root in (built, anew)))
    print(f"One week appended to the facts of {WEEKS}, which come from {community.rows:,} rows")
    for name, cost in (("appending", appended), ("building 26 weeks", building)):
        print(f"  {name:<28}{cost.seconds:8.1f} s {cost.memory:8.1f} GB")
    return is_missed("of the time of building", appended.seconds / building.seconds, MOST_TIME_OF_APPENDING)


def of_people(what: str, made: list[str], sides: list[list[str]], community: Community, folder: Path, rounds: int) -> bool:
    """From facts of people, drawn once, to what is made of them.

    Args:
        what: In words.
        made: The tables that both sides write.
        sides: This toolkit's module and its words, and those of the SQL by hand.
    """
    given, targets = folder / "facts", [folder / f"{made[-1]}_{side}" for side in ("ours", "by_hand")]
    count = community.rows // ROWS_OF_A_PERSON
    if not given.exists():
        people.write(given, count)
    ours, by_hand = measure.in_turn(
        [
            lambda words=words, target=target: measure.ask(*words, given, _emptied(target), built=folder)
            for words, target in zip(sides, targets, strict=True)
        ],
        rounds,
    )
    for name in made:
        agreement.check_equal(*(target / f"{name}.parquet" for target in targets))
    print(f"Facts of {count:,} people to {what}")
    _print_costs(ours, by_hand)
    slow = is_missed("times SQL by hand", ours.seconds / by_hand.seconds, MOST_TIME_OF_PEOPLE)
    large = is_missed("GB of memory", ours.memory, MOST_MEMORY_OF_PEOPLE)
    return slow or large


portraits = partial(
    of_people,
    "interests and portraits",
    ["interests", "portraits"],
    [["benchmarks.ours", "portraits"], ["benchmarks.portraits_by_hand"]],
)
tiers = partial(
    of_people,
    "all tiers with thirteen weeks of moves; the models of paying are given to the SQL",
    ["moves", "tier_weeks"],
    [["benchmarks.tiers", "ours"], ["benchmarks.tiers", "by_hand"]],
)


def returns(community: Community, folder: Path, rounds: int) -> bool:
    """Cohorts, active people, growth and purchases: from facts, with and without their making, against SQL over the events."""
    events, days, ours_at, by_hand_at = (folder / name for name in ("many.parquet", "days", "returns", "returns_by_hand"))
    rows = Community(EVENTS_A_ROW * community.rows).write_parquet(events)
    making, ours, by_hand = measure.in_turn(
        [
            lambda: measure.ask("benchmarks.returns", "facts", events, _emptied(days), built=folder),
            lambda: measure.ask("benchmarks.returns", "ours", days, _emptied(ours_at), built=folder),
            lambda: measure.ask("benchmarks.returns_by_hand", events, _emptied(by_hand_at), built=folder),
        ],
        rounds,
    )
    for name in ("cohorts", "actives", "growth", "purchases"):
        agreement.check_equal(ours_at / f"{name}.parquet", by_hand_at / f"{name}.parquet")
    sliced = measure.ask("benchmarks.returns", "sliced", days, _emptied(ours_at), built=folder)
    print(f"{rows:,} events in Parquet to weekly cohorts, active people by day, growth by week and purchases")
    _print_costs(ours, by_hand)
    for name, cost in (("making the facts for it", making), ("the cube by three slices", sliced)):
        print(f"  {name:<28}{cost.seconds:8.1f} s {cost.memory:8.1f} GB")
    slow = is_missed("times SQL by hand", ours.seconds / by_hand.seconds, MOST_TIME_OF_RETURNS)
    whole = is_missed("times, facts made", (ours.seconds + making.seconds) / by_hand.seconds, MOST_TIME_WITH_FACTS)
    large = is_missed("GB of memory", max(ours.memory, making.memory, sliced.memory), MOST_MEMORY_OF_RETURNS)
    return slow or whole or large


def experiments(community: Community, folder: Path, rounds: int) -> bool:
    """Moments of five metrics: everybody, and with ten slices and 28 days, against the same plain sums by hand."""
    works = ("ours", "cuts", "by_hand", "tea")
    path, out, people = folder / "units.parquet", {name: folder / f"{name}.json" for name in (*works, "hundred")}, community.rows
    trial.write(path, people)
    ours, cuts, by_hand, tea = measure.in_turn(
        [partial(measure.ask, "benchmarks.experiments", work, path, out[work], built=folder)
         for work in works], rounds + 1,
    )  # fmt: skip
    agreement.check_moments(out["ours"], out["by_hand"])
    agreement.check_moments(out["cuts"], out["by_hand"])
    hundred = folder / "hundred.parquet"
    trial.write(hundred, people // 10, experiments=100)
    many = measure.ask("benchmarks.experiments", "hundred", hundred, out["hundred"], built=folder)
    print(f"{people:,} units in Parquet to the moments of five metrics")
    _print_costs(ours, by_hand)
    for name, cost in (("10 slices and 28 days, too", cuts), ("tea-tasting", tea), ("100 experiments, 28 days", many)):
        print(f"  {name:<28}{cost.seconds:8.1f} s {cost.memory:8.1f} GB")
    print(f"  {tea.seconds / by_hand.seconds:.2f} times SQL by hand by tea-tasting")
    slow = is_missed("times SQL by hand", ours.seconds / by_hand.seconds, MOST_TIME_OF_MOMENTS)
    sliced = is_missed("times SQL by hand, with slices and days", cuts.seconds / by_hand.seconds, MOST_TIME_OF_CUTS)
    large = is_missed("times its memory", max(ours.memory, cuts.memory) / by_hand.memory, MOST_MEMORY_OF_MOMENTS)
    return slow or sliced or large


def alarms(community: Community, folder: Path, rounds: int) -> bool:
    """How often a change is called unusual in communities in which nothing is; of the small size only a few are asked."""
    return bool(null_bands.main(null_bands.COMMUNITIES if community.rows >= SIZES["full"][0] else FEW_COMMUNITIES))


def truths(community: Community, folder: Path, rounds: int) -> bool:
    """How often intervals of experiments hold the truth, and how often nothing alarms; of the small size only a few draws."""
    return bool(coverage.main(coverage.REPETITIONS if community.rows >= SIZES["full"][0] else coverage.FEW))


WORKS: tuple[Callable[[Community, Path, int], bool], ...] = (
    cleaning, facts, appending, portraits, tiers, returns, experiments, alarms, truths,
)  # fmt: skip


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def _print_costs(ours: Cost, by_hand: Cost) -> None:
    for name, cost in (("this toolkit", ours), ("SQL by hand", by_hand)):
        print(f"  {name:<28}{cost.seconds:8.1f} s {cost.memory:8.1f} GB")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
