"""Colours by key, each with a light and a dark form; a page picks the form, figures name only the key.

The categorical colours keep at least 3:1 contrast on the page in both forms, and stay apart (16 CIE Lab units or
more) for readers with protanopia, deuteranopia and tritanopia.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from functools import cache

# name: (light, dark). Every light form is unique: matplotlib draws with it, and the SVG is given the name back.
TOKENS: dict[str, tuple[str, str]] = {
    "paper": ("#ffffff", "#14171a"),
    "panel": ("#f5f6f7", "#1d2227"),
    "ink": ("#1a1d21", "#e8eaed"),
    "soft": ("#59626c", "#a6b0ba"),
    "rule": ("#e1e5e9", "#31383f"),
    "base": ("#7b848e", "#77818b"),
    "quiet": ("#858d97", "#7d8790"),
    "faint": ("#c4cad0", "#454d55"),
    "accent": ("#00704a", "#4cc38a"),
    "warn": ("#8a5a00", "#e8b04a"),
    "alarm": ("#b3261e", "#ff8a80"),
    "k0": ("#1b3f8b", "#3f86f0"),
    "k1": ("#dd750c", "#f5852a"),
    "k2": ("#9b5fe0", "#d39bff"),
    "k3": ("#1f96c9", "#a9e0fb"),
    "k4": ("#5a0a20", "#e0355f"),
    "k5": ("#6e5a14", "#f0dc6a"),
    "h0": ("#eef5f1", "#1b2622"),
    "h1": ("#d9ebe2", "#1e3a30"),
    "h2": ("#bfdfd0", "#204d3d"),
    "h3": ("#9fcfb9", "#22624b"),
    "h4": ("#7bbc9f", "#25785a"),
    "h5": ("#28805d", "#36a377"),
    "h6": ("#1a7452", "#5cba91"),
    "h7": ("#0d5c3f", "#84d0ae"),
    "h8": ("#05402b", "#b2e6cd"),
}
RAMP = tuple(name for name in TOKENS if name[0] == "h" and name[1:].isdigit())
# From this step on, a cell of the ramp is far enough from the page that its text takes the page's colour.
INVERT_FROM = 5

# Keys that the project itself makes. Orders of rank run through one hue's neighbours; "none of it" is grey.
KNOWN: dict[str, str] = {
    "high": "accent", "medium": "k3", "mid": "k3", "low": "k1", "none": "quiet",
    "creator": "accent", "commenter": "k0", "sharer": "k1", "reactor": "k2", "reader": "k3",
    "high payer": "accent", "payer": "k0", "potential payer": "k1", "non-payer": "quiet",
    "prospect": "quiet", "new": "k3", "first purchase": "k2", "active": "accent", "silent": "k1", "lost": "k4",
    "resurrected": "k0", "retained": "accent", "churned": "k4",
    "control": "quiet", "treatment": "accent", "all": "accent",
    "dau": "k3", "wau": "k0", "mau": "accent",
}  # fmt: skip
OTHERS = ("k0", "k1", "k2", "k3", "k4", "k5")


def token(key: object) -> str:
    """The name of a key's colour: the known one, else one that depends on nothing but the key's own text."""
    text = str(key)
    if text in TOKENS:
        return text
    if text.replace("_", " ") in KNOWN:
        return KNOWN[text.replace("_", " ")]
    return OTHERS[zlib.crc32(text.encode("utf-8", "replace")) % len(OTHERS)]


def tokens(keys: Iterable[object]) -> dict[str, str]:
    """The names of the colours of keys that stand side by side: two unknown keys that would share one are told apart,
    the later in the alphabet taking the next free colour."""
    found = {str(key): token(key) for key in keys}
    taken = {found[key] for key in found if key.replace("_", " ") in KNOWN}
    for key in sorted(key for key in found if key.replace("_", " ") not in KNOWN and key not in TOKENS):
        turn = OTHERS.index(found[key])
        free = [name for name in (*OTHERS[turn:], *OTHERS[:turn]) if name not in taken]
        found[key] = free[0] if free else found[key]
        taken.add(found[key])
    return found


def colour(key: object) -> str:
    """The colour of a tier, a variant or any other key, as `#rrggbb` (its light form), the same on every page."""
    return TOKENS[token(key)][0]


@cache
def names() -> dict[str, str]:
    """From `#rrggbb` (light form) to the name of the colour."""
    return {light: name for name, (light, _) in TOKENS.items()}


def variables(form: str) -> str:
    """CSS declarations of all colours, `form` being "light" or "dark"."""
    at = ("light", "dark").index(form)
    return "".join(f"--{name}:{pair[at]};" for name, pair in TOKENS.items())


@cache
def classes() -> str:
    """CSS rules that give SVG marks their colour: `.f-accent` fills, `.s-accent` strokes, `.t-accent` sets words in a
    tone of it that is dark (or light) enough to read."""
    rules = [f".gr .f-{name}{{fill:var(--{name})}}.gr .s-{name}{{stroke:var(--{name})}}" for name in TOKENS]
    tones = [name for name in TOKENS if name in OTHERS or name == "accent"]
    rules += [f".gr .t-{name}{{fill:var(--ink);fill:color-mix(in srgb,var(--{name}) 72%,var(--ink))}}" for name in tones]
    return "".join(rules)
