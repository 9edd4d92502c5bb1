"""Whole walks over data at the edge: one person, one cohort that has left, no payment, more topics than anybody can read."""

from __future__ import annotations

import csv
import html
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from helpers import paths, segments
from helpers.runs import pipeline, planning
from helpers.show import page

pytestmark = pytest.mark.hard  # every walk runs all notebooks
PAGES = {"index.html", "01_cleaning.html", "02_portraits.html", "03_segments.html", "04_retention.html", "05_experiments.html"}
NUMBER = re.compile(r"[-+]?[\d,.]+( %| points)?( to .+)?")
EVENTS = """
timezone = "Asia/Shanghai"
currency = "CNY"
{top}
[[events]]
file = "events.csv"
user_id = "user_id"
ts = "ts"
event = "event"
{more}
[roles]
active = ["view"]
{roles}
[privacy]
pseudonymise = false
{after}
"""


@dataclass(frozen=True)
class Walk:
    """What a whole run left of a dataset."""

    root: Path
    name: str
    said: str = ""

    @property
    def reports(self) -> Path:
        return self.root / "reports" / self.name

    def page(self, name: str) -> str:
        return (self.reports / "latest" / name).read_text("utf-8")

    def text(self, name: str) -> str:
        """A page as a person reads it."""
        return read(self.page(name))

    def rows(self, name: str) -> list[list[str]]:
        """All rows of all tables of a page."""
        return rows(self.page(name))


def read(markup: str) -> str:
    bare = re.sub(r'<style.*?</style>|<details class="code">.*?</details>', "", markup, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", bare)))


def rows(markup: str) -> list[list[str]]:
    found = re.findall(r"<tr>(.*?)(?=<tr>|</t(?:head|body|able)>)", markup, flags=re.DOTALL)
    cells = [re.findall(r"<t[hd]\b.*?>(.*?)(?=<t[hd]\b|$)", row, flags=re.DOTALL) for row in found]
    return [[read(cell).strip() for cell in row] for row in cells]


def write(folder: Path, events: str, files: dict[str, str] | None = None, **parts: str) -> Path:
    folder.mkdir()
    toml = EVENTS.format(**{"top": "", "more": "", "roles": "", "after": "", **parts})
    for name, content in {"dataset.toml": toml, "events.csv": events, **(files or {})}.items():
        (folder / name).write_text(content, "utf-8")
    return folder


def report(folder: Path, warm, **options) -> pipeline.Outcome:
    """Run the project's own notebooks over a dataset; everything is built beside it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(paths.BUILT_ROOT_VARIABLE, str(folder.parent))
        patch.setattr(pipeline.Kernels, "start", lambda self: warm)
        return pipeline.report(planning.Request(dataset=str(folder), **options))


# One person: 35 days, a payment of 5.00 on every other, one of two arms

ALONE = "13800138000"
TABLES = """
[users]
file = "users.csv"
user_id = "user_id"
channel = "channel"
birth_year = "birth_year"
[assignments]
file = "assignments.csv"
user_id = "user_id"
experiment = "experiment"
variant = "variant"
assigned_at = "assigned_at"
"""
PLAN = """
[[experiment]]
name = "tour"
control = "a"
variants = { a = 0.5, b = 0.5 }
primary = "back"
metric = [{ name = "back", kind = "retention", day = 7 }, { name = "net", kind = "mean", of = "net", days = 7 }]
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory, warm) -> Walk:
    days = [f"2026-02-{day:02d}" for day in range(2, 29)] + [f"2026-03-{day:02d}" for day in range(1, 9)]
    lines = [f"{ALONE},{day} 10:00:00,view,food," for day in days]
    lines += [f"{ALONE},{day} 11:00:00,pay,food,5.00" for day in days[::2]]
    files = {
        "users.csv": f"user_id,channel,birth_year\n{ALONE},web,1990\n",
        "assignments.csv": f"user_id,experiment,variant,assigned_at\n{ALONE},tour,a,2026-02-03 10:00:00\n",
        "experiments.toml": PLAN,
    }
    events = "\n".join(["user_id,ts,event,topic,amount", *lines]) + "\n"
    more = 'topic = "topic"\namount = "amount"'
    folder = tmp_path_factory.mktemp("faults") / "alone"
    write(folder, events, files, more=more, roles='pay = ["pay"]', after=TABLES)
    return Walk(folder.parent, "alone", report(folder, warm).sentence)


def test_a_single_user_makes_a_whole_report(alone):
    assert {path.name for path in (alone.reports / "latest").glob("*.html")} == PAGES | {"email.html"}
    assert alone.said == "No finding is told: a group in it has too few people"


@pytest.mark.parametrize("name", sorted(PAGES - {"01_cleaning.html"}))
def test_no_number_about_a_single_user_is_shown_and_the_page_says_so(alone, name):
    """Of 0 people there are zeros, and of the plan there are the planned shares; of the one person there is nothing."""
    told = [row[1:-1] if len(row) == 7 and row[2:5] == ["0", "0.0 %", "0"] else row[1:] for row in alone.rows(name)]  # versions
    told = [row[1:] if re.fullmatch("[1-5]", (row or [""])[0]) else row for row in told]  # what the score is
    told = [row for row in told if not any(cell.endswith(".json") for cell in row)]  # how many numbers a record holds
    shown = {cell for row in told for cell in row if NUMBER.fullmatch(cell) and re.search("[1-9]", cell)}
    shown -= {"80 %", "90 %", "95 %"}  # heads of columns
    ages = {str(age) for age in range(24)} | {"1 to 4", "5 to 8", "9 to 12"}  # and hours
    rules = {"42"}  # days of silence by the fixed rule
    plan = {"0.05", "1"}  # alpha, the one look, the one comparison
    beside = {"04_retention.html": ages | rules, "05_experiments.html": plan}
    assert shown - beside.get(name, set()) <= {"50.0 %"}
    assert "<10" in alone.text(name)
    assert "Groups of fewer than 10 people are not shown, nor numbers from which they could be worked out." in alone.text(name)
    facts = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", alone.page(name)))
    assert {facts.get(label, "&lt;10") for label in ("people", "ever paid", "ever active")} <= {"&lt;10"}


def test_stickiness_of_a_single_user_is_not_drawn(alone):
    cell = alone.page("04_retention.html").split('id="stickiness-by-day"')[1].split('<div class="cell"')[0]
    assert "No value can be shown." in cell and "100" not in re.sub(r"<details class=\"code\">.*", "", cell, flags=re.DOTALL)


def test_nothing_that_leaves_names_a_single_user_or_has_a_number_of_his(alone):
    for path in (alone.reports / "latest").iterdir():
        assert ALONE not in path.read_text("utf-8")
    with (alone.reports / "published.csv").open(encoding="utf-8", newline="") as stream:
        told = [row for row in csv.DictReader(stream) if float(row["value"] or 0)]
    assert told == []


def test_an_arm_of_one_person_beside_an_empty_one_has_no_verdict_and_shows_no_value(alone):
    text = alone.text("05_experiments.html")
    assert "Tour: cannot be read: nobody in an arm has a value, or nothing varies" in text
    assert "its split cannot be tested, as all <10 people are in a" in text


# One cohort of 40 that has left, without payments; run from its own folder, where files have the names of libraries

TOPIC = "'); DROP TABLE users; --"
COLUMN = 't"; DROP TABLE events; --'
SHADOWS = ("html", "pandas", "numpy", "ibis", "duckdb", "json", "csv", "decimal", "typer", "pydantic", "nbformat", "papermill")


@pytest.fixture(scope="module")
def gone(tmp_path_factory) -> Walk:
    quoted = COLUMN.replace('"', '""')
    lines = [f"u{user},2026-02-{day:02d} 10:{user}:00,view,{TOPIC}" for user in range(10, 50) for day in (2, 3, 4)]
    events = "\n".join([f'user_id,ts,event,"{quoted}"', *lines]) + "\n"
    folder = tmp_path_factory.mktemp("faults") / "gone"
    write(folder, events, top="data_until = 2026-03-08", more=f"topic = '\"{quoted}\"'")
    for name in SHADOWS:
        (folder / f"{name}.py").write_text(f"open({str(folder / 'imported')!r}, 'a').write({name!r})\n", "utf-8")
    env = {**os.environ, paths.BUILT_ROOT_VARIABLE: str(folder.parent)}
    command = [sys.executable, "-m", "helpers", "report", "."]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return Walk(folder.parent, "gone", done.stdout + done.stderr)


def test_no_file_beside_the_data_is_imported_whatever_its_name(gone):
    assert not (gone.root / "gone" / "imported").exists()
    assert not (gone.root / "gone" / "__pycache__").exists()


def test_a_cohort_of_which_nobody_came_back_has_zeros_and_its_future_is_blank(gone):
    (cohort,) = [row for row in gone.rows("04_retention.html") if row[:3] == ["2 Feb 2026", "40", "100.0 %"]]
    assert cohort[2:7] == ["100.0 %", "0.0 %", "0.0 %", "0.0 %", "0.0 %"]
    assert cohort[7:] == ["16 Mar 2026"]
    text = gone.text("04_retention.html")
    assert "Of the 40 who began in the week of 2 Feb 2026, 0.0 % were back the week after" in text
    assert "-100" not in text and "nan" not in text.lower().split()


def test_without_payments_parts_about_money_are_skipped_in_words(gone):
    for part in ("Payment tiers", "Activity by payment"):
        assert f"{part}: skipped, this dataset has no payments." in gone.text("03_segments.html")
    assert "Weekly actives" in gone.text("index.html")
    assert not [word for word in ("Payers", "Net amount", "CNY") if word in gone.text("index.html")]


def test_tiers_that_nobody_is_in_are_shown_with_0_people(gone):
    sizes = {row[0]: row[1:] for row in gone.rows("03_segments.html") if len(row) == 3}
    expected = {tier: ["0.0 %", "0"] for tier in segments.TIERS["lifecycle"]} | {"silent": ["100.0 %", "40"]}
    assert {tier: sizes[tier] for tier in expected} == expected


def test_tags_whose_rule_matches_nobody_are_shown_with_0_people(gone):
    cell = gone.page("02_portraits.html").split('id="people-by-tag"')[1].split('<div class="cell"')[0]
    head, *tags = [row for row in rows(cell) if len(row) == 7]
    assert head[0] == "Tag" and len(tags) > 5 and all(row[2:4] == ["0", "0.0 %"] for row in tags)
    assert "Nobody to count yet" in gone.text("02_portraits.html")


def test_sql_in_a_name_of_a_column_and_in_a_topic_is_text(gone):
    assert [TOPIC, "100.0 %", "91.2 to 100.0 %", "40"] in gone.rows("02_portraits.html")
    assert ["events.csv", "120", "120", "0", "0", "0", "0"] in gone.rows("01_cleaning.html")


# 200,000 topics

MANY = 200_000


@pytest.fixture(scope="module")
def topics(tmp_path_factory, warm) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("faults") / "topics"
    write(folder, "", more='topic = "topic"')
    text = f"""
        copy (
            select 'u' || (i % 500) as user_id, 'view' as "event", 'topic ' || i as topic,
                   strftime(timestamp '2026-02-09' + interval (i * 12) second, '%Y-%m-%d %H:%M:%S') as ts
            from range({MANY}) rows(i)
        ) to '{folder / "events.csv"}' (header)"""
    duckdb.execute(text)
    made = [report(folder, warm, only=name).front for name in ("02_portraits", "01_cleaning")]
    return {path.name: path.read_text("utf-8") for path in made}


def test_pages_of_200_000_topics_are_small_and_name_few_of_them(topics):
    assert set(topics) == {"01_cleaning.html", "02_portraits.html"}
    for markup in topics.values():
        assert len(markup.encode()) < page.LARGEST < 5 * 2**20
        assert len(set(re.findall(r"topic \d+", markup))) <= 24
    assert f"{MANY:,} of {MANY:,} rows carry the numbers" in read(topics["01_cleaning.html"])


def test_topics_that_are_not_named_are_counted_together_as_other(topics):
    topical = [row for row in rows(topics["02_portraits.html"]) if row and re.match("other$|topic ", row[0])]
    fans = [row for row in topical if len(row) == 4]
    assert [row[3] for row in fans] == ["<10"] * 12 + ["488"]
    text = read(topics["02_portraits.html"])
    assert "No finding is told: a group in it has too few people" in text and "Other comes first" not in text
