"""What is kept of earlier week ends is what a build from nothing gives, and only what is new or other is worked out."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import made
import pytest
import test_likelihood
import test_portraits
import test_segments
import test_tagging

from helpers import paths, portraits, segments
from helpers.runs import artefacts, totals, week_ends
from helpers.sources import engine

WEEKS = 5
WEEK = timedelta(weeks=1)
NEWEST = made.day(120)
DAYS = {"users": "registered_day"}


@pytest.fixture
def rooted(tmp_path, monkeypatch) -> Callable[[str], Path]:
    def use(name: str) -> Path:
        monkeypatch.setenv(paths.BUILT_ROOT_VARIABLE, str(tmp_path / name))
        return tmp_path / name

    use("root")
    return use


def crowd(seed: int = 3) -> dict[str, list[dict]]:
    return test_portraits.crowd(random.Random(seed), 40)


def opened(facts: dict[str, list[dict]], last_day: date):
    """A run of the facts up to a day, and its tables by name."""
    day = {name: DAYS.get(name, "day") for name in facts}
    seen = {name: [row for row in rows if (row[day[name]] or last_day) <= last_day] for name, rows in facts.items()}
    tables = {"first_seen": made.first_seen(seen["user_day"]), **{name: made.table(name, rows) for name, rows in seen.items()}}
    backend = engine.connect([paths.built_root()], spill=paths.built_root() / "spill")
    tables = {name: engine.take(backend, table.to_pyarrow()) for name, table in tables.items()}
    run = SimpleNamespace(
        dataset=SimpleNamespace(name="club"), last_day=last_day, engine=backend, folder=paths.built_root() / str(last_day)
    )
    paths.make_private(run.folder)
    for label in facts:
        artefacts.place(run, label).unlink(missing_ok=True)
        engine.write(backend, tables[label], artefacts.place(run, label), sort=[])
    return run, tables


def kept(facts: dict[str, list[dict]], last_day: date, name: str, make, *, given=None, newest=None, at_hand: int = 1):
    """The rows of the last weeks in order, and the week ends that were worked out for them."""
    run, tables = opened(facts, last_day)
    asked = []

    def noted(day: date, weeks: int):
        asked.extend(day - ago * WEEK for ago in range(weeks))
        return make(tables, day, weeks, totals=partial(totals.table, run))

    given = {"of": list(facts), "people": tables["first_seen"], "given": given, "at_hand": at_hand}
    given["newest"] = newest and newest(tables)
    found = week_ends.table(run, name, noted, weeks=WEEKS, **given).to_pyarrow().to_pylist()
    return sorted(found, key=lambda row: (row["weeks_ago"], *map(str, row.values()))), asked


def conditions(
    facts: dict[str, list[dict]], last_day: date, *, rules: list[dict] | None = None, half_life: int = 14, at_hand: bool = False
):
    own = rules or test_tagging.shipped()

    def make(tables, day, weeks, totals):
        earlier = portraits.earlier(**tables, half_life_days=half_life, rules=own, last_day=day, weeks=weeks, totals=totals)
        return portraits.tag_conditions(earlier, own)

    def newest(tables):
        """As the portraits of this week give them."""
        interests = portraits.interests(tables["user_topic_day"], last_day=last_day, half_life_days=half_life)
        own_facts = {name: table for name, table in tables.items() if name != "user_topic_day"}
        return portraits.tag_conditions(portraits.portraits(**own_facts, interests=interests, last_day=last_day), own)

    return kept(facts, last_day, "tag_conditions", make, given=[own, half_life], newest=newest if at_hand else None)


def flows(facts: dict[str, list[dict]], last_day: date, *, at_hand: bool = False):
    rules = test_segments.rules()

    def given(tables):
        return [tables[name] for name in ("first_seen", "user_day", "users")]

    def make(tables, day, weeks, totals):
        return segments.week_flows(*given(tables), last_day=day, rules=rules, weeks=weeks)

    def newest(tables):
        """As the tiers of this week and of the two before give them."""
        tiers = segments.history(*given(tables), last_days=ends(last_day, 3), rules=rules)
        return segments.flows_between(tiers, last_day=last_day, weeks=2)

    own = {name: facts[name] for name in ("user_day", "users")}
    return kept(own, last_day, "tier_flows", make, newest=newest if at_hand else None, at_hand=2)


def ends(newest: date, count: int) -> list[date]:
    return [newest - ago * WEEK for ago in range(count)]


def test_a_new_week_costs_its_own_end_and_gives_what_a_build_from_nothing_gives(rooted):
    facts = crowd()
    before, asked = conditions(facts, NEWEST - WEEK)
    assert asked == ends(NEWEST - WEEK, WEEKS) and len(before) > 50
    appended, asked = conditions(facts, NEWEST)
    assert asked == [NEWEST]
    rooted("anew")
    assert conditions(facts, NEWEST) == (appended, ends(NEWEST, WEEKS))


def test_weeks_in_which_nothing_happened_have_their_ends_too(rooted):
    facts = {name: [row for row in rows if row[DAYS.get(name, "day")] is None or row[DAYS.get(name, "day")] <= NEWEST]
             for name, rows in crowd().items()}  # fmt: skip
    for one in (conditions, flows):
        found, _ = one(facts, NEWEST + 3 * WEEK)
        assert {row["weeks_ago"] for row in found} == set(range(WEEKS))


def test_what_is_at_hand_for_the_newest_end_is_not_worked_out_again(rooted):
    facts = crowd()
    whole, _ = conditions(facts, NEWEST)
    rooted("at hand")
    assert conditions(facts, NEWEST, at_hand=True) == (whole, ends(NEWEST - WEEK, WEEKS - 1))
    assert conditions(facts, NEWEST + WEEK, at_hand=True)[1] == []


def test_flows_between_tiers_of_a_new_week_are_those_of_a_build_from_nothing(rooted):
    facts = crowd()
    flows(facts, NEWEST - WEEK)
    appended, asked = flows(facts, NEWEST)
    assert asked == [NEWEST] and {row["was"] for row in appended} > {"outside", "none"}
    rooted("anew")
    assert flows(facts, NEWEST) == (appended, ends(NEWEST, WEEKS))


def test_flows_of_tiers_at_hand_are_those_that_would_be_worked_out(rooted):
    facts = crowd()
    whole, _ = flows(facts, NEWEST)
    rooted("at hand")
    assert flows(facts, NEWEST, at_hand=True) == (whole, ends(NEWEST - 2 * WEEK, WEEKS - 2))
    assert flows(facts, NEWEST + WEEK, at_hand=True)[1] == []


def test_windows_of_paying_that_are_over_are_looked_at_once_and_for_all(rooted):
    rows, asked = [*test_likelihood.crowd(600, blocks=7), {"user_id": "first", "day": made.day(0), "active": 1}], []

    def models(last_day: date):
        run, tables = opened({"user_day": rows}, last_day)

        def keep(make, day: date, number: int):
            def noted(*given):
                asked.append(given)
                return make(*given)

            own = {"of": ["user_day"], "given": None, "last_day": day, "days": segments.WINDOW_DAYS}
            return week_ends.table(run, "pay_windows", noted, weeks=number, **own)

        given = {"last_day": last_day, "rules": test_segments.rules(), "weeks": 2}
        found, anew = (segments.week_models(tables["user_day"], **given, **own) for own in ({"keep": keep}, {}))
        for day, model in found.items():
            test_likelihood.same(model, anew[day])
        return found[last_day]

    window = timedelta(days=segments.WINDOW_DAYS)
    end = made.day(6 * segments.WINDOW_DAYS - 1)  # of the sixth window
    assert not models(end + timedelta(days=21)).refused
    assert asked == [(end, 3)], "the models of all three weeks learn and are tested on these"
    models(end + timedelta(days=27))
    assert len(asked) == 1, "no window has ended"
    assert not models(end + window).refused
    assert asked[1:] == [(end + window, 1)]


def test_a_late_row_makes_the_ends_after_it_anew_and_a_row_of_long_ago_all(rooted):
    facts = crowd()
    conditions(facts, NEWEST)
    late = dict(facts["user_day"][0], day=NEWEST - 2 * WEEK - timedelta(days=1), pay=3)
    other = facts | {"user_day": [*facts["user_day"], dict(late, user_id="late comer")]}
    found, asked = conditions(other, NEWEST)
    assert asked == ends(NEWEST, 3)
    rooted("anew")
    assert conditions(other, NEWEST)[0] == found
    rooted("root")
    oldest = other | {"user_day": [*other["user_day"], dict(late, user_id="early", day=made.day(1))]}
    assert conditions(oldest, NEWEST)[1] == ends(NEWEST, WEEKS)


@pytest.mark.parametrize("changed", ["rules", "half_life"])
def test_other_rules_and_another_half_life_make_all_ends_anew(rooted, changed):
    facts, own = crowd(), test_tagging.shipped()
    conditions(facts, NEWEST)
    more = {"rules": {"rules": [*own, test_tagging.rule("new", "pay_days > 1")]}, "half_life": {"half_life": 28}}[changed]
    assert conditions(facts, NEWEST, **more)[1] == ends(NEWEST, WEEKS)
    assert conditions(facts, NEWEST)[1] == [], "what was kept before is still there"


def test_somebody_who_says_another_city_changes_the_ends_since_the_sign_up(rooted):
    facts = crowd()
    first, *others = facts["users"]
    first = first | {"registered_day": NEWEST - 2 * WEEK - timedelta(days=1)}
    conditions(facts | {"users": [first, *others]}, NEWEST)
    assert conditions(facts | {"users": [first | {"city": "elsewhere"}, *others]}, NEWEST)[1] == ends(NEWEST, 3)


def test_a_lost_file_and_a_damaged_index_cost_work_and_nothing_else(rooted):
    facts = crowd()
    first, _ = conditions(facts, NEWEST)
    folder = paths.built("club") / "week_ends" / "tag_conditions"
    next(folder.glob("*.parquet")).unlink()
    assert conditions(facts, NEWEST) == (first, ends(NEWEST, WEEKS))
    (folder / "index.json").write_text("{", encoding="utf-8")
    assert conditions(facts, NEWEST) == (first, ends(NEWEST, WEEKS))


def test_many_people_are_worked_on_a_few_weeks_at_a_time_with_the_same_rows(rooted, monkeypatch):
    facts = crowd()
    whole, _ = conditions(facts, NEWEST)
    rooted("parts")
    monkeypatch.setattr(week_ends, "PEOPLE_AT_ONCE", 1)
    found, asked = conditions(facts, NEWEST)
    assert found == whole and asked == ends(NEWEST, WEEKS)[::-1], "the earliest first, so that totals grow"
    assert len(list((paths.built("club") / "week_ends" / "tag_conditions").glob("*.parquet"))) == WEEKS


def test_what_one_notebook_keeps_is_not_swept_away_by_the_next(rooted, monkeypatch):
    monkeypatch.setattr(paths, "is_nobodys", lambda path: True)  # as when the notebook's process has ended
    facts = crowd()
    before = conditions(facts, NEWEST), flows(facts, NEWEST)
    assert [asked for _, asked in before] == [ends(NEWEST, WEEKS)] * 2
    after = conditions(facts, NEWEST), flows(facts, NEWEST)
    assert after == tuple((found, []) for found, _ in before)


def test_only_the_newest_ends_stay_on_the_disk(rooted, monkeypatch):
    monkeypatch.setattr(week_ends, "TIMES_KEPT", 1)
    facts = crowd()
    for ago in (6, 3, 0):
        conditions(facts, NEWEST - ago * WEEK)
    assert len(list((paths.built("club") / "week_ends" / "tag_conditions").glob("*.parquet"))) == 2
    assert conditions(facts, NEWEST)[1] == []


def test_what_other_rules_gave_does_not_push_out_the_oldest_ends(rooted, monkeypatch):
    monkeypatch.setattr(paths, "is_nobodys", lambda path: True)
    facts = crowd()
    for half_life in (10, 11, 12, 13):
        conditions(facts, NEWEST, half_life=half_life)
    assert conditions(facts, NEWEST, half_life=13)[1] == []
