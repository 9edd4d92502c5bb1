"""Who comes back, stays, is about to be lost and why is the same on both engines: counts and decimals equal, strings too,
fractions to nine digits. What DuckDB says is recounted in plain Python by the tests of each function.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Sequence
from decimal import Decimal
from itertools import product
from types import SimpleNamespace

import ibis
import made
import pandas as pd
import pyarrow as pa
import pytest
import town

from helpers import paths, retention, segments
from helpers.portraits.distinct import distinctive
from helpers.retention.leaving import lost, risk
from helpers.retention.leaving.past import by_span

pytestmark = pytest.mark.hard
pytest_plugins = ["engines"]
PEOPLE, DAYS = 900, 168  # so that no model refuses
LAST_DAY = made.day(DAYS - 1)
DEFAULTS = tomllib.loads((paths.DEFAULTS / "rules.toml").read_text(encoding="utf-8"))
LIMITS, ENTRY = DEFAULTS["lifecycle"], DEFAULTS["retention"]["entry"]
SLICES = ["channel", "city"]
PAIR = ("channel", "entry_activity")
CUBES = {
    f"cohorts by {unit}, {'first time' if first_time else 'recurring'}, {times} or more": retention.Rule(
        unit=unit, times=times, first_time=first_time, start="active" if first_time else "create",
        returns="active" if first_time else "comment", week_start="monday" if first_time else "sunday",
    )
    for unit, first_time, times in product(retention.rule.UNITS, (True, False), (1, 2))
}  # fmt: skip
WEEK = CUBES["cohorts by week, first time, 1 or more"]
SPANS = {
    "spans by week": retention.Rule(criterion="bracket", brackets=((1, 4), (5, 8), (9, 70)), horizon=8),
    "spans by week, recurring": retention.Rule(first_time=False, times=2, returns="react", brackets=((0, 2), (3, 3)), horizon=2),
    "spans by month of payers": retention.Rule(unit="month", start="pay", returns="pay", horizon=2),
    "spans by day": retention.Rule(unit="day", brackets=((1, 7), (8, 30))),
}


def given(t: SimpleNamespace) -> dict:
    """What most functions are given."""
    return {"first_seen": t.first_seen, "user_day": t.user_day, "last_day": LAST_DAY}


def sliced(t: SimpleNamespace, names: Sequence[str] = SLICES) -> dict:
    return retention.sliced_by(t.users, names)


def weeks_of(t: SimpleNamespace):
    return retention.user_weeks(t.user_day, last_day=LAST_DAY)


def counted(t: SimpleNamespace, rule: retention.Rule) -> pd.DataFrame:
    """The cube, that of weeks by slice and tier at entry, too."""
    how = {"slices": sliced(t, ["channel"]), "pair": PAIR, "entry": ENTRY} if rule.unit == "week" else {}
    return retention.cohort_cube(t.user_day, **how, rule=rule, last_day=LAST_DAY, ages=26)


def in_spans(t: SimpleNamespace, rule: retention.Rule) -> pd.DataFrame:
    """The spans, those of weeks by slice and tier at entry, too."""
    how = {"slices": sliced(t, ["channel"]), "pair": PAIR, "entry": ENTRY} if rule.unit == "week" else {}
    return retention.cohort_spans(t.user_day, **how, rule=rule, last_day=LAST_DAY)


def tiers(t: SimpleNamespace) -> ibis.Table:
    return segments.tiers(t.first_seen, t.user_day, t.users, last_day=LAST_DAY, rules=DEFAULTS)


def compared(t: SimpleNamespace) -> lost.WhyLost:
    """Why people were lost, `apart` being those who are compared; how, is asked of what DuckDB says of them."""
    names = ("user_hour", "users", "reply_day", "user_topic_day")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lost, "distinctive", lambda chosen, _, **__: chosen)
        return retention.why_lost(**given(t), **{name: getattr(t, name) for name in names}, rules=DEFAULTS)


# What grows with people stays on the engine; later ones read what DuckDB says of earlier ones.
TABLES = {
    "rhythms": lambda t: retention.rhythms(t.user_day, last_day=LAST_DAY, limits=LIMITS),
    "fatigue": lambda t: retention.fatigue(**given(t)),
    "touches": lambda t: retention.touches(t.sent),
    "deeds": lambda t: retention.user_weeks(t.user_day, last_day=LAST_DAY).deeds,
    "matched": lambda t: t.lost.apart,
}
FRAMES = {
    **{name: lambda t, rule=rule: counted(t, rule) for name, rule in CUBES.items()},
    **{name: lambda t, rule=rule: in_spans(t, rule) for name, rule in SPANS.items()},
    "cohorts without a last day": lambda t: retention.cohort_cube(t.user_day, rule=WEEK),
    "cohorts": lambda t: retention.cohorts(getattr(t, "cohorts by week, first time, 1 or more"), last_day=LAST_DAY),
    "brackets": lambda t: retention.cohorts(getattr(t, "spans by week"), rule=SPANS["spans by week"], last_day=LAST_DAY),
    "money": lambda t: retention.money(t.cohorts),
    "member value": lambda t: retention.member_value(t.cohorts, ages=8).cohorts,
    "average by channel": lambda t: retention.average_by(
        getattr(t, "cohorts by week, first time, 1 or more"), "channel", last_day=LAST_DAY
    ),
    "presence": lambda t: retention.presence_day(t.user_day, sliced(t), last_day=LAST_DAY),
    "presence of all": lambda t: retention.presence_day(t.user_day, last_day=LAST_DAY),
    "actives": lambda t: retention.actives_day(t.presence, last_day=LAST_DAY),
    "stickiness": lambda t: retention.stickiness(t.actives),
    **{f"growth by {unit}": lambda t, unit=unit: retention.growth(t.presence, last_day=LAST_DAY, unit=unit, dimension="channel")
       for unit in retention.rule.UNITS},
    "active_days": lambda t: retention.active_days(t.user_day, sliced(t), last_day=LAST_DAY),
    "active weeks": lambda t: retention.active_days(t.user_day, last_day=LAST_DAY, window=8, unit="week", week_start="sunday"),
    "active months": lambda t: retention.active_days(t.user_day, last_day=LAST_DAY, window=4, unit="month"),
    "active_hours": lambda t: retention.active_hours(t.user_hour, last_day=LAST_DAY),
    "slice_weeks": lambda t: retention.slice_weeks(t.first_seen, weeks_of(t), sliced(t), last_day=LAST_DAY),
    "steps": lambda t: retention.steps(t.first_seen, weeks_of(t), sliced(t), last_day=LAST_DAY),
    "usual_weeks": lambda t: retention.usual_weeks(t.slice_weeks, paid=True),
    "usual_days": lambda t: retention.usual_days(t.actives[t.actives["dimension"] == "all"].set_index("day")["dau"]),
    "changes": lambda t: retention.changes(t.slice_weeks, t.steps, paid=True),
    "losses": lambda t: retention.losses(t.rhythms, t.user_day, last_day=LAST_DAY, limits=LIMITS),
    "spells": lambda t: retention.spells(t.rhythms, last_day=LAST_DAY, limits=LIMITS, slices=sliced(t), users=t.users),
    "spells of all": lambda t: retention.spells(t.rhythms, last_day=LAST_DAY, limits=LIMITS),
    "survival": lambda t: retention.survival(t.spells),
    "survival by cohort": lambda t: retention.survival_by(t.spells, dimension="cohort"),
    "lasting": lambda t: retention.lasting(t.spells, rule="own", dimension="city"),
    "cohorts_compared": lambda t: retention.cohorts_compared(t.spells, t.cohorts, rule="own", dimensions=SLICES),
    "projection_checks": lambda t: retention.projections(t.spells, rule="own", dimensions=("all", "channel"))[0],
    "projections": lambda t: retention.projections(t.spells, rule="fixed")[1],
    "why_lost": lambda t: distinctive(t.matched, t.matched.filter(t.matched.lost), segment="lost", without=lost.WITHOUT),
    "lost_matched": lambda t: t.lost.matched,
    "winback": lambda t: retention.winback(t.touches, t.user_day, last_day=LAST_DAY, days=14),
}  # fmt: skip
PARTS = {
    "warned": lambda t: retention.warnings(t.first_seen, t.user_day, t.segments, last_day=LAST_DAY),
    "lost": compared,
}
# What is asked of nobody, too.
OF_NOBODY = ("cohorts without a last day", "presence of all", "active_days", "active_hours", "slice_weeks", "losses", "spells",
             "winback")  # fmt: skip


class Town(SimpleNamespace):
    """The facts on one engine; what is asked of them is answered once."""

    def __getattr__(self, name: str):
        """The answer to a question of FRAMES or PARTS."""
        question = FRAMES.get(name) or PARTS.get(name)
        if question is None:
            raise AttributeError(name)
        setattr(self, name, question(self))
        return self.__dict__[name]


def sent() -> pa.Table:
    """Contacts of four campaigns: one with a holdout and one without, one that is not over, one to nobody; some of them twice."""
    chance, rows = random.Random(14), []
    for number in range(PEOPLE):
        for campaign, day, arms in (
            ("spring", 90, [None, "sms", "sms", " Holdout"]), ("春", 120, ["mail"]), ("late", DAYS - 9, ["sms", "control"]),
            ("early", 60, ["held out"]),
        ):  # fmt: skip
            for _ in range(chance.choice([0, 0, 1, 2]) if chance.random() < 0.6 else 0):
                cost = chance.choice([None, Decimal("0.035"), Decimal("1.2")])
                touched_day = made.day(day + chance.randrange(4))
                rows.append({"user_id": f"u{number:03d}", "campaign": campaign, "touched_day": touched_day,
                             "arm": chance.choice(arms), "cost": cost})  # fmt: skip
    return pa.Table.from_pylist(rows, pa.schema([
        ("user_id", pa.string()), ("campaign", pa.string()), ("touched_day", pa.date32()), ("arm", pa.string()),
        ("cost", pa.decimal128(28, 4)),
    ]))  # fmt: skip


@pytest.fixture(scope="module")
def towns(engines) -> tuple[Town, Town]:
    """The town on DuckDB and on Spark, and on both what DuckDB says of its people."""
    facts = town.town(PEOPLE, DAYS, settled=0, weary=15) | {"sent": sent()}
    pairs = {name: engines.given(rows) for name, rows in facts.items()}
    for name, question in {"segments": tiers, **TABLES}.items():
        ours = question(Town(**{known: pair[0] for known, pair in pairs.items()}))
        pairs[name] = engines.given(ours.to_pyarrow())
    return tuple(Town(**{name: pair[at] for name, pair in pairs.items()}) for at in (0, 1))


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_people_is_the_same_on_both(engines, towns, name):
    assert len(engines.agree(TABLES[name], towns)) > 100


@pytest.mark.parametrize("name", FRAMES)
def test_a_small_table_is_the_same_on_both(engines, towns, name):
    assert len(engines.agree_in_order(lambda t: getattr(t, name), towns)) > 1


@pytest.mark.parametrize("name", OF_NOBODY)
def test_of_nobody_both_say_the_same(engines, towns, name):
    both = [Town(**{known: table.limit(0) for known, table in vars(t).items() if isinstance(table, ibis.Table)}) for t in towns]
    found = engines.agree_in_order(lambda t: getattr(t, name), both)
    assert found.select_dtypes("number").fillna(0).le(42).all(axis=None)


def test_the_warned_are_the_same_on_both_and_so_are_the_reasons(engines, towns):
    for name in ("people", "fatigue"):
        found = engines.agree(lambda t, name=name: getattr(t.warned, name), towns)
        assert sum(row["tired"] for row in found) > 5
    for name in ("tiers", "kept", "reasons"):
        assert len(engines.agree_in_order(lambda t, name=name: getattr(t.warned, name), towns)) > 1


def test_the_risk_model_is_the_same_on_both_and_so_is_its_test(engines, towns):
    ours, theirs = (t.warned.model for t in towns)
    for name in ("verdict", "tenths"):
        engines.agree_in_order(lambda t, name=name: getattr(t.warned.model, name), towns)
    assert ours.refused == theirs.refused == ""
    assert (ours.weights, ours.middle, ours.intercept) == (theirs.weights, theirs.middle, theirs.intercept)


def test_the_same_members_stand_for_too_many_on_both(engines, towns, monkeypatch):
    monkeypatch.setattr(risk, "MOST_PEOPLE", 60)
    ends = {"first_day": made.day(0), "last_day": LAST_DAY}
    days = risk.windows(*ends.values())
    panels = [risk.described(t.first_seen, by_span(t.user_day, last_day=days[0]), days) for t in towns]
    both = [risk.risk_model(panel, **ends) for panel in panels]
    engines.agree_in_order(lambda model: model.tenths, both)
    assert both[0].weights == both[1].weights != towns[0].warned.model.weights


def test_how_long_people_are_watched_is_the_same_on_both(towns):
    ours, theirs = (retention.watch(t.rhythms, limits=LIMITS) for t in towns)
    assert ours == theirs and ours.begins == made.day(0)


def test_the_models_do_not_refuse(towns):
    ours, theirs = towns
    assert ours.lost.refused == theirs.lost.refused == "" and ours.lost.watched == theirs.lost.watched
    assert set(ours.projection_checks["refused"]) == {""} and ours.cohorts_compared["p"].notna().sum() > 5
    assert ours.changes["band_low"].notna().all() and set(ours.winback["refused"]) == {"", "open", "no_holdout", "no_touched"}


AMOUNTS = ["9.9999", "10000000000000.0001", "-1000000000000", "0.0001"]  # two of them mistakes


def test_amounts_beyond_measure_are_the_same_on_both(engines):
    rows = [{"user_id": f"u{at}", "day": made.day(7 * at + step), "active": 1, "pay": 1, "net": Decimal(amount) + step}
            for at, amount in enumerate(AMOUNTS) for step in (0, 7)]  # fmt: skip
    both = [engines.given(made.arrow(*table)) for table in (("first_seen", made.first_seen_rows(rows)), ("user_day", rows))]
    for question in (retention.slice_weeks, retention.steps):
        def answered(first_seen, user_day, asked=question):
            return asked(first_seen, retention.user_weeks(user_day, last_day=made.day(34)), last_day=made.day(34))

        found = engines.agree_in_order(answered, *both)
        assert found.drop(columns=["week"], errors="ignore").max(numeric_only=True).max() > 1e24
