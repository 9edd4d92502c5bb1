"""Our side: what the notebooks call, as a program that does one piece of work and prints its cost.

    python -m benchmarks.ours clean LOG                  what 01_cleaning writes, but for the rules that warn
    python -m benchmarks.ours facts LOG                  of that the facts alone
    python -m benchmarks.ours user_day PARQUET TARGET    clean events -> user_day
    python -m benchmarks.ours all_facts PARQUET TARGET   clean events -> all facts, stored by day
    python -m benchmarks.ours portraits FACTS TARGET     facts -> interests and portraits
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import ibis
import pyarrow.parquet

import helpers
from benchmarks import measure, people, tiers
from benchmarks.community import ROLES
from helpers import cleaning, experiments, facts, portraits, retention
from helpers.runs import appending
from helpers.runs.artefacts import link
from helpers.runs.store import Run
from helpers.sources import engine, profile, reading

LOADED = (ibis.duckdb, pyarrow.parquet, profile, reading)  # what is imported on first use is imported before the clock runs


def clean(log: str) -> None:
    """What 01_cleaning writes, by its own calls, from files that are read for the first time; but not the rules that warn."""
    run = helpers.open_run(log, root=log)
    limits = run.dataset.cleaning
    when = {"as_of": run.as_of, "future_from": run.future_from}
    kinds = ("events", "users", "assignments", "units", "touches", "spend", "feedback")
    judged = {kind: run.keep(cleaning.judge(run.source(kind), kind, **when), kind) for kind in kinds}
    reasons = run.write("reasons", cleaning.reasons(*judged.values()))
    ledger = run.write("ledger", cleaning.ledger(reasons, run.rows_in))
    cleaning.check_limits(
        reasons, ledger, quarantined=limits.max_quarantined_share, mandatory=limits.max_bad_mandatory_share
    )
    run.write("quarantine", run.quarantine(list(judged.values())))
    run.write("coverage", cleaning.coverage(list(judged.values())))
    user_day = _facts(run, judged["events"])
    facts.summary(user_day, run.read("first_seen"))
    run.write("volume", cleaning.volume(user_day))
    run.write("users", cleaning.kept(judged["users"]))
    run.write("assignments", experiments.exposures(cleaning.kept(judged["assignments"])))
    run.write("units", cleaning.kept(judged["units"]))
    run.write("touches", retention.touches(cleaning.kept(judged["touches"])))
    run.write("feedback", portraits.answers(cleaning.kept(judged["feedback"])))


def facts_alone(log: str) -> None:
    """The facts up to the newest week, from files of which some or all are read for the first time."""
    run = helpers.open_run(log, root=log)
    judged = cleaning.judge(run.source("events"), "events", as_of=run.as_of, future_from=run.future_from)
    _facts(run, run.keep(judged, "events"))


def _facts(run: Run, judged: ibis.Table) -> ibis.Table:
    layers = facts.Layers(run.dataset.roles, run.rules["roles"], list(filter(run.dataset.has, facts.OPTIONAL)))
    made = run.append(facts.timed(cleaning.kept(judged)), layers)
    user_day = run.write("user_day", made.stored("user_day"))
    run.write("user_topic_day", made.stored("user_topic_day"))
    run.write("user_kind_day", made.stored("user_kind_day"))
    run.write("user_campaign_day", made.stored("user_campaign_day"))
    run.write("user_hour", made.stored("user_hour"))
    run.write("reply_day", made.stored("reply_day"))
    run.write("first_seen", facts.first_seen(made.table("user_day")))
    return user_day


def user_day(events: Path, target: Path) -> None:
    """The one table of facts, from events as they leave the cleaning."""
    backend = engine.connect([events.parent, target.parent], spill=target.parent / "spill")
    made = facts.user_day(facts.timed(engine.read(backend, events)), ROLES)
    engine.write(backend, made, target, sort=["user_id", "day"])


def all_facts(events: Path, target: Path) -> None:
    """All facts as 01_cleaning stores them, from events as they leave the cleaning, in little memory."""
    backend = engine.connect([events.parent, target], spill=target / "spill", memory=measure.MEMORY)
    kept = facts.timed(engine.read(backend, events).mutate(content_kind=ibis.null("string"), campaign=ibis.null("string")))
    counted = kept.group_by("day").agg(rows=kept.count()).to_pandas()
    rows = {day.date(): int(count) for day, count in zip(counted["day"], counted["rows"], strict=True)}
    marks = {day: str(count) for day, count in rows.items()}
    made = appending.append(
        backend, target, kept, facts.Layers(ROLES, tiers.rules()["roles"], ["topics", "replies"]), key="", marks=marks, rows=rows,
        last_day=max(rows),
    )  # fmt: skip
    engine.write(backend, facts.first_seen(made.table("user_day")), target / "first_seen.parquet", sort=["user_id"])
    for name in ("user_day", "user_hour", "user_topic_day", "reply_day"):  # as the week's artefacts: links to what is stored
        stored = made.stored(name)
        (target / f"{name}.parquet").mkdir()
        for first, _, piece in stored.pieces:
            link(piece, target / f"{name}.parquet" / f"{first}.parquet")
        link(stored.tail, target / f"{name}.parquet" / f"{stored.last_day}.parquet")


def portraits_of(given: Path, target: Path) -> None:
    """Interests and portraits, from a folder of facts."""
    target.mkdir(parents=True, exist_ok=True)
    backend = engine.connect([given, target], spill=target / "spill")
    made = {path.stem: engine.read(backend, path) for path in given.glob("*.parquet")}
    tastes = portraits.interests(made.pop("user_topic_day"), last_day=people.LAST_DAY, half_life_days=people.HALF_LIFE)
    engine.write(backend, tastes, target / "interests.parquet", sort=["user_id", "topic"])
    kept = engine.read(backend, target / "interests.parquet")
    found = portraits.portraits(**made, interests=kept, last_day=people.LAST_DAY)
    engine.write(backend, found, target / "portraits.parquet", sort=["user_id"])


if __name__ == "__main__":
    work, *where = sys.argv[1:]
    works = {"clean": clean, "facts": facts_alone, "user_day": lambda *files: user_day(*map(Path, files)),
             "portraits": lambda *folders: portraits_of(*map(Path, folders)),
             "all_facts": lambda *places: all_facts(*map(Path, places))}  # fmt: skip
    measure.tell(partial(works[work], *where))
