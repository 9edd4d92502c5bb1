"""For whom and since when an experiment worked, what could have been found, what a coming one needs, and whether its tests can be
trusted; the words come from the intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from helpers.show import charts, format, gate, sentences, tables, words
from helpers.show.gate import Shown
from helpers.show.said import effects
from helpers.show.words import word

MOST = 6  # figures of one kind on a page
SLICES = {
    "group": ("Group", "text"), "control_told": ("Control", "text"), "effect_told": ("Difference", "text"),
    "interval_told": ("Interval", "text"), "shrunk_told": ("Drawn together", "text"),
    "shrunk_interval": ("Simultaneous interval", "text"), "interaction_corrected": ("p that groups differ, corrected", "p"),
    "smaller": ("People of the smaller arm", "people"),
}  # fmt: skip
POWER = {
    "label": ("Effect", "text"), "base_told": ("Control", "text"), "matters_told": ("Matters", "text"),
    "plain_told": ("Could be found", "text"), "adjusted_told": ("With the past of each", "text"),
    "verdict_told": ("Verdict", "text"),
}  # fmt: skip
NEEDED = {
    "label": ("Metric", "text"), "relative": ("Wanted effect", "share"), "effect_told": ("In its unit", "text"),
    "adjusted_told": ("With the past of each", "text"), "users": ("Users of all arms", "count"), "days": ("Days", "days", 0),
    "traffic": ("Traffic to be in time", "share", 0),
}  # fmt: skip
CALIBRATION = {
    "label": ("Test", "text"), "people": "people", "splits": ("Random splits", "count"), "share": ("False alarms", "share"),
    "low..high": ("95 % interval", "share"), "alpha": ("Planned", "share"), "uniform": ("p of equally frequent p", "p"),
    "verdict_told": ("Verdict", "text"),
}  # fmt: skip


def slices(rows: pd.DataFrame) -> list[str]:
    """A sentence for each primary effect: by which slices it clearly differs, or that it does by none.

    Args:
        rows: Contract `effect_slices`, as `experiments.readable` gives them.
    """
    return [line for _, own in _effects(rows) for line in _slices(own)] or [word("said.experiments.no_slices")]


def _slices(own: pd.DataFrame) -> list[str]:
    name = gate.name(own["label"].iloc[0])
    named = [_differs(one) for _, one in own[own["named"]].groupby("slice", sort=False)]
    if named:
        return named
    tested = own.loc[own["interaction"].notna(), "slice"]
    key, listed = ("alike", tested) if len(tested) else ("untold", own["slice"])
    return [word(f"said.experiments.slices_{key}", label=name, slices=sentences.listed(map(_dimension, listed.unique())))]


def _differs(own: pd.DataFrame) -> str:
    """Of one slice whose groups differ: the least and the greatest effect, drawn together."""
    parts = {"label": gate.name(own["label"].iloc[0]), "slice": _dimension(own["slice"].iloc[0]),
             "p": _p(own["interaction_corrected"].iloc[0])}  # fmt: skip
    seen = own[own["tested"] & ~gate.are_small(own["smaller"])].sort_values("shrunk", kind="stable")
    if len(seen) < 2:
        return word("said.experiments.slices_few", **parts)
    least, most = (_sized(row, "shrunk", "shrunk_low", "shrunk_high") for row in (seen.iloc[0], seen.iloc[-1]))
    least_of, most_of = (level(seen["slice"].iloc[0], seen["level"].iloc[at]) for at in (0, -1))
    ends = {"least": least_of, "most": most_of}
    return word("said.experiments.slices_named", least_size=least, most_size=most, **ends, **parts)


def slice_figures(rows: pd.DataFrame) -> Shown:
    """A figure for each slice that is named, the first few of them; a sentence where none is.

    Args:
        rows: Contract `effect_slices`, as `experiments.readable` gives them.
    """
    named = rows[rows["named"] & rows["tested"]]
    groups = [own for _, own in named.groupby(["experiment", "metric", "variant", "slice"], sort=False)]
    made = [
        charts.forest(
            own.assign(level=[level(own["slice"].iloc[0], name) for name in own["level"]]), label="level", value="shrunk",
            low="shrunk_low", high="shrunk_high", n="smaller", unit=own["unit"].iloc[0], finding=_differs(own),
            measure=word("said.experiments.slices_measure", slice=_dimension(own["slice"].iloc[0])),
        )
        for own in groups[:MOST]
    ]  # fmt: skip
    return gate.together(*made) if made else sentences.say(*slices(rows))


def slice_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Every slice with words for what has a unit of its own in every row; small groups are withheld.

    `whole` tells apart whose groups add up to all the people of an effect.
    """
    records = rows.to_dict("records")
    texts = {
        "control_told": lambda row: _value(row["control_value"], row["unit"]),
        "effect_told": lambda row: format.value(row["difference"], row["unit"], sign=True),
        "interval_told": lambda row: format.interval(row["low"], row["high"], row["unit"]),
        "shrunk_told": lambda row: format.value(row["shrunk"], row["unit"], sign=True),
        "shrunk_interval": lambda row: format.interval(row["shrunk_low"], row["shrunk_high"], row["unit"]),
    }
    parts = [[_dimension(row["slice"]), level(row["slice"], row["level"])] for row in records]
    groups = [
        word("join.pair", first=row["label"], then=format.joined(own, "commas"))
        for row, own in zip(records, parts, strict=True)
    ]
    return rows.assign(group=groups, whole=rows["label"] + rows["slice"], **_told(records, texts, "smaller"))


def level(cut: str, name: str) -> str:
    """A group of a slice by the value that it has in common: of `seniority` a word of ours, else as the data have it."""
    if name in ("", "?"):
        return word("said.experiments.unknown_level")
    return words.tier(name) if cut == "seniority" else gate.name(name)


def trends(rows: pd.DataFrame) -> list[str]:
    """A sentence for each primary effect: whether it fades or grows with the days since the exposure.

    Args:
        rows: Contract `effect_trends`, as `experiments.readable` gives them.
    """
    return [trend(row) for row in rows.to_dict("records")] or [word("said.experiments.no_trends")]


def trend(row: Mapping) -> str:
    """One effect since the exposure; "no clear trend" unless its slope is clear."""
    if gate.is_small(row["n"]):
        return word("change.withheld", metric=gate.name(row["label"]), k=gate.settings().min_group)
    first, last = (format.value(row[end], row["unit"], sign=True) for end in ("first", "last"))
    return word(f"said.experiments.trend_{row['trend']}", label=gate.name(row["label"]), first=first, last=last,
                days=format.value(row["days"], "count"), p=_p(row["p_corrected"]))  # fmt: skip


def age_figures(ages: pd.DataFrame, found: pd.DataFrame) -> Shown:
    """A figure of the effect by days since the exposure for each experiment, primary metric and arm, the first few of them.

    Args:
        ages: Contract `effect_ages`, not empty, as `experiments.readable` gives them.
        found: Contract `effect_trends`, the same way.
    """
    known = {row["label"]: trend(row) for row in found.to_dict("records")}
    made = [
        charts.lines(
            own.rename(columns={"age": "day"}), x="day", y="difference", low="low", high="high", n="n", unit=own["unit"].iloc[0],
            finding=known.get(name, word("said.experiments.trend_unknown", label=gate.name(name))),
            measure=word("said.experiments.ages_measure"),
        )
        for name, own in list(ages.groupby("label", sort=False))[:MOST]
    ]  # fmt: skip
    return gate.together(*made)


def power(rows: pd.DataFrame) -> str:
    """How many of the primary effects had people enough to find what matters, by the plan's method.

    Args:
        rows: Contract `experiment_power`, as `experiments.readable` gives them.
    """
    aimed = rows[rows["planned"] & rows["verdict"].isin(["enough", "too_few"]) & ~gate.are_small(rows["smaller"])]
    if aimed.empty:
        return word("said.experiments.power_no_aim")
    enough = int((aimed["verdict"] == "enough").sum())
    return word("said.experiments.power", enough=format.value(enough, "count"), total=format.value(len(aimed), "count"))


def power_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """A row an effect: what could be found without and with what is known of before, against what matters."""
    keys = ["experiment", "metric", "variant"]
    plain, adjusted = (rows[rows["adjusted"] == one].set_index(keys) for one in (False, True))
    more = {key: _detectable(row) for key, row in zip(adjusted.index, adjusted.to_dict("records"), strict=True)}
    verdicts = rows[rows["planned"]].set_index(keys)["verdict"]
    own = plain.reset_index()
    records = own.to_dict("records")
    texts = {
        "base_told": lambda row: _value(row["base"], row["unit"]),
        "matters_told": lambda row: format.value(row["matters"], row["unit"]).lstrip("+"),
        "plain_told": _detectable,
        "adjusted_told": lambda row: more.get(tuple(row[key] for key in keys), format.UNDEFINED),
        "verdict_told": lambda row: word(f"said.experiments.verdict_{verdicts[tuple(row[key] for key in keys)]}"),
    }
    return own.assign(**_told(records, texts, "smaller"))


def _detectable(row: Mapping) -> str:
    """The smallest effect, in the unit and over the size of control."""
    size = format.value(row["detectable"], row["unit"]).lstrip("+")
    part = format.value(row["relative"], "share")
    return size if part == format.UNDEFINED else word("said.experiments.of_control", size=size, part=part)


def needed_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """What tests need, with words for what has a unit of its own in every row; nothing is told from small groups.

    Args:
        rows: Contract `experiment_needed`.
    """
    records = rows.to_dict("records")
    texts = {
        "effect_told": lambda row: format.value(row["effect"], row["unit"]).lstrip("+"),
        "adjusted_told": lambda row: word(f"said.experiments.{'yes' if row['adjusted'] else 'no'}"),
    }
    labels = [format.joined([row["experiment"], row["metric"]], "commas") for row in records]
    return rows.assign(label=labels, **_told(records, texts, "base_n"))


def curve(rows: pd.DataFrame, needs, name: str, *, relative: float, power: float) -> Shown:
    """The chance to find a wanted effect by days, or by users where nobody knows when people come.

    Args:
        rows: As `experiments.power_curve` gives it.
        needs: As `experiments.needed` gives it for the same test: `control`, `arm`, `users`, `days`, `traffic`.
        name: What is planned for, in words.
    """
    told = needed(needs, name, relative=relative, power=power, by_day=bool(len(rows)) and bool((rows["day"] > 0).all()))
    if rows.empty or gate.is_small(needs.users):
        return tables.skipped(name, told)
    x = "day" if (rows["day"] > 0).all() else "users"
    return charts.lines(rows, x=x, y="power", unit="share", finding=told, measure=word(f"said.experiments.curve_{x}"))


def needed(needs, name: str, *, relative: float, power: float, by_day: bool) -> str:
    """Users and days of a coming test in a sentence."""
    if math.isnan(needs.users):
        return word("said.experiments.needed_nothing", name=gate.name(name))
    key = ("never" if math.isnan(needs.days) else "days") if by_day else "users"
    days = word(f"said.experiments.needed_{key}", days=format.value(needs.days, "days", digits=0))
    return word(
        "said.experiments.needed", name=gate.name(name), relative=format.value(relative, "share"), days=days,
        power=format.value(power, "share", digits=0), users=format.value(needs.users, "count"),
        control=format.value(needs.control, "count"), arm=format.value(needs.arm, "count"),
    )  # fmt: skip


def calibration(rows: pd.DataFrame) -> list[str]:
    """Whether the plans' own tests alarm as often as they should where nothing was changed, and which do not.

    Args:
        rows: Contract `experiment_calibration`.
    """
    own = rows[rows["planned"] & (rows["verdict"] != "unknown") & ~gate.are_small(rows["people"])]
    if own.empty:
        return [word("said.experiments.calibration_none")]
    off = own[own["verdict"] == "off"]
    counts = {"ok": format.value(len(own) - len(off), "count"), "total": format.value(len(own), "count")}
    spread = format.interval(own["share"].min(), own["share"].max(), "share")
    return [word("said.experiments.calibration", spread=spread, **counts), *(_off(row) for row in off.to_dict("records"))]


def _off(row: Mapping) -> str:
    parts = {name: format.value(row[name], "share") for name in ("share", "alpha")}
    around = format.interval(row["low"], row["high"], "share")
    return word(f"said.experiments.calibration_{row['side']}", test=_test(row), interval=around, **parts)


def calibration_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Every test on random splits, in words."""
    records = rows.to_dict("records")
    return rows.assign(
        label=[_test(row) for row in records],
        verdict_told=[word(f"said.experiments.verdict_{row['side'] or row['verdict']}") for row in records],
    )


def _test(row: Mapping) -> str:
    names = {name: gate.name(row[name]) for name in ("experiment", "metric")}
    return word("said.experiments.test", method=gate.name(effects.method(row["method"])), **names)


def marked(rows: pd.DataFrame) -> pd.DataFrame:
    """Effects whose `label` says where their test is off on these people; what has no column `calibrated` stays as it is."""
    if "calibrated" not in rows.columns:
        return rows
    mark = word("said.experiments.mark")
    labels = [text + (mark if one == "off" else "") for text, one in zip(rows["label"], rows["calibrated"], strict=True)]
    return rows.assign(label=pd.Series(labels, index=rows.index, dtype="str"))


def _effects(rows: pd.DataFrame):
    return rows.groupby(["experiment", "metric", "variant"], sort=False)


def _told(records: list[dict], texts: Mapping, n: str) -> dict[str, list[str]]:
    """Columns of words; those of groups that are too small hold nothing but the mark of it."""
    hidden = [gate.is_small(row[n]) for row in records]
    return {
        name: [gate.small_mark() if gone else tell(row) for gone, row in zip(hidden, records, strict=True)]
        for name, tell in texts.items()
    }


def _sized(row: Mapping, value: str, low: str, high: str) -> str:
    """An effect with its interval; where this covers no change the words are "no clear change"."""
    around = format.interval(row[low], row[high], row["unit"])
    if sentences.verdict(row[low], row[high]) == "unclear":
        return word("said.experiments.unclear", interval=around)
    return word("said.experiments.with", value=format.value(row[value], row["unit"], sign=True), interval=around)


def _dimension(name: str) -> str:
    return words.dimension(name).lower()


def _value(value: float, unit: str) -> str:
    return format.value(value, "share" if unit == "points" else unit)


def _p(p: float) -> str:
    text = format.value(p, "p")
    return text if text.startswith("<") else f"= {text}"
