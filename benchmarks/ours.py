"""Our side: what the notebooks call, as a program that does one piece of work and prints its cost.

    python -m benchmarks.ours clean LOG                  what 01_cleaning writes, but for the rules that warn
    python -m benchmarks.ours user_day PARQUET TARGET    clean events -> user_day
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import ibis
import pyarrow.parquet

import helpers
from benchmarks import measure
from benchmarks.community import ROLES
from helpers import cleaning, experiments, facts
from helpers.sources import engine, profile, reading

LOADED = (ibis.duckdb, pyarrow.parquet, profile, reading)  # what is imported on first use is imported before the clock runs


def clean(log: str) -> None:
    """What 01_cleaning writes, by its own calls, from files that are read for the first time; but not the rules that warn."""
    run = helpers.open_run(log, root=log)
    roles, limits = run.dataset.roles, run.dataset.cleaning
    when = {"as_of": run.as_of, "future_from": run.future_from}
    kinds = ("events", "users", "assignments", "units", "touches", "spend", "feedback")
    judged = {kind: run.keep(cleaning.judge(run.source(kind), kind, **when)) for kind in kinds}
    reasons = run.write("reasons", cleaning.reasons(*judged.values()))
    ledger = run.write("ledger", cleaning.ledger(reasons, run.rows_in))
    cleaning.check_limits(
        reasons, ledger, quarantined=limits.max_quarantined_share, mandatory=limits.max_bad_mandatory_share
    )
    run.write("quarantine", run.quarantine(list(judged.values())))
    run.write("coverage", cleaning.coverage(list(judged.values())))
    run.write("volume", cleaning.volume(cleaning.kept(judged["events"])))
    kept = run.keep(facts.timed(cleaning.kept(judged["events"])))
    user_day = run.write("user_day", facts.user_day(kept, roles))
    run.write("first_seen", facts.first_seen(kept, roles))
    run.write("user_hour", facts.user_hour(kept, roles))
    run.write("user_topic_day", facts.user_topic_day(kept, roles, run.rules["roles"]))
    run.write("reply_day", facts.reply_day(kept, roles))
    facts.summary(user_day)
    run.write("users", cleaning.kept(judged["users"]))
    run.write("assignments", experiments.exposures(cleaning.kept(judged["assignments"])))
    run.write("units", cleaning.kept(judged["units"]))


def user_day(events: Path, target: Path) -> None:
    """The one table of facts, from events as they leave the cleaning."""
    backend = engine.connect([events.parent, target.parent], spill=target.parent / "spill")
    made = facts.user_day(facts.timed(engine.read(backend, events)), ROLES)
    engine.write(backend, made, target, sort=["user_id", "day"])


if __name__ == "__main__":
    work, *where = sys.argv[1:]
    measure.tell({"clean": partial(clean, *where), "user_day": partial(user_day, *map(Path, where))}[work])
