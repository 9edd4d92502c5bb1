"""A small pseudonymised shop in which one person stands everywhere, and what is built from it; for tests of identities."""

from __future__ import annotations

import hmac
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import helpers
from helpers import cleaning, experiments, facts, paths
from helpers.runs import keys
from helpers.sources import dataset, privacy

KEY = "a key that only tests have"
PERSON = "+8613900000007"
TOML = """
timezone = "Asia/Shanghai"
[[events]]
file = "events/*.csv"
user_id = "uid"
ts = "time"
event = "type"
content_id = "content"
parent_id = "parent"
[users]
file = "users.csv"
user_id = "uid"
referrer_id = "inviter"
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
[units.trial]
file = "trial.csv"
unit_id = "player"
variant = "arm"
[roles]
active = ["view", "comment"]
comment = ["comment"]
[privacy]
pseudonymise = true
"""
OTHERS = [f"1550000{number:04d}" for number in range(12)]
HEADER = "uid,time,type,content,parent"


def write(folder: Path, toml: str = TOML) -> Path:
    """The dataset: PERSON has 2 rows of events (of two files), is a user, invited one, is assigned, touched and a unit."""
    events = [f"{user},2026-03-0{2 + number % 6} 10:00:00,view,c{number},\n" for number, user in enumerate(OTHERS)]
    events += [f"{OTHERS[0]},2026-03-04 11:00:00,comment,c90,c91\n"]
    events += [f"{user},2026-03-08 12:00:00,view,c99,\n" for user in OTHERS]
    files = {
        "events/2026-02.csv": f"{HEADER}\n{PERSON},2026-03-02 09:00:00,comment,c91,\n{OTHERS[1]},2026-03-02 09:00:00,view,c1,\n",
        "events/2026-03.csv": f"{HEADER}\n{''.join(events)}{PERSON},2026-03-05 09:00:00,view,c3,\n",
        "users.csv": f"uid,inviter\n{PERSON},{OTHERS[3]}\n{OTHERS[0]},{PERSON}\n" + "".join(f"{u},\n" for u in OTHERS[1:]),
        "assignments.csv": "uid,experiment,variant,at\n" + "".join(f"{u},x,a,2026-03-02\n" for u in [PERSON, *OTHERS]),
        "touches.csv": f"uid,campaign,at\n{OTHERS[2]},spring,2026-03-02\n{PERSON},spring,2026-03-02\n",
        "trial.csv": f"player,arm\n{OTHERS[4]},a\n{PERSON},b\n",
        "dataset.toml": toml,
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, "utf-8")
    return folder


def build(folder: Path) -> helpers.runs.store.Run:
    """The artefacts of people as 01_cleaning makes them, in one week, with the record that it leaves."""
    run = helpers.open_run(str(folder))
    judged = {
        kind: cleaning.kept(cleaning.judge(run.source(kind), kind, as_of=run.as_of, future_from=run.future_from))
        for kind in ("events", "users", "assignments", "units")
    }
    kept, roles = facts.timed(judged["events"]), run.dataset.roles
    run.write("user_day", facts.user_day(kept, roles))
    run.write("first_seen", facts.first_seen(run.read("user_day")))
    run.write("reply_day", facts.reply_day(kept, roles))
    run.write("users", judged["users"])
    run.write("assignments", experiments.exposures(judged["assignments"]))
    run.write("units", judged["units"])
    record(run, "01_cleaning", ["user_day", "first_seen", "reply_day", "users", "assignments", "units"], sources="read")
    return run


def built_once(folder: Path) -> Path:
    """A folder with the shop, and with what is built from it in `built-root`: for tests to copy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(privacy.KEY_VARIABLE, KEY)
        patch.setenv(paths.BUILT_ROOT_VARIABLE, str(folder / "built-root"))
        build(write(folder / "shop"))
    return folder


def record(run: helpers.runs.store.Run, step: str, artefacts: list[str], **parts: str) -> Path:
    """What a finished step leaves: its record and its executed notebook."""
    folder = run.folder / "steps"
    folder.mkdir(exist_ok=True)
    keyed = {"pseudonyms": privacy.key_id(privacy.key(run.dataset)), **parts}
    notebook(executed := keys.executed(folder, step), "nothing of note")
    keys.write_record(folder, step, keys.Record(keyed, keys.made(artefacts, run.folder), keys.as_it_is(executed), 0.1, {}))
    return keys.record_path(folder, step)


def notebook(path: Path, text: str) -> Path:
    """An executed notebook whose one output is a text."""
    output = {"output_type": "display_data", "data": {"text/plain": [text]}, "metadata": {}}
    path.write_text(json.dumps({"cells": [{"cell_type": "code", "outputs": [output]}]}, ensure_ascii=False), "utf-8")
    return path


def pseudonym(folder: Path, user: str) -> str:
    """As Python makes it."""
    return hmac.new(privacy.key(dataset.load(folder)), user.encode(), "sha256").hexdigest()[:24]


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below a built folder, but for the lock, with its bytes."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if name != ".lock"}


def holders(folder: Path, *names: str) -> list[str]:
    """The files below a folder in which one of the names stands, Parquet files looked into."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        text = str(pq.read_table(path).to_pylist()) if path.suffix == ".parquet" else path.read_bytes().decode("utf-8", "replace")
        found += [path.relative_to(folder).as_posix()] if any(name in text for name in names) else []
    return found


def built() -> Path:
    """The shop's built folder."""
    return paths.built("shop")


def quarantine(run: helpers.runs.store.Run, rows: list[dict]) -> Path:
    """A quarantine of the given rows; what a row leaves out is empty."""
    columns = {
        "source_file": "events/2026-03.csv", "source_sha256": "0", "line": 2, "byte_offset": 0, "column": "", "code": "E1",
        "reason": "", "raw_line": "", "run_id": "",
    }  # fmt: skip
    path = run.folder / "quarantine.parquet"
    pq.write_table(pa.Table.from_pylist([columns | row for row in rows]), path)
    return path
