"""Early warning, why people were lost and win-back, in words."""

from __future__ import annotations

import pandas as pd

from helpers.show import format, gate, sentences
from helpers.show.said import distinct
from helpers.show.words import subject, word

CLEAR = 0.05  # of the calls, at most so many are wrong on average; and of the arms' likeness
COLUMNS = {
    "what": "text", "here": ("Lost", "number"), "there": ("Stayed", "number"), "lift": "number", "lift_low..lift_high": "number",
    "q": ("q", "p"),
}  # fmt: skip
ALIKE = {"alike": "alike_people"}
COUNTS = ("learned_lost", "people", "lost")


def title(tiers: pd.DataFrame) -> str:
    """How many are warned of, and what they are worth."""
    one = tiers[tiers["dimension"] == "all"]
    if one.empty or gate.is_small(one["people"].iloc[0]) or gate.is_small(one["smallest"].iloc[0]):
        return word("finding.too_few")
    row = one.iloc[0]
    worth = format.value(row["net_share"], "share")
    parts = {"n": format.value(row["warned"], "count"), "of": format.value(row["people"], "count"), "people": subject(),
             "share": format.value(row["share"], "share"), "net": format.value(row["net"], "money"), "part": worth}  # fmt: skip
    return word("said.warning.title" if worth != format.UNDEFINED else "said.warning.title_free", **parts)


def kept(found: pd.DataFrame) -> str:
    """What became of those who would have been warned of four weeks ago, beside the others."""
    groups = found.set_index("group").to_dict("index")
    warned, others = groups.get("warned"), groups.get("others")
    if not warned or not others or not warned["people"] or gate.is_small(warned["people"]) or gate.is_small(others["people"]):
        return word("said.warning.not_kept")
    parts = {f"{name}_share": format.value(groups[name]["share"], "share") for name in ("warned", "others")}
    ends = {"warned": warned, "others": others}
    parts |= {f"{name}_interval": format.interval(row["low"], row["high"], "share") for name, row in ends.items()}
    apart = "kept" if warned["low"] > others["high"] else "kept_unclear"
    return word(f"said.warning.{apart}", n=format.value(warned["people"], "count"), **parts)


def kept_rows(found: pd.DataFrame) -> pd.DataFrame:
    """The warned of and the others, parts of all, with `who` in words."""
    order = ["warned", "others", "all"]
    rows = found.set_index("group").reindex([name for name in order if name in set(found["group"])]).reset_index()
    return rows.assign(who=[word(f"said.warning.of_{name}") for name in rows["group"]])


def tested(verdict: pd.DataFrame) -> str:
    """The measure, the people and the window of the test."""
    one = verdict.iloc[0]
    days = {name: format.value(one[name], "date") for name in ("tested_from", "tested_until")}
    return word("said.warning.tested", **days, n=format.value(one["people"], "count"))


def calibrated(verdict: pd.DataFrame) -> str:
    """Whether the probabilities were kept on the whole, and how well they tell the lost from others; or why there is no model."""
    one = verdict.iloc[0]
    parts = {name: gate.small_mark() if gate.is_small(one[name]) else format.value(one[name], "count") for name in COUNTS}
    parts |= {name: format.value(one[name], "share") for name in ("promised", "observed", "auc")}
    parts |= {"interval": format.interval(one["low"], one["high"], "share"), "people_name": subject(),
              "auc_interval": format.interval(one["auc_low"], one["auc_high"], "share"),
              "days": format.value(one["history_days"], "count"), "error": format.value(one["brier"], "number", digits=3),
              "base": format.value(one["brier_base"], "number", digits=3)}  # fmt: skip
    if one["refused"]:
        return word(f"said.warning.{ALIKE.get(one['refused'], one['refused'])}", **parts)
    says = "less" if one["promised"] > one["high"] else "more" if one["promised"] < one["low"] else "alike"
    return word(f"said.warning.calibrated_{says}", **parts)


def reasons(found: pd.DataFrame) -> pd.DataFrame:
    """The leading reasons with `why` in words."""
    return found.assign(why=[word(f"said.warning.because_{name}") for name in found["leading"]])


def commonest(found: pd.DataFrame) -> str:
    """The most common leading reason; without its numbers where those of a small group would follow from them."""
    if found.empty or gate.is_small(found["people"].max()):
        return word("finding.too_few")
    row = found.loc[found["people"].idxmax()]
    why = word(f"said.warning.because_{row['leading']}")
    if gate.is_small(found["people"].sum() - row["people"]):
        return word("said.warning.commonest_only", why=why)
    share = format.value(row["share"], "share")
    return word("said.warning.commonest", why=why, n=format.value(row["people"], "count"), share=share)


def apart(found: pd.DataFrame, most: int = 3) -> str:
    """What sets the lost apart from matched stayers, each clear; an association."""
    known = found[(found["q"].astype("float64") <= CLEAR) & ~gate.are_small(found["smallest"])] if len(found) else found
    told = [word("said.warning.lift", name=distinct.named(row["attribute"], row["level"]), lift=_times(row["lift"]))
            for row in known.to_dict("records")]  # fmt: skip
    if not told:
        return word("said.warning.nothing_apart", n=len(found))
    return word("said.warning.apart", names=sentences.listed(told[:most]), n=len(known), total=len(found))


def why_not(refused: str) -> str:
    """Why nothing is said about the lost."""
    return word(f"said.warning.lost_{refused}")


def matched(found: pd.DataFrame) -> str:
    """How many of the lost were matched with how many stayers, and how alike they are."""
    sides = found.set_index("side")
    if gate.is_small(sides["matched"].min()):
        return word("finding.too_few")
    lost, stayed = sides.loc["lost"], sides.loc["stayed"]
    parts = {"lost": lost["matched"], "of": lost["people"], "stayed": stayed["matched"]}
    days = {f"{name}_days": format.value(row["tenure_matched"], "days") for name, row in (("lost", lost), ("stayed", stayed))}
    days["before_days"] = format.value(stayed["tenure"], "days")
    return word("said.warning.matched", **{name: format.value(n, "count") for name, n in parts.items()}, **days)


def brought(found: pd.DataFrame) -> str:
    """What the campaign of most people brought, or why nothing can be said; beside the naive figure."""
    if found.empty:
        return word("said.warning.no_campaign")
    row = found.loc[(found["touched"] + found["holdout"]).idxmax()]
    parts = {"campaign": gate.name(row["campaign"]), "days": format.value(row["days"], "count"), "people": subject()}
    if row["refused"]:
        return word(f"said.warning.{row['refused']}", **parts, share=_of(row["share"], row["touched"]))
    if gate.is_small(row["smallest"]):
        return word("finding.too_few")
    parts |= {"share": format.value(row["share"], "share"), "base": format.value(row["base"], "share"),
              "lift": format.value(row["lift"], "points"), "interval": format.interval(row["low"], row["high"], "points"),
              "n": format.value(row["incremental"], "count"), "all": format.value(row["returned"], "count")}  # fmt: skip
    return word(f"said.warning.brought_{sentences.verdict(row['low'], row['high'])}", **parts)


def cost(found: pd.DataFrame) -> str:
    """What a return cost, by everybody who came back and by those alone whom the campaign of highest cost brought."""
    known = found[found["cost"].notna() & (found["refused"] == "")]
    if known.empty:
        return word("said.warning.cost_unknown")
    row = known.loc[known["cost"].astype("float64").idxmax()]
    if gate.is_small(row["smallest"]):
        return word("finding.too_few")
    parts = {name: format.value(row[name], "money") for name in ("cost_naive", "cost_incremental")}
    around = format.interval(row["cost_low"], row["cost_high"], "money")
    says = "cost_none" if parts["cost_incremental"] == format.UNDEFINED else "cost_open" if around == format.UNDEFINED else "cost"
    return word(f"said.warning.{says}", campaign=gate.name(row["campaign"]), interval=around, **parts)


def alike(found: pd.DataFrame) -> str:
    """Whether the two arms of each campaign had been silent for equally long before."""
    known = found[(found["refused"] == "") & found["away_p"].notna()]
    odd = [gate.name(name) for name in known.loc[known["away_p"] < CLEAR / max(len(known), 1), "campaign"]]
    if not len(known):
        return word("said.warning.likeness_unknown")
    return word("said.warning.unlike", names=sentences.listed(odd)) if odd else word("said.warning.alike")


def _of(share: object, n: object) -> str:
    return gate.small_mark() if gate.is_small(n) else format.value(share, "share")


def _times(lift: object) -> str:
    return format.value(lift, "number", digits=1)
