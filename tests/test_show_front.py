"""The front page: words and numbers never disagree, parts add up, and a week that is not whole shows no number."""

import re

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.show import cards, findings, gate, said, sentences, tables, words

KEYS = ("weekly_actives", "new_members", "week1_retention", "content_per_active", "payers", "net_amount")
PEOPLE = ("weekly_actives", "new_members", "payers")
INTERVALS = (("low", "high"), ("past_low", "past_high"))
NAN = float("nan")
NOTHING = pd.DataFrame(columns=["experiment"])


@pytest.fixture(autouse=True)
def ten_people():
    gate.configure(10, "en", "CNY", "members")
    yield
    gate.configure()


@st.composite
def numbers(draw, key: str) -> dict:
    """One main number as `weekly.kpis` gives it: any value, any interval, any band, or none of these."""
    most = {"week1_retention": 1.0, "content_per_active": 50.0, "net_amount": 1e9}.get(key, 1e7)
    amount = st.integers(0, int(most)).map(float) if key in PEOPLE else st.floats(0, most)
    value, before, past = draw(amount), draw(amount | st.just(NAN)), draw(amount)
    half, off = draw(st.floats(1e-6, most)), draw(st.floats(-2, 2))
    middle = value - before + off * half if draw(st.booleans()) else NAN
    ends = sorted([draw(amount), draw(amount)]) if draw(st.booleans()) else [NAN, NAN]
    found = {"metric": key, "value": value, "before": before, "low": middle - half, "high": middle + half, "past": past,
             "past_low": value - past - half, "past_high": value - past + half, "past_weeks": 13.0,
             "n": draw(st.sampled_from([0, 5, 500, 500])), "band_low": ends[0], "band_high": ends[1]}  # fmt: skip
    is_sure = any(sentences.verdict(found[low], found[high]) in ("up", "down") for low, high in INTERVALS)
    clear = is_sure and ends[0] == ends[0] and draw(st.booleans())
    drawn = {"series": [before, value], "lows": ends[:1] * 2, "highs": ends[1:] * 2}
    return {**found, **drawn, "clear": clear, "came": NAN, "left": NAN, "reason": ""}


frames = st.tuples(*map(numbers, KEYS)).map(list).map(pd.DataFrame)


@given(frames)
@settings(max_examples=60, deadline=None)
def test_the_headline_has_25_words_at_most_with_size_comparison_and_certainty(kpis):
    gate.configure(10, "en", "CNY", "members")
    text = findings.headline(kpis, NOTHING, NOTHING)
    assert len(text.split()) <= sentences.HEADLINE_WORDS
    if " rose by " in text or " fell by " in text:
        name = next(own for own in kpis.to_dict("records") if words.metric(own["metric"]).label in text)
        found = sentences.verdict(*(name[end] for end in INTERVALS[" on average of 13 weeks" in text]))
        assert (" rose by " in text) == (found == "up") and (" fell by " in text) == (found == "down")
        assert ", against " in text and "95 % interval" in text and re.search(r"(rose|fell) by .*\d", text)
        assert "Within the usual" not in text or (not name["clear"] and name["band_low"] == name["band_low"])
    if "quiet" in text.lower():
        assert "no clear change against" in text and "95 % interval" in text


@given(frames)
@settings(max_examples=40, deadline=None)
def test_what_changed_and_what_did_not_share_the_numbers_out(kpis):
    gate.configure(10, "en", "CNY", "members")
    changes = pd.DataFrame(columns=["metric", "base", "part", "clear", "missing"])
    changed, unchanged = said.front.changed(kpis, changes).text, said.front.unchanged(kpis).text
    assert len(changed.splitlines()) <= said.front.MOST
    quiet = next((line for line in unchanged.splitlines() if line.startswith("No clear change: ")), "")
    for row in kpis.to_dict("records"):
        label, found = words.metric(row["metric"]).label, sentences.verdict(row["low"], row["high"])
        if row["clear"]:
            assert label not in unchanged
        elif label in quiet:
            assert found not in ("up", "down")
        elif label in unchanged:
            assert found in ("up", "down")


@given(frames)
@settings(max_examples=20, deadline=None)
def test_a_card_says_no_clear_change_where_its_interval_covers_none(kpis):
    gate.configure(10, "en", "CNY", "members")
    for row in kpis.to_dict("records"):
        _, text = cards.card(row)
        if "95 % interval" in text:
            assert ("no clear change" in text) == (sentences.verdict(row["low"], row["high"]) == "unclear")
        if "above the usual" in text or "below the usual" in text:
            assert not row["band_low"] <= row["value"] <= row["band_high"]
        if not row["clear"]:
            assert 'class="change good"' not in cards.card(row)[0] and 'class="change bad"' not in cards.card(row)[0]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=3), st.sampled_from([(1, 0), (100, 1), (1, 2)]))
def test_parts_add_up_as_they_are_printed(parts, form):
    scale, digits = form
    whole, *each = said.front.adding_up(parts, scale, digits)
    printed = [round(number * scale * 10**digits) for number in (whole, *each)]
    assert printed[0] == sum(printed[1:])
    assert all(abs(a - b) * scale <= 1.5 * 10**-digits for a, b in zip(parts, each, strict=True))


def changes(**of_parts) -> pd.DataFrame:
    """Weekly actives fell by 210 against both, moved by one channel."""
    whole = {"metric": "weekly_actives", "dimension": "all", "slice": "all", "part": "change", "value": -210.4, "low": -300.0,
             "high": -120.0, "p": 0.001, "before": 1310.4, "now": 1100.0, "band_low": 1180.0, "band_high": 1320.0, "clear": True,
             "n": 1100, "weeks": 1, "missing": 0}  # fmt: skip
    part = whole | {"dimension": "channel", "slice": "ads", "before": 0.4, "now": 0.3, "band_low": 0.35, "band_high": 0.45}
    rows = [part | {"part": name, "value": value, "clear": name == "rate"} for name, value in
            {"size": 12.3, "mix": -40.3, "rate": -182.4, **of_parts}.items()]  # fmt: skip
    return pd.DataFrame([row | {"base": base} for base in ("week_before", "past_mean") for row in (whole, *rows)])


def kpi(**other) -> dict:
    return {"metric": "weekly_actives", "value": 1100.0, "before": 1310.0, "low": -300.0, "high": -120.0, "n": 1100,
            "clear": True, "band_low": 1180.0, "band_high": 1320.0,
            "past": 1310.4, "past_low": -300.0, "past_high": -120.0, "past_weeks": 13,
            "came": NAN, "left": NAN, "reason": "", **other}  # fmt: skip


def test_a_change_is_split_into_parts_that_add_up_and_says_what_moved_it():
    (line,) = said.front.changed(pd.DataFrame([kpi()]), changes()).text.splitlines()
    assert line.startswith("Weekly actives: 1,100, below the usual 1,180 to 1,320; -210 against the week before")
    assert "Of -210 against the week before: +12 by how many they are (size), -40 by who they are (mix) and -182 by what" in line
    assert "moved by ads (channel), by rate" in line


def test_a_number_that_left_its_usual_range_slowly_is_told_against_the_mean():
    kpis = pd.DataFrame([kpi(before=1105.0, low=-60.0, high=50.0)])
    assert findings.headline(kpis, NOTHING, NOTHING) == (
        "Weekly actives fell by 210 (-16.1 %) to 1,100, against 1,310 on average of 13 weeks (95 % interval -300 to -120)"
    )
    assert "Of -210 against the mean of the weeks before" in said.front.changed(kpis, changes()).text


def test_payers_are_told_with_who_came_and_who_stayed_away():
    row = kpi(metric="payers", value=150.0, before=100.0, low=20.0, high=80.0, band_low=90.0, band_high=120.0)
    row |= {"came": 80.0, "left": 30.0}
    text = said.front.changed(pd.DataFrame([row]), changes()).text
    assert "above the usual 90 to 120" in text and "80 paid who had not the week before, and 30 who had then did not" in text
    assert "80 paid" not in said.front.changed(pd.DataFrame([row | {"left": 3.0}]), changes()).text


def test_a_slice_that_moved_while_the_whole_did_not_is_the_headline_and_a_line():
    kpis = pd.DataFrame([kpi(clear=False, low=-260.0, high=20.0)])
    given = changes()
    given.loc[given["part"] == "change", "clear"] = False
    text = findings.headline(kpis, NOTHING, NOTHING, changes=given)
    assert text == "Weekly actives of ads fell clearly: 30.0 %, against 40.0 % before and a usual 35.0 to 45.0 %"
    assert said.front.changed(kpis, given).text.startswith("Weekly actives was moved by ads (channel), by rate")
    small = given.assign(n=given["n"].where(given["part"] == "change", 4))
    assert "quiet" in findings.headline(kpis, NOTHING, NOTHING, changes=small)
    assert said.front.changed(kpis, small).text == "No number moved beyond its usual range."


@pytest.mark.parametrize(("key", "low", "high"), [("weekly_actives", 0.02, 99.0), ("week1_retention", -0.172, -0.0004),
                                                  ("net_amount", 0.004, 1e6), ("content_per_active", -3.0, -0.001)])  # fmt: skip
def test_an_interval_that_leaves_out_no_change_is_not_rounded_to_it(key, low, high):
    ends = sentences.change(key, 500, 400, low, high).split("interval ")[1].rstrip(")")
    assert all(re.search("[1-9]", end) for end in ends.split(" to "))


LEDGER = pd.DataFrame({"file": ["a.csv"], "rows_in": [1000], "quarantined": [20]})
CALM = pd.DataFrame(columns=["rule", "subject"])
DAYS = {"last_day": pd.Timestamp("2026-03-08"), "data_until": pd.Timestamp("2026-03-05")}


def test_a_week_that_is_not_whole_says_why_and_what_to_do_and_has_no_number():
    assert not re.search(r"\d", findings.headline(pd.DataFrame([kpi()]), NOTHING, NOTHING, quality="red"))
    shown = said.front.banner("red", LEDGER, CALM, **DAYS)
    assert "withheld: the data end on 5 Mar 2026, the week on 8 Mar 2026" in shown.text and "What to do" in shown.text
    assert 'class="gr gr-say alarm"' in shown.html and 'href="01_cleaning.html#coverage-by-kind"' in shown.html


def test_what_may_be_missing_is_a_warning_and_good_data_are_one_quiet_line():
    hours = pd.DataFrame([{"rule": "missing_hours", "subject": "2026-03-04 04:00 to 09:00"}])
    amber = said.front.banner("amber", LEDGER, hours, **DAYS)
    assert 'class="gr gr-say warn"' in amber.html and "2.0 % of a.csv cannot be used" in amber.text
    assert "no event on 4 Mar 2026, 04:00 to 09:00" in amber.text
    good = said.front.banner("good", LEDGER, CALM, **DAYS)
    assert good.html.startswith('<p class="gr gr-say">')
    assert good.text == "Data quality: good; at most 2.0 % of a file cannot be used."


def test_the_other_pages_say_in_doubt_what_is_wrong_and_that_their_numbers_are_not_to_be_relied_on():
    hours = pd.DataFrame([{"rule": "missing_hours", "subject": "2026-03-04 04:00 to 09:00"}])
    red = said.front.doubts("red", LEDGER, hours, **DAYS).splitlines()
    assert "they end on 5 Mar 2026, the week on 8 Mar 2026. Do not rely on the numbers below" in red[0]
    assert red[1].startswith("What to do") and "2.0 % of a.csv" in red[2] and "no event on 4 Mar 2026" in red[3]
    amber = said.front.doubts("amber", LEDGER, CALM, **DAYS).splitlines()
    assert "read the numbers below with care" in amber[0] and "2.0 % of a.csv" in amber[1] and len(amber) == 2
    assert said.front.doubts("good", LEDGER, CALM, **DAYS) == ""


def test_a_week_without_anybody_and_a_first_week_read_well():
    empty = kpi(value=0.0, n=0, low=-1400.0, high=-1220.0)
    said_of_it = findings.headline(pd.DataFrame([empty]), NOTHING, NOTHING)
    assert said_of_it == "Nobody was active in the week, against 1,310 the week before"
    again = empty | {"before": 0.0, "low": NAN, "high": NAN}
    assert "nor in the week before" in findings.headline(pd.DataFrame([again]), NOTHING, NOTHING)
    unknown = dict.fromkeys(("before", "low", "high", "band_low", "band_high", "past", "past_low", "past_high"), NAN)
    first = pd.DataFrame([kpi(clear=False) | unknown])
    assert said.front.changed(first, changes().iloc[:0]).text == "There is nothing to compare this week with yet."
    assert said.front.unchanged(first).text == "There is nothing to compare with yet."
    assert "too little data" in findings.headline(first, NOTHING, NOTHING)
    short = pd.DataFrame([kpi(clear=False, band_low=NAN, band_high=NAN)])
    missing = changes().assign(missing=3, clear=False)
    assert said.front.changed(short, missing).text == "What is usual is not known yet; that takes 3 more weeks."
    assert said.front.unchanged(short).text.startswith("Moved, while it is too early to know what is usual: Weekly actives (-210")


def moves(**flows: int) -> pd.DataFrame:
    """Flows between tiers of activity: `high_low=30` is 30 people from high to low."""
    pairs = {tuple(name.split("_")): people for name, people in flows.items()}
    rows = [{"dimension": "activity", "week": pd.Timestamp("2026-03-02"), "from": a, "to": b, "people": n, "kind":
             "stayed" if a == b else "changed"} for (a, b), n in pairs.items()]  # fmt: skip
    return pd.DataFrame(rows)


def test_moves_on_balance_have_an_interval_and_pairs_of_few_are_left_out():
    flows = moves(high_high=200, low_low=300, none_none=400, high_low=80, low_high=30, low_none=60, none_low=50, high_none=20,
                  none_high=15)  # fmt: skip
    found = said.moves.net(flows, "activity")
    row = found.iloc[0]
    assert (row["from"], row["to"], row["forth"], row["back"], row["net"]) == ("high", "low", 80, 30, 50)
    assert row["low"] < 50 < row["high"] and row["clear"] and found["clear"].sum() == 1
    assert said.moves.balanced(flows, "activity").startswith("Activity: on balance 50 members from high to low (95 % interval")
    few = said.moves.net(flows.assign(people=flows["people"].replace(15, 7)), "activity")
    assert {"high", "none"} not in [set(pair) for pair in zip(few["from"], few["to"], strict=True)]
    level = moves(high_high=200, low_low=300, high_low=31, low_high=30)
    assert "no clear balance" in said.moves.balanced(level, "activity")
    assert "too few" in said.moves.balanced(flows.iloc[:0], "activity")


def risk(**other) -> pd.DataFrame:
    known = {"refused": "", "people": 2000, "lost": 600, "promised": 0.31, "observed": 0.3, "low": 0.28, "high": 0.32}
    return pd.DataFrame([known | other])


@pytest.mark.parametrize(("promised", "says"), [(0.31, "no clear difference"), (0.4, "too often"), (0.2, "too seldom")])
def test_whether_warnings_are_believed_comes_from_the_interval(promised, says):
    assert says in said.front.believed(risk(promised=promised))


def test_the_tier_most_at_risk_is_named_with_its_interval_and_small_ones_are_not():
    rows = [("low", 0.6, 0.56, 0.64, 300), ("high", 0.1, 0.08, 0.13, 300), ("medium", 0.9, 0.5, 0.99, 4)]
    tiers = pd.DataFrame(rows, columns=["tier", "share", "low", "high", "smallest"]).assign(dimension="activity", warned=50)
    told = "Most at risk by activity: low, 60.0 % of them (95 % interval 56.0 to 64.0 %), 50 in number"
    assert said.front.most_at_risk(tiers) == told
    assert "no clear difference to the next" in said.front.most_at_risk(tiers.assign(high=0.7))


def test_every_metric_on_the_page_is_explained_where_it_stands_and_in_the_glossary():
    shown = tables.cards(pd.DataFrame([kpi(), kpi(metric="net_amount")]))
    assert shown.html.count('class="term" tabindex="0"') == 2 and "Unit: money, CNY" in shown.html
    listed = cards.glossary(["weekly_actives", "week1_retention"])
    assert listed.html.startswith('<details class="gr gr-glossary">')
    for key in ("weekly_actives", "week1_retention"):
        assert words.metric(key).definition in listed.text
    assert "Of: All members of the newest cohort" in listed.text
    weeks = pd.DataFrame({"week": ["2026-W10"], "quick_ratio": [1.2]})
    headed = tables.table(weeks, title="x", columns={"week": "week", "quick_ratio": "number"})
    assert headed.html.count('class="tip"') == 1 and "Quick ratio" in headed.text and "tip" not in headed.text


def test_a_sentence_links_to_the_cell_that_it_comes_from():
    shown = sentences.say(sentences.linked("no number <moved>", "04_retention", "net-in-parts"), "the rest")
    assert '<a class="from" href="04_retention.html#net-in-parts">Retention</a>' in shown.html
    assert "&lt;moved&gt;" in shown.html and shown.text == "No number <moved>.\nThe rest."
