"""Rules held against what they are about, before a kernel starts: a dataset's own tags and named segments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from helpers.sources import mistakes, rules
from helpers.sources.mistakes import Mistake

if TYPE_CHECKING:
    from helpers.sources.dataset import Dataset

OF = "a portrait"
MOST_WEEKS = 60  # that tags look at: bits of a whole number
AT_ENTRY = ("entry_activity", "entry_contribution")  # as cohorts are told apart by it, too


def check(dataset: Dataset) -> None:
    """Check rules.toml: its keys and types, then the SQL of the tags and segments that it brings (the shipped ones are tested).

    Raises:
        InputError: A condition cannot be read, or names a column that portraits do not have; all mistakes at once.
    """
    path = dataset.folder / "rules.toml"
    own = mistakes.read_toml(path)[0] if path.is_file() else {}
    made = rules.rules(dataset)
    wrong = [mistake for tag in rules.own_tags(own, made) for mistake in of_tag(tag)]
    wrong += [mistake for name in own.get("segments", {}) for mistake in of_segment(name, made["segments"][name])]
    wrong += of_limits(made)
    if wrong:
        raise mistakes.tell(path, wrong)


def of_limits(made: Mapping[str, Any]) -> list[Mistake]:
    """What is wrong with quantiles instead of limits, and with weeks for which a tier is held."""
    wrong = []
    for section, count in (("activity", 2), ("value", 4)):
        shares = made[section]["quantiles"]
        numbers = all(isinstance(share, int | float) and 0 < share < 1 for share in shares)
        if shares and (len(shares) != count or not numbers):
            wrong.append(Mistake(f"[{section}] quantiles", f"It must be {count} shares between 0 and 1, or empty.", shares))
    for section in ("activity", "contribution", "payment", "value"):
        if made[section]["hold_weeks"] < 1:
            wrong.append(Mistake(f"[{section}] hold_weeks", "It must be at least 1.", made[section]["hold_weeks"]))
    if not 1 <= made["tags"]["weeks"] <= MOST_WEEKS:
        wrong.append(Mistake("[tags] weeks", f"It must lie between 1 and {MOST_WEEKS}.", made["tags"]["weeks"]))
    return wrong + of_cohorts(made["retention"])


def of_cohorts(section: Mapping[str, Any]) -> list[Mistake]:
    """What is wrong with the spans of weeks and the pair of dimensions of cohort tables."""
    pair, known = section["pair"], [*section["slices"], *AT_ENTRY]
    unfit = [span for span in section["brackets"] if len(span) != 2 or not 0 <= span[0] <= span[1]]
    faults = {
        "horizon": "It must be at least 1." if section["horizon"] < 1 else "",
        "brackets": f"{unfit[0]} must be a first and a last week, the last not before the first." if unfit else "",
        "pair": f"It must be two different ones of {', '.join(known)}, or none."
        if pair and (len(pair) != 2 or pair[0] == pair[1] or not set(pair) <= set(known)) else "",
    }  # fmt: skip
    return [Mistake(f"[retention] {name}", fault, section[name]) for name, fault in faults.items() if fault]


def of_tag(tag: Mapping[str, Any]) -> list[Mistake]:
    """What is wrong with the SQL and the sentence of a tag."""
    from helpers.portraits.attributes import PORTRAITS
    from helpers.sources import conditions

    columns = {name: spec.dtype for name, spec in PORTRAITS.columns.items()}
    wanted = {"when": conditions.TRUTH, "keep_until": conditions.TRUTH, "strength": conditions.NUMBER}
    faults = {
        key: conditions.fault(tag[key], columns, of=OF, wanted=kind)
        for key, kind in wanted.items() if tag.get(key) or (key == "when" and key in tag)
    }  # fmt: skip
    faults["reason"] = _of_reason(tag.get("reason", ""), columns)
    return [Mistake(f"[[tag]] {tag['name']}: {key}", fault, tag[key]) for key, fault in faults.items() if fault]


def _of_reason(template: str, columns: Mapping[str, str]) -> str | None:
    from helpers.portraits import reasons
    from helpers.sources import conditions

    try:
        reasons.pieces(template, columns)
    except reasons.UnknownColumn as fault:
        return conditions.unknown(str(fault), columns, OF)
    except ValueError as fault:
        return str(fault)
    return None


def of_segment(name: str, condition: str) -> list[Mistake]:
    """What is wrong with the condition of a named segment; an empty one takes the segment away."""
    from helpers.segments.tables import SEGMENTS, TIERS
    from helpers.sources import conditions

    if not condition.strip():
        return []
    columns = {column: spec.dtype for column, spec in SEGMENTS.columns.items()}
    found = conditions.fault(condition, columns, of="a segment") or conditions.no_such_value(condition, TIERS)
    return [Mistake(f"[segments] {name}", found, condition)] if found else []
