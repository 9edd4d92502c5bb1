"""Portraits as cards, for a cell that explores: of a group, and of one person, which belongs on no page."""

from __future__ import annotations

import re

import pandas as pd

from helpers.show import gate, said, tables, words
from helpers.show.gate import Shown, escape
from helpers.show.words import word

TIERS = ("lifecycle", "activity", "contribution", "payment", "value", "rfm_class")
OURS = ("age_band",)  # of what else is known, the attributes whose values are words of ours
FLAGS = ("repurchased", "resurrected", "refunded")
_INTEREST = re.compile(r"(.*) \((\d+)%\)", re.DOTALL)


def person(told: pd.DataFrame) -> Shown:
    """A card of one person: tiers, strongest interests, tags with their reasons, then all else.

    Args:
        told: `what` and `value`, as `portraits.one_user` gives them.
    """
    rows = dict(zip(told["what"], told["value"], strict=True))
    name = rows.pop("pseudonym", "")
    if not rows:
        said = word("portrait.nobody", name=name) if name else word("portrait.ask")
        return Shown(f'<p class="gr gr-skipped">{escape(said)}</p>', gate.plain(said))
    tiers = [(words.dimension(what), words.tier(rows.pop(what))) for what in TIERS if what in rows]
    tastes = [rows.pop(what) for what in list(rows) if what.startswith("interest ") and what[9:].isdecimal()]
    tags = {what.removeprefix("tag "): rows.pop(what) for what in list(rows) if what.startswith("tag ")}
    parts = [
        f'<p class="gr-badges"><strong>{escape(name)}</strong>{"".join(_badge(*tier) for tier in tiers)}</p>',
        _section(word("portrait.interests"), "".join(map(_interest, tastes))),
        _section(word("portrait.tags"), tables.bullet(_tag(*own) for own in tags.items()) if tags else ""),
        _section(word("portrait.known"), tables.facts({words.label(what): _known(what, own) for what, own in rows.items()}).html),
    ]
    text = "\n".join(f"{what}: {value}" for what, value in zip(told["what"], told["value"], strict=True))
    return Shown(f'<div class="gr gr-portrait">{"".join(parts)}</div>', gate.plain(text))


def group(beside: pd.DataFrame, apart: pd.DataFrame) -> Shown:
    """A card of a group: its size and what it does beside the others, then what sets it apart.

    Args:
        beside: As `portraits.beside` gives it.
        apart: Contract `distinctive`.
    """
    size = tables.table(
        beside.assign(who=[word(f"portrait.{who}") for who in beside["who"]]), title=apart["segment"].iloc[0], n="people",
        parts=True, columns={"who": ("", "text"), "people": "people", "share": "share",
                             "active_days": (word("portrait.active_days"), "number", 1),
                             "contents": (word("portrait.contents"), "number", 1),
                             "net": (word("portrait.net"), "money")},
    ) if len(apart) else tables.skipped("portrait", word("explore.empty"))  # fmt: skip
    return gate.together(size, tables.table(
        said.distinct.rows(apart), title=said.distinct.title(apart), n="smallest", parts=True, within="attribute", keep="first",
        fold=12, columns={"what": "text", "here": "number", "there": (word("portrait.others"), "number"), "lift": "number",
                          "lift_low..lift_high": "number", "q": ("q", "p")},
    ))  # fmt: skip


def segment(built: pd.DataFrame, condition: str) -> Shown:
    """Who meets a condition: size, moves of the week and value, beside the others.

    Args:
        built: As `segments.built` gives it.
        condition: Its SQL, for the title.
    """
    k = gate.settings().min_group
    small = gate.are_small(built["people"]).any()
    moved = {name: [_few(count, hidden=small, k=k) for count in built[name]] for name in ("before", "came", "left")}
    return tables.table(
        built.assign(**moved, who=[word("portrait.meets"), word("portrait.others")]), n="people", parts=True,
        title=word("portrait.meeting", condition=condition),
        columns={"who": ("", "text"), "people": "people", "share": "share", "before": (words.label("before"), "text"),
                 "came": (words.label("came"), "text"), "left": (words.label("left"), "text"), "net": "money",
                 "net_each": (word("portrait.net"), "money")},
    )  # fmt: skip


def _few(count: int, *, hidden: bool, k: int) -> str:
    if hidden:
        return word("gate.withheld")
    return f"<{k}" if 0 < count < k else f"{count:,}"


def _tag(name: str, why: str) -> str:
    return word("join.pair", first=words.text(name), then=said.rules.reason(why))


def _known(what: str, value: str) -> tuple[str, str]:
    """A value in words where it is one of ours, else as the data have it."""
    if what in FLAGS:
        return word(f"portrait.{value}"), "text"
    return words.tier(value) if what in OURS else value, "date" if what.endswith("_day") else "text"


def _badge(name: str, value: str) -> str:
    return f'<span class="gr-badge"><small>{escape(name)}</small> {escape(value)}</span>'


def _interest(text: str) -> str:
    found = _INTEREST.fullmatch(text)
    topic, share = found.groups() if found else (text, "0")
    return (
        f'<div class="gr-interest"><span>{escape(topic)}</span><meter min="0" max="100" value="{int(share)}"'
        f' title="{int(share)} %"></meter><span>{int(share)} %</span></div>'
    )


def _section(title: str, body: str) -> str:
    return f"<h4>{escape(title)}</h4>{body}" if body else ""
