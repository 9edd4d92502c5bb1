"""How long people stay, in words: survival, what it differs by, and how it is projected."""

from __future__ import annotations

import pandas as pd

from helpers.show import format, gate, sentences
from helpers.show.words import subject, text, word

COMPARED = {
    "who": ("Who", "text"), "people": "people", "weeks": ("First weeks", "count"), "value": ("Mean", "number", 2),
    "other": ("Others", "number", 2), "difference": ("Difference", "number", 2), "low..high": ("95 % interval", "number", 2),
    "p_holm": ("p (Holm)", "p"), "verdict": ("Verdict", "text"),
}  # fmt: skip


def known(watch: tuple | None, spells: pd.DataFrame) -> list[str]:
    """After how many weeks a loss is known, whose lives are followed, and who is left out and why.

    Args:
        watch: As `retention.watch` gives it.
        spells: Contract `spells`.
    """
    if watch is None:
        return [word("said.survival.nobody")]
    told = {rule: format.value(watch.weeks(rule), "count") for rule in ("own", "fixed")}
    lines = [word("said.survival.known", **told)]
    own = spells[(spells["rule"] == "own") & (spells["week"] == 0)]
    everybody = int(own.loc[own["dimension"] == "all", "at_risk"].sum())
    lines.append(word("said.survival.followed", n=_people(everybody), people=subject()))
    left = own[own["dimension"] == "left out"]
    lines += [word("said.survival.left_out", n=_people(row["at_risk"]), why=text(row["slice"]), people=subject())
              for row in left.to_dict("records")]  # fmt: skip
    return lines


def shown(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows with the rule of loss in words."""
    return frame.assign(rule=[word(f"said.survival.rule_{rule}") for rule in frame["rule"]])


def _everybody(survival: pd.DataFrame, rule: str) -> pd.DataFrame:
    return survival[(survival["rule"] == rule) & (survival["dimension"] == "all")]


def curve(survival: pd.DataFrame, *, rule: str = "fixed", week: int = 4) -> str:
    """The share still there after some weeks, and when half have left.

    Args:
        survival: As `retention.survival` gives it.
    """
    own = _everybody(survival, rule)
    at = own[(own["week"] == week) & ~gate.are_small(own["at_risk"])]
    if at.empty:
        return word("finding.too_few")
    row = at.iloc[0]
    gone = own[(own["survival"] <= 0.5) & (own["week"] > 0) & ~gate.are_small(own["at_risk"])]
    half = (
        word("said.survival.half", week=format.value(gone["week"].iloc[0], "count"))
        if len(gone)
        else word("said.survival.no_half")
    )
    return word(
        "said.survival.curve",
        week=format.value(week, "count"),
        share=format.value(row["survival"], "share"),
        interval=format.interval(row["low"], row["high"], "share"),
        half=half,
        people=subject(),
    )


def hazard(survival: pd.DataFrame, *, rule: str = "fixed", first: int = 1, later: int = 8) -> str:
    """The share that leaves in the first week of life against a later one: a change only where the intervals lie apart."""
    own = _everybody(survival, rule)
    own = own[~gate.are_small(own["at_risk"])].set_index("week")
    if not {first, later} <= set(own.index):
        return word("finding.too_few")
    ends = {"first": own.loc[first], "later": own.loc[later]}
    parts = {name: format.value(row["hazard"], "share") for name, row in ends.items()}
    parts |= {f"{name}_interval": format.interval(row["hazard_low"], row["hazard_high"], "share") for name, row in ends.items()}
    falls = ends["later"]["hazard_high"] < ends["first"]["hazard_low"]
    rises = ends["later"]["hazard_low"] > ends["first"]["hazard_high"]
    way = "falls" if falls else "rises" if rises else "unclear"
    return word(f"said.survival.hazard_{way}", people=subject(), week=format.value(later, "count"), **parts)


def back(losses: pd.DataFrame) -> str:
    """Of those lost eight weeks ago by each rule, the share that has come back since.

    Args:
        losses: Contract `losses`.
    """
    told = [row for row in losses.to_dict("records") if row["lost_before"] and not gate.is_small(row["lost_before"])]
    if not told:
        return word("finding.too_few")
    parts = [
        word("said.survival.back", rule=word(f"said.survival.rule_{row['rule']}"), n=format.value(row["lost_before"], "count"),
             share=format.value(row["share_back"], "share"), interval=format.interval(row["low"], row["high"], "share"))
        for row in told
    ]  # fmt: skip
    return word("said.survival.backs", parts=sentences.listed(parts))


def newest(compared: pd.DataFrame) -> list[str]:
    """The newest cohort against those before it: its retention, and how long it stays.

    Args:
        compared: Contract `cohorts_compared`.
    """
    rows = compared[compared["dimension"] == "cohort"].to_dict("records")
    return [_pair(row, cohort=format.day(row["slice"])) for row in rows] or [word("said.survival.no_pair")]


def apart(compared: pd.DataFrame, dimension: str) -> str:
    """The slices whose people clearly stay longer or shorter than the rest, or that none do.

    Args:
        compared: Contract `cohorts_compared`.
    """
    own = compared[(compared["dimension"] == dimension) & ~gate.are_small(compared["smaller"])]
    judged = own[own["verdict"] != "few"]
    if judged.empty:
        return word("finding.too_few")
    clear = judged[judged["verdict"] != "unclear"].sort_values("p_holm", kind="stable")
    if clear.empty:
        return word("said.survival.alike", n=format.value(len(judged), "count"))
    return format.joined((_pair(row) for row in clear.to_dict("records")), "clauses")


def stay(lasting: pd.DataFrame) -> str:
    """The slices with the fewest and the most weeks of life, without a judgement.

    Args:
        lasting: As `retention.lasting` gives it.
    """
    told = lasting[lasting["mean"].notna() & ~gate.are_small(lasting["people"])]
    if told.empty:
        return word("finding.too_few")
    ends = {"low": told.loc[told["mean"].idxmin()], "high": told.loc[told["mean"].idxmax()]}
    parts = {name: format.value(row["mean"], "number", digits=1) for name, row in ends.items()}
    parts |= {f"{name}_name": gate.name(row["slice"]) for name, row in ends.items()}
    return word("said.survival.stay", people=subject(), weeks=format.value(told["weeks"].iloc[0], "count"), **parts)


def comparisons(compared: pd.DataFrame) -> str:
    """How many of the comparisons of lives are clear."""
    judged = compared[(compared["measure"] == "survival") & (compared["verdict"] != "few")]
    if judged.empty:
        return word("finding.too_few")
    clear = int((judged["verdict"] != "unclear").sum())
    return word("said.survival.comparisons", clear=format.value(clear, "count"), n=format.value(len(judged), "count"))


def pairs(compared: pd.DataFrame) -> pd.DataFrame:
    """The comparisons of lives, with `who`, and the verdict in words; fit for `COMPARED`."""
    own = compared[compared["measure"] == "survival"]
    cohort = own["dimension"] == "cohort"
    who = [word("said.survival.cohort", cohort=format.day(name)) if is_cohort else name for name, is_cohort in
           zip(own["slice"], cohort, strict=True)]  # fmt: skip
    return own.assign(who=who, verdict=[word(f"said.survival.verdict_{verdict}") for verdict in own["verdict"]])


def why(check: pd.Series | dict) -> str:
    """Why there is no projection."""
    counts = {name: _people(check[name]) for name in ("people", "ended")}
    return word(
        f"said.survival.refused_{check['refused']}",
        periods=format.value(check["periods"], "count"),
        n=counts["people"],
        ended=counts["ended"],
        people=subject(),
    )


def projected(checks: pd.DataFrame, curves: pd.DataFrame) -> str:
    """Who will still be there when the projection ends, and what it was worth when weeks were held out.

    Args:
        checks: Contract `projection_checks`; the first row tells.
        curves: Contract `projections`.
    """
    if checks.empty:
        return word("said.survival.nobody_followed")
    check = checks.iloc[0]
    if check["refused"]:
        return why(check)
    own = curves[(curves["dimension"] == check["dimension"]) & (curves["slice"] == check["slice"])]
    last = own.iloc[-1]
    found = {"up": "better", "down": "worse"}.get(sentences.verdict(check["gain_low"], check["gain_high"]), "unclear")
    return word(
        f"said.survival.projected_{found}",
        week=format.value(last["week"], "count"),
        share=format.value(last["projected"], "share"),
        interval=format.interval(last["low"], last["high"], "share"),
        error=_off(check["error"]),
        naive=_off(check["naive_error"]),
        held=format.value(int(own["held_out"].sum()), "count"),
        people=subject(),
    )


def worth(checks: pd.DataFrame) -> str:
    """In how many tests the model or the last rate was clearly better."""
    known = checks[checks["refused"] == ""]
    if known.empty:
        return word("said.survival.untested")
    found = [sentences.verdict(row["gain_low"], row["gain_high"]) for row in known.to_dict("records")]
    counts = {name: format.value(found.count(way), "count") for name, way in {"better": "up", "worse": "down"}.items()}
    return word("said.survival.tests", n=format.value(len(known), "count"), **counts)


def lines(curves: pd.DataFrame) -> pd.DataFrame:
    """Observed and projected survival as two lines: `week`, `line`, `share`, `low`, `high`, `people`.

    Args:
        curves: Rows of contract `projections` of one slice.
    """
    seen = curves[curves["survival"].notna()]
    observed = pd.DataFrame({"week": seen["week"], "line": word("said.survival.observed"), "share": seen["survival"],
                             "low": seen["survival_low"], "high": seen["survival_high"], "people": seen["at_risk"]})  # fmt: skip
    ahead = pd.DataFrame({"week": curves["week"], "line": word("said.survival.model"), "share": curves["projected"],
                          "low": curves["low"], "high": curves["high"], "people": curves["people"].astype(float)})  # fmt: skip
    return pd.concat([observed, ahead], ignore_index=True)


def tested(checks: pd.DataFrame) -> pd.DataFrame:
    """The tests of the projections, with `says`: better, worse or no clear difference, or why there is none."""
    words = {"up": "better", "down": "worse"}
    told = [
        why(row)
        if row["refused"]
        else word(f"said.survival.gain_{words.get(sentences.verdict(row['gain_low'], row['gain_high']), 'unclear')}")
        for row in checks.to_dict("records")
    ]
    return checks.assign(says=told)


def _pair(row: dict, *, cohort: str = "") -> str:
    """One comparison as a sentence; few people are not told of, and what is not sure is no difference."""
    who = word("said.survival.cohort", cohort=cohort) if cohort else gate.name(row["slice"])
    if gate.is_small(row["smaller"]) or row["verdict"] == "few":
        return word("said.survival.few", who=who)
    unit, digits = ("points", None) if row["measure"] == "retention" else ("number", 2)
    value = "share" if row["measure"] == "retention" else "number"
    return word(
        f"said.survival.{row['measure']}_{row['verdict']}",
        who=who,
        against=text(row["against"]),
        weeks=format.value(row["weeks"], "count"),
        value=format.value(row["value"], value, digits=digits),
        other=format.value(row["other"], value, digits=digits),
        size=format.value(abs(row["difference"]), unit, digits=digits).lstrip("+"),
        interval=format.interval(row["low"], row["high"], unit, digits=digits),
        p=format.value(row["p_holm"], "p"),
    )


def _off(share: float) -> str:
    return format.value(share, "points").lstrip("+")


def _people(number: object) -> str:
    return gate.small_mark() if gate.is_small(number) else format.value(number, "count")
