"""Mistakes in a file that a person wrote, collected and told all at once: place, value, what is allowed, nearest match."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.errors import InputError, nearest
from helpers.paths import PROJECT

if TYPE_CHECKING:
    from pydantic import ValidationError

NOTHING = object()
LONGEST = 100

# Hints for a line of TOML that cannot be read, tried in this order: what the line looks like, what to write.
TOML_HINTS = (
    (r"[“”‘’，＝【】]", "It holds a typographic mark; write plain quotes, commas and equals signs."),
    (r"=\s*(True|False|None|yes|no|on|off)\b", "Write true or false in small letters, and leave out what is unknown."),
    (r"^\s*[\w.-]+\s*:\s", 'A key and its value are joined by "=", not by ":".'),
    (r"^\s*[\w-]+\s+[\w-]+\s*=", "A key with a blank in it goes into double quotes."),
    (
        r'=\s*"[^"]*\\[^"\\]*"',
        r"In double quotes a backslash means something; use single quotes for a path or pattern.",
    ),
    (r"=\s*\d{4}-\d{1,2}-\d{1,2}", "A date is written as 2026-03-08."),
    (r"""=\s*(?![\["'{\d+-])\S""", 'Text goes into quotes: timezone = "Asia/Shanghai".'),
    (r"""=\s*("[^"]*|'[^']*)$""", "A quote is not closed."),
    (r"^\s*\[[^\]]*$", "A square bracket is not closed."),
    (r"=\s*$", "The value is missing."),
)


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong: where (`[roles] pay`), the value there (if any), and what is allowed instead."""

    place: str
    text: str
    value: Any = NOTHING

    def __str__(self) -> str:
        shown = "" if self.value is NOTHING else f" = {show(self.value)}"
        return f"{self.place}{shown}\n  {self.text}"


def tell(path: Path, mistakes: list[Mistake]) -> InputError:
    """One error that lists every mistake of a file, each once."""
    return InputError("\n".join(dict.fromkeys(f"{label(path)}: {mistake}" for mistake in mistakes)))


def label(path: Path) -> str:
    """A path as a person of this project would write it."""
    for base in (PROJECT, Path.cwd()):
        if path.resolve().is_relative_to(base):
            return path.resolve().relative_to(base).as_posix()
    return str(path)


def show(value: Any) -> str:
    """A value as it stands in TOML, on one line, cut when it is long; control characters are spelt out."""
    if isinstance(value, date):
        text = value.isoformat()
    elif isinstance(value, dict):
        text = "{ " + ", ".join(f"{key} = {show(item)}" for key, item in value.items()) + " }"
    elif isinstance(value, list):
        text = "[" + ", ".join(show(item) for item in value) + "]"
    else:
        text = json.dumps(value, ensure_ascii=False, default=str)
    text = printable(text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 20]}... ({len(text)} characters)"


def printable(text: str) -> str:
    """The text with control characters and the like spelt out, so that a terminal replays none."""
    return "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in text)


def read_toml(path: Path) -> tuple[dict[str, Any], bytes]:
    """A TOML file's content and its bytes.

    Raises:
        InputError: It is not UTF-8 or not TOML; says the line, the column and what such a line most often lacks.
    """
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8-sig")
    except OSError as fault:
        raise InputError(f"{label(path)}: cannot be read ({fault.strerror}).") from None
    except UnicodeDecodeError as fault:
        kind = "UTF-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "not UTF-8"
        line = raw[: fault.start].count(b"\n") + 1
        raise InputError(f"{label(path)} line {line}: the file is {kind}. Save it as UTF-8.") from None
    try:
        return tomllib.loads(text), raw
    except tomllib.TOMLDecodeError as fault:
        raise InputError(_toml_fault(path, text.replace("\r\n", "\n"), str(fault))) from None


def _toml_fault(path: Path, text: str, complaint: str) -> str:
    lines = text.split("\n")
    found = re.search(r"line (\d+), column (\d+)", complaint)
    row, column = (int(found[1]), int(found[2])) if found else (len(lines), len(lines[-1]) + 1)
    said = complaint.split(" (at ")[0]
    line = lines[row - 1] if row <= len(lines) else ""
    if "Unclosed" in said:
        hint = "A bracket or brace that was opened earlier is not closed by the end."
    elif "overwrite" in said or "twice" in said or "mutate" in said:
        hint = (
            "This key or section stands twice. Several [[events]] blocks take double brackets; all others stand once."
        )
    else:
        previous = next((earlier for earlier in reversed(lines[: row - 1]) if earlier.strip()), "")
        looked_at = line if line.strip() else previous
        hint = next((told for look, told in TOML_HINTS if re.search(look, looked_at)), f"{said}.")
    shown = f": {printable(line.strip())[:LONGEST]}" if line.strip() else ""
    return f"{label(path)} line {row}, column {column}{shown}\n  This is not TOML. {hint}"


def from_pydantic(fault: ValidationError, raw: Any, known: dict[str, list[str]]) -> list[Mistake]:
    """Pydantic's findings in our words.

    Args:
        fault: What pydantic raised.
        raw: The content that it was given; the values shown are taken from it.
        known: Allowed keys by section, those of the top under "", for keys that do not exist.
    """
    return [_mistake(error, raw, known) for error in fault.errors(include_url=False, include_context=True)]


def _mistake(error: dict[str, Any], raw: Any, known: dict[str, list[str]]) -> Mistake:
    loc = [part for part in error["loc"] if part != "columns"]
    kind, context = error["type"], error.get("ctx", {})
    value = raw
    for part in error["loc"]:
        value = value[part] if isinstance(value, dict | list) and part in _keys(value) else NOTHING
    if kind == "missing":
        return Mistake(place(loc), "It must be given.")
    if loc[-1] == "[key]":
        return Mistake(place(loc[:-1]), f"There is no such key here. {_words(kind, context)}")
    if kind == "extra_forbidden" and loc[-1] in known.get("", []):
        return Mistake(place(loc), belongs_on_top(str(loc[-1])), value)
    if kind == "extra_forbidden":
        allowed = known.get(str(loc[0]), [])
        text = f"There is no such key here.{nearest(str(loc[-1]), allowed)} Allowed: {', '.join(allowed)}."
        return Mistake(place(loc), text, value)
    return Mistake(place(loc), _words(kind, context), value)


def belongs_on_top(key: str) -> str:
    """What to say of a key that TOML takes for part of a section because it stands below the section's heading."""
    return f"{key} belongs to the top of the file, above the first section."


def _keys(value: dict | list) -> list:
    return list(value) if isinstance(value, dict) else list(range(len(value)))


def _words(kind: str, context: dict[str, Any]) -> str:
    """What is allowed, for one of pydantic's kinds of error."""
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return f"Allowed: {context['expected'].replace(chr(39), chr(34))}."
    bounds = {
        "greater_than_equal": "at least {ge}", "less_than_equal": "at most {le}",
        "greater_than": "above {gt}", "less_than": "below {lt}",
    }  # fmt: skip
    if kind in bounds:
        return f"It must be {bounds[kind].format(**context)}."
    plain = {
        "string_type": "It must be a text in quotes.",
        "string_too_short": "It must not be empty.",
        "int_type": "It must be a whole number, without quotes.",
        "int_from_float": "It must be a whole number.",
        "float_type": "It must be a number, without quotes.",
        "finite_number": "It must be a finite number.",
        "bool_type": "It must be true or false, without quotes.",
        "date_type": "It must be a date without quotes, such as 2026-03-08.",
        "list_type": "It must be a list in square brackets.",
        "dict_type": "It must be a section of keys and values.",
        "model_type": "It must be a section of keys and values.",
    }
    return plain.get(kind, "This value is not allowed here; see data/README.md.")


def place(loc: list[Any]) -> str:
    """A path through the file as a person would look for it: `[[events]] block 2: ts`, `[roles] pay`."""
    if loc[0] == "events" and len(loc) > 1 and isinstance(loc[1], int):
        return ": ".join([f"[[events]] block {loc[1] + 1}", *(str(part) for part in loc[2:])])
    depth = 2 if loc[0] == "units" and len(loc) > 2 else 1
    if len(loc) == 1:
        return str(loc[0])
    section, rest = ".".join(str(part) for part in loc[:depth]), [part for part in loc[depth:] if isinstance(part, str)]
    return f"[{section}] {'.'.join(rest)}".rstrip()
