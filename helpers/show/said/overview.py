"""What is said of all experiments together, and of effects that are no longer what was published."""

from __future__ import annotations

import pandas as pd

from helpers.show import format, gate, sentences
from helpers.show.words import word

STATUSES = ("running", "ended", "planned", "undated")
MOST = 5
SHORT = 12  # letters of a hash


def shown(overview: pd.DataFrame) -> pd.DataFrame:
    """The rows with `status`, `verdict`, `so_far`, `effect`, and `told` (the effect with its metric and arm) in words.

    Args:
        overview: Contract `experiment_overview`.
    """
    rows = overview.to_dict("records")
    shown = overview.assign(
        status=[word(f"said.overview.{row['status']}") for row in rows],
        verdict=[word(f"said.overview.{row['verdict'] or 'none'}") for row in rows],
        so_far=[_so_far(row) for row in rows],
        effect=[
            _effect(row, row["difference"], row["low"], row["high"]) if row["final"] or row["verdict"] in ("", "withheld")
            else word("said.overview.not_yet")
            for row in rows
        ],
    )
    named = zip(overview["metric"], overview["variant"], shown["effect"], strict=True)
    return shown.assign(told=[word("said.overview.named", metric=gate.name(metric), arm=gate.name(arm), effect=effect)
                              for metric, arm, effect in named])  # fmt: skip


def summary(overview: pd.DataFrame) -> str:
    """Where the experiments stand, and which can be shipped.

    Args:
        overview: Contract `experiment_overview`.
    """
    if overview.empty:
        return word("said.overview.no_experiments")
    counted = overview["status"].value_counts()
    parts = [
        word(f"said.overview.n_{status}", n=format.value(int(counted[status]), "count"))
        for status in STATUSES
        if status in counted
    ]
    ship = list(overview.loc[overview["verdict"] == "ship", "experiment"])
    key = "said.overview.summary_ship" if ship else "said.overview.summary"
    return word(key, parts=sentences.listed(parts, most=len(STATUSES)), names=sentences.listed(ship))


def restated(found: pd.DataFrame) -> list[str]:
    """A sentence for each effect that later data changed, and one for all that moved while their experiments ran.

    Args:
        found: Contract `effects_restated`.
    """
    late = found[found["because"] == "data"]
    shown = late[~gate.are_small(late["smaller"])].to_dict("records")
    told = [_restated(row) for row in shown[:MOST]]
    if len(late) > len(told):
        told.append(word("said.overview.restated_more", n=format.value(len(late) - len(told), "count")))
    if len(found) > len(late):
        told.append(word("said.overview.moved", n=format.value(len(found) - len(late), "count")))
    return told or [word("said.overview.stands")]


def restated_shown(found: pd.DataFrame) -> pd.DataFrame:
    """The rows with `then`, `now`, `step` and `why` in words.

    Args:
        found: Contract `effects_restated`.
    """
    rows = found.to_dict("records")
    return found.assign(
        then=[_effect(row, row["old"], row["old_low"], row["old_high"]) for row in rows],
        now=[_effect(row, row["new"], row["low"], row["high"]) for row in rows],
        step=[_hidden(row) or format.value(row["step"], row["unit"], sign=True) for row in rows],
        why=[word(f"said.overview.because_{row['because']}") for row in rows],
    )


def left(records: pd.DataFrame) -> pd.DataFrame:
    """Where records lie, with `plan` and `sha256` short enough to be read out.

    Args:
        records: As `run.record` gives it.
    """
    return records.assign(plan=records["plan"].str[:SHORT], sha256=records["sha256"].str[:SHORT])


def verify(records: pd.DataFrame) -> str:
    """How the numbers of an experiment are computed again."""
    return word("said.overview.verify", file=records["file"].iloc[0]) if len(records) else word("said.overview.no_experiments")


def _restated(row: dict) -> str:
    old, new = _apart(row)
    names = {name: gate.name(row[name]) for name in ("experiment", "metric", "variant", "week")}
    before, after = sentences.verdict(row["old_low"], row["old_high"]), sentences.verdict(row["low"], row["high"])
    turned = word("said.overview.turned") if before and after and before != after else ""
    return word("said.overview.restated", old=old, new=new, turned=turned, **names)


def _apart(row: dict) -> tuple[str, str]:
    """Both values, told apart, with the interval of the new one."""
    old, new = format.apart(row["old"], row["new"], row["unit"])
    around = format.interval(row["low"], row["high"], row["unit"])
    return old, new if around == format.UNDEFINED else word("said.overview.with", value=new, interval=around)


def _effect(row: dict, value: float, low: float, high: float) -> str:
    """An effect with its interval; where this covers no change the words are "no clear change"."""
    if _hidden(row) or not row["unit"]:
        return _hidden(row) or format.UNDEFINED
    around = format.interval(low, high, row["unit"])
    if sentences.verdict(low, high) == "unclear":
        return word("said.overview.unclear", interval=around)
    shown = format.value(value, row["unit"], sign=True)
    return shown if around == format.UNDEFINED else word("said.overview.with", value=shown, interval=around)


def _hidden(row: dict) -> str:
    return gate.small_mark() if gate.is_small(row["smaller"]) else ""


def _so_far(row: dict) -> str:
    if row["days"] != row["days"]:
        return format.UNDEFINED
    days = format.value(row["days"], "count")
    planned = format.value(row["planned_days"], "count")
    if planned == format.UNDEFINED:
        return format.value(row["days"], "days")
    left = format.value(row["days_left"], "days")
    key = "said.overview.days_left" if row["days_left"] > 0 and row["status"] == "running" else "said.overview.days"
    return word(key, days=days, planned=format.value(row["planned_days"], "days"), left=left)
