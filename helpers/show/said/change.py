"""What is said of why a number changed: whether it lies outside its usual band, and which slice moved it, by mix or by rate."""

from __future__ import annotations

import math

import pandas as pd

from helpers.show import format, gate, sentences, words
from helpers.show.words import Metric, metric, subject, tier, word

MOST_SLICES = 8
STEP_UNIT = {"share": "points", "people": "count"}


def dominance(is_dominated: bool) -> str:
    """Whether an amount is that of one person, as `weekly.is_dominated` finds."""
    return word(f"said.dominance.{'one' if is_dominated else 'nobody'}", people=subject())


def of_payers(found: pd.DataFrame, totals: pd.DataFrame) -> pd.DataFrame:
    """The same with the payers as the people whom the net amount describes: it is theirs, whoever else was active.

    Args:
        found: Contract `changes` or `usual_weeks`.
        totals: Contract `weeks`.
    """
    by_week = totals.set_index("week")["payers"].sort_index()
    if by_week.empty:
        return found
    if "week" in found.columns:
        payers = found["week"].map(by_week).fillna(0)
    else:
        before = {"week_before": by_week.iloc[-2:-1], "past_mean": by_week.iloc[-14:-1]}
        least = {base: _fewest(by_week.iloc[-1], past) for base, past in before.items()}
        payers = found["base"].map(least).astype("float64").fillna(0)
    own = (found["metric"] == "net_amount") & (payers < found["n"])
    return found.assign(n=found["n"].mask(own, payers).astype("int64"))


def _fewest(now: int, past: pd.Series) -> int:
    """The payers of the span that has fewer; of the other where one has none."""
    counts = [count for count in (now, math.ceil(past.mean()) if len(past) else 0) if count > 0]
    return int(min(counts, default=0))


def lines(changes: pd.DataFrame) -> list[str]:
    """What is said of each number, and then of what moved those of which that is clear.

    Args:
        changes: Contract `changes`.
    """
    names = list(dict.fromkeys(changes["metric"]))
    moved = [name for name in names if (changes["clear"] & (changes["metric"] == name) & (changes["part"] != "change")).any()]
    return [*(whole(changes, name) for name in names), *(why(changes, name) for name in moved)] or [word("said.change.nothing")]


def whole(changes: pd.DataFrame, name: str) -> str:
    """Whether a number lies outside its usual band, against the week before and the mean of the weeks before that.

    Args:
        changes: Contract `changes`.
        name: A key of metrics.toml.
    """
    own = changes[(changes["metric"] == name) & (changes["part"] == "change")]
    spec = metric(name)
    if own.empty:
        return word("change.undefined", metric=spec.label)
    if own["n"].map(gate.is_small).any():
        return word("change.withheld", metric=spec.label, k=gate.settings().min_group)
    last = own.iloc[0]
    parts = {"metric": spec.label, "now": format.value(last["now"], spec.unit, digits=spec.digits),
             "steps": sentences.listed([_step(row, spec) for row in own.to_dict("records")])}  # fmt: skip
    if pd.isna(last["band_low"]):
        return word("said.change.short", missing=format.value(last["missing"], "count"), **parts)
    usual = format.interval(last["band_low"], last["band_high"], spec.unit, digits=spec.digits)
    side = "up" if last["now"] > last["band_high"] else "down" if last["now"] < last["band_low"] else ""
    key = side if own["clear"].any() else "unclear_outside" if side else "unclear"
    return word(f"said.change.{key}", usual=usual, **parts)


def _step(row: dict, spec: Metric) -> str:
    """A change against one base, with its interval."""
    unit = STEP_UNIT.get(spec.unit, spec.unit)
    return word(
        f"said.change.against_{row['base']}",
        size=format.value(row["value"], unit, digits=spec.digits, sign=True),
        interval=format.interval(row["low"], row["high"], unit, digits=spec.digits),
        weeks=format.value(row["weeks"], "count"),
    )


def why(changes: pd.DataFrame, name: str) -> str:
    """The slice whose part is surest, and whether it is mix, rate or size; of slices of too few people nothing is said.

    Args:
        changes: Contract `changes`.
        name: A key of metrics.toml.
    """
    own = changes[(changes["metric"] == name) & (changes["part"] != "change")]
    if own.empty:
        return word("said.change.no_parts", metric=metric(name).label)
    sure = own[own["clear"] & ~gate.are_small(own["n"])]
    if sure.empty:
        return word("said.change.nobody", metric=metric(name).label)
    order = sure.assign(_size=-sure["value"].abs()).sort_values(["p", "base", "_size"], kind="stable")  # the mean first
    row = order.iloc[0].to_dict()
    spec, part = metric(name), row["part"]
    unit, digits = unit_of(part, spec)
    return word(
        f"said.change.because_{part}",
        slice=tier(row["slice"]), dimension=words.dimension(row["dimension"]).lower(), metric=spec.label,
        now=format.value(row["now"], unit, digits=digits), before=format.value(row["before"], unit, digits=digits),
        usual=format.interval(row["band_low"], row["band_high"], unit, digits=digits), step=_step(row, spec),
    )  # fmt: skip


def unit_of(part: str, spec: Metric) -> tuple[str, int | None]:
    """What moved in a part: people, a part of all, or what each does (a share, or an amount each)."""
    if part == "size":
        return "people", None
    return ("money", 2) if part == "rate" and spec.unit == "money" else ("share", 1)


def unit(name: str) -> str:
    """The unit of a number's changes, for a figure."""
    spec = metric(name)
    return STEP_UNIT.get(spec.unit, spec.unit)


def parts(changes: pd.DataFrame, name: str, dimension: str, base: str = "past_mean") -> pd.DataFrame:
    """The rows of a figure: the whole change, then what each slice gave to it by rate, by mix and by size.

    Beyond the eight largest slices the others stand together, without an interval.

    Args:
        changes: Contract `changes`.
        name: A key of metrics.toml.
        dimension: That slices.
        base: week_before or past_mean.

    Returns:
        `part` (in words), `slice`, `value`, `low`, `high` (in the unit of the metric), `n` (people), `clear` (outside of its
        usual band, the number of comparisons allowed for); no rows where nothing is known.
    """
    own = changes[(changes["metric"] == name) & (changes["base"] == base)]
    rows = [own[(own["dimension"] == "all") & (own["part"] == "change")]]
    sliced = own[own["dimension"] == dimension]
    sizes = sliced.groupby("slice")["n"].max().sort_values(ascending=False, kind="stable")
    shown = set(sizes.index[:MOST_SLICES])
    for part in ("rate", "mix", "size"):
        of_part = sliced[sliced["part"] == part]
        rows.append(of_part[of_part["slice"].isin(shown)])
        rest = of_part[~of_part["slice"].isin(shown)]
        if len(rest):
            sums = {"value": rest["value"].sum(), "n": rest["n"].sum()}
            rows.append(pd.DataFrame([{"part": part, "slice": "other", **sums, "clear": False}]))
    found = pd.concat(rows, ignore_index=True).reindex(columns=["part", "slice", "value", "low", "high", "n", "clear"])
    return found.assign(clear=found["clear"].astype(bool), part=[word(f"said.change.part_{part}") for part in found["part"]])


def measure(dimension: str) -> str:
    """What a figure of parts measures."""
    return word("said.change.measure", dimension=words.dimension(dimension).lower())


def usual(weeks: pd.DataFrame, name: str) -> str:
    """How often a number lay outside its usual band, and whether it does in the last week.

    Args:
        weeks: Contract `usual_weeks`.
        name: A key of metrics.toml.
    """
    own = weeks[weeks["metric"] == name]
    known = own[own["band_low"].notna() & own["value"].notna()]
    spec = metric(name)
    if known.empty or pd.isna(own["band_low"].iloc[-1]):
        return word("said.change.no_band", metric=spec.label)
    last, outside = own.iloc[-1], int(known["outside"].sum())
    if gate.is_small(last["n"]):
        return word("finding.too_few")
    key = "outside" if last["outside"] else "inside"
    band = format.interval(last["band_low"], last["band_high"], spec.unit, digits=spec.digits)
    counts = {"n": format.value(outside, "count"), "weeks": format.value(len(known), "count")}
    now = format.value(last["value"], spec.unit, digits=spec.digits)
    return word(f"said.change.{key}", metric=spec.label, now=now, usual=band, **counts)


def days(found: pd.DataFrame, name: str) -> str:
    """On how many of the last 28 days a daily number lay outside its usual band.

    Args:
        found: As `retention.usual_days` gives it.
        name: A key of metrics.toml.
    """
    known = found[found["band_low"].notna()].tail(28)
    if known.empty:
        return word("said.change.no_band", metric=metric(name).label)
    n = format.value(int(known["outside"].sum()), "count")
    return word("said.change.days", metric=metric(name).label, n=n, days=format.value(len(known), "count"))
