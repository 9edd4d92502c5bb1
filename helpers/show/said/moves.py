"""What is said of moves between tiers, of named segments and of RFM classes."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from helpers import stats
from helpers.show import format, gate, sentences, suppress, words
from helpers.show.said import rules
from helpers.show.words import subject, text, tier, word

MOVED = ("upgraded", "fell", "changed", "entered")
ALPHA = 0.05


def moves(flows: pd.DataFrame, dimension: str) -> str:
    """How many rose and fell in the last week; whether one outweighs the other is told from its interval."""
    own = _last(flows, dimension)
    people = own.groupby("kind")["people"].sum()
    up, down = (int(people.get(kind, 0)) for kind in ("upgraded", "fell"))
    if not own["people"].sum() or gate.is_small(up) or gate.is_small(down):
        return word("finding.too_few")
    parts = {"dimension": words.dimension(dimension), "up": format.value(up, "count"), "down": format.value(down, "count"),
             "people": subject()}  # fmt: skip
    if not up + down:
        return word("said.moves.nobody", **parts)
    low, high = stats.wilson(up, up + down)
    found = sentences.verdict(float(low) - 0.5, float(high) - 0.5)
    return word(f"said.moves.{found}", **parts)


def reasons(flows: pd.DataFrame, dimension: str) -> str:
    """The largest flow of the last week between two tiers, with its most common reason."""
    own = _last(flows, dimension)
    own = own[_is_safe(own) & ~own["kind"].isin(["stayed", "entered"])]
    if own.empty:
        return word("said.moves.no_flow", dimension=words.dimension(dimension))
    top = own.loc[own["people"].idxmax()]
    return word(
        "said.moves.flow",
        n=format.value(top["people"], "count"),
        before=tier(top["from"]),
        now=tier(top["to"]),
        reason=reason(top["reason"]),
        people=subject(),
    )


def sizes(found: pd.DataFrame) -> pd.DataFrame:
    """Tiers with those who came and left, without what tells of a handful: size now = size a week ago + came - left.

    Where one of the three is small, who came and who left are kept back. Where a handful is new in all, so are the sizes of a
    week ago: the difference of their sums would tell of them.

    Args:
        found: Contract `tier_sizes`.
    """
    parts = ["before", "came", "left"]
    small = found[parts].map(gate.is_small).any(axis=1)
    whole = found.groupby("dimension", sort=False)[["people", "before"]].transform("sum")
    few_new = (whole["people"] - whole["before"]).abs().map(gate.is_small).astype(bool)
    hidden = {"before": few_new, "came": small | few_new, "left": small | few_new}
    return found.assign(**{name: gate.without(found[name], gone) for name, gone in hidden.items()})


def people(counts: dict[str, int]) -> dict[str, object]:
    """People in all, now and a week ago; the latter not where a handful is new.

    Args:
        counts: As `segments.summary` gives them.
    """
    now, before = counts.values()
    return counts | ({"a week ago": gate.kept_back()} if gate.is_small(abs(now - before)) else {})


def shown(flows: pd.DataFrame, dimension: str) -> pd.DataFrame:
    """The flows of the last week between different tiers, the largest first, with words for reasons.

    Flows of too few people are left out, and those from which they could be worked out, since sizes are known.
    """
    own = _last(flows, dimension)
    safe = own[_is_safe(own) & (own["kind"] != "stayed")].sort_values("people", ascending=False, kind="stable")
    steps = [_step(*pair) for pair in zip(safe["from"], safe["to"], strict=True)]
    return safe.assign(reason=safe["reason"].map(reason), step=steps)


def net(flows: pd.DataFrame, dimension: str) -> pd.DataFrame:
    """Who moved between two tiers on balance in the last week, the most first; pairs of which one way is hidden are left out.

    Returns:
        `step` (in words, the way that more went), `from`, `to`, `forth`, `back`, `net` (people), `low`, `high` (95 % interval,
        both ways being Poisson) and `clear` (after Bonferroni over all pairs).
    """
    counts, hidden = _hidden(_last(flows, dimension))
    names = [name for name in dict.fromkeys([*counts.index, *counts.columns]) if name != "outside"]
    full = counts.reindex(index=names, columns=names, fill_value=0)
    gone = pd.DataFrame(hidden[:-1, :-1] != 0, counts.index, counts.columns).reindex(index=names, columns=names, fill_value=False)
    rows = []
    for before, now in combinations(names, 2):
        if gone.loc[before, now] or gone.loc[now, before] or not full.loc[before, now] + full.loc[now, before]:
            continue
        ends = (before, now) if full.loc[before, now] >= full.loc[now, before] else (now, before)
        forth, back = int(full.loc[ends]), int(full.loc[ends[::-1]])
        found = stats.compare_counts(back, forth)
        rows.append((_step(*ends), *ends, forth, back, forth - back, found.low, found.high, found.p))
    made = pd.DataFrame(rows, columns=["step", "from", "to", "forth", "back", "net", "low", "high", "p"])
    made["clear"] = made.pop("p").astype("float64") * len(made) <= ALPHA
    return made.sort_values("net", ascending=False, kind="stable", ignore_index=True)


def nets(flows: pd.DataFrame) -> pd.DataFrame:
    """The same of all dimensions of tiers, with `dimension` in words."""
    found = [net(flows, name).assign(dimension=words.dimension(name)) for name in dict.fromkeys(flows["dimension"])]
    return pd.concat(found, ignore_index=True) if found else net(flows, "").assign(dimension="")


def balanced(flows: pd.DataFrame, dimension: str) -> str:
    """The largest clear balance between two tiers."""
    found = net(flows, dimension)
    if found.empty:
        return word("front.net_few", dimension=words.dimension(dimension))
    if not found["clear"].any():
        return word("front.net_unclear", dimension=words.dimension(dimension))
    row = found[found["clear"]].iloc[0]
    return word(
        "front.net_up", dimension=words.dimension(dimension), net=format.value(row["net"], "count"), people=subject(),
        before=tier(row["from"]), now=tier(row["to"]), interval=format.interval(row["low"], row["high"], "count"),
    )  # fmt: skip


def balance(flows: pd.DataFrame, dimension: str) -> pd.DataFrame:
    """People by kind of move, one row a week: for the figure of flows; kinds that never occur are left out."""
    own = flows[(flows["dimension"] == dimension) & flows["kind"].isin(MOVED)]
    wide = own.pivot_table(index="week", columns="kind", values="people", aggfunc="sum", fill_value=0)
    wide = wide.reindex(index=sorted(flows["week"].unique()), columns=list(MOVED), fill_value=0)
    return wide.reset_index().rename_axis(columns=None)


def standards(sizes: pd.DataFrame) -> pd.DataFrame:
    """The named segments with their conditions in words."""
    return sizes.assign(when=[rules.condition(when) for when in sizes["when"]])


def named(sizes: pd.DataFrame) -> str:
    """The largest named segment, and how it compares with the week before."""
    told = sizes[~gate.are_small(sizes["people"]) & (sizes["people"] > 0)]
    if told.empty:
        return word("finding.too_few")
    top = told.loc[told["people"].idxmax()]
    step = int(top["people"] - top["before"])
    direction = "more" if step > 0 else "fewer" if step < 0 else "same"
    return word(
        f"finding.tiers_{direction}",
        names=gate.name(text(top["segment"])),
        n=format.value(top["people"], "count"),
        share=format.value(top["share"], "share"),
        step=format.value(abs(step), "count"),
        people=subject(),
    )


def classes(sizes: pd.DataFrame) -> str:
    """The class of most people, and the one that carries most of the net amount."""
    own = sizes[sizes["what"] == "rfm_class"]
    if not own["people"].sum() or gate.is_small(own["people"].max()):
        return word("finding.too_few")
    most = own.loc[own["people"].idxmax()]
    size = {"name": tier(most["level"]), "share": format.value(most["share"], "share"), "people": subject()}
    net = own["net"].astype("float64")
    total = net.sum()
    rich = own.loc[net.idxmax()]
    if total <= 0 or gate.is_small(rich["people"]):
        return word("said.moves.classes", **size)
    part = format.value(net.max() / total, "share")
    return word("said.moves.classes_net", **size, rich=tier(rich["level"]), part=part)


def reason(key: object) -> str:
    """The words of a reason; of nobody's there are none."""
    if not isinstance(key, str):
        return ""
    head, _, end = key.rpartition(" ")
    if end in ("came", "gone"):
        return word(f"said.moves.reasons.act_{end}", act=word(f"said.moves.acts.{head}"))
    return word(f"said.moves.reasons.{key.replace(' ', '_')}")


def hidden() -> str:
    """The note under a table of `shown` flows."""
    return word("said.moves.hidden", k=gate.settings().min_group)


def _is_safe(own: pd.DataFrame) -> pd.Series:
    """Whether a flow can be told: from the sizes of the tiers nobody can work out a group that is too small."""
    counts, hidden = _hidden(own)
    if counts.empty:
        return pd.Series(False, own.index)
    known = pd.DataFrame(hidden[:-1, :-1] == 0, counts.index, counts.columns).stack()
    return pd.Series([bool(known[pair]) for pair in zip(own["from"], own["to"], strict=True)], own.index)


def _hidden(own: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """The flows of a week as a two-way table, and which of its entries and totals are hidden (not 0), as `suppress.two_way`."""
    counts = own.pivot_table(index="from", columns="to", values="people", aggfunc="sum", fill_value=0)
    if counts.empty:
        return counts, np.zeros((1, 1))
    return counts, suppress.two_way(counts.to_numpy(), gate.settings().min_group)


def _step(before: str, now: str) -> str:
    return word("said.moves.step", before=tier(before), now=tier(now))


def _last(flows: pd.DataFrame, dimension: str) -> pd.DataFrame:
    return flows[(flows["dimension"] == dimension) & (flows["week"] == flows["week"].max())]
