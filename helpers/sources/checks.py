"""What dataset.toml may say, and whether it says that: everything that concerns meaning rather than the type of one key."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from helpers.errors import nearest
from helpers.paths import PROJECT, at_home
from helpers.sources import blocks, choice, mistakes
from helpers.sources.blocks import KINDS, READING, TOP
from helpers.sources.mistakes import NOTHING, Mistake, show

ROLES = ("active", "create", "comment", "share", "react", "pay", "refund")
NAME = re.compile(r"[^\W_][\w.-]{0,63}")
LIMITS = {"max_quarantined_share": 0.05, "max_bad_mandatory_share": 0.20}
ZONES = {
    "beijing": "Asia/Shanghai",
    "asia/beijing": "Asia/Shanghai",
    "utc+8": "Asia/Shanghai",
    "gmt+8": "Asia/Shanghai",
}


def read(name: str, raw: dict[str, Any], label: str) -> tuple[dict[str, Any], list[Mistake]]:
    """dataset.toml's content ready for its model, without what is wrong; and what is wrong.

    Args:
        name: The folder's name, which is the dataset's.
        raw: The TOML as it was read.
        label: The file as messages call it.
    """
    wrong: list[Mistake] = []
    if not NAME.fullmatch(name):
        wrong.append(Mistake("the folder's name", "A dataset's name is made of letters, digits, _ - and dots.", name))
    found = {key: value for key, value in raw.items() if key in TOP and key not in KINDS and key != "roles"}
    for key in raw:
        if key not in TOP:
            wrong.append(_unknown_top(key, raw[key]))
    for check in (_zone, _currency, _key_outside):
        if mistake := check(raw):
            wrong.append(mistake)
            found.pop(mistake.place, None)
    found["engine"], mistake = choice.read(raw.get("engine", "duckdb"))
    wrong += [*([mistake] if mistake else []), *_raised_limits(raw)]
    sources, faults = blocks.read(raw, label)
    roles, role_faults = _roles(raw)
    found |= {**sources, "roles": roles}
    wrong += faults + role_faults + (_unspoken(sources) if found["engine"].spark else [])
    if not raw.get("events") and not raw.get("units"):
        told = "There is neither an [[events]] block nor a [units.NAME] section, so there is nothing to report on."
        wrong.append(Mistake("[[events]]", f"{told} data/README.md shows one."))
    return found, wrong


def roles_seen(path: Path, roles: dict[str, list[str]], seen: list[str], rows: int) -> None:
    """Raises InputError for roles that name events which never occur."""
    there, wrong = set(seen), []
    listed = ", ".join(show(event)[1:-1] for event in sorted(there)[:20]) + (", ..." if len(there) > 20 else "")
    for role, events in roles.items():
        for event in events:
            if event not in there:
                told = f"No event is called {show(event)}. Events seen in {rows:,} rows: {listed or 'none'}."
                hint = nearest(event, there)
                wrong.append(Mistake(f"[roles] {role}", told + (f"\n {hint}" if hint else ""), events))
    if wrong:
        raise mistakes.tell(path, wrong)


def _unknown_top(key: str, value: Any) -> Mistake:
    kind = next(
        (kind for kind, (required, optional, _) in KINDS.items() if key in (*required, *optional, *READING)), ""
    )
    if kind:
        below = "[[events]]" if kind == "events" else f"[{kind}]"
        return Mistake(key, f"{key} belongs into a section such as {below}, below its heading.", value)
    return Mistake(key, f"There is no such key.{nearest(key, TOP)} Allowed: {', '.join(TOP)}.", value)


def _zone(raw: dict[str, Any]) -> Mistake | None:
    zone = raw.get("timezone", NOTHING)
    if zone is NOTHING:
        return Mistake(
            "timezone", 'It must be given: the zone in which days and weeks are cut, such as "Asia/Shanghai".'
        )
    if not isinstance(zone, str):
        return None
    try:
        ZoneInfo(zone)
        known = zone not in ("localtime", "posixrules", "Factory")
    except (ValueError, OSError, KeyError):
        known = False
    if known:
        return None
    every = available_timezones()
    cities = {every_zone.rpartition("/")[2]: every_zone for every_zone in sorted(every)}
    meant = ZONES.get(zone.lower().replace(" ", "").replace("_", "")) or cities.get(zone.title().replace(" ", "_"))
    near = nearest(zone, every) or nearest(zone, cities) if len(zone) > 4 else ""
    hint = f' Did you mean "{meant}"?' if meant else near
    return Mistake("timezone", f'There is no such time zone; one is written "Asia/Shanghai" or "UTC".{hint}', zone)


def _currency(raw: dict[str, Any]) -> Mistake | None:
    currency = raw.get("currency")
    if not isinstance(currency, str) or re.fullmatch("[A-Z]{3}", currency):
        return None
    meant = {"¥": "CNY", "￥": "CNY", "RMB": "CNY", "$": "USD", "€": "EUR", "£": "GBP"}.get(currency.strip().upper())
    meant = meant or (currency.upper() if re.fullmatch("[A-Za-z]{3}", currency) else None)
    hint = f' Did you mean "{meant}"?' if meant else ""
    return Mistake("currency", f'A currency is its code of three capital letters, such as "CNY".{hint}', currency)


def _unspoken(sources: dict[str, Any]) -> list[Mistake]:
    """Expressions and forms of times that Spark has no words for."""
    from helpers.sources.spark import dialect, formats, patterns

    wrong = []
    several = [*sources["events"], *sources["units"].values()]
    for source in [*several, *(sources[kind] for kind in KINDS if kind in sources and kind not in ("events", "units"))]:
        asked = {"where": source["where"]} if "where" in source else {}
        said = {key: partial(dialect.translated, own.sql()) for key, own in (asked | source["columns"]).items()}
        if isinstance(source.get("ts_format"), str):
            said["ts_format"] = partial(formats.read, "ts", source["ts_format"])
        for key, say in said.items():
            try:
                say()
            except patterns.Unspoken as fault:
                text = source["ts_format"] if key == "ts_format" else (asked | source["columns"])[key].text
                wrong.append(Mistake(f"{blocks.heading(source['name'])} {key}", str(fault), text))
    return wrong


def _key_outside(raw: dict[str, Any]) -> Mistake | None:
    key = raw["privacy"].get("key") if isinstance(raw.get("privacy"), dict) else None
    if not isinstance(key, str) or not key:
        return None
    path = at_home(key)
    if not path.is_absolute():
        told = 'There is no home here that "~" stands for. ' if key.startswith("~") else ""
        return Mistake("[privacy] key", f'{told}Give the whole path, such as "/home/me/.config/growth-rings/shop.key".', key)
    if path.resolve().is_relative_to(PROJECT):
        told = "The pseudonym key lies inside the project, where it would be copied along with the data."
        return Mistake("[privacy] key", f'{told} Move it out, for instance to "~/.config/growth-rings/shop.key".', key)
    return None


def _raised_limits(raw: dict[str, Any]) -> list[Mistake]:
    cleaning = raw["cleaning"] if isinstance(raw.get("cleaning"), dict) else {}
    reasons = cleaning.get("reasons", {})
    wrong = []
    for limit, usual in LIMITS.items():
        value = cleaning.get(limit)
        raised = isinstance(value, float | int) and not isinstance(value, bool) and usual < value <= 1
        if raised and isinstance(reasons, dict) and limit not in reasons:
            told = f"It is above the usual {usual}, and no reason is given, which the page would show."
            wrong.append(Mistake(f"[cleaning] {limit}", f'{told} Add reasons = {{ {limit} = "why" }}.', value))
    return wrong


def _roles(raw: dict[str, Any]) -> tuple[dict[str, list[str]], list[Mistake]]:
    """Roles and the events that have them, each once; and what is wrong with them."""
    roles = raw.get("roles", {})
    if not isinstance(roles, dict):
        return {}, [Mistake("[roles]", "It must be a section of keys and lists.", roles)]
    wrong = [fault for role, events in roles.items() if (fault := _role_fault(role, events))]
    if raw.get("events") and "active" not in roles:
        wrong.append(Mistake("[roles] active", "It must be given: which events make a person active on a day."))
    if wrong:
        return {}, wrong
    found = {role: list(dict.fromkeys(events)) for role, events in roles.items()}
    both = [event for event in found.get("pay", []) if event in found.get("refund", [])]
    told = "An event either pays or refunds; this one is in pay as well."
    return found, [Mistake("[roles] refund", told, both)] if both else []


def _role_fault(role: str, events: Any) -> Mistake | None:
    at = f"[roles] {role}"
    if role in TOP:
        return Mistake(at, mistakes.belongs_on_top(role), events)
    if role not in ROLES:
        return Mistake(at, f"There is no such role.{nearest(role, ROLES)} Allowed: {', '.join(ROLES)}.", events)
    if not isinstance(events, list) or not all(isinstance(event, str) and event.strip() for event in events):
        return Mistake(at, 'It must be a list of event names, such as ["pay"].', events)
    return None if events else Mistake(at, "The list is empty. Name an event, or leave the role out.", events)
