"""The same log gives the same numbers, whatever the machine's time zone, the hash seed, the threads and the order of rows."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from unittest import mock
from zoneinfo import ZoneInfo

import logs
import pytest

from helpers import cleaning, facts, open_run, paths

MACHINES = ("UTC", "Asia/Shanghai", "America/St_Johns", "Pacific/Apia")
HASH_SEEDS = ("0", "1", "4242")
THREADS = (1, 8)
# The zone of a dataset, the Monday on which its four weeks begin, the week of its report. In the first lies the day that Apia
# never had, in the second an hour that the clock strikes twice; to save time, that one is read with one hash seed only.
pytestmark = pytest.mark.hard  # twelve processes
FIRST, SECOND = "Asia/Shanghai", "America/New_York"
LOGS = {FIRST: ("2011-12-12", "2011-W52"), SECOND: ("2025-10-20", "2025-W45")}
READ = {FIRST: HASH_SEEDS, SECOND: HASH_SEEDS[:1]}
HEADER = ["uid", "time", "type", "channel", "doc", "answers", "secs", "fee", "less"]
USERS = ["uid", "joined", "invited_by"]
PEOPLE = [f"{n:04d}" for n in range(45)]
TOML = """
timezone = "{zone}"
[[events]]
file = "events/*.csv"
where = "type <> 'ping'"
user_id = "uid"
ts = "time"
event = "type"
topic = "channel"
content_id = "doc"
parent_id = "answers"
duration_s = "secs"
amount = "fee"
discount = "less"
[users]
file = "users.csv"
user_id = "uid"
registered_at = "joined"
referrer_id = "invited_by"
[roles]
active = ["view", "post", "comment", "pay"]
create = ["post"]
comment = ["comment"]
react = ["like"]
pay = ["pay"]
refund = ["refund"]
"""
TYPES = ["view", "view", "view", "post", "comment", "comment", "like", "pay", "refund", "ping", "other"]
GAPS = [0, 0, 1, 90, 600, 1500.25, 1800, 1800.000001, 4000]


@dataclass(frozen=True)
class Log:
    """A made log: the rows of both tables, and what must come of them."""

    zone: str
    events: list[list[str]]
    users: list[list[str]]
    statuses: dict[str, dict[str, int]]
    reasons: dict[str, int]
    net: Decimal

    def write(self, folder: Path, seed: int) -> Path:
        """A copy of the log whose rows, and how they are dealt to files, are of its own."""
        own = random.Random(seed)
        events, users = own.sample(self.events, len(self.events)), own.sample(self.users, len(self.users))
        cuts = [0, *sorted(own.sample(range(1, len(events)), 4)), len(events)]
        (folder / "events").mkdir(parents=True)
        for number, (start, end) in enumerate(itertools.pairwise(cuts)):
            (folder / "events" / f"part-{number}.csv").write_bytes(logs.as_csv(HEADER, events[start:end]))
        (folder / "users.csv").write_bytes(logs.as_csv(USERS, users))
        (folder / "dataset.toml").write_text(TOML.format(zone=self.zone), "utf-8")
        return folder


def made(zone: str) -> Log:
    """Visits by day and over midnight, payments, replies, rows that stand twice and rows that are wrong in every way."""
    own, monday = random.Random(zone), datetime.fromisoformat(LOGS[zone][0])
    sound = list({tuple(row): row for row in [*visits(own, monday, zone), *contested(monday), *by_night(monday)]}.values())
    ends = (monday + timedelta(days=21)).replace(tzinfo=ZoneInfo(zone))
    status = ["not_selected" if row[2] == "ping" else "after_as_of" if instant(row, zone) >= ends else "kept" for row in sound]
    kept = [row for row, fate in zip(sound, status, strict=True) if fate == "kept"]
    copies = [*own.sample(sound, 150), *own.choices(sound, k=30)]
    wrong = {reason: [row] * times for times, (reason, row) in enumerate(faulty(monday).items(), start=2)}
    users, fates = members(own, monday)
    return Log(
        zone=zone,
        events=[*sound, *copies, *itertools.chain(*wrong.values())],
        users=users,
        statuses={
            "events": Counter(status) | {"duplicates": len(copies), "quarantined": sum(map(len, wrong.values()))},
            "users": fates,
        },
        reasons={reason: len(rows) for reason, rows in wrong.items()},
        net=sum(Decimal(row[7] or 0) * {"pay": 1, "refund": -1}.get(row[2], 0) for row in kept),
    )


def visits(own: random.Random, monday: datetime, zone: str):
    """Rows of all people; a fifth of the times are written with an offset."""
    for person in PEOPLE:
        for _ in range(12):
            now = monday + timedelta(days=own.randrange(28), minutes=own.choice([23 * 60 + 45, own.randrange(24 * 60)]))
            for _ in range(own.randrange(1, 7)):
                yield event(own, person, now, zone)
                now += timedelta(seconds=own.choice(GAPS))


def event(own: random.Random, person: str, now: datetime, zone: str) -> list[str]:
    text, kind = now.isoformat(" "), own.choice(TYPES)
    if own.random() < 0.2:
        text = logs.zoned(text, ZoneInfo(zone)).astimezone(ZoneInfo("Asia/Kolkata")).isoformat(" ")
    doc = f"c{own.randrange(300)}" if kind in ("post", "comment") else ""
    answers = f"c{own.randrange(320)}" if kind == "comment" else ""
    paid = kind in ("pay", "refund")
    fee, less = (f"{own.randrange(1, 9_999_999) / 10_000:.4f}", own.choice(["", "0.35"])) if paid else ("", "")
    topic = own.choice(["", "tea", "茶", 'a "quoted", long\ntopic'])
    return [person, text, kind, topic, doc, answers, own.choice(["", "", "2.5", "75"]), fee, less]


def contested(monday: datetime) -> list[list[str]]:
    """Content that two people made at one instant, and answers to it."""
    now = f"{monday:%Y-%m-%d} 12:00:00"
    makers = [[person, now, "post", "tea", "both", "", "", "", ""] for person in PEOPLE[:2]]
    return makers + [[person, now, "comment", "tea", "", "both", "", "", ""] for person in PEOPLE[2:6]]


def by_night(monday: datetime) -> list[list[str]]:
    """Visits around the hour that one clock strikes twice."""
    sunday = monday + timedelta(days=13, minutes=50)
    times = [(person, sunday + timedelta(minutes=20 * step)) for person in PEOPLE[:9] for step in range(6)]
    return [[person, str(now), "view", "tea", "", "", "", "", ""] for person, now in times]


def faulty(monday: datetime) -> dict[str, list[str]]:
    """A row for each reason to set one aside."""
    now, rest = f"{monday:%Y-%m-%d} 09:00:00", [""] * 6
    return {
        "blank_user_id": ["  ", now, "view", *rest],
        "blank_event": ["0001", now, "", *rest],
        "bad_time": ["0001", f"{monday:%Y-%m}-32 09:00:00", "view", *rest],
        "ancient_time": ["0001", "1999-12-31 09:00:00", "view", *rest],
        "future_time": ["0001", "2099-01-01 09:00:00", "view", *rest],
        "bad_amount": ["0001", now, "pay", *rest[:4], "￥5", ""],
        "ragged": ["0001", now, "view", *rest, "one more"],
        "header_repeated": HEADER,
        "nul": ["00\x0001", now, "view", *rest],
    }


def members(own: random.Random, monday: datetime) -> tuple[list[list[str]], dict[str, int]]:
    """Most people, some to come, some who stand twice; and their number by status."""
    before = [[person, str(monday - timedelta(days=int(person))), own.choice(["", *PEOPLE])] for person in PEOPLE[:36]]
    later = [[person, str(monday + timedelta(days=24)), ""] for person in PEOPLE[36:41]]
    again = [[person, str(monday), "9999"] for person in PEOPLE[:3]]
    fates = {"kept": len(before), "after_as_of": len(later), "duplicates": 4, "quarantined": len(again)}
    return [*before, *later, *before[10:13], later[0], *again], fates


def instant(row: list[str], zone: str) -> datetime:
    given = datetime.fromisoformat(row[1])
    return given if given.tzinfo else logs.zoned(row[1], ZoneInfo(zone))


def numbers(folder: Path, week: str) -> dict:
    """All that must be the same, of one copy of a log; and the threads that worked on it."""
    run = open_run(str(folder), week)
    roles, kinds = run.dataset.roles, ("events", "users")
    judged = [run.keep(cleaning.judge(run.source(k), k, as_of=run.as_of, future_from=run.future_from)) for k in kinds]
    reasons = cleaning.reasons(*judged)
    counted = reasons.groupby(["table", "status", "reason"])["rows"].sum()
    ledger = cleaning.ledger(reasons, run.rows_in).groupby("table")[["rows_in", *cleaning.STATUSES]].sum()
    events = run.keep(facts.timed(cleaning.kept(judged[0])))
    days = run.keep(facts.user_day(events, roles))
    built = {
        "user_day": days,
        "first_seen": facts.first_seen(days),
        "user_hour": facts.user_hour(events, roles),
        "user_topic_day": facts.user_topic_day(events, roles, run.rules["roles"]),
        "reply_day": facts.reply_day(events, roles),
    }
    return {
        "threads": run.engine.con.execute("SELECT current_setting('threads')").fetchone()[0],
        "data_until": str(run.data_until),
        "ledger": ledger.to_dict("index"),
        "reasons": {" ".join(key): int(rows) for key, rows in counted.items()},
        "net": str(days.net.sum().to_pyarrow().as_py()),
        "facts": {name: digest(table.to_pyarrow().to_pylist()) for name, table in built.items()},
    }


def digest(rows: list[dict]) -> tuple[int, str]:
    """The number of rows and the hash of what they hold, in no order."""
    own = sorted(repr(sorted(row.items())) for row in rows)
    return len(own), hashlib.sha256("\n".join(own).encode()).hexdigest()


def copies(seed: str) -> list[tuple[str, int]]:
    """Zone and threads of each copy that a process reads."""
    return [(zone, threads) for zone, threads in itertools.product(LOGS, THREADS) if seed in READ[zone]]


def answer(folder: Path, seed: str) -> None:
    """What a process of its own does: the numbers of its copies, and how it sees clock and hashes."""
    import duckdb

    connect, found = duckdb.connect, []
    for zone, threads in copies(seed):
        copy = folder / zone / str(threads)
        os.environ[paths.BUILT_ROOT_VARIABLE] = str(copy / "built-root")
        # small tables too are to be worked on by several threads at once
        spread = mock.patch("duckdb.connect", lambda *own, **more: connect(*own, **more).execute("PRAGMA verify_parallelism"))
        with mock.patch("os.cpu_count", lambda own=threads: own), spread:
            found.append({"zone": zone, "numbers": numbers(copy, LOGS[zone][1])})
    sys.stdout.write(json.dumps({"offset": time.timezone, "hash": hash("a ring"), "found": found}))


def asked(folder: Path, machine: str, seed: str) -> dict:
    environment = os.environ | {
        "TZ": machine, "PYTHONHASHSEED": seed, "GROWTH_RINGS_KEY": "a key that only tests have",
        "PYTHONPATH": str(Path(__file__).parent),
    }  # fmt: skip
    code = "import sys, pathlib, test_same_numbers; test_same_numbers.answer(pathlib.Path(sys.argv[1]), sys.argv[2])"
    command = [sys.executable, "-c", code, str(folder), seed]
    done = subprocess.run(command, env=environment, cwd=paths.PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def logs_made() -> dict[str, Log]:
    return {zone: made(zone) for zone in LOGS}


@pytest.fixture(scope="module")
def answers(logs_made, tmp_path_factory) -> dict[tuple[str, str], dict]:
    """What each machine says with each hash seed, of copies that have each their own order of rows."""
    root, orders = tmp_path_factory.mktemp("same"), itertools.count()
    where = {pair: root / "-".join(pair).replace("/", "_") for pair in itertools.product(MACHINES, HASH_SEEDS)}
    for (_, seed), folder in where.items():
        for zone, threads in copies(seed):
            logs_made[zone].write(folder / zone / str(threads), next(orders))
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(where, pool.map(lambda pair: asked(where[pair], *pair), where), strict=True))


def said(answers: dict, zone: str) -> list[dict]:
    return [own["numbers"] for given in answers.values() for own in given["found"] if own["zone"] == zone]


@pytest.mark.parametrize("zone", LOGS)
def test_time_zone_hash_seed_threads_and_order_of_rows_change_no_number(answers, zone):
    first, *others = [{name: value for name, value in own.items() if name != "threads"} for own in said(answers, zone)]
    assert 1 + len(others) == len(MACHINES) * len(READ[zone]) * len(THREADS)
    for other in others:
        assert other == first


def test_the_processes_did_differ(answers):
    offsets = [{answers[machine, seed]["offset"] for seed in HASH_SEEDS} for machine in MACHINES]
    assert [len(own) for own in offsets] == [1] * len(MACHINES) and len(set().union(*offsets)) == len(MACHINES)
    assert len({given["hash"] for given in answers.values()}) == len(HASH_SEEDS)
    for zone in LOGS:
        assert {own["threads"] for own in said(answers, zone)} == set(THREADS)


@pytest.mark.parametrize("zone", LOGS)
def test_the_numbers_are_those_of_the_log(answers, logs_made, zone):
    log, found = logs_made[zone], said(answers, zone)[0]
    for table, rows in (("events", log.events), ("users", log.users)):
        assert found["ledger"][table] == dict.fromkeys(cleaning.STATUSES, 0) | log.statuses[table] | {"rows_in": len(rows)}
    aside = {key.split()[-1]: rows for key, rows in found["reasons"].items() if key.startswith("events quarantined")}
    assert aside == log.reasons
    assert Decimal(found["net"]) == log.net
    assert found["facts"]["first_seen"][0] == len(PEOPLE)
    assert all(rows > 100 for name, (rows, _) in found["facts"].items() if name != "first_seen")
