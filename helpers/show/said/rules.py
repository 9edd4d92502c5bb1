"""What rules of rules.toml say, in the language of the page: a condition, which stands there in SQL, and the reason of a tag.

English pages show both as they are written.
"""

from __future__ import annotations

import re
from functools import cache

from helpers.show import format, gate, words
from helpers.show.words import dimension, tier, word

_TOKEN = re.compile(r"\s*('(?:[^']|'')*'|[A-Za-z_]\w*|\d+(?:\.\d+)?|>=|<=|<>|!=|[-=<>()+*/,])")
_SIGNS = {"=": "equals", ">=": "at_least", "<=": "at_most", ">": "more", "<": "less", "<>": "is_not", "!=": "is_not",
          "AND": "and", "OR": "or"}  # fmt: skip
_PHRASES = {("IS", "NULL"): "unknown", ("IS", "NOT", "NULL"): "known"}
_AS_THEY_ARE = {"*": "×", "/": "÷", "+": "+", "-": "-", "(": "(", ")": ")"}
_BANDS = "age_band"  # of the values that stand in reasons the one that is a word of ours


def condition(sql: str) -> str:
    """A condition in words; as it is where it says something that there are no words for."""
    if gate.settings().language == words.FALLBACK:
        return sql
    tokens = _tokens(sql)
    told: list[str] = []
    while tokens:
        said, taken = _next(tokens, told[-1:] == [word("conditions.is")])
        if not taken:
            return sql
        told, tokens = [*told, said], tokens[taken:]
    return " ".join(told) or sql


def _tokens(sql: str) -> list[str]:
    """The parts of the condition; [""], which has no words, where something else stands in it."""
    found = _TOKEN.findall(sql)
    return found if "".join(found) == re.sub(r"\s+(?=(?:[^']*'[^']*')*[^']*$)", "", sql) else [""]


def _next(tokens: list[str], is_listed: bool) -> tuple[str, int]:
    """The words of what comes next, and how many tokens it takes; none for what there are no words for."""
    first, upper = tokens[0], tuple(token.upper() for token in tokens[:3])
    for phrase, key in _PHRASES.items():
        if upper[: len(phrase)] == phrase:
            return word(f"conditions.{key}"), len(phrase)
    if upper[0] == "IN":
        return word("conditions.is"), 1
    if is_listed and first == "(" and ")" in tokens:
        values = [token for token in tokens[1 : tokens.index(")")] if token != ","]
        return format.joined(map(_value, values), "names"), tokens.index(")") + 1
    if upper[0] in _SIGNS:
        is_text = first == "=" and tokens[1:] and tokens[1].startswith("'")
        return word("conditions.is" if is_text else f"conditions.{_SIGNS[upper[0]]}"), 1
    if first.startswith("'") or first[:1].isdigit():
        return _value(first), 1
    if first in _AS_THEY_ARE:
        return _AS_THEY_ARE[first], 1
    return (dimension(first), 1) if _is_known(first) else ("", 0)


def _value(token: str) -> str:
    return tier(token[1:-1].replace("''", "'")) if token.startswith("'") else token


def _is_known(name: str) -> bool:
    return name in words.dimensions() or f"columns.{name}" in words.keys(gate.settings().language)


def reason(text: str) -> str:
    """The reason of a tag of the default rules, as it was filled in for a person; any other as it is."""
    for pattern, own in _reasons(gate.settings().language):
        if found := pattern.fullmatch(text):
            values = found.groupdict()
            return own.format(**values | ({_BANDS: tier(values[_BANDS])} if _BANDS in values else {}))
    return text


@cache
def _reasons(language: str) -> list[tuple[re.Pattern, str]]:
    """Patterns of the English reasons, and what each is in another language."""
    made = []
    for english, own in words.templates(language).items():
        parts = re.split(r"\{(\w+)(?::[^}]*)?\}", english)
        pattern = "".join(f"(?P<{part}>.+?)" if at % 2 else re.escape(part) for at, part in enumerate(parts))
        made.append((re.compile(pattern, re.DOTALL), own))
    return made
