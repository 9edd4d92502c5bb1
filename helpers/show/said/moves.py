"""What is said of moves between tiers, of named segments and of RFM classes."""

from __future__ import annotations

import pandas as pd

from helpers import stats
from helpers.show import format, gate, sentences, suppress
from helpers.show.words import label, subject, tier, word

MOVED = ("upgraded", "fell", "changed", "entered")


def moves(flows: pd.DataFrame, dimension: str) -> str:
    """How many rose and fell in the last week; whether one outweighs the other is told from its interval."""
    own = _last(flows, dimension)
    people = own.groupby("kind")["people"].sum()
    up, down = (int(people.get(kind, 0)) for kind in ("upgraded", "fell"))
    if not own["people"].sum() or gate.is_small(up) or gate.is_small(down):
        return word("finding.too_few")
    parts = {"dimension": label(dimension), "up": format.value(up, "count"), "down": format.value(down, "count"),
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
        return word("said.moves.no_flow", dimension=label(dimension))
    top = own.loc[own["people"].idxmax()]
    return word(
        "said.moves.flow",
        n=format.value(top["people"], "count"),
        before=tier(top["from"]),
        now=tier(top["to"]),
        reason=reason(top["reason"]),
        people=subject(),
    )


def shown(flows: pd.DataFrame, dimension: str) -> pd.DataFrame:
    """The flows of the last week between different tiers, the largest first, with words for reasons.

    Flows of too few people are left out, and those from which they could be worked out, since sizes are known.
    """
    own = _last(flows, dimension)
    safe = own[_is_safe(own) & (own["kind"] != "stayed")].sort_values("people", ascending=False, kind="stable")
    steps = [_step(*pair) for pair in zip(safe["from"], safe["to"], strict=True)]
    return safe.assign(reason=safe["reason"].map(reason), step=steps)


def balance(flows: pd.DataFrame, dimension: str) -> pd.DataFrame:
    """People by kind of move, one row a week: for the figure of flows; kinds that never occur are left out."""
    own = flows[(flows["dimension"] == dimension) & flows["kind"].isin(MOVED)]
    wide = own.pivot_table(index="week", columns="kind", values="people", aggfunc="sum", fill_value=0)
    wide = wide.reindex(index=sorted(flows["week"].unique()), columns=list(MOVED), fill_value=0)
    return wide.reset_index().rename_axis(columns=None)


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
        names=gate.plain(top["segment"]),
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
    counts = own.pivot_table(index="from", columns="to", values="people", aggfunc="sum", fill_value=0)
    if counts.empty:
        return pd.Series(False, own.index)
    gone = suppress.two_way(counts.to_numpy(), gate.settings().min_group)
    known = pd.DataFrame(gone[:-1, :-1] == 0, counts.index, counts.columns).stack()
    return pd.Series([bool(known[pair]) for pair in zip(own["from"], own["to"], strict=True)], own.index)


def _step(before: str, now: str) -> str:
    return word("said.moves.step", before=tier(before), now=tier(now))


def _last(flows: pd.DataFrame, dimension: str) -> pd.DataFrame:
    return flows[(flows["dimension"] == dimension) & (flows["week"] == flows["week"].max())]
