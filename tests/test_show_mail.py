"""The mail: what it is made of, how its numbers are rounded, and what it keeps back."""

from __future__ import annotations

import math
import re
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import weekly
from helpers.show import gate, mail, rounding, words

UNKNOWN = math.nan
WEEKS = pd.to_datetime(["2026-02-23", "2026-03-02"])


@pytest.fixture(autouse=True)
def ten_people():
    gate.configure(10, "en", "CNY", "members")
    yield
    gate.configure()


def row(metric="weekly_actives", part="number", slice_="all", **told):
    plain = {"value": 1711.0, "before": 1736.0, "over": UNKNOWN, "over_before": UNKNOWN, "low": -66.0, "high": 16.0,
             "clear": False, "n": 1711, "n_before": 1736, "differ": 439.0, "dominated": False}  # fmt: skip
    return {"part": part, "metric": metric, "slice": slice_, **plain, **told}


def tier(name, people, before=None, differ=40.0):
    return row("lifecycle", "tier", name, value=people, before=before or people, n=people, n_before=before or people,
               differ=differ, low=UNKNOWN, high=UNKNOWN)  # fmt: skip


def decision(experiment="tour", **told):
    return {"experiment": experiment, "variant": "b", "best": True, "decision": "ship", "reason": "shown", "people": 400} | told


RATE = row("week1_retention", value=92.0, before=91.0, over=141.0, over_before=142.0, n=141, n_before=142, differ=283.0)
MONEY = row("net_amount", value=5487.21, before=6155.76, n=119, n_before=137, differ=182.0)


def letter(*rows, **told):
    known = {"dataset": "The shop", "week": "2026-W10", "days": ("2026-03-02", "2026-03-08"), "status": "complete",
             "quality": "good", "report": "reports/shop/2026-W10/index.html", "footer": {"Run": "abc"}}  # fmt: skip
    return mail.Letter(**{**known, "rows": rows or (row(), RATE, MONEY), **told})


def text(*rows, **told):
    return mail.render(letter(*rows, **told))[1]


class Reader(HTMLParser):
    """The tags, the attributes and the text of a mail."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.attributes, self.said = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.said.append(data)


def test_a_mail_is_tables_with_styles_inside_and_loads_nothing():
    page, _ = mail.render(letter(decisions=[decision()]))
    found = Reader(page)
    assert not {"script", "svg", "img", "link", "style", "a", "form", "iframe", "div"} & set(found.tags)
    assert {"table", "td", "th", "h1", "h2"} <= set(found.tags) and found.tags.count("h1") == 1
    names = {name for name, _ in found.attributes}
    assert not {"src", "href", "background", "class", "id"} & names and not [name for name in names if name.startswith("on")]
    styles = " ".join(value for name, value in found.attributes if name == "style")
    assert not re.search(r"var\(|flex|grid|url\(|@|position|float|rgba|calc", styles) and "://" not in page
    assert all(value for name, value in found.attributes if name == "width")


def test_a_mail_is_under_90_kib_whatever_the_data_are_called():
    evil = "<script>" + "x" * 10_000
    decisions = [decision(f"{evil}{i}", variant=evil) for i in range(60)]
    page, plain = mail.render(letter(dataset=evil, status=evil, decisions=decisions, footer={"Purpose": evil}))
    assert len(page.encode()) < mail.LARGEST and len(plain) < 30_000
    assert "<script" not in page and "and 40 more" in plain


def test_the_page_and_the_text_say_the_same():
    page, plain = mail.render(letter(tier("lost", 3362, 3258), decisions=[decision()]))
    said = " ".join("".join(Reader(page).said).split())
    for line in plain.splitlines():
        for part in filter(None, re.split(r"^- |: | \(|\)$|\. ", line)):
            assert part.upper() in said.upper(), part


def test_counts_are_rounded_to_5_and_changes_taken_from_rounded_counts():
    assert "- Weekly actives: 1,710 (-25)" in text(row())
    assert "- Weekly actives: 1,710 (as last week)" in text(row(before=1709.0))
    assert "1,711" not in text(row()) and "1,736" not in text(row())


def test_rates_are_taken_from_rounded_counts():
    assert "- Week-1 retention: 64.3 % (as last week)" in text(RATE)  # 90 of 140, both weeks


def test_amounts_keep_two_digits():
    assert "- Net amount: CNY 5,500 (-CNY 700)" in text(MONEY)


@pytest.mark.parametrize(("differ", "told"), [(0, "1,710"), (1, "withheld"), (9, "withheld"), (10, "1,710"), (UNKNOWN, "1,710")])
def test_a_number_that_differs_from_last_weeks_by_a_handful_is_kept_back(differ, told):
    said = text(row(differ=float(differ)))
    assert f"- Weekly actives: {told}" in said
    assert ("1,7" in said) == (told != "withheld")
    assert ("about as last week" in said) == (told == "withheld")


@pytest.mark.parametrize(("n", "told"), [(9, "<10"), (10, "10"), (11, "10")])
def test_a_number_of_a_handful_is_kept_back(n, told):
    assert f"- Payers: {told}" in text(row("payers", value=float(n), n=n))
    if n < 10:
        assert "- Net amount: withheld" in text(row("net_amount", n=n))
        assert "- Week-1 retention: withheld" in text({**RATE, "n": n})


def test_a_change_from_a_handful_is_not_told():
    assert "- Payers: 25\n" in text(row("payers", value=25.0, before=3.0, n=25, n_before=3))


def test_an_amount_that_one_person_may_make_is_kept_back():
    said = text({**MONEY, "dominated": True})
    assert "- Net amount: withheld" in said and "5,500" not in said


def test_a_tier_of_a_handful_takes_another_with_it():
    said = text(tier("lost", 300), tier("silent", 4), tier("new", 25), tier("active", 600))
    lines = [line[2:] for line in said.splitlines() if line[2:].split(":")[0] in ("lost", "silent", "new", "active")]
    assert lines == ["lost: 300 (as last week)", "silent: <10", "new: withheld", "active: 600 (as last week)"]


def test_of_how_many_is_warned_is_rounded_further_as_nobody_knows_who_was_a_week_ago():
    one = row("warned", "warning", value=568.0, before=UNKNOWN, n=568, n_before=0, differ=UNKNOWN)
    assert "560 members are about to be lost" in text(one)
    assert "is not told" in text({**one, "n": 4})


def test_in_a_red_week_there_is_no_number():
    page, plain = mail.render(letter(quality="alarm", decisions=[decision()]))
    assert "so this mail has no numbers" in plain and plain.count("- ") == 0
    assert "1,710" not in page and "ship" not in page


def test_decisions_are_told_without_their_numbers():
    rows = [decision(), decision("feed", decision="stop"), decision("few", people=4), decision("bad", reason="gate"),
            decision("new", reason="waiting"), decision("on", reason="running"), decision("long", decision="extend"),
            decision("odd", decision="unreadable"), decision("second", best=False)]  # fmt: skip
    said = text(decisions=rows).split("EXPERIMENTS")[1].split("\n\n")[0].splitlines()[1:]
    assert said == [
        "- tour: ship b", "- feed: stop b", "- few: not shown, fewer than 10 people",
        "- bad: no verdict, its health check is red", "- new: not begun", "- on: still running",
        "- long: extend, no decision yet", "- odd: cannot be read",
    ]  # fmt: skip


def test_without_events_the_headline_is_the_first_decision():
    assert mail.headline(mail.Letter("x", "undated", decisions=[decision()])) == "tour: ship b"
    assert mail.headline(mail.Letter("x", "undated")) == words.word("headline.nothing")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(10, 9000), st.integers(10, 9000), st.integers(-500, 500), st.integers(1, 400), st.booleans())
def test_words_and_rounded_numbers_never_disagree(now, before, middle, half, clear):
    gate.configure(10, "en", "CNY", "members")
    one = row(value=float(now), before=float(before), n=now, n_before=before, low=middle - half, high=middle + half, clear=clear)
    said, made = mail.headline(letter(one)), rounding.told(one, "people")
    assert len(said.split()) <= 25
    rose, fell = "rose" in said, "fell" in said
    assert not (rose and middle - half <= 0) and not (fell and middle + half >= 0)
    if " by " in said and "by less" not in said:
        assert (made.sign == 1) == rose and (made.sign == -1) == fell


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(10, 5000), st.integers(-9, 9), st.integers(0, 300))
def test_two_mails_side_by_side_tell_of_nobody(before, net, extra):
    """Who has both mails learns of a handful of people nothing: either no number is told, or ten people are in between."""
    gate.configure(10, "en", "CNY", "members")
    now, differ = before + net, abs(net) + 2 * extra
    made = rounding.told(row(value=float(now), before=float(before), n=now, n_before=before, differ=float(differ)), "people")
    if 0 < differ < 10:
        assert made.kept_back and not re.search(r"\d", made.value.replace("<10", "") + made.change)
    elif now >= 10:
        assert int(made.value.replace(",", "")) % 5 == 0


# Where the numbers come from


def test_what_the_mail_needs_is_known_of_every_number():
    weeks = pd.DataFrame({"week": WEEKS, "payers_again": [0, 30], "net": [Decimal(900), Decimal(800)], "net_squares": [9e3, 7e5]})
    growth = pd.DataFrame({"week": WEEKS, "new": [50, 20], "resurrected": [0, 5], "churned": [0, 15]})
    kpis = pd.DataFrame([
        {"metric": name, "value": value, "before": before, "low": -1.0, "high": 1.0, "clear": False, "n": n, "series_n": [m, n]}
        for name, value, before, n, m in [
            ("weekly_actives", 110.0, 100.0, 110, 100), ("week1_retention", 0.25, 0.5, 40, 60), ("payers", 42.0, 40.0, 42, 40),
            ("net_amount", 800.0, 900.0, 42, 40), ("new_members", 20.0, np.nan, 20, 0),
        ]
    ])  # fmt: skip
    sizes = pd.DataFrame([("lifecycle", "lost", 90, 88, 4, 2), ("value", "low", 1, 1, 0, 0)],
                         columns=["dimension", "tier", "people", "before", "came", "left"])  # fmt: skip
    risk = pd.DataFrame([("all", 50, 12), ("value", 20, 4)], columns=["dimension", "warned", "smallest"])
    found = weekly.mailed(kpis, weeks, growth, sizes, risk, last_day=date(2026, 3, 8)).set_index(["part", "metric"])
    assert found.index.is_unique and list(found["n"]) == [110, 40, 42, 42, 20, 90, 12]
    assert found.loc[("number", "weekly_actives"), "differ"] == 40  # 25 came, 15 left
    assert found.loc[("number", "payers"), "differ"] == 22 and found.loc[("tier", "lifecycle"), "differ"] == 6
    parts = ["value", "over", "before", "over_before", "differ"]
    assert found.loc[("number", "week1_retention"), parts].tolist() == [10, 40, 30, 60, 100]
    assert found.loc[("number", "new_members"), "n_before"] == 0
    assert found.loc[("number", "net_amount"), "dominated"] and found["dominated"].sum() == 1
    assert np.isnan(found.loc[("warning", "warned"), "differ"])


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 1000), min_size=1, max_size=6))
def test_whoever_makes_most_is_found_and_nobody_is_where_nobody_makes_half(amounts):
    week = {"net": Decimal(sum(amounts)), "net_squares": float(sum(amount**2 for amount in amounts))}
    part = max(amounts) / sum(amounts)
    assert weekly.is_dominated(week) or part <= 0.7072
    assert not weekly.is_dominated(week) or part > 0.5


def test_a_dataset_without_events_has_no_numbers_to_mail():
    assert weekly.mailed(None, None, None, None, None, last_day=None).empty
