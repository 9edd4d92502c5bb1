"""Small datasets with a fault, and what `check` says of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from helpers.runs import checking

HEADER = "user_id,ts,event,topic,amount"
TOML = """
timezone = "{zone}"
[[events]]
file = "{file}"
user_id = "user_id"
ts = "ts"
event = "event"
topic = "topic"
amount = "amount"
{more}
[roles]
active = ["view", "pay"]
pay = ["pay"]
{after}
"""
USERS = """
[users]
file = "users.csv"
user_id = "user_id"
registered_at = "registered_at"
channel = "channel"
gender = "gender"
birth_year = "birth_year"
"""
ASSIGNMENTS = """
[assignments]
file = "assignments.csv"
user_id = "user_id"
experiment = "experiment"
variant = "variant"
assigned_at = "assigned_at"
"""


def rows(days: int = 20, users: int = 10) -> list[str]:
    """Clean rows: everybody views once a day, the first pays on the first day of each week."""
    made = []
    for day in range(1, days + 1):
        for user in range(1, users + 1):
            what = "pay,food,5.00" if user == 1 and day % 7 == 1 else "view,food,"
            made.append(f"u{user:02d},2026-03-{day:02d} 10:{user:02d}:00,{what}")
    return made


def table(lines: list[str], header: str = HEADER) -> str:
    return "\n".join([header, *lines]) + "\n"


@dataclass(frozen=True)
class Found:
    """What `check` said, for tests to look at."""

    verdict: checking.Verdict

    @property
    def status(self) -> str:
        return self.verdict.status

    def codes(self, *severities: str) -> set[str]:
        return {message.code for message in self.verdict.messages if not severities or message.severity in severities}

    def file(self, name: str = "events.csv") -> dict:
        return next(row for row in self.verdict.files if row["file"] == name)

    def text(self, code: str) -> str:
        return " / ".join(str(message) for message in self.verdict.messages if message.code == code)

    def line(self, code: str) -> int:
        return next(message.line for message in self.verdict.messages if message.code == code)


def checked(
    folder: Path, events: str | bytes | list[str] | None = None, *, file: str = "events.csv", more: str = "", after: str = "",
    files: dict[str, str | bytes] | None = None, as_of: str | None = None, zone: str = "Asia/Shanghai",
) -> Found:
    """Write the files and check them."""  # fmt: skip
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "dataset.toml").write_text(TOML.format(file=file, more=more, after=after, zone=zone), encoding="utf-8")
    content = table(events) if isinstance(events, list) else events
    written = dict(files or {}) | ({} if content is None else {file: content})
    for name, text in written.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    verdict = checking.check(str(folder), str(folder), date.fromisoformat(as_of) if as_of else None)
    for row in verdict.files:
        parts = [row[name] for name in ("kept", "not_selected", "after_as_of", "duplicates")]
        assert row["rows_in"] == sum(parts) + sum(row["quarantined"].values()), "conservation"
    return Found(verdict)
