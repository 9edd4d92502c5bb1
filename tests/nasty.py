"""A community of some sixty people in many tiny groups, in which everything that has a name is called something hostile."""

from __future__ import annotations

import csv
import json
import random
from datetime import date, timedelta
from pathlib import Path

PEOPLE, WEEKS = 62, 16
FIRST = date(2025, 11, 17)
LAST = FIRST + timedelta(days=7 * WEEKS - 1)
SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(1)>'
LINK, PICTURE = "[click](javascript:alert(1))", "![x](http://evil.example/x.png)"
TEMPLATE, DOLLAR, TEX = "{{7*7}}", "${7*7}", r"$\frac{1}{2}$"
ESCAPED, UNICODE = "&lt;b&gt;", r"\u003cb\u003e"
FORMULA, PLUS, MINUS, AT = "=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)"
TURNED, LONG, HIDDEN = "a\u202egnp.exe", "x" * 10_000, "_hidden"
EVERY = (SCRIPT, IMAGE, LINK, PICTURE, TEMPLATE, DOLLAR, TEX, ESCAPED, UNICODE, FORMULA, PLUS, MINUS, AT, TURNED, LONG, HIDDEN)
SIZES = (1, 2, 3, 4, 9, 10, 11, 22)  # of the groups, which is 62 in all
VIEW, PAY = f"view {SCRIPT}", "=pay"
TOPIC_COLUMN, CHANNEL_COLUMN = f"topic {IMAGE}", f"=channel {LINK}"
TITLE = f"{SCRIPT} {TEMPLATE} {TEX} {LINK}"


def quoted(text: str) -> str:
    """A column's name in an expression, as a TOML string."""
    return json.dumps('"' + text.replace('"', '""') + '"', ensure_ascii=True)


def toml() -> str:
    return f"""
title = {json.dumps(TITLE)}
people = {json.dumps(f"people {SCRIPT}")}
timezone = "Asia/Shanghai"
currency = "CNY"
[[events]]
file = "events.csv"
user_id = "uid"
ts = "time"
event = "type"
topic = {quoted(TOPIC_COLUMN)}
content_kind = "kind"
content_id = "content"
parent_id = "parent"
campaign = "campaign"
amount = "fee"
[users]
file = "users.csv"
user_id = "uid"
registered_at = "registered_at"
channel = {quoted(CHANNEL_COLUMN)}
city = "city"
gender = "gender"
birth_year = "birth_year"
[assignments]
file = "assignments.csv"
user_id = "uid"
experiment = "experiment"
variant = "variant"
assigned_at = "at"
[touches]
file = "touches.csv"
user_id = "uid"
campaign = "campaign"
touched_at = "at"
arm = "arm"
cost = "cost"
[feedback]
file = "feedback.csv"
user_id = "uid"
answered_at = "at"
question = "question"
score = "score"
[roles]
active = [{json.dumps(VIEW)}, "post", "comment", "like", {json.dumps(PAY)}]
create = ["post"]
comment = ["comment"]
react = ["like"]
pay = [{json.dumps(PAY)}]
[privacy]
pseudonymise = false
purpose = {json.dumps(f"{SCRIPT} {FORMULA}")}
"""


def plan() -> str:
    tests = "\n".join(
        f"""
[[experiment]]
name = {json.dumps(name)}
hypothesis = {json.dumps(f"{SCRIPT} {LINK} {TEMPLATE}")}
control = {json.dumps(control)}
variants = {{ {json.dumps(control)} = 0.5, {json.dumps(arm)} = 0.5 }}
start = 2025-12-01
end = 2026-01-25
primary = "back"
slices = ["channel", "city"]
metric = [{{ name = "back", kind = "retention", day = 7 }}, {{ name = "net", kind = "mean", of = "net", days = 7 }}]
"""
        for name, control, arm in [(SCRIPT, FORMULA, IMAGE), (f"{LINK} {TEX}", TEMPLATE, DOLLAR)]
    )
    return tests


def groups(names: tuple[str, ...]) -> list[str]:
    """A name for each person: groups of the sizes above."""
    return [name for name, size in zip(names, SIZES, strict=True) for _ in range(size)]


def write(folder: Path) -> Path:
    """The dataset's folder."""
    folder.mkdir(parents=True)
    chance = random.Random(5)
    (folder / "dataset.toml").write_text(toml(), "utf-8")
    (folder / "experiments.toml").write_text(plan(), "utf-8")
    channels, cities = groups(EVERY[:8]), groups(EVERY[8:])
    chance.shuffle(cities)
    ids = [f"u{number:03d}" for number in range(PEOPLE)]
    genders = [chance.choice([FORMULA, SCRIPT, "f", "f", "m"]) for _ in ids]
    joined = {user: FIRST + timedelta(days=chance.choice([0, 0, 0, chance.randrange(7 * WEEKS - 3)])) for user in ids}
    users = [
        (user, f"{joined[user]} 08:00:00", channel, city, gender, chance.choice([1960, 1975, 1988, 1999, 2004]))
        for user, channel, city, gender in zip(ids, channels, cities, genders, strict=True)
    ]
    _table(folder / "users.csv", ["uid", "registered_at", CHANNEL_COLUMN, "city", "gender", "birth_year"], users)
    _table(folder / "events.csv", ["uid", "time", "type", TOPIC_COLUMN, "kind", "content", "parent", "campaign", "fee"],
           _events(chance, joined))  # fmt: skip
    trials = [(SCRIPT, (FORMULA, IMAGE), date(2025, 12, 8)), (f"{LINK} {TEX}", (TEMPLATE, DOLLAR), date(2026, 1, 5))]
    arms = [(user, name, chance.choice(pair), f"{day} 09:00:00")
            for name, pair, day in trials for user in ids if joined[user] <= day]  # fmt: skip
    _table(folder / "assignments.csv", ["uid", "experiment", "variant", "at"], arms)
    touched = [(user, FORMULA, "2026-01-20 10:00:00", ["touched", "holdout"][at % 2], 1) for at, user in enumerate(ids)]
    _table(folder / "touches.csv", ["uid", "campaign", "at", "arm", "cost"], touched)
    asked = [(user, "2026-02-20 10:00:00", SCRIPT, chance.randrange(1, 6)) for user in ids]
    _table(folder / "feedback.csv", ["uid", "at", "question", "score"], asked)
    return folder


def _events(chance: random.Random, joined: dict[str, date]) -> list[tuple]:
    rows, made = [], []
    for number, (user, first) in enumerate(joined.items()):
        keen, gone = chance.choice([0.08, 0.25, 0.6]), chance.choice([LAST, LAST, first + timedelta(days=chance.randrange(60))])
        tastes = chance.sample(EVERY, 3)
        for day in (first + timedelta(days=at) for at in range((min(gone, LAST) - first).days + 1)):
            if day != first and chance.random() > keen:
                continue
            time = f"{day} {10 + number % 10}:{number % 60:02d}:00"
            kind = chance.choice([VIEW, VIEW, VIEW, "post", "comment", "like"])
            content, parent = f"c{len(rows)}", ""
            if kind in ("comment", "like") and made:
                content, parent = content, chance.choice(made)
            made += [content] if kind == "post" else []
            rows.append((user, time, kind, chance.choice(tastes), SCRIPT, content, parent, FORMULA if number % 3 else "", ""))
            if number % 5 == 0 and chance.random() < 0.3:
                fee = 9_999 if number == 0 else 9
                rows.append((user, time.replace(":00", ":30", 1), PAY, "", "", f"p{len(rows)}", "", "", fee))
    return rows


def _table(path: Path, header: list[str], rows: list[tuple]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
