"""Regular expressions as DuckDB 1.5 reads them (RE2), in the words of Spark 4.0 (Java)."""

from __future__ import annotations

import re

from helpers.errors import InputError

TOKEN = re.compile(
    r"\\Q(?P<quoted>.*?)(?:\\E|$)|\\[pP]\{(?P<named>\^?\w+)\}|\\x\{[0-9A-Fa-f]+\}|\\(?P<escaped>.)|\(\?P?<(?P<group>\w+)>"
    r"|\(\?(?P<flags>[a-zA-Z-]+)(?P<end>[:)])|\[:(?P<posix>\^?\w+):\]|(?P<open>\[\^?)|(?P<plain>.)",
    re.DOTALL,
)
BLANKS = r"\t\n\f\r "  # Java's \s has the vertical tab as well
LETTER = "[0-9A-Za-z_]"
ESCAPED = {
    "s": f"[{BLANKS}]", "S": f"[^{BLANKS}]", "C": r"[\s\S]",
    "b": f"(?:(?<={LETTER})(?!{LETTER})|(?<!{LETTER})(?={LETTER}))",
    "B": f"(?:(?<={LETTER})(?={LETTER})|(?<!{LETTER})(?!{LETTER}))",
}  # fmt: skip
POSIX = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "ascii": r"\x00-\x7F", "blank": r"\t ", "cntrl": r"\x00-\x1F\x7F", "digit": "0-9",
    "graph": "!-~", "lower": "a-z", "print": " -~", "punct": r"!-/:-@\[-`{-~", "space": r"\t\n\x0B\f\r ", "upper": "A-Z",
    "word": "0-9A-Za-z_", "xdigit": "0-9A-Fa-f",
}  # fmt: skip
CATEGORY = re.compile("L[ultmo]?|M[nce]?|N[dlo]?|P[cdseifo]?|S[mcko]?|Z[slp]?|C[cfsno]?")


class Unspoken(InputError):
    """What DuckDB understands and Spark has no word for; the text says what, and what to write instead."""


def java(pattern: str, flags: str = "") -> str:
    """The pattern for Java, whose `.`, `$`, `\\s`, brackets within brackets and letters without case are not RE2's.

    Args:
        flags: As the last argument of `regexp_matches`: i, c, s and g are known.
    """
    if set(flags) - set("icsg"):
        raise Unspoken(f'The flags "{flags}" of a regular expression have no counterpart on Spark; i, c, s and g have.')
    found = ["(?iu)"] if "i" in flags else []
    dot, end, inside, first = r"[\s\S]" if "s" in flags else r"[^\n]", r"\z", False, False
    for token in TOKEN.finditer(pattern):
        if inside:
            inside = first or token["plain"] != "]"
            found.append(_inside(token, first) if inside else "]")
            first = False
        elif token["open"]:
            found.append(token[0])
            inside = first = True
        elif token["flags"]:
            dot, end = (r"[\s\S]" if "s" in token["flags"] else dot), (r"(?=\n|\z)" if "m" in token["flags"] else end)
            found.append(_flags(token))
        else:
            found.append({".": dot, "$": end}.get(token[0]) or _outside(token))
    return "".join(found)


def _flags(token: re.Match) -> str:
    known = re.fullmatch("[ism]+", token["flags"]) and (token["end"] == ")" or token["flags"] == "i")
    if not known:
        raise Unspoken(f"{token[0]} in a regular expression has no counterpart on Spark; (?i), (?s) and (?m) have.")
    own = token["flags"].replace("s", "").replace("i", "iu").replace("m", "dm")  # what "s" does was done to each dot
    return f"(?{own}{token['end']}" if own else ""


def _outside(token: re.Match) -> str:
    if token["escaped"]:
        return ESCAPED.get(token["escaped"], token[0])
    return f"(?<{token['group'].replace('_', 'U')}>" if token["group"] else _either(token)


def _inside(token: re.Match, first: bool) -> str:
    """Java takes brackets within brackets, and &&, for sets of their own."""
    if token["plain"] or token["open"]:
        text = token[0].replace("[", r"\[").replace("&", r"\&")
        return r"\]" if first and text == "]" else text
    if token["posix"]:
        if token["posix"] not in POSIX:
            raise Unspoken(f"{token[0]} in a regular expression has no counterpart on Spark; write the letters.")
        return POSIX[token["posix"]]
    if token["escaped"] == "S":
        raise Unspoken(r"\S within brackets of a regular expression has no counterpart on Spark; write the letters.")
    return BLANKS if token["escaped"] == "s" else _either(token)


def _either(token: re.Match) -> str:
    if token["quoted"] is not None:
        return re.escape(token["quoted"])
    if token["named"]:
        named = token["named"].removeprefix("^")
        negative = (token[0][1] == "P") is not token["named"].startswith("^")
        return rf"\{'P' if negative else 'p'}{{{named if CATEGORY.fullmatch(named) else f'Is{named}'}}}"
    return token[0]


def replacement(text: str, *, before: int = 0) -> str:
    """What `regexp_replace` puts in, for Java.

    Args:
        before: Groups that were put before those of the pattern.
    """
    found = []
    for digit, escaped, plain in re.findall(r"\\(\d)|\\(.)|(.)", text, re.DOTALL):
        letter = escaped or plain
        found.append(f"${int(digit) + before}" if digit else f"\\{letter}" if letter in "\\$" else letter)
    return "".join(found)
