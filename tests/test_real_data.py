"""The public data sets through the project's own functions: the figures that are known of them, from tests/golden/."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path

import ibis
import pytest

from helpers import cleaning, experiments, facts, open_run, paths
from helpers.runs.store import Run

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("real_data")]
AMOUNTS = ("gross", "refunded", "net")


@dataclass(frozen=True, eq=False)
class Opened:
    """A data set with the rows of each kind read once, to be judged as of several instants."""

    run: Run
    rows: dict[str, ibis.Table]

    def judged(self, kind: str, *, whole: bool = False) -> ibis.Table:
        return _judged(self, kind, whole)

    def ledger(self, *, whole: bool = False) -> dict[tuple[str, str], dict[str, int]]:
        """Rows of each file by status, the law of conservation held on the way."""
        reasons = cleaning.reasons(*(self.judged(kind, whole=whole) for kind in self.rows))
        return cleaning.ledger(reasons, self.run.rows_in).set_index(["table", "file"]).drop(columns="changed").to_dict("index")

    def user_day(self, *, whole: bool = False) -> ibis.Table:
        return _user_day(self, whole)


@cache
def _judged(held: Opened, kind: str, whole: bool) -> ibis.Table:
    as_of = None if whole else held.run.as_of
    return held.run.keep(cleaning.judge(held.rows[kind], kind, as_of=as_of, future_from=held.run.future_from))


@cache
def _user_day(held: Opened, whole: bool) -> ibis.Table:
    events = facts.timed(cleaning.kept(held.judged("events", whole=whole)))
    return held.run.keep(facts.user_day(events, held.run.dataset.roles))


@cache
def opened(name: str, root: Path, week: str, built: Path) -> Opened:
    run = open_run(name, week, root=root)
    kinds = dict.fromkeys(source.kind for source in run.dataset.sources())
    return Opened(run, {kind: run.keep(run.source(kind)) for kind in kinds})


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("real")


@pytest.fixture
def data_set(real_data, built, monkeypatch):
    """Opens a data set by its name, the file or folder that holds it, and a week."""
    monkeypatch.setenv(paths.BUILT_ROOT_VARIABLE, str(built))

    def find(name: str, source: str, week: str) -> Opened:
        found = real_data(source)
        return opened(name, found if found.is_dir() else found.parent, week, built)

    return find


def golden(name: str) -> dict:
    return json.loads((Path(__file__).parent / "golden" / f"{name}.json").read_text("utf-8"))


def number(value: ibis.Value):
    return value.to_pyarrow().as_py()


def by_reason(judged: ibis.Table) -> dict[str, int]:
    found = judged.group_by(why=judged["_reason"]).agg(rows=judged.count()).to_pyarrow().to_pylist()
    return {row["why"]: row["rows"] for row in found}


@pytest.fixture
def travel_se(data_set) -> Opened:
    return data_set("travel_se", "travel_se_2017", "2017-W33")


def by_event(events: ibis.Table) -> dict[str, int]:
    found = events.group_by("event").agg(rows=events.count()).to_pyarrow().to_pylist()
    return {f"{row['event']}s".replace("ask", "question"): row["rows"] for row in found}


@pytest.mark.parametrize("span", ["whole", "until_2017_W33"])
def test_travel_se_holds_its_members_questions_and_answers(travel_se, span):
    known, whole = golden("travel_se")[span], span == "whole"
    events, users = travel_se.judged("events", whole=whole), travel_se.judged("users", whole=whole)
    in_time = events["_status"] != "after_as_of" if whole else events.ts < ibis.literal(travel_se.run.as_of)
    sound = events.filter(events["_selected"] & in_time)
    assert by_event(sound) == {name: known[name] for name in ("questions", "answers", "comments", "badges")}
    assert number((users["_status"] != "after_as_of").sum()) == known["members"]
    for name, rows in by_event(events.filter(events["_status"] == "kept")).items():
        assert rows == known.get(f"{name}_kept", rows)
    people = facts.first_seen(facts.timed(cleaning.kept(events)), travel_se.run.dataset.roles)
    assert number(people.first_active_day.notnull().sum()) == known["people_active"]


def test_travel_se_sets_the_bot_and_rows_without_a_member_aside_and_counts_them(travel_se):
    known, ledger = golden("travel_se")["whole"], travel_se.ledger(whole=True)
    posts = ledger["events", "Posts.csv.gz"]
    bot = (
        known["questions"]
        + known["answers"]
        - known["posts_without_member"]
        - known["questions_kept"]
        - known["answers_kept"]
    )
    assert posts == {
        "rows_in": known["posts_rows"], "kept": known["questions_kept"] + known["answers_kept"],
        "not_selected": known["posts_not_selected"] + bot, "after_as_of": 0, "duplicates": known["duplicates"],
        "quarantined": known["posts_without_member"],
    }  # fmt: skip
    assert ledger["events", "Comments.csv.gz"]["quarantined"] == known["comments_without_member"]
    assert ledger["events", "Badges.csv.gz"]["kept"] == known["badges_kept"]
    assert ledger["users", "Users.csv.gz"]["kept"] == known["members_kept"] == known["members"] - 1
    wrote = cleaning.kept(travel_se.judged("events", whole=True))
    assert (
        number(wrote.filter(wrote.event.isin(["ask", "answer"])).user_id.nunique())
        == known["people_who_asked_or_answered"]
    )
    assert number(wrote.filter(wrote.event == "comment").user_id.nunique()) == known["people_who_commented"]


def test_travel_se_as_of_a_week_is_what_it_was_before_the_later_rows_came(travel_se):
    ledger = travel_se.ledger()
    assert ledger["users", "Users.csv.gz"]["after_as_of"] == 44_203 - 43_916
    assert sum(row["after_as_of"] for row in ledger.values()) > 0
    last = travel_se.user_day().day.max()
    assert number(last) == travel_se.run.last_day == date(2017, 8, 20)


@pytest.fixture
def online_retail(data_set) -> Opened:
    return data_set("online_retail", "online_retail.csv.gz", "2011-W48")


def test_online_retail_adds_up_to_its_rows(online_retail):
    known, [row] = golden("online_retail")["whole"], online_retail.ledger(whole=True).values()
    assert row == {
        "rows_in": known["rows"], "kept": known["kept"], "not_selected": 0, "after_as_of": 0,
        "duplicates": known["duplicates"], "quarantined": known["without_customer"],
    }  # fmt: skip
    reasons = by_reason(online_retail.judged("events", whole=True))
    assert reasons == {
        "": known["kept"],
        "exact_duplicate": known["duplicates"],
        "blank_user_id": known["without_customer"],
    }


def test_online_retail_sells_and_takes_back_to_the_penny(online_retail):
    known, days = golden("online_retail")["whole"], online_retail.user_day(whole=True)
    assert number(days.user_id.nunique()) == known["customers"]
    assert number(days.filter(days.pay > 0).user_id.nunique()) == known["buyers"]
    assert (number(days.pay.sum()), number(days.refund.sum())) == (
        known["purchase_rows_kept"],
        known["refund_rows_kept"],
    )
    for name in AMOUNTS:
        assert number(days[name].sum()) == Decimal(known[name])


def test_online_retail_as_of_2011_w48(online_retail):
    known, events = golden("online_retail")["until_2011_W48"], online_retail.judged("events")
    in_time = events.filter(events.ts < ibis.literal(online_retail.run.as_of))
    assert number(in_time.count()) == known["rows"]
    assert by_reason(in_time)["blank_user_id"] == known["without_customer"]
    assert number(cleaning.kept(events).count()) == known["kept"]
    assert number(cleaning.kept(events).user_id.nunique()) == known["customers"]


@pytest.mark.parametrize("span", ["whole", "until_2011_W48"])
def test_online_retail_after_the_usual_cleaning(data_set, span):
    shop, known = (
        data_set("online_retail_usual", "online_retail.csv.gz", "2011-W48"),
        golden("online_retail_usual")[span],
    )
    [row] = shop.ledger(whole=span == "whole").values()
    assert row["rows_in"] == 541_909
    assert row["kept"] == known["kept"]
    days = shop.user_day(whole=span == "whole")
    assert (number(days.events.sum()), number(days.user_id.nunique())) == (known["kept"], known["customers"])
    assert number(days.gross.sum()) == number(days.net.sum()) == Decimal(known["amount"])


def test_an_invoice_is_one_session(online_retail):
    events = cleaning.kept(online_retail.judged("events", whole=True))
    sales = events.filter(events.event == "purchase")
    assert number(online_retail.user_day(whole=True).sessions.sum()) == number(sales.session_id.nunique())


def test_cookie_cats_has_its_players_and_p_values(data_set):
    known, run = golden("cookie_cats"), data_set("cookie_cats", "cookie_cats.csv.gz", "latest")
    units, plans = cleaning.kept(run.judged("units", whole=True)), run.run.experiments["experiment"]
    arms = experiments.arms(plans, None, units)
    assert arms.set_index("variant")["people"].to_dict() == {
        arm: known[arm]["players"] for arm in ("gate_30", "gate_40")
    }
    assert experiments.health(arms)["p"].iloc[0] == pytest.approx(known["p"]["split"], abs=5e-5)
    moments = experiments.moments(plans, None, units, None, last_day=None)
    effects = experiments.effects(moments, plans).set_index("metric")
    for day, digits in (("retention_1", 3), ("retention_7", 4)):
        row = effects.loc[day]
        assert row["control_value"] == pytest.approx(known["gate_30"][day] / known["gate_30"]["players"], abs=1e-12)
        assert row["value"] == pytest.approx(known["gate_40"][day] / known["gate_40"]["players"], abs=1e-12)
        assert round(row["p"], digits) == known["p"][day]
    sums = moments[moments["metric"] == "sum_gamerounds"].set_index("variant")["total"]
    assert sums.to_dict() == {arm: known[arm]["sum_gamerounds"] for arm in ("gate_30", "gate_40")}
    [row] = run.ledger(whole=True).values()
    assert row["kept"] == row["rows_in"] == 90_189
