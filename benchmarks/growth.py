"""How cost grows with events and with people, as a figure.

    python -m benchmarks.growth [TIMES]      benchmarks/growth.svg and growth.json; sizes up to TIMES their first ones, else all

All sizes take long and much disk; TIMES = 10 is for a first look.
"""

from __future__ import annotations

import json
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

from benchmarks import measure, people
from benchmarks.large import Large

HERE = Path(__file__).parent
FIRST_EVENTS, MOST_EVENTS, EVENTS_A_PERSON = 1_000_000, 100_000_000, 100
FIRST_PEOPLE, DAYS_A_PERSON = 10_000, 4
PROGRAMS = {"interests and portraits": ("benchmarks.ours", "portraits"), "tiers and moves": ("benchmarks.tiers", "ours")}
OF = {"events": ("all facts", "the walk"), "people": tuple(PROGRAMS)}
TIMES = 1000
STEEPEST = 1.1  # times as much as in proportion: linear but for noise


def main(times: int = TIMES, folder: Path = HERE) -> int:
    """Measure, write and draw; 1 when something grows faster than in proportion."""
    costs = {work: {} for works in OF.values() for work in works}
    step = 1
    while step <= times:
        with tempfile.TemporaryDirectory(prefix="growth-rings-bench-") as place:
            if FIRST_EVENTS * step <= MOST_EVENTS:
                _of_events(FIRST_EVENTS * step, Path(place), costs)
            _of_people(FIRST_PEOPLE * step, Path(place), costs)
        step *= 10
    (folder / "growth.json").write_text(json.dumps(costs, indent=1), encoding="utf-8")
    draw(costs, folder / "growth.svg")
    steep = [f"{work}: {size:,}" for work, own in costs.items() for size in too_steep(own)]
    print("\n".join([f"{work}: {own}" for work, own in costs.items()] + [f"faster than in proportion at {at}" for at in steep]))
    return int(bool(steep))


def too_steep(seconds: dict[int, float]) -> list[int]:
    """Sizes at which it took more than in proportion to the size before."""
    return [size for (before, was), (size, now) in pairwise(seconds.items()) if now / was > STEEPEST * size / before]


def _of_events(events: int, place: Path, costs: dict[str, dict[int, float]]) -> None:
    community = Large(events, people=events // EVENTS_A_PERSON)
    community.write_parquet(place / "events.parquet")
    (place / "facts").mkdir()
    made = measure.ask("benchmarks.ours", "all_facts", place / "events.parquet", place / "facts", built=place)
    costs["all facts"][events] = made.seconds
    community.write_sources(place / "log")
    report = [sys.executable, "-m", "helpers", "report", str(place / "log"), "--root", str(place / "log")]
    costs["the walk"][events] = measure.watch(report, built=place / "built").seconds


def _of_people(count: int, place: Path, costs: dict[str, dict[int, float]]) -> None:
    people.write(place / "people", count, DAYS_A_PERSON)
    for name, words in PROGRAMS.items():
        costs[name][count] = measure.ask(*words, place / "people", place / words[1], built=place).seconds


def draw(costs: dict[str, dict[int, float]], path: Path) -> None:
    """Seconds by size, both on scales of powers, beside a line in proportion."""
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "growth"}):
        figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
        for axis, (what, works) in zip(axes, OF.items(), strict=True):
            for work in works:
                sizes, seconds = zip(*((int(size), own) for size, own in costs[work].items()), strict=True)
                axis.plot(sizes, seconds, marker="o", label=work)
                axis.plot(sizes, [seconds[-1] * size / sizes[-1] for size in sizes], color="grey", linewidth=0.7, linestyle=":")
            axis.set(xscale="log", yscale="log", xlabel=what)
            axis.legend(frameon=False)
        axes[0].set_ylabel("seconds (dotted: in proportion)")
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
