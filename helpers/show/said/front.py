"""The front page in sentences: whether the numbers can be trusted, what changed and by what, what did not, who is at risk."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pandas as pd

from helpers.show import format, gate, sentences, words
from helpers.show.gate import Shown
from helpers.show.said import change, moves, warning
from helpers.show.said.decisions import lines as said_of
from helpers.show.words import metric, tier, word

MOST = 5
WHERE = {
    "weekly_actives": ("04_retention", "actives-in-parts"), "week1_retention": ("04_retention", "week1-retention-in-parts"),
    "net_amount": ("04_retention", "net-in-parts"), "new_members": ("04_retention", "growth-table"),
    "payers": ("03_segments", "sizes-by-payment"), "content_per_active": ("03_segments", "sizes-by-contribution"),
}  # fmt: skip
CLEANING, RISK = "01_cleaning", "04_retention"
PARTS = ("size", "mix", "rate")
FEW_ROWS = 0.01  # of a file that cannot be used: more are worth a second look
MOST_HOURS = 3


def banner(quality: str, ledger: pd.DataFrame, suspicions: pd.DataFrame, *, last_day: object, data_until: object) -> Shown:
    """Whether the numbers can be trusted: a line where they can, what to look at where they may not, why they are withheld.

    Args:
        quality: As `findings.quality` gives it.
        ledger, suspicions: The artefacts.
        last_day: Of the week.
        data_until: How far the data reach.
    """
    if quality == "good":
        worst = format.value(_unusable(ledger).max() if len(ledger) else 0.0, "share")
        return sentences.say(sentences.linked(word("front.good", worst=worst), CLEANING, "ledger-of-rows"))
    said = []
    if quality == "red":
        days = _days(last_day, data_until)
        said = [sentences.linked(word("front.red", **days), CLEANING, "coverage-by-kind"), word("front.red_todo", **days)]
    said += [sentences.linked(text, CLEANING, cell) for text, cell in _odd(ledger, suspicions, last_day)]
    return sentences.say(*said, tone="alarm" if quality == "red" else "warn")


def doubts(quality: str, ledger: pd.DataFrame, suspicions: pd.DataFrame, *, last_day: object, data_until: object) -> str:
    """What every other page says before its numbers, which stay there: why not to rely on them, a line each; "" where they can
    be trusted. The arguments are those of `banner`."""
    if quality == "good":
        return ""
    days = _days(last_day, data_until)
    said = [word(f"front.doubted_{quality}", **days), word("front.red_todo", **days) if quality == "red" else ""]
    said += [text for text, _ in _odd(ledger, suspicions, last_day)]
    return "\n".join(sentences.ended(text) for text in said if text)


def _unusable(ledger: pd.DataFrame) -> pd.Series:
    """The share of each file that cannot be used."""
    return ledger["quarantined"] / ledger["rows_in"].clip(lower=1)


def _days(last_day: object, data_until: object) -> dict[str, str]:
    return {"data_until": format.value(data_until, "date"), "last_day": format.value(last_day, "date")}


def _odd(ledger: pd.DataFrame, suspicions: pd.DataFrame, last_day: object) -> list[tuple[str, str]]:
    """What to look at twice, each with the cell of the page of cleaning that shows it."""
    shares, said = _unusable(ledger), []
    if len(shares) and shares.max() > FEW_ROWS:
        file = gate.name(ledger["file"].iloc[int(shares.to_numpy().argmax())])
        said.append((word("front.rows", file=file, worst=format.value(shares.max(), "share")), "reasons-for-setting-aside"))
    rows = odd_hours(suspicions, last_day).to_dict("records")
    return said + [(word(f"front.{row['rule']}", when=_when(row["subject"])), "suspicions") for row in rows]


def odd_hours(suspicions: pd.DataFrame, last_day: object) -> pd.DataFrame:
    """What says that rows of the week are missing: the data end before it does, or hours of it have none."""
    if last_day is None or suspicions.empty:
        return suspicions.iloc[:0]
    days = pd.to_datetime(suspicions["subject"].str[:10], format="%Y-%m-%d", errors="coerce")
    last = pd.Timestamp(last_day)
    in_week = days.between(last - pd.Timedelta(days=6), last)
    rules = suspicions["rule"]
    return suspicions[(rules == "freshness") | ((rules == "missing_hours") & in_week)].head(MOST_HOURS)


def _when(subject: str) -> str:
    day, _, hours = gate.name(subject).partition(" ")
    return format.joined([format.value(day, "date"), hours.replace(" to ", f" {word('format.to')} ")], "names")


def changed(kpis: pd.DataFrame, changes: pd.DataFrame) -> Shown:
    """What changed beyond the usual, at most five lines, each with its parts; that nothing did, or that it cannot be known yet.

    A slice that clearly moved a number is told of also where the whole lies within the usual.

    Args:
        kpis: As `weekly.kpis` gives them.
        changes: Contract `changes`.
    """
    rows = kpis[kpis["clear"]].to_dict("records")
    told = [sentences.linked(_change(row, changes), *WHERE[row["metric"]]) for row in rows]
    told += [sentences.linked(change.why(changes, name), *WHERE[name]) for name in moved_in_part(kpis, changes)]
    if told:
        return sentences.say(*told[:MOST])
    if kpis["band_low"].notna().any():
        return sentences.say(word("front.nothing"))
    missing = format.value(changes["missing"].min() if len(changes) else None, "count")
    return sentences.say(word("front.no_usual_unknown" if missing == format.UNDEFINED else "front.no_usual", missing=missing))


def moved_in_part(kpis: pd.DataFrame, changes: pd.DataFrame) -> list[str]:
    """The numbers that did not change clearly as a whole, and of which a slice that can be told of did."""
    whole = set(kpis.loc[kpis["clear"], "metric"])
    parts = changes[(changes["part"] != "change") & changes["clear"].astype(bool)]
    parts = parts[~gate.are_small(parts["n"])] if len(parts) else parts
    return [name for name in dict.fromkeys(parts["metric"]) if name not in whole and name in set(kpis["metric"])]


def slice_moved(kpis: pd.DataFrame, changes: pd.DataFrame) -> str:
    """The surest slice whose people do clearly other than usual, while no number changed as a whole; "" where there is none."""
    names = [] if kpis["clear"].any() else moved_in_part(kpis, changes)
    own = changes[changes["metric"].isin(names) & (changes["part"] == "rate") & changes["clear"].astype(bool)]
    own = own[~gate.are_small(own["n"])] if len(own) else own
    if own.empty:
        return ""
    row = own.sort_values(["p", "base", "dimension", "slice"], kind="stable").iloc[0]
    unit, digits = change.unit_of("rate", metric(row["metric"]))
    parts = {name: format.value(row[name], unit, digits=digits) for name in ("now", "before")}
    around = format.interval(row["band_low"], row["band_high"], unit, digits=digits)
    key = "headline.slice_up" if row["value"] > 0 else "headline.slice_down"
    return word(key, metric=metric(row["metric"]).label, slice=tier(row["slice"]), usual=around, **parts)


def _change(row: Mapping, changes: pd.DataFrame) -> str:
    name = row["metric"]
    if gate.is_small(row["n"]):
        return word("change.withheld", metric=metric(name).label, k=gate.settings().min_group)
    if name in set(changes["metric"]):
        own = changes[(changes["metric"] == name) & (changes["part"] != "change") & changes["clear"]]
        told = [change.whole(changes, name), split(row, changes), change.why(changes, name) if len(own) else ""]
    else:
        told = [sentences.change(name, row["value"], row["before"], row["low"], row["high"], n=row["n"]), usual(row), payers(row)]
    return format.joined([sentences.ended(text) for text in told if text])


def usual(row: Mapping) -> str:
    """Where a number lies against its usual band; nothing where there is none."""
    spec = metric(row["metric"])
    around = format.interval(row["band_low"], row["band_high"], spec.unit, digits=spec.digits)
    if around == format.UNDEFINED:
        return word("front.usual_unknown")
    side = "above" if row["value"] > row["band_high"] else "below" if row["value"] < row["band_low"] else "within"
    return word(f"front.{side}", usual=around)


def payers(row: Mapping) -> str:
    """Who began to pay and who stopped: together they are the change."""
    if pd.isna(row["came"]) or gate.is_small(row["came"]) or gate.is_small(row["left"]):
        return ""
    return word("front.payers", **{name: format.value(row[name], "count") for name in ("came", "left")})


def split(row: Mapping, changes: pd.DataFrame) -> str:
    """The change in its parts over all slices of one dimension: how many people, who they are, what they do. They add up.

    Args:
        row: Of the frame of `weekly.kpis`.
        changes: Contract `changes`.
    """
    name, spec = row["metric"], metric(row["metric"])
    base = "week_before" if sentences.verdict(row["low"], row["high"]) in ("up", "down") else "past_mean"
    own = changes[(changes["metric"] == name) & (changes["base"] == base)]
    parts = own[own["part"] != "change"]
    if parts.empty:
        return ""
    dimension = parts.sort_values(["p", "dimension"], kind="stable")["dimension"].iloc[0]
    sums = parts[parts["dimension"] == dimension].groupby("part")["value"].sum()
    names = [part for part in PARTS if part in sums.index]
    unit, digits = change.unit(name), spec.digits
    digits = format.decimals(float(own["value"].abs().max()), unit) if digits is None else digits
    whole, *each = adding_up([float(sums[part]) for part in names], 100 if unit == "points" else 1, digits)
    told = [format.value(number, unit, digits=digits, sign=True) for number in (whole, *each)]
    listed = sentences.listed([word(f"front.part_{part}", size=text) for part, text in zip(names, told[1:], strict=True)])
    return word(f"front.split_{base}", whole=told[0], parts=listed, dimension=words.dimension(dimension).lower())


def adding_up(parts: list[float], scale: int, digits: int) -> list[float]:
    """The sum of the parts and the parts, rounded so that they add up as they are printed; who is farthest off gives way.

    Args:
        scale: What a number is multiplied with before it is printed.
        digits: Decimals that are printed.
    """
    step = Decimal(1).scaleb(-digits)
    exact = [Decimal(part * scale) for part in parts]
    whole = sum(exact).quantize(step)
    rounded = [part.quantize(step) for part in exact]
    while (gap := whole - sum(rounded)) != 0:
        sign = step if gap > 0 else -step
        worst = max(range(len(parts)), key=lambda at: (exact[at] - rounded[at]) * (1 if gap > 0 else -1))
        rounded[worst] += sign
    return [float(number) / scale for number in (whole, *rounded)]


def unchanged(kpis: pd.DataFrame) -> Shown:
    """What did not change clearly, and what did, but no further than usual."""
    known = kpis[~kpis["clear"] & kpis["value"].notna() & kpis["before"].notna() & ~gate.are_small(kpis["n"])]
    found = [sentences.verdict(row["low"], row["high"]) in ("up", "down") for row in known.to_dict("records")]
    moves = pd.Series(found, known.index, dtype=bool)
    moved, quiet = known[moves], known[~moves]
    told = [word("front.quiet", names=_names(quiet))] if len(quiet) else []
    within, unknown = moved[moved["band_low"].notna()], moved[moved["band_low"].isna()]
    told += [word("front.usual", names=_names(within, steps=True))] if len(within) else []
    told += [word("front.untold", names=_names(unknown, steps=True))] if len(unknown) else []
    if not told:
        told = [word("finding.all_changed" if kpis["clear"].all() else "front.incomparable")]
    return sentences.say(*told)


def _names(rows: pd.DataFrame, *, steps: bool = False) -> str:
    labels = []
    for row in rows.to_dict("records"):
        name = metric(row["metric"]).label
        step = sentences.moved(row["metric"], row["value"], row["before"], row["low"], row["high"])
        labels.append(word("join.aside", first=name, then=step) if steps else name)
    return sentences.listed(labels, most=len(labels))


def balances(flows: pd.DataFrame) -> Shown:
    """Whether more moved up or down in the week, in the tiers that have an order."""
    told = [moves.moves(flows, dimension) for dimension in ("activity", "value")]
    return sentences.say(*[sentences.linked(text, "03_segments", "moves-by-week") for text in told])


def decisions(found: pd.DataFrame, health: pd.DataFrame) -> Shown:
    """What to do with each experiment.

    Args:
        found, health: Contracts `experiment_decisions` and `experiment_health`.
    """
    return sentences.say(*[sentences.linked(text, "05_experiments", "decision-table") for text in said_of(found, health)])


def warnings(tiers: pd.DataFrame, reasons: pd.DataFrame, kept: pd.DataFrame, verdict: pd.DataFrame) -> Shown:
    """Early warnings in numbers: how many are at risk and what they are worth, why, and how far warnings can be believed.

    Args:
        tiers, reasons, kept, verdict: The artefacts `at_risk_tiers`, `at_risk_reasons`, `at_risk_kept` and `risk_model`.
    """
    one = verdict.iloc[0]
    if one["refused"]:
        return sentences.say(sentences.linked(word("front.no_warning", why=warning.calibrated(verdict)), RISK, "warnings"))
    told = [(warning.title(tiers), "at-risk-by-tier"), (most_at_risk(tiers), "at-risk-by-tier"),
            (warning.commonest(reasons), "warning-reasons"), (warning.kept(kept), "warnings-kept"),
            (believed(verdict), "warning-calibration")]  # fmt: skip
    return sentences.say(*[sentences.linked(text, RISK, cell) for text, cell in told if text])


def most_at_risk(tiers: pd.DataFrame) -> str:
    """The activity tier of the largest share at risk, with its interval, of those large enough to be told."""
    own = tiers[(tiers["dimension"] == "activity") & ~gate.are_small(tiers["smallest"]) & (tiers["warned"] > 0)]
    if len(own) < 2:
        return ""
    row = own.loc[own["share"].idxmax()]
    others = own.drop(index=row.name)
    apart = "most" if row["low"] > others["high"].max() else "most_unclear"
    return word(
        f"front.{apart}", tier=tier(row["tier"]), share=format.value(row["share"], "share"),
        interval=format.interval(row["low"], row["high"], "share"), n=format.value(row["warned"], "count"),
    )  # fmt: skip


def believed(verdict: pd.DataFrame) -> str:
    """Whether the risk that was promised four weeks ago was kept on the whole."""
    one = verdict.iloc[0]
    if gate.is_small(one["people"]) or gate.is_small(one["lost"]):
        return word("finding.too_few")
    says = "less" if one["promised"] > one["high"] else "more" if one["promised"] < one["low"] else "alike"
    parts = {name: format.value(one[name], "share") for name in ("promised", "observed")}
    return word(f"front.believed_{says}", **parts, interval=format.interval(one["low"], one["high"], "share"))
