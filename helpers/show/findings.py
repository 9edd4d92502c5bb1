"""The finding of each figure, made from the numbers that it draws: titles that cannot disagree with their figure."""

from __future__ import annotations

import pandas as pd

from helpers.show import format, gate, said, sentences
from helpers.show.words import metric, subject, tier, word


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


def quality(ledger: pd.DataFrame, *, complete: bool) -> str:
    """ "good", "amber" (over 1 % of a file cannot be used) or "red" (the data do not reach the end of the week)."""
    shares = ledger["quarantined"] / ledger["rows_in"].clip(lower=1)
    worst = shares.max() if len(shares) else 0.0
    return "red" if not complete else "amber" if worst > 0.01 else "good"


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
    own = sizes[(sizes["dimension"] == dimension) & sizes["tier"].isin(names)]
    now, before, everyone = (int(own[column].sum()) for column in ("people", "before", "people"))
    everyone = int(sizes.loc[sizes["dimension"] == dimension, "people"].sum())
    if gate.is_small(now) or not everyone:
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
    whole = days[~days["partial"]]
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


def changes(kpis: pd.DataFrame, most: int = 5) -> list[str]:
    """What lies outside the usual variation, in sentences; one sentence when nothing does."""
    rows = kpis[kpis["clear"]].head(most).to_dict("records")
    said = [
        sentences.change(row["metric"], row["value"], row["before"], row["low"], row["high"], n=row["n"]) for row in rows
    ]
    return said or [word("finding.nothing_changed")]


def unchanged(kpis: pd.DataFrame) -> str:
    """What did not move clearly, in one sentence."""
    quiet = [metric(name).label for name in kpis.loc[~kpis["clear"] & kpis["value"].notna(), "metric"]]
    return word("finding.unchanged", names=sentences.listed(quiet, most=8)) if quiet else word("finding.all_changed")


def status(week: str, last_day: object, data_until: object, *, complete: bool) -> str:
    """The status line: which week, whether it is whole, and how far the data reach."""
    if last_day is None:
        return word("finding.undated")
    key = "finding.status_whole" if complete else "finding.status_open"
    return word(key, week=week, until=format.value(data_until, "date"))


def limits(shares: pd.DataFrame, limit: float, reasons: dict[str, str]) -> str:
    """The file with most rows that could not be used, against the limit, and why the limit was raised."""
    if shares.empty:
        return word("finding.no_rows")
    worst = shares.loc[shares["share"].idxmax()]
    said = {"file": gate.plain(worst["file"]), "share": format.value(worst["share"], "share")}
    reason = reasons.get("max_quarantined_share")
    key = "finding.limits_raised" if reason else "finding.limits"
    return word(key, limit=format.value(limit, "share"), reason=gate.plain(reason or ""), **said)


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
    return word("finding.influence", rule=gate.plain(most["subject"] or most["rule"]).replace("_", " "), n=moved)


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


def headline(kpis: pd.DataFrame | None, decisions: pd.DataFrame, health: pd.DataFrame) -> str:
    """The first sentence: the clearest change of the week, or where there are no weeks the first experiment's decision."""
    if kpis is not None:
        active = kpis.loc[kpis["metric"] == "weekly_actives", "n"].max()
        return word("finding.too_few") if gate.is_small(active) else sentences.headline(kpis)
    return said.decisions.headline(decisions, health) if len(decisions) else word("headline.nothing")


def marked(quality_mark: str, ledger: pd.DataFrame) -> str:
    """The quality mark with what it rests on."""
    shares = ledger["quarantined"] / ledger["rows_in"].clip(lower=1)
    worst = format.value(shares.max() if len(shares) else 0.0, "share")
    return word(f"finding.quality_{quality_mark}", worst=worst)
