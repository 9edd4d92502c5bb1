"""What an experiment changed, in words and in the frames of its figures; the words come from the intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from helpers.show import charts, format, gate, sentences, words
from helpers.show.gate import Shown
from helpers.show.words import text, word

MOST = 6  # figures of looks on one page
FOREST = 40  # effects in one
THICK = 100  # people of the smaller arm from which a day is drawn
SMALLER = {"smaller": ("People, smaller arm", "people")}
TABLE = {
    "label": ("Effect", "text"), "control_told": ("Control", "text"), "arm_told": ("Arm", "text"),
    "effect_told": ("Difference", "text"), "interval_told": ("Interval", "text"), "p_corrected": ("p, corrected", "p"),
    "method_told": ("Method", "text"),
}  # fmt: skip
FURTHER = {
    "label": ("Effect", "text"), "relative": ("Relative", "share"), "relative_low..relative_high": ("Its interval", "share"),
    "p": ("p", "p"), "family_told": ("Corrected", "text"), "simultaneous_told": ("Simultaneous (Bonferroni)", "text"),
    "variance_left": ("Variance left", "share"), "days_saved": ("Days saved", "days", 0), **SMALLER,
}  # fmt: skip
GUARDS = {
    "label": ("Guardrail", "text"), "verdict": ("Verdict", "text"), "margin_told": ("Margin", "text"),
    "bound_told": ("At worst", "text"), "noninferior_p": ("p, one-sided", "p"), "effect_told": ("Difference", "text"),
}  # fmt: skip
READINGS = {
    "label": ("Effect", "text"), "reading_told": ("Reading", "text"), "effect_told": ("Difference", "text"),
    "interval_told": ("Interval", "text"), "relative": ("Relative", "share"),
    "relative_low..relative_high": ("Its interval", "share"), "p": ("p", "p"), "chance": ("Chance", "share"),
    "loss_told": ("Expected loss", "text"), **SMALLER,
}  # fmt: skip
SUMS = {
    "label": ("Effect", "text"), "reading_told": ("Reading", "text"), "control_told": ("Control", "text"),
    "arm_told": ("Arm", "text"), "effect_told": ("Difference", "text"), "interval_told": ("Interval", "text"), "p": ("p", "p"),
    **SMALLER,
}  # fmt: skip
PLAN = {
    "experiment": ("Experiment", "text"), "what": ("What", "text"), "of": ("Of", "text"), "planned": ("Planned", "text"),
    "analysed": ("Analysed", "text"), "verdict": ("Compared", "text"),
}  # fmt: skip


def one(row: Mapping) -> str:
    """One effect in a sentence: its size, interval, p and method; or that there is no clear change, or why nothing is told."""
    if gate.is_small(row["smaller"]):
        return word("change.withheld", metric=row["label"], k=gate.settings().min_group)
    if row["reason"] or format.interval(row["low"], row["high"]) == format.UNDEFINED:
        return word("said.effects.untold", label=gate.name(row["label"]), why=why(row["reason"]))
    found = sentences.verdict(row["low"], row["high"])
    parts = {
        "label": gate.name(row["label"]), "size": _size(abs(row["difference"]), row["unit"]),
        "interval": _interval(row["low"], row["high"], row["unit"]), "p": _p(row["p"]), "method": _method(row),
        "level": format.value(1 - row["alpha"], "share", digits=0),
    }  # fmt: skip
    lines = [word(f"said.effects.{found}", **parts)]
    if found != "unclear" and row["p_corrected"] >= row["alpha"]:
        lines.append(word("said.effects.uncorrected", p=_p(row["p_corrected"])))
    lines += [] if row["final"] else [word("said.effects.not_over")]
    return format.joined(lines, "clauses")


def labelled(rows: pd.DataFrame) -> pd.DataFrame:
    """Effects, slices and the like with `label`: experiment, metric and arm, parted as the language parts them."""
    names = [rows[name] for name in ("experiment", "metric", "variant") if name in rows.columns]
    return rows.assign(label=[format.joined(parts, "commas") for parts in zip(*names, strict=True)])


def lines(rows: pd.DataFrame) -> list[str]:
    """The primary effects by the plan's method, a sentence each; none where there is none.

    Args:
        rows: As `experiments.readable` gives them.
    """
    return [one(row) for row in planned(rows[rows["primary"]]).to_dict("records")]


def planned(rows: pd.DataFrame) -> pd.DataFrame:
    """The planned readings alone."""
    return rows[rows["reading"] == "planned"]


def beside(rows: pd.DataFrame) -> pd.DataFrame:
    """Sums that are capped, each with the same uncapped after it."""
    own = shown(rows[rows["kind"] == "revenue"])
    return own.assign(reading_told=[word(f"said.effects.{'capped' if capped else 'uncapped'}") for capped in own["capped"]])


def drawn(rows: pd.DataFrame) -> pd.DataFrame:
    """What the forest shows: planned relative effects that have an interval, the primary ones first; `clear` are those
    that leave out no change and still do when corrected in their family."""
    own = planned(rows)
    own = own[own["relative_low"].notna() & own["relative_high"].notna()]
    apart = (own["relative_low"] > 0) | (own["relative_high"] < 0)
    own = own.assign(clear=apart & ~(own["p_corrected"] >= own["alpha"]))
    return own.sort_values("primary", ascending=False, kind="stable").head(FOREST)


def forest(rows: pd.DataFrame) -> str:
    """How many of the effects that are drawn are clear of no change."""
    own = drawn(rows)
    own = own[~gate.are_small(own["smaller"])]
    if own.empty:
        return word("finding.too_few")
    clear = int(own["clear"].sum())
    return word("said.effects.forest" if clear else "said.effects.forest_none", clear=clear, total=len(own))


def why(reason: str) -> str:
    """Why nothing can be told, in words."""
    return word(f"said.effects.reasons.{reason or 'unbounded'}")


def shown(rows: pd.DataFrame) -> pd.DataFrame:
    """Effects, or other readings, with words for what has a unit of its own in every row; small groups are withheld."""
    records = rows.to_dict("records")
    hidden = [gate.is_small(row["smaller"]) for row in records]
    made = {
        "control_told": [_value(row["control_value"], row["unit"]) for row in records],
        "arm_told": [_value(row["value"], row["unit"]) for row in records],
        "effect_told": [format.value(row["difference"], row["unit"], sign=True) for row in records],
        "interval_told": [_interval(row["low"], row["high"], row["unit"]) for row in records],
        "simultaneous_told": [_interval(row["simultaneous_low"], row["simultaneous_high"], row["unit"]) for row in records],
    }
    if "loss" in rows.columns:
        made["loss_told"] = [_size(row["loss"], row["unit"]) for row in records]
    for name, texts in made.items():
        made[name] = [gate.small_mark() if gone else text for gone, text in zip(hidden, texts, strict=True)]
    made["method_told"] = [_method(row) if not row["reason"] else why(row["reason"]) for row in records]
    made["family_told"] = [_family(row) for row in records]
    made["reading_told"] = [reading(row["reading"]) for row in records]
    return rows.assign(**made)


def guarded(rows: pd.DataFrame) -> pd.DataFrame:
    """The guardrails with their verdict: worse by less than the margin, or not shown to be."""
    own = shown(planned(rows[rows["margin"].notna()]))
    records = own.to_dict("records")
    units = ["share" if row["margin_relative"] else row["unit"] for row in records]
    hidden = [gate.is_small(row["smaller"]) for row in records]
    bounds = [format.value(row["bound"], unit, sign=True) for row, unit in zip(records, units, strict=True)]
    return own.assign(
        verdict=[_guard(row) for row in records],
        margin_told=[_size(row["margin"], unit) for row, unit in zip(records, units, strict=True)],
        bound_told=[gate.small_mark() if gone else text for gone, text in zip(hidden, bounds, strict=True)],
    )


def guards(rows: pd.DataFrame) -> str:
    """How many of the guardrails are shown to be safe."""
    own = planned(rows[rows["margin"].notna()])
    own = own[~gate.are_small(own["smaller"])]
    if own.empty:
        return word("finding.too_few")
    return word("said.effects.guards", safe=int(own["is_safe"].sum()), total=len(own))


def reading(key: str) -> str:
    """The name of a reading: `post_stratified by channel`, `quantile 90`."""
    name, _, of = str(key).partition(" ")
    return word(f"said.effects.readings.{name}", of=words.dimension(of.removeprefix("by ")).lower())


def compared(rows: pd.DataFrame) -> pd.DataFrame:
    """What was planned and what was analysed, in words; numbers of a few people are withheld."""
    records = rows.to_dict("records")
    texts = {side: [_planned(row, side) for row in records] for side in ("planned", "analysed")}
    return rows.assign(
        what=[word(f"said.effects.what.{row['what']}") for row in records],
        of=[_of(row) for row in records],
        verdict=[word(f"said.effects.verdicts.{row['verdict'].replace(' ', '_')}") for row in records],
        **texts,
    )


def differing(rows: pd.DataFrame) -> str:
    """How much is otherwise than planned, or not in the plan."""
    odd = rows[rows["verdict"].isin(["differs", "exploratory"])]
    return word("said.effects.differing" if len(odd) else "said.effects.agreeing", n=len(odd), total=len(rows))


def looks(rows: pd.DataFrame) -> str:
    """What the rule of the looks says of one effect: since when it is told from no change, or that it is not.

    Args:
        rows: Contract `experiment_looks`, of one experiment, metric and arm.
    """
    last, rule = rows.iloc[-1], rows["rule"].iloc[0]
    if gate.is_small(last["smaller"]):
        return word("finding.too_few")
    since = rows.loc[rows["crossed"], "day"]
    taken = int(rows["time"].notna().sum()) if rule == "group-sequential" else len(rows)
    key = "open" if rule == "fixed-horizon" and not rows["is_end"].any() else "unclear"
    if len(since):
        has_faded = rule == "always-valid" and sentences.verdict(last["low"], last["high"]) == "unclear"
        key = "faded" if has_faded else "crossed"
    told = {"metric": gate.name(last["metric"]), "arm": gate.name(last["variant"]), "n": format.value(taken, "count")}
    day = format.value(since.iloc[0], "date") if len(since) else ""
    return word(f"said.effects.looks.{rule.replace('-', '_')}_{key}", day=day, **told)


def both(rows: pd.DataFrame) -> pd.DataFrame:
    """One effect by day as two lines: with the interval of the rule, and with the ordinary one up to the planned end.

    The first days, with intervals as wide as the page, are left out where there are others.
    """
    thick = rows[rows["smaller"] >= THICK]
    rows = thick if len(thick) > 1 else rows
    naive = word("said.effects.lines.naive")
    ruled = rows.assign(line=_ruled(rows), effect=rows["difference"])
    plain = rows.assign(line=naive, effect=rows["difference"].where(rows["naive_p"].notna()), low=rows["naive_low"],
                        high=rows["naive_high"])  # fmt: skip
    return pd.concat([ruled, plain], ignore_index=True)


def _ruled(rows: pd.DataFrame) -> str:
    return word(f"said.effects.lines.{rows['rule'].iloc[0].replace('-', '_')}")


def look_figures(rows: pd.DataFrame) -> Shown:
    """A figure of the looks for each experiment, primary metric and arm, the first few of them.

    Args:
        rows: Contract `experiment_looks`, not empty.
    """
    groups = [own for _, own in rows.groupby(["experiment", "metric", "variant"], sort=False)]
    made = [
        charts.lines(
            both(own), x="day", y="effect", by="line", low="low", high="high", n="smaller", unit=own["unit"].iloc[0],
            finding=looks(own), focus=_ruled(own),
            measure=word("said.effects.looks.measure", experiment=gate.name(own["experiment"].iloc[0]),
                         level=format.value(1 - own["alpha"].iloc[0], "share", digits=0)),
        )
        for own in groups[:MOST]
    ]  # fmt: skip
    return gate.together(*made)


def looked(rows: pd.DataFrame) -> list[str]:
    """How often was looked, and how often an ordinary test were wrong then.

    Args:
        rows: Contract `experiment_looked`.
    """
    most = rows.sort_values("taken", kind="stable").groupby("experiment", sort=True).tail(1)
    return [
        word("said.effects.looked" if row["taken"] > 1 else "said.effects.looked_once", experiment=gate.name(row["experiment"]),
             n=format.value(row["taken"], "count"), share=format.value(row["false_alarms"], "share", digits=0))
        for row in most.to_dict("records")
    ]  # fmt: skip


def _value(value: float, unit: str) -> str:
    return format.value(value, "share" if unit == "points" else unit)


def _size(size: float, unit: str) -> str:
    """Without a sign, as words say the direction."""
    return format.value(size, unit).lstrip("+")


def _interval(low: float, high: float, unit: str) -> str:
    return format.interval(low, high, unit)


def _p(p: float) -> str:
    text = format.value(p, "p")
    return text if text.startswith("<") else f"= {text}"


def _method(row: Mapping) -> str:
    name = method(row["method"].removesuffix(f", {row['rule']}"))
    if row["rule"] == "fixed-horizon":
        return name
    return word(f"said.effects.rules.{row['rule'].replace('-', '_')}", method=name)


def method(method: str) -> str:
    """What a method is called."""
    name, _, of = method.partition(" ")
    if name == "post-stratified" and of:
        return word("said.effects.stratified", stratum=words.dimension(of.removeprefix("by ")).lower())
    return word("said.effects.at_quantile", quantile=of) if name == "quantile" else text(method)


def _family(row: Mapping) -> str:
    if not row["family"]:
        return word("said.effects.corrections.none")
    told = word(f"said.effects.corrections.{row['correction'].replace('-', '_')}")
    return word("said.effects.family", family=word(f"said.effects.families.{row['family']}"), correction=told)


def _guard(row: Mapping) -> str:
    if row["reason"] or not math.isfinite(row["bound"]):
        return why(row["reason"])
    return word("said.effects.safe" if row["is_safe"] else "said.effects.unsafe")


def _of(row: Mapping) -> str:
    keys = {"looks": "rules_of", "alpha": "corrections", "tests": "families"}
    if row["what"] not in keys:
        return gate.name(row["of"])
    return word(f"said.effects.{keys[row['what']]}.{row['of'].replace('-', '_')}")


def _planned(row: Mapping, side: str) -> str:
    text, what = row[side], row["what"]
    if not text:
        return format.UNDEFINED
    if what == "metric":
        return word(f"said.effects.families.{text}")
    if what == "share":
        return gate.small_mark() if side == "analysed" and gate.is_small(row["people"]) else format.value(float(text), "share")
    if what == "users":
        return format.value(float(text), "people")
    return format.value(text, "date") if what in ("start", "end") else gate.name(text)
