"""The finding of each figure, made from the numbers that it draws: titles that cannot disagree with their figure."""

from __future__ import annotations

import pandas as pd

from helpers.show import format, gate, said, sentences
from helpers.show.words import subject, text, tier, word


def cleaning(ledger: pd.DataFrame) -> str:
    """How much of what came in the numbers rest on."""
    total, kept = int(ledger["rows_in"].sum()), int(ledger["kept"].sum())
    if not total:
        return word("finding.no_rows")
    return word(
        "finding.cleaning",
        kept=format.value(kept, "count"),
        total=format.value(total, "count"),
        share=format.value(kept / total, "share"),
        quarantined=format.value(int(ledger["quarantined"].sum()), "count"),
    )


def quality(ledger: pd.DataFrame, suspicions: pd.DataFrame, *, complete: bool, last_day: object) -> str:
    """ "good", "amber" or "red".

    Amber: over 1 % of a file cannot be used, or hours of the week are missing. Red: the data do not reach the end of the week.
    """
    shares = ledger["quarantined"] / ledger["rows_in"].clip(lower=1)
    worst = shares.max() if len(shares) else 0.0
    odd = len(said.front.odd_hours(suspicions, last_day))
    return "red" if not complete else "amber" if worst > said.front.FEW_ROWS or odd else "good"


def volume(days: pd.DataFrame) -> str:
    """Events a day of the last week against the week before."""
    if len(days) < 14:
        return word("finding.volume_short", n=len(days))
    now, before = days["events"].iloc[-7:].mean(), days["events"].iloc[-14:-7].mean()
    return word("finding.volume", now=format.value(now, "count"), before=format.value(before, "count"))


def largest(frame: pd.DataFrame, *, category: str, value: str, of: str) -> str:
    """The largest part of a whole by name, with its share; what is left over together is no part."""
    if frame.empty or not frame[of].iloc[0]:
        return word("finding.nobody")
    named = frame[frame[category] != "other"]
    top = (named if len(named) else frame).nlargest(1, value).iloc[0]
    if gate.is_small(top[value]):
        return word("finding.too_few")
    share = format.value(top[value] / top[of], "share")
    everyone = format.value(top[of], "count")
    return word("finding.largest", name=tier(top[category]), share=share, total=everyone, people=subject())


def tiers(sizes: pd.DataFrame, dimension: str, names: list[str]) -> str:
    """How many are in some tiers of a dimension, and how that compares with the week before."""
    whole = sizes[sizes["dimension"] == dimension]
    own = whole[whole["tier"].isin(names)]
    now, before, everyone = int(own["people"].sum()), int(own["before"].sum()), int(whole["people"].sum())
    if gate.is_small(now) or gate.is_small(before) or not everyone or not _are_safe(whole, names):
        return word("finding.too_few")
    named = sentences.listed([tier(name) for name in names], most=4)
    direction = "more" if now > before else "fewer" if now < before else "same"
    return word(
        f"finding.tiers_{direction}",
        names=named[:1].upper() + named[1:],
        n=format.value(now, "count"),
        share=format.value(now / everyone, "share"),
        step=format.value(abs(now - before), "count"),
        people=subject(),
    )


def _are_safe(whole: pd.DataFrame, names: list[str]) -> bool:
    """Whether no tier that is hidden, now or a week ago, follows from the sum of some: all hidden are among them, or none."""
    for column in ("people", "before"):
        shown = gate.withhold(whole, column, parts=True)
        hidden = set(shown.loc[shown["withheld"] != "", "tier"])
        if hidden & set(names) and not hidden <= set(names):
            return False
    return True


def curve(average: pd.DataFrame, *, age: int = 1) -> str:
    """The pooled share that is active again after a week, with its interval."""
    row = average[average["age"] == age]
    if row.empty or gate.is_small(row["size"].iloc[0]):
        return word("finding.no_curve")
    one = row.iloc[0]
    return word(
        "finding.curve",
        rate=format.value(one["rate"], "share"),
        interval=format.interval(one["low"], one["high"], "share"),
        cohorts=format.value(one["cohorts"], "count"),
    )


def actives(days: pd.DataFrame) -> str:
    """Monthly actives at the end, and stickiness in words."""
    whole, month = days[~days["partial"]], days["dau"].iloc[-30:]
    if len(whole) and gate.are_small(month).any():
        return word("finding.too_few")
    if whole.empty or gate.is_small(whole["mau"].iloc[-1]):
        return word("finding.actives_short", n=len(days))
    last, daily = whole.iloc[-1], days["dau"].iloc[-30:].mean()
    return word(
        "finding.actives",
        mau=format.value(last["mau"], "count"),
        dau=format.value(daily, "count"),
        share=format.value(daily / last["mau"], "share"),
        people=subject(),
    )


def stickiness(days: pd.DataFrame) -> str:
    """Stickiness at the end, and four weeks before."""
    if len(days) < 29:
        return word("finding.actives_short", n=len(days))
    if gate.is_small(days["mau"].iloc[-1]) or gate.is_small(days["mau"].iloc[-29]):
        return word("finding.too_few")
    now, before = (format.value(days["stickiness"].iloc[at], "share") for at in (-1, -29))
    return word("finding.stickiness", now=now, before=before)


def growth(weeks: pd.DataFrame) -> str:
    """Who came and who left in the last week."""
    if len(weeks) < 2:
        return word("finding.growth_short")
    last = weeks.iloc[-1]
    came = int(last["new"] + last["resurrected"])
    if gate.is_small(came) or gate.is_small(last["churned"]):
        return word("finding.too_few")
    net = came - int(last["churned"])
    sign = "up" if net > 0 else "down" if net < 0 else "level"
    return word(
        f"finding.growth_{sign}",
        came=format.value(came, "count"),
        churned=format.value(int(last["churned"]), "count"),
        net=format.value(abs(net), "count"),
    )


def status(week: str, last_day: object, data_until: object, *, complete: bool) -> str:
    """The status line: which week, whether it is whole, and how far the data reach."""
    if last_day is None:
        return word("finding.undated")
    key = "finding.status_whole" if complete else "finding.status_open"
    return word(key, week=format.week(week), until=format.value(data_until, "date"))


def limits(shares: pd.DataFrame, limit: float, reasons: dict[str, str]) -> str:
    """The file with most rows that could not be used, against the limit, and why the limit was raised."""
    if shares.empty:
        return word("finding.no_rows")
    worst = shares.loc[shares["share"].idxmax()]
    said = {"file": gate.name(worst["file"]), "share": format.value(worst["share"], "share")}
    reason = reasons.get("max_quarantined_share")
    key = "finding.limits_raised" if reason else "finding.limits"
    return word(key, limit=format.value(limit, "share"), reason=gate.plain(reason or ""), **said)


def places(reasons: pd.DataFrame) -> pd.DataFrame:
    """Reasons for which rows were set aside, with `first`, the place of the first such row, in words."""
    rows = zip(reasons["file"], reasons["line"], strict=True)
    return reasons.assign(first=[word("finding.place", file=gate.plain(file), line=line) for file, line in rows])


def kinds(coverage: pd.DataFrame) -> pd.DataFrame:
    """What arrived, by kind; what is no event is of the kind of its table, which is a word of ours."""
    own = coverage["kind"].where(coverage["kind"] != coverage["table"], coverage["table"].map(text))
    return coverage.assign(kind=own)


def suspicions(found: pd.DataFrame) -> str:
    """How many findings the rules that warn have, and which rule has most rows."""
    if found.empty:
        return word("finding.no_suspicions")
    worst = found.groupby("rule", sort=False)["rows"].sum().idxmax()
    return word("finding.suspicions", n=format.value(len(found), "count"), rule=tier(worst))


def influence(found: pd.DataFrame) -> str:
    """The rule that would move the weekly actives most, or that none would by much."""
    known = found[found["active_difference"].notna() & (found["people"] >= gate.settings().min_group)]
    if known.empty or not known["active_difference"].abs().max():
        return word("finding.no_influence")
    most = known.loc[known["active_difference"].abs().idxmax()]
    moved = format.value(abs(int(most["active_difference"])), "count")
    return word("finding.influence", rule=gate.name(most["subject"] or most["rule"]).replace("_", " "), n=moved)


def habits(frame: pd.DataFrame) -> str:
    """Active days and events of the people who were active."""
    if frame.empty or not frame["people"].iloc[0]:
        return word("finding.nobody")
    if gate.is_small(frame["people"].iloc[0]):
        return word("finding.too_few")
    days, events = (format.value(frame["mean"].iloc[at], "number", digits=1) for at in (0, 1))
    return word("finding.habits", days=days, events=events, n=format.value(frame["people"].iloc[0], "count"))


def newest(cohorts: pd.DataFrame) -> str:
    """Week-1 retention of the newest cohort that has had the week."""
    closed = cohorts[(cohorts["age"] == 1) & cohorts["closes"].isna() & (cohorts["size"] >= gate.settings().min_group)]
    if closed.empty:
        return word("finding.no_curve")
    last = closed.iloc[-1]
    return word(
        "finding.newest",
        cohort=format.value(last["cohort"], "date"),
        rate=format.value(last["rate"], "share"),
        size=format.value(last["size"], "count"),
    )


def headline(
    kpis: pd.DataFrame | None, decisions: pd.DataFrame, health: pd.DataFrame, *, quality: str = "good",
    changes: pd.DataFrame | None = None,
) -> str:
    """The first sentence: the clearest change of the week, or where there are no weeks the first experiment's decision.

    Where the quality is red there is no number in it. Where no number changed as a whole, it is the slice that did.
    """
    if quality == "red":
        return word("headline.red")
    if kpis is None:
        return said.decisions.headline(decisions, health) if len(decisions) else word("headline.nothing")
    active = kpis[kpis["metric"] == "weekly_actives"].iloc[0]
    if gate.is_small(active["n"]):
        return word("finding.too_few")
    if active["value"] == 0 and not pd.isna(active["before"]) and not gate.is_small(active["before"]):
        key = "headline.nobody" if active["before"] else "headline.nobody_again"
        return word(key, before=format.value(active["before"], "count"), than=word("change.week_before"))
    part = "" if changes is None else said.front.slice_moved(kpis, changes)
    return part if part and len(part.split()) <= sentences.HEADLINE_WORDS else sentences.headline(kpis)
