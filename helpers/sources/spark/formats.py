"""DuckDB's formats of times, such as %Y-%m-%d, in Spark's words. Texts here are SQL of Spark 4.0."""

from __future__ import annotations

import re
from dataclasses import dataclass

from helpers.sources.spark.patterns import Unspoken

MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december",
)  # fmt: skip
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
LONG = {"c": "%Y-%m-%d %H:%M:%S", "x": "%Y-%m-%d", "X": "%H:%M:%S", "T": "%H:%M:%S"}
BLANK = r"[ \t\n\x0B\f\r]"
OFFSET = "([+-])([0-9]{2})(?::?([0-9]{2})(?::([0-9]{2}))?)?"
# What is read for each letter; digits are taken as far as they go, and none is given back.
READ = {
    "Y": "([0-9]{1,4}+)", "j": "([0-9]{1,3}+)", "f": "([0-9]{1,6}+)", "g": "([0-9]{1,3}+)", "n": "([0-9]{1,9}+)",
    **dict.fromkeys("ymdHIMS", "([0-9]{1,2}+)"), "p": "((?i)[ap]m)", "z": OFFSET, "B": f"((?i){'|'.join(MONTHS)})",
    "b": f"((?i){'|'.join(name[:3] for name in MONTHS)})", "A": f"((?i){'|'.join(DAYS)})",
    "a": f"((?i){'|'.join(name[:3] for name in DAYS)})",
}  # fmt: skip
WRITTEN = {
    "Y": "yyyy", "y": "yy", "m": "MM", "d": "dd", "H": "HH", "I": "hh", "M": "mm", "S": "ss", "f": "SSSSSS", "g": "SSS",
    "j": "DDD", "p": "a", "b": "MMM", "B": "MMMM", "a": "EEE", "A": "EEEE", "-m": "M", "-d": "d", "-H": "H", "-I": "h", "-M": "m",
    "-S": "s", "-j": "D",
}  # fmt: skip
NUMBERS = {
    "G": "EXTRACT(YEAROFWEEK FROM {0})", "V": "LPAD(WEEKOFYEAR({0}), 2, '0')", "u": "WEEKDAY({0}) + 1", "w": "DAYOFWEEK({0}) - 1",
}  # fmt: skip


def read(text: str, form: str) -> str:
    """The time in a text, NULL where it has another form: a TIMESTAMP where the form has an offset, else a TIMESTAMP_NTZ."""
    own = _Read(text, form)
    year = own.number("Y") or own.short_year() or "1900"
    month, day = own.month() or "1", own.number("d") or "1"
    local = f"TRY_MAKE_TIMESTAMP_NTZ({year}, {month}, {day}, {own.hour()}, {own.number('M') or '0'}, {own.seconds()})"
    if "j" in own.groups:
        local += f" + MAKE_DT_INTERVAL({own.number('j')} - 1)"
    if "z" not in own.groups:
        return f"({local})"
    ahead = f"({own.number('z', 1)} * 3600 + COALESCE({own.number('z', 2)}, 0) * 60 + COALESCE({own.number('z', 3)}, 0))"
    east = f"CASE {own.text('z')} WHEN '-' THEN -1 ELSE 1 END"
    return f"(CAST({local} AS TIMESTAMP) - MAKE_DT_INTERVAL(0, 0, 0, {ahead} * {east}))"


def has_offset(form: str) -> bool:
    """Whether what is read by a form is an instant."""
    return "%z" in form


@dataclass
class _Read:
    """The parts of a text that has a form."""

    of: str
    form: str

    def __post_init__(self) -> None:
        self.groups: dict[str, int] = {}
        pattern, group = "", 1
        for letter, plain in _parts(self.form):
            if letter and letter.removeprefix("-") not in READ:
                raise Unspoken(f'"%{letter}" in "{self.form}" cannot be read on Spark. Readable are %{", %".join(sorted(READ))}.')
            own = READ[letter.removeprefix("-")] if letter else f"{BLANK}+" if plain.isspace() else re.escape(plain)
            if letter:
                self.groups[letter.removeprefix("-")] = group
                group += 4 if letter == "z" else 1
            pattern += own
        self.pattern = rf"\A{BLANK}*{pattern}{BLANK}*\z"

    def text(self, letter: str, further: int = 0) -> str:
        pattern = self.pattern.replace("\\", "\\\\").replace("'", "\\'")
        return f"REGEXP_EXTRACT({self.of}, '{pattern}', {self.groups[letter] + further})"

    def number(self, letter: str, further: int = 0) -> str:
        return f"TRY_CAST({self.text(letter, further)} AS INT)" if letter in self.groups else ""

    def short_year(self) -> str:
        year = self.number("y")
        return f"({year} + CASE WHEN {year} < 69 THEN 2000 ELSE 1900 END)" if year else ""

    def month(self) -> str:
        for letter, names in (("B", MONTHS), ("b", [name[:3] for name in MONTHS])):
            if letter in self.groups:
                listed = ", ".join(f"'{name}'" for name in names)
                return f"CAST(ARRAY_POSITION(ARRAY({listed}), LOWER({self.text(letter)})) AS INT)"
        return self.number("m")

    def hour(self) -> str:
        hour = self.number("H") or self.number("I")
        if "p" not in self.groups:
            return f"CASE WHEN {hour} BETWEEN 1 AND 12 THEN {hour} END" if "I" in self.groups else hour or "0"
        later = f"CASE LOWER({self.text('p')}) WHEN 'pm' THEN 12 ELSE 0 END"
        return f"CASE WHEN {hour} BETWEEN 1 AND 12 THEN {hour} % 12 + {later} END"

    def seconds(self) -> str:
        whole, fraction = self.number("S") or "0", next((self.text(own) for own in "fgn" if own in self.groups), "''")
        made = f"CAST(RPAD(SUBSTRING({fraction}, 1, 6), 6, '0') AS DECIMAL(8, 0)) / 1000000" if fraction != "''" else "0"
        return f"CASE WHEN {whole} < 60 THEN {whole} + {made} END" if whole != "0" or fraction != "''" else "0"


def written(time: str, form: str) -> str:
    """A time as a text of a form."""
    found = []
    for letter, plain in _parts(form):
        if plain:
            found.append("'" + plain.replace("\\", "\\\\").replace("'", "\\'") + "'")
        elif letter in WRITTEN:
            found.append(f"DATE_FORMAT({time}, '{WRITTEN[letter]}')")
        elif letter in NUMBERS:
            found.append(f"CAST({NUMBERS[letter].format(time)} AS STRING)")
        else:
            known = ", %".join(sorted({*WRITTEN, *NUMBERS}))
            raise Unspoken(f'"%{letter}" in "{form}" cannot be written on Spark. There are %{known}.')
    return f"({' || '.join(found)})"


def _parts(form: str) -> list[tuple[str, str]]:
    """(letter, "") or ("", plain text), shorthands written out."""
    whole = re.sub(r"%([cxXT])", lambda found: LONG[found[1]], form)
    found = []
    for letter, plain in re.findall(r"%(-?[A-Za-z])|(%%|\s+|[^%\s]+|%)", whole):
        found.append((letter, "%" if plain == "%%" else plain))
    return found
