"""The public data sets through the project's own functions: the figures that are known of them, from tests/golden/."""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path

import ibis
import pytest

from helpers import cleaning, experiments, facts, open_run, paths, segments
from helpers.runs.store import Run
from helpers.sources import privacy

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


@pytest.fixture
def data_set(real_data, real_built, monkeypatch):
    """Opens a data set by its name, the file or folder that holds it, and a week."""
    monkeypatch.setenv(paths.BUILT_ROOT_VARIABLE, str(real_built))
    monkeypatch.setenv(privacy.KEY_VARIABLE, "a key that only tests have")

    def find(name: str, source: str, week: str) -> Opened:
        found = real_data(source)
        return opened(name, found if found.is_dir() else found.parent, week, real_built)

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
    people = facts.first_seen(facts.user_day(facts.timed(cleaning.kept(events)), travel_se.run.dataset.roles))
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


def tiers(held: Opened, last_day: date) -> ibis.Table:
    """Everybody's tiers as of the end of the data, by what was done in the whole history."""
    days, rules = held.user_day(whole=True), held.run.rules
    whole = rules | {name: rules[name] | {"days": 10_000} for name in ("contribution", "value")}
    return segments.tiers(facts.first_seen(days), days, None, last_day=last_day, rules=whole)


def test_travel_se_has_its_writers_and_commenters_over_the_whole_history(travel_se):
    known, days = golden("travel_se")["whole"], travel_se.user_day(whole=True)
    assert number(days.filter(days.create > 0).user_id.nunique()) == known["people_who_asked_or_answered"]
    assert number(days.filter(days.comment > 0).user_id.nunique()) == known["people_who_commented"]
    found = tiers(travel_se, date(2017, 8, 27))
    assert number((found.contribution == "creator").sum()) == known["people_who_asked_or_answered"]
    assert number(found.contribution.isin(["creator", "commenter"]).sum()) == known["people_active"]


def test_travel_se_as_of_a_week_is_what_it_was_before_the_later_rows_came(travel_se):
    ledger = travel_se.ledger()
    assert ledger["users", "Users.csv.gz"]["after_as_of"] == 44_203 - 43_916
    assert sum(row["after_as_of"] for row in ledger.values()) > 0
    last = travel_se.user_day().day.max()
    assert number(last) == travel_se.run.last_day == date(2017, 8, 20)


def test_travel_se_leaves_all_that_its_bot_did_out_for_a_stated_reason(travel_se):
    known, events = golden("travel_se")["whole"], travel_se.judged("events", whole=True)
    by_bot, users = events.filter(events["_excluded"].notnull()), travel_se.judged("users", whole=True)
    [why] = travel_se.run.dataset.cleaning.exclude_users.values()
    assert by_reason(by_bot) == {why: known["bot_posts"]}
    assert number(by_bot["_file"].nunique()) == 1 and number(by_bot["_file"].max()) == "Posts.csv.gz"
    assert by_reason(users.filter(users["_excluded"].notnull())) == {why: 1}
    assert number((cleaning.kept(events).user_id == pseudonym(travel_se, "-1")).sum()) == 0


def pseudonym(held: Opened, user: str) -> str:
    """As Python makes it."""
    return hmac.new(privacy.key(held.run.dataset), user.encode(), "sha256").hexdigest()[:24]


def test_travel_se_keeps_the_members_who_are_called_null_none_and_nan(travel_se):
    ids = [pseudonym(travel_se, user) for called in golden("travel_se")["odd_names"].values() for user in called]
    users = cleaning.kept(travel_se.judged("users", whole=True))
    assert sorted(users.filter(users.user_id.isin(ids)).user_id.to_pyarrow().to_pylist()) == sorted(ids)


BY_NAME = """
timezone = "UTC"
[[events]]
file = "Users.csv.gz"
user_id = "DisplayName"
ts = "CreationDate"
event = "'sign-up'"
[[events]]
file = "Badges.csv.gz"
user_id = "UserId"
ts = "Date"
event = "'badge'"
content_id = "Name"
[users]
file = "Users.csv.gz"
user_id = "Id"
called = "DisplayName"
place = "Location"
[roles]
active = ["sign-up"]
[privacy]
pseudonymise = false
allow_columns = ["called", "place"]
"""


@pytest.fixture
def by_name(real_data, real_built, monkeypatch) -> Opened:
    """Members and badges of travel_se once more, the names of both read, too, and nobody hidden."""
    monkeypatch.setenv(paths.BUILT_ROOT_VARIABLE, str(real_built))
    folder = real_built / "by_name"
    folder.mkdir(exist_ok=True)
    (folder / "dataset.toml").write_text(BY_NAME, "utf-8")
    return opened(str(folder), real_data("travel_se_2017"), "2017-W33", real_built)


def test_names_such_as_null_none_and_nan_are_text_and_people_of_their_own(by_name):
    known, users = golden("travel_se"), cleaning.kept(by_name.judged("users", whole=True))
    for column, odd in (("called", known["odd_names"]), ("place", known["odd_places"])):
        found = users.filter(users[column].isin(list(odd))).select("user_id", column).to_pyarrow().to_pylist()
        assert {(row["user_id"], row[column]) for row in found} == {(user, name) for name in odd for user in odd[name]}
    days = by_name.user_day(whole=True)
    people = days.filter(days.user_id.isin(list(known["odd_names"]))).group_by("user_id").agg(events=lambda own: own.events.sum())
    assert {row["user_id"]: row["events"] for row in people.to_pyarrow().to_pylist()} == {
        name: len(called) for name, called in known["odd_names"].items()
    }


def test_badges_given_twice_are_kept_and_warned_of(by_name):
    """Each has an id of its own, so none is an exact duplicate."""
    known = golden("travel_se")["badges_given_again"]
    judged = {kind: by_name.judged(kind, whole=True) for kind in by_name.rows}
    run = by_name.run
    found = cleaning.suspicions(judged, roles=run.dataset.roles, limits=run.rules["suspicions"])
    [near] = found[(found["rule"] == "near_duplicate") & (found["column"] == "")].itertuples()
    assert (near.rows, near.people) == (known["again"] + known["first"], known["people"])
    assert by_name.ledger(whole=True)["events", "Badges.csv.gz"]["duplicates"] == 0


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


def test_online_retail_has_a_recency_frequency_and_value_for_each_of_its_usual_customers(data_set):
    shop, known = data_set("online_retail_usual", "online_retail.csv.gz", "2011-W48"), golden("online_retail_usual")["whole"]
    found = tiers(shop, date(2011, 12, 9))
    assert number((found.rfm_class != "no purchase").sum()) == known["customers"] == 4_338
    sizes = segments.rfm_sizes(found)
    assert set(sizes.groupby("what")["people"].sum()) == {known["customers"]}
    days = shop.user_day(whole=True)
    spent = days.filter(days.pay > 0).group_by("user_id").agg(days=ibis._.count(), net=ibis._.net.sum()).to_pandas()
    for name, values in (("frequency", spent["days"]), ("monetary", spent["net"])):
        limits = shop.run.rules["value"][name]
        score = sum((values >= limit).astype(int) for limit in limits) + 1
        own = sizes[sizes["what"] == name].set_index("level")["people"]
        assert {int(level): n for level, n in own.items() if n} == score.value_counts().to_dict()


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
    cube = experiments.cube(experiments.gather(plans, None, units, None, last_day=None), plans, last_day=None)
    health = experiments.health(cube, plans, arms).set_index("check")
    assert health.loc["sample_ratio", "p"] == pytest.approx(known["p"]["split"], abs=5e-5)
    assert health.loc["sample_ratio", "verdict"] == "watch"
    effects = experiments.effects(cube, plans, last_day=None).set_index(["metric", "reading"]).xs("planned", level="reading")
    for day, digits in (("retention_1", 3), ("retention_7", 4)):
        row = effects.loc[day]
        assert row["control_value"] == pytest.approx(known["gate_30"][day] / known["gate_30"]["players"], abs=1e-12)
        assert row["value"] == pytest.approx(known["gate_40"][day] / known["gate_40"]["players"], abs=1e-12)
        assert round(row["p"], digits) == known["p"][day]
    rounds = {arm: cell.moments for arm, cell in cube.arms("cookie_cats", "sum_gamerounds").items()}
    assert {arm: round(own.mean_of("value") * own.n, 6) for arm, own in rounds.items()} == {
        arm: known[arm]["sum_gamerounds"] for arm in ("gate_30", "gate_40")
    }
    [row] = run.ledger(whole=True).values()
    assert row["kept"] == row["rows_in"] == 90_189


@pytest.fixture
def hillstrom(data_set) -> Opened:
    return data_set("hillstrom", "hillstrom_email.csv.gz", "latest")


def test_hillstrom_loses_none_of_the_customers_whose_rows_are_equal(hillstrom):
    known, units = golden("hillstrom"), cleaning.kept(hillstrom.judged("units", whole=True))
    [row] = hillstrom.ledger(whole=True).values()
    assert row == dict.fromkeys(cleaning.STATUSES, 0) | {"rows_in": known["rows"], "kept": known["rows"]}
    assert number(units.unit_id.nunique()) == known["rows"]


def test_hillstroms_equal_rows_would_be_lost_if_they_were_taken_for_duplicates(hillstrom, real_data, real_built, tmp_path):
    folder, text = tmp_path / "once", (hillstrom.run.dataset.folder / "dataset.toml").read_text("utf-8")
    folder.mkdir()
    wanted = "drop_exact_duplicates = false"
    assert wanted in text
    (folder / "dataset.toml").write_text(text.replace(wanted, "drop_exact_duplicates = true"), "utf-8")
    [row] = opened(str(folder), real_data("hillstrom_email.csv.gz").parent, "latest", real_built).ledger(whole=True).values()
    assert row["duplicates"] == golden("hillstrom")["equal_rows"]


def test_hillstrom_has_its_customers_sums_and_p_values(hillstrom):
    known, plans = golden("hillstrom"), hillstrom.run.experiments["experiment"]
    units = cleaning.kept(hillstrom.judged("units", whole=True))
    arms = experiments.arms(plans, None, units)
    people = arms.set_index("variant")["people"].to_dict()
    assert people == {arm: known[arm]["customers"] for arm in plans[0]["variants"]}
    cube = experiments.cube(experiments.gather(plans, None, units, None, last_day=None), plans, last_day=None)
    health = experiments.health(cube, plans, arms).set_index("check")["verdict"]
    assert health["sample_ratio"] == "ok"
    for metric in ("visit", "conversion", "spend"):
        for arm, cell in cube.arms("e_mail", metric).items():
            total = cell.moments.mean_of("value") * cell.moments.n
            assert total == pytest.approx(float(known[arm][metric]), abs=1e-6)
    nothing = {"strata": [], "covariates": []}
    plain = [{**plan, **nothing, "metric": [{**one, "covariates": []} for one in plan["metric"]]} for plan in plans]
    effects = experiments.effects(cube, plain, last_day=None).set_index(["variant", "metric", "reading"])["p"]
    for arm in ("Mens E-Mail", "Womens E-Mail"):
        for metric in ("visit", "conversion", "spend"):
            assert effects[arm, metric, "planned"] == pytest.approx(known[arm]["p"][metric], rel=1e-6)
