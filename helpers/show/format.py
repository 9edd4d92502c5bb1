"""A number and its unit as text. What is undefined is "-", never NaN, infinity or 0."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable
from decimal import Decimal

from helpers.errors import nearest
from helpers.show import gate, words
from helpers.show.words import word, word_or

UNDEFINED = "-"
MOST_DIGITS = 9
# "people" withholds itself when it is small; "count" is for things (events, contents); "share" is 0 to 1;
# "points" is a difference of shares, 0 to 1; "p" is a p-value; "text" is shown as it is; "words" are English ones of our own.
UNITS = ("people", "count", "share", "points", "money", "days", "number", "p", "date", "week", "text", "words")
NUMERIC = frozenset(UNITS) - {"date", "week", "text", "words"}
_WEEK = re.compile(r"(\d{4})-W(\d{2})\Z")


def value(x: object, unit: str = "number", *, digits: int | None = None, sign: bool = False, bare: bool = False) -> str:
    """One value as text.

    Args:
        x: A number, Decimal, date, text, or anything missing.
        unit: One of UNITS.
        digits: Decimals; None leaves it to the unit and the size of the number.
        sign: Print a plus before what is above zero (a change). Points always carry their sign.
        bare: Leave out the words of the unit, for a column whose head says it.

    Returns:
        `1,234`  `12.3 %`  `+1.2 points`  `CNY 1,234.50`  `12.3 days`  `0.0016`  `<0.001`  `8 Mar 2026`  `-`; in Chinese
        `1,234`  `12.3%`  `+1.2 个百分点`  `1,234.50 元`  `12.3 天`  `0.0016`  `<0.001`  `2026年3月8日`  `-`
    """
    check(unit)
    if isinstance(x, gate.Mark):
        return str(x)
    if unit in ("text", "week"):
        return UNDEFINED if _missing(x) else gate.name(x)
    if unit == "words":
        return UNDEFINED if _missing(x) else gate.plain(words.text(x))
    if unit == "date":
        return day(x)
    number = _number(x)
    if number is None:
        return UNDEFINED
    if unit == "people" and not sign and gate.is_small(number):
        return gate.small_mark()
    return _FORMS[unit](number, digits, sign, bare)


def interval(low: object, high: object, unit: str = "number", *, digits: int | None = None) -> str:
    """`17.9 to 20.2 %`: both ends with the same decimals, the unit said once; "-" if either end is undefined."""
    if _number(low) is None or _number(high) is None:
        return UNDEFINED
    if digits is None and unit in ("share", "points", "number", "days"):
        digits = decimals(max(abs(float(low)), abs(float(high))), unit)  # type: ignore[arg-type]
    if unit == "money":
        return _coded(" ".join([value(low, unit, digits=digits, bare=True), word("format.to"),
                                value(high, unit, digits=digits, bare=True)]))  # fmt: skip
    first = value(low, unit, digits=digits, bare=True)
    if unit == "share":
        first = word("format.percent_from", n=first)
    return f"{first} {word('format.to')} {value(high, unit, digits=digits)}"


def apart(old: object, new: object, unit: str, *, digits: int | None = None) -> tuple[str, str]:
    """Two different values as two different texts: with more decimals than usual where they need them."""
    shown = value(old, unit, digits=digits), value(new, unit, digits=digits)
    for more in range(1, MOST_DIGITS + 1):
        if shown[0] != shown[1]:
            break
        shown = value(old, unit, digits=more), value(new, unit, digits=more)
    return shown


def decimals(size: float, unit: str) -> int:
    """How many decimals a number of this size deserves in its unit."""
    if unit in ("share", "points"):
        return 2 if 0 < size < 0.01 else 1
    if unit == "money":
        return 2
    if unit in ("people", "count"):
        return 0
    return 0 if size >= 100 else 1 if size >= 10 else 2


def day(x: object, *, year: bool = True) -> str:
    """`8 Mar 2026`, or `8 Mar`; accepts dates, timestamps and ISO text."""
    if _missing(x):
        return UNDEFINED
    try:
        date = x if hasattr(x, "year") else dt.date.fromisoformat(str(x)[:10])
    except ValueError:
        return gate.plain(x)
    month = word("format.months").split()[date.month - 1]
    return word("format.day_year" if year else "format.day", day=date.day, month=month, year=date.year)


def days(first: object, last: object) -> str:
    """`2 Mar 2026 to 8 Mar 2026`."""
    return f"{day(first)} {word('format.to')} {day(last)}"


def week(label: object) -> str:
    """An ISO week as a sentence names it: `2026-W10`, in Chinese `2026年第10周`; other text stays as it is."""
    found = _WEEK.match(str(label))
    return word("format.week", year=int(found[1]), week=int(found[2])) if found else gate.plain(label)


def joined(parts: Iterable[object], how: str = "sentences") -> str:
    """What there is of some texts, one after the other: `how` is "sentences", "clauses", "commas" or "names"."""
    return word(f"join.{how}").join(text for text in map(str, parts) if text)


def large(number: float, step: float) -> str | None:
    """`2.5 m`, in Chinese `250万`: a large number with the decimals that its step needs; None where it is not large."""
    for power, name in (each.split("|") for each in word("format.large").split(";")):
        size = 10 ** int(power)
        if abs(number) >= size:
            return f"{number / size:,.{step_digits(step / size)}f}{name}"
    return None


def step_digits(step: float) -> int:
    """How many decimals tell steps of this size apart."""
    digits = max(0, min(6, math.ceil(-math.log10(step) - 1e-9))) if step > 0 else 0
    return digits + 1 if round(step * 10**digits, 6) % 1 else digits


def moment(x: object) -> str:
    """`8 Mar 2026 06:05 UTC` of a time with its offset, given as such or as ISO text; other text stays as it is."""
    if _missing(x):
        return UNDEFINED
    try:
        time = x if isinstance(x, dt.datetime) else dt.datetime.fromisoformat(str(x))
    except ValueError:
        return gate.plain(x)
    zone = "" if time.tzinfo is None else " UTC" if not time.utcoffset() else f" {time:%z}"
    return f"{day(time)} {time:%H:%M}{zone}"


def week_start(label: object) -> dt.date | None:
    """The Monday of `2026-W10`, or None if the text is not an ISO week."""
    found = _WEEK.match(str(label))
    try:
        return dt.date.fromisocalendar(int(found[1]), int(found[2]), 1) if found else None
    except ValueError:
        return None


def check(unit: str) -> str:
    """The unit, if there is one of that name."""
    if unit not in UNITS:
        raise ValueError(f'unit "{unit}" is unknown. Units: {", ".join(UNITS)}.{nearest(unit, UNITS)}')
    return unit


def _missing(x: object) -> bool:
    return x is None or type(x).__name__ in ("NAType", "NaTType") or x != x


def _number(x: object) -> float | Decimal | None:
    """A finite number, or None; Decimals stay exact."""
    if _missing(x) or isinstance(x, bool):
        return int(x) if isinstance(x, bool) else None
    try:
        number = x if isinstance(x, Decimal) else float(x)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _fixed(number: float | Decimal, digits: int, sign: bool) -> str:
    text = f"{number:+,.{digits}f}" if sign else f"{number:,.{digits}f}"
    # Rounded to nothing there is neither plus nor minus.
    return text.lstrip("+-") if not re.search(r"[1-9]", text) else text


def _plain(number, digits, sign, bare, unit="count"):
    return _fixed(number, decimals(abs(float(number)), unit) if digits is None else digits, sign)


def _number_form(number, digits, sign, bare):
    if digits is None and float(number).is_integer() and abs(number) >= 10:
        digits = 0
    return _plain(number, digits, sign, bare, "number")


def _share(number, digits, sign, bare):
    text = _fixed(number * 100, decimals(abs(float(number)), "share") if digits is None else digits, sign)
    return text if bare else word("format.percent", n=text)


def _points(number, digits, sign, bare):
    text = _fixed(number * 100, decimals(abs(float(number)), "points") if digits is None else digits, True)
    return text if bare else word("format.points", n=text)


def _money(number, digits, sign, bare):
    text = _plain(number, digits, sign, bare, "money")
    return text if bare else _coded(text)


def _coded(text: str) -> str:
    """The amount with its currency, which stands between the sign and the number where it comes first."""
    code = gate.settings().currency
    if not code:
        return text
    form, sign = word_or("money", code, "other"), text[0] if text[0] in "+-" else ""
    return sign + form.format(code=code, n=text.removeprefix(sign))


def _days(number, digits, sign, bare):
    if digits is None:
        digits = 0 if float(number).is_integer() else 1
    text = _fixed(number, digits, sign)
    return text if bare else word("format.day_one" if text == "1" else "format.days", n=text)


def _p(number, digits, sign, bare):
    return "<0.001" if number < 0.001 else f"{number:.4f}" if number < 0.01 else f"{number:.3f}"


_FORMS = {
    "people": _plain, "count": _plain, "number": _number_form, "share": _share, "points": _points, "money": _money,
    "days": _days, "p": _p,
}  # fmt: skip
