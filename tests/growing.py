"""A small community whose log arrives in pieces: late, twice, longer than before; for what a new week must not cost or change."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path

TOML = """
timezone = "America/New_York"
data_until = 2026-03-08
[[events]]
file = "events/*.csv"
user_id = "uid"
ts = "time"
event = "type"
topic = "channel"
content_id = "content"
parent_id = "parent"
duration_s = "seconds"
session_id = "session"
content_kind = "kind"
campaign = "sale"
amount = "fee"
[roles]
active = ["view", "post", "comment", "pay"]
create = ["post"]
comment = ["comment"]
pay = ["pay"]
refund = ["refund"]
[privacy]
pseudonymise = false
[cleaning]
max_quarantined_share = 0.5
reasons = {max_quarantined_share = "planted"}
"""
HEADER = "uid,time,type,channel,content,parent,seconds,session,fee,kind,sale"
MONDAY, WEEKS = datetime(2026, 2, 9), 4  # the clocks change on 8 March, the last day
FAULTY = ("u1,yesterday,view,,,,,,,,", ",2026-02-20 10:00:00,view,,,,,,,,", "u1,2031-01-01,view,,,,,,,,", "u1,x")
TABLES = ("user_day", "user_topic_day", "user_kind_day", "user_campaign_day", "user_hour", "reply_day", "first_seen")


def rows(chance: random.Random, count: int = 500) -> list[str]:
    """Lines of a log in no order: evenings that go on after midnight, a machine that never rests, content that is answered."""
    made = []
    for number in range(count):
        user, day = f"u{chance.randrange(9)}", MONDAY + timedelta(days=chance.randrange(7 * WEEKS))
        time = day + timedelta(minutes=chance.choice([0, 5, 29, 700, 1410, 1425, 1439]), seconds=chance.randrange(60))
        event = chance.choice(["view", "view", "post", "comment", "pay", "refund"])
        content = f"c{chance.randrange(count // 6)}" if event in ("post", "comment") else ""
        parent = f"c{chance.randrange(count // 6)}" if event == "comment" else ""
        fee = f"{chance.randrange(1, 900)}.{chance.randrange(100):02d}" if event in ("pay", "refund") else ""
        text = chance.choice(["", "40", "4000"]), chance.choice(["", "", "s1"])
        what = ",".join([content, parent, *text, fee, chance.choice(["", "post", "video"]), chance.choice(["", "", "spring"])])
        made.append(f"{user},{time},{event},{chance.choice(['food', 'cars', ''])},{what}")
        if number % 20 == 0:
            made.append(chance.choice(made))
        if number % 40 == 0:
            made.append(chance.choice(FAULTY))
    start = MONDAY + timedelta(days=9, hours=22)
    made += [f"robot,{start + timedelta(minutes=20 * step)},view,,,,,,,," for step in range(150)]
    return chance.sample(made, len(made))


def day_of(line: str) -> str:
    return line.split(",")[1][:10]


def write(folder: Path, files: dict[str, list[str]]) -> None:
    """The state of the folder: these files and no others."""
    (folder / "events").mkdir(parents=True, exist_ok=True)
    (folder / "dataset.toml").write_text(TOML)
    for path in (folder / "events").iterdir():
        if path.name not in files:
            path.unlink()
    for name, lines in files.items():
        (folder / "events" / name).write_text("\n".join([HEADER, *lines]) + "\n")


def arrivals(chance: random.Random, lines: list[str]) -> list[dict[str, list[str]]]:
    """States of the folder, one after the other: weeks come in, some rows late, a file grows, one is mended, one goes."""
    edges = [str((MONDAY + timedelta(weeks=week)).date()) for week in range(1, WEEKS + 1)]
    weekly = {f"w{week}.csv": [] for week in range(WEEKS)}
    late: list[str] = []
    for line in lines:
        week = sum(day_of(line) >= edge for edge in edges[:-1])
        (late if chance.random() < 0.03 else weekly[f"w{week}.csv"]).append(line)
    first = {name: weekly[name] for name in ("w0.csv", "w1.csv", "w2.csv")}
    half = len(weekly["w3.csv"]) // 2
    grown = {**first, "w3.csv": sorted(weekly["w3.csv"], key=day_of)[:half]}
    whole = {**first, "w3.csv": sorted(weekly["w3.csv"], key=day_of), "a-late.csv": late}
    mended = {**whole, "w1.csv": chance.sample(weekly["w1.csv"], len(weekly["w1.csv"])), "w0.csv": weekly["w0.csv"][:-5]}
    gone = {name: own for name, own in mended.items() if name != "a-late.csv"}
    return [first, grown, whole, mended, gone]
