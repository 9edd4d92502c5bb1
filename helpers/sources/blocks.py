"""The blocks of dataset.toml that describe sources: which columns each kind has, and whether a block names them rightly."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from helpers.errors import nearest
from helpers.sources import expressions, mistakes
from helpers.sources.expressions import Expression
from helpers.sources.mistakes import Mistake


class Kind(NamedTuple):
    """Columns of a kind of source; `free` says what any other key is, and is empty where there are no others."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    free: str = ""


KINDS = {
    "events": Kind(
        ("user_id", "ts", "event"),
        (
            "topic", "content_id", "content_kind", "parent_id", "duration_s", "session_id", "amount", "discount",
            "campaign",
        ),
    ),
    "users": Kind(
        ("user_id",), ("registered_at", "channel", "referrer_id", "city", "gender", "birth_year"), "an attribute"
    ),
    "assignments": Kind(("user_id", "experiment", "variant", "assigned_at")),
    "units": Kind(("variant",), ("unit_id",), "a metric or an attribute"),
    "spend": Kind(("day", "channel", "cost")),
    "touches": Kind(("user_id", "campaign", "touched_at"), ("arm", "cost")),
    "feedback": Kind(("user_id", "answered_at", "question", "score"), ("comment",)),
}  # fmt: skip
READING = ("file", "table", "where", "delimiter", "encoding", "ts_format", "ts_unit", "drop_exact_duplicates")
TOP = (
    "timezone", "currency", "title", "people", "language", "engine", "data_until", "simulate", *KINDS, "roles", "privacy",
    "cleaning",
)  # fmt: skip
KEY = re.compile(r"[^\W\d_]\w{0,63}")


def heading(source: str) -> str:
    """A source's heading in the file: `events[1]` is `[[events]] block 1`."""
    number = re.fullmatch(r"events\[(\d+)\]", source)
    return f"[[events]] block {number[1]}:" if number else f"[{source}]"


def read(raw: dict[str, Any], label: str) -> tuple[dict[str, Any], list[Mistake]]:
    """All sources of a dataset.toml, ready for the model, and what is wrong with them.

    Args:
        raw: The TOML as it was read.
        label: The file as messages call it.
    """
    wrong = _shape_faults(raw)
    named: list[tuple[str, str, dict[str, Any]]] = []
    for kind in KINDS:
        value = raw.get(kind)
        if kind == "events" and isinstance(value, list):
            named += [
                (f"events[{n}]", kind, block) for n, block in enumerate(value, start=1) if isinstance(block, dict)
            ]
        elif kind == "units" and isinstance(value, dict):
            named += [(f"units.{name}", kind, block) for name, block in value.items() if isinstance(block, dict)]
        elif kind != "events" and isinstance(value, dict):
            named.append((kind, kind, value))
    found: dict[str, Any] = {"events": [], "units": {}}
    for name, kind, block in named:
        made, faults = _source(name, kind, block, label)
        fault = _place_fault(block, heading(name), spark="spark" in raw.get("engine", ""))
        wrong += faults + ([fault] if fault else [])
        if kind == "events":
            found["events"].append(made)
        elif kind == "units":
            found["units"][name.partition(".")[2]] = made
        else:
            found[kind] = made
    return found, wrong


def _shape_faults(raw: dict[str, Any]) -> list[Mistake]:
    """Single brackets where double ones belong, and the like."""
    wrong = []
    events, units = raw.get("events", []), raw.get("units", {})
    if not isinstance(events, list) or not all(isinstance(block, dict) for block in events):
        wrong.append(Mistake("[events]", "Events stand under [[events]], with two brackets, one block a source."))
    if not isinstance(units, dict) or not all(isinstance(block, dict) for block in units.values()):
        wrong.append(Mistake("[units]", "Units have a name: [units.NAME], one section an experiment."))
    for kind in KINDS:
        if kind not in ("events", "units") and not isinstance(raw.get(kind, {}), dict):
            wrong.append(Mistake(f"[{kind}]", f"It is one section, [{kind}], with one bracket."))
    return wrong


def _source(name: str, kind: str, block: dict[str, Any], label: str) -> tuple[dict[str, Any], list[Mistake]]:
    """A block with its expressions read, its reading keys left for the model to check; and what is wrong with it."""
    at, wrong = heading(name), []
    made: dict[str, Any] = {key: value for key, value in block.items() if key in READING and key != "where"}
    made |= {"name": name, "kind": kind, "columns": {}}
    if kind == "units" and "unit_id" not in block:
        made.setdefault("drop_exact_duplicates", False)  # without an id, equal rows are different people
    for key, value in block.items():
        if key in READING and key != "where":
            continue
        read = _right_hand_side(key, value, kind, at, label)
        if isinstance(read, Mistake):
            wrong.append(read)
        elif key == "where":
            made["where"] = read
        else:
            made["columns"][key] = read
    required = KINDS[kind].required
    for column in required:
        if column not in block:
            told = f"It must be given: say which column or expression it is. Required: {', '.join(required)}."
            wrong.append(Mistake(f"{at} {column}", told))
    return made, wrong


def _right_hand_side(key: str, value: Any, kind: str, at: str, label: str) -> Expression | Mistake:
    if key != "where" and (fault := _column_fault(key, value, kind, at)):
        return fault
    if not isinstance(value, str):
        return Mistake(f"{at} {key}", "It must be a text in quotes: a column or an SQL expression.", value)
    try:
        return replace(expressions.read(value, condition=key == "where"), where=f"{label}: {at} {key}")
    except ValueError as fault:
        return Mistake(f"{at} {key}", str(fault), value)


def _column_fault(key: str, value: Any, kind: str, at: str) -> Mistake | None:
    """Why a key is no column of this kind of source; where others are free, a near miss is taken for a slip."""
    allowed = KINDS[kind]
    named = (*allowed.required, *allowed.optional)
    if key in named:
        return None
    if key in TOP and key not in KINDS:
        return Mistake(f"{at} {key}", mistakes.belongs_on_top(key), value)
    hint = nearest(key, (*named, *READING))
    if not allowed.free:
        return Mistake(
            f"{at} {key}", f"There is no such key here.{hint} Allowed: {', '.join((*named, *READING))}.", value
        )
    if not KEY.fullmatch(key):
        return Mistake(f"{at} {key}", f"As the name of {allowed.free} it is made of letters, digits and _.", value)
    close = next((known for known in (*named, *READING) if _one_slip(key, known)), None)
    if close:
        return Mistake(f"{at} {key}", f'Any other key would be {allowed.free}, yet did you mean "{close}"?', value)
    return None


def _one_slip(written: str, meant: str) -> bool:
    """One letter too many, too few, another one, or two that changed places; a digit or _ in addition is no slip."""
    if len(meant) < 4 or set(written) - set(meant) & set("_0123456789"):
        return False
    for at in range(min(len(written), len(meant)) + 1):
        head, rest, tail = meant[:at], written[at:], meant[at:]
        if not written.startswith(head):
            return False
        swapped = tail[1:2] + tail[:1] + tail[2:]
        if rest in (tail[1:], swapped) or rest[1:] in (tail, tail[1:]):
            return not (rest[1:] == tail and rest[:1] in "_0123456789s")
    return False


def _place_fault(block: dict[str, Any], at: str, *, spark: bool) -> Mistake | None:
    file, table = block.get("file"), block.get("table")
    if file is None and table is None:
        return Mistake(f"{at} file", 'It must be given: a file, a pattern such as "events/*.csv.gz", or a folder.')
    if file is not None and table is not None:
        return Mistake(f"{at} table", "A source is either a file or a table, not both.", table)
    if table is not None and not spark:
        told = 'A table is read on Spark only: engine = { spark = "spark://host:7077" }. Otherwise give a file.'
        return Mistake(f"{at} table", told, table)
    if isinstance(file, str) and (Path(file).is_absolute() or ".." in Path(file).parts):
        told = "A file is named from the folder of the data on, which --root gives; it may not lie outside."
        return Mistake(f"{at} file", told, file)
    return None
