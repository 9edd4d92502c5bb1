"""The reports on the real data sets, built by `make report` below GROWTH_RINGS_BUILT_REPORTS: known figures stand on them."""

from __future__ import annotations

import html
import os
import re
from pathlib import Path

import pytest

from helpers.show import page

pytestmark = pytest.mark.reports


def text_of(dataset: str, week: str, name: str) -> str:
    """A page's words, tags taken out."""
    path = Path(os.environ["GROWTH_RINGS_BUILT_REPORTS"]) / "reports" / dataset / week / f"{name}.html"
    markup = path.read_text(encoding="utf-8")
    assert page.is_broken(markup) == []
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", markup)))


def test_travel_se_shows_its_members_questions_and_answers_as_of_2017_w33():
    cleaning = text_of("travel_se", "2017-W33", "01_cleaning")
    for figure in ("43,916", "25,211", "42,684"):
        assert figure in cleaning
    assert "809" in cleaning, "the bot's posts are set aside and counted"
    assert "skipped" in text_of("travel_se", "2017-W33", "02_portraits"), "it has no topics"


def test_online_retail_ledger_adds_up_to_the_whole_file():
    ledger = text_of("online_retail", "2011-W48", "01_cleaning")
    for figure in ("541,909", "135,080", "5,225"):
        assert figure in ledger
    kept, late = 390_296, 11_308
    assert f"{kept:,}" in ledger and f"{late:,}" in ledger
    assert kept + late == 401_604


def test_online_retail_says_why_its_limit_was_raised():
    assert "24.9 %" in text_of("online_retail", "2011-W48", "01_cleaning")


def test_cookie_cats_shows_its_players_and_p_values():
    shown = text_of("cookie_cats", "undated", "05_experiments")
    for figure in ("44,700", "45,489", "19.0 %", "18.2 %", "0.0016", "44.8 %", "44.2 %", "0.074"):
        assert figure in shown


def test_cookie_cats_has_pages_for_what_it_has_alone():
    folder = Path(os.environ["GROWTH_RINGS_BUILT_REPORTS"]) / "reports" / "cookie_cats" / "undated"
    assert sorted(path.stem for path in folder.glob("*.html")) == ["01_cleaning", "05_experiments", "email", "index"]
    assert "which has no" in text_of("cookie_cats", "undated", "index")


def test_cookie_cats_is_decided_in_one_sentence_with_its_reason():
    shown = text_of("cookie_cats", "undated", "05_experiments")
    assert "stop gate_40, as retention_7 is 0.8 points lower than gate_30" in shown


def test_cookie_cats_warns_of_the_mean_that_one_player_spoils():
    assert "sum_gamerounds" in text_of("cookie_cats", "undated", "05_experiments").partition("Does the machinery tell")[2]


def test_hillstrom_shows_its_visits_and_ships_the_better_of_two_mails():
    shown = text_of("hillstrom", "undated", "05_experiments")
    for figure in ("21,306", "21,307", "21,387", "10.6 %", "18.3 %", "15.1 %"):
        assert figure in shown
    assert "ship Mens E-Mail, as visit is 7.7 points higher than No E-Mail" in shown
