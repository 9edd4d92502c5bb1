"""Every mistake in dataset.toml is told at once: place, value, what is allowed, nearest match."""

from __future__ import annotations

import os
import re

import pytest
import shops

from helpers import paths
from helpers.errors import InputError
from helpers.sources import dataset


@pytest.fixture
def shop(tmp_path):
    return shops.maker(tmp_path)


def test_every_mistake_of_a_file_is_told_at_once_with_place_value_and_nearest_match(shop):
    said = shops.told(
        shop,
        """
timezone = "Asia/Shangai"
curency = "CNY"
[[events]]
file = "e.csv"
user_id = 5
ts = "time"
topicc = "channel"
amount = "fee / "
[users]
file = "u.csv"
user_id = "uid"
registerd_at = "at"
[roles]
pay = []
spend = ["x"]
[privacy]
min_grup = 3
pseudonymise = "yes"
min_group = 0
[cleaning]
max_quarantined_share = 0.5
max_bad_mandatory_share = 7
""",
    )
    for mistake in (
        'shop/dataset.toml: timezone = "Asia/Shangai"\n  There is no such time zone',
        'Did you mean "Asia/Shanghai"?',
        'curency = "CNY"\n  There is no such key. Did you mean "currency"?',
        "[[events]] block 1: user_id = 5\n  It must be a text in quotes",
        "[[events]] block 1: event\n  It must be given",
        '[[events]] block 1: topicc = "channel"\n  There is no such key here. Did you mean "topic"?',
        '[[events]] block 1: amount = "fee / "\n  It is not SQL',
        '[users] registerd_at = "at"\n  Any other key would be an attribute, yet did you mean "registered_at"?',
        "[roles] pay = []\n  The list is empty",
        '[roles] spend = ["x"]\n  spend belongs',
        "[roles] active\n  It must be given",
        '[privacy] min_grup = 3\n  There is no such key here. Did you mean "min_group"?',
        '[privacy] pseudonymise = "yes"\n  It must be true or false',
        "[privacy] min_group = 0\n  It must be at least 1",
        "[cleaning] max_quarantined_share = 0.5\n  It is above the usual 0.05, and no reason is given",
        "[cleaning] max_bad_mandatory_share = 7\n  It must be at most 1",
    ):
        assert mistake in said
    assert "Input should" not in said
    assert "pydantic" not in said


ONE_MISTAKE = {
    'currency = "¥"': 'Did you mean "CNY"?',
    'currency = "cny"': 'Did you mean "CNY"?',
    "currency = 5": "text in quotes",
    'engine = "postgres"': 'Allowed: "duckdb", or { spark',
    'data_until = "2026-03-08"': "a date without quotes",
    "data_until = 2026-03-08T10:00:00": "a date without quotes",
    'language = "klingon"': 'Allowed: "en"',
    'title = ""': "must not be empty",
    'simulate = { seed = "x" }': "[simulate] seed",
    "simulate = { seed = -1 }": "at least 0",
    "simulate = { seed = 1, nul = true }": 'Did you mean "null"?',
    "simulate = 5": "a section of keys and values",
    "privacy = 5": "a section of keys and values",
    "users = 5": "[users]",
    "units = 5": "[units.NAME]",
    "spend = []": "one bracket",
    'user_id = "x"': "belongs into a section such as [[events]]",
    'privacy = { key = "x.key" }': "Give the whole path",
    "privacy = { allow_columns = [1] }": "[privacy] allow_columns",
    'cleaning = { exclude_users = ["bot"] }': "a section of keys and values",
    'cleaning = { exclude_users = { bot = "" } }': "must not be empty",
    'cleaning = { reasons = { speed = "x" } }': "[cleaning] reasons.speed",
    "cleaning = { max_quarantined_share = nan }": "[cleaning] max_quarantined_share",
    'cleaning = { currency = "CNY" }': "currency belongs to the top of the file",
    'units = { trial = { file = "t.csv" } }': "[units.trial] variant",
    'units = { trial = { variant = "v", table = "t" } }': "A table is read on Spark only",
    'users = { file = "u.csv", user_id = "u", nick-name = "n" }': "letters, digits and _",
    'users = { file = "u.csv", user_id = "u", wher = "n" }': 'did you mean "where"?',
    'users = { file = "/u.csv", user_id = "u" }': "--root",
    'users = { file = "../u.csv", user_id = "u" }': "--root",
    'users = { user_id = "u" }': "a file, a pattern",
    'users = { file = "u.csv", table = "t", user_id = "u" }': "not both",
    'users = { file = "u.csv", user_id = "u", where = "a + 1" }': "true or false",
    'users = { file = "u.csv", user_id = "u", delimiter = "" }': "must not be empty",
    'users = { file = "u.csv", user_id = "u", x = "read_text(y)" }': "read_text is not among",
}


@pytest.mark.parametrize(("line", "said"), ONE_MISTAKE.items(), ids=list(ONE_MISTAKE))
def test_a_mistake_is_told_in_our_words(shop, line, said):
    key = line.split(" =")[0]
    text = f"{line}\n" + (shops.GOOD if key != "currency" else shops.GOOD.replace('currency = "CNY"\n', ""))
    message = shops.told(shop, text)
    assert said in message
    assert message.count("dataset.toml: ") == 1
    assert not re.search(r"Input should|Extra inputs|Field required|pydantic", message)


def test_keys_that_differ_by_more_than_a_slip_are_attributes(shop):
    users = '[users]\nfile = "u.csv"\nuser_id = "u"\ncities = "c"\nchannel_2 = "d"\nlevel = "l"\ngenders = "g"\n'
    assert set(shop(shops.GOOD + users).users.columns) == {"user_id", "cities", "channel_2", "level", "genders"}


def test_a_pseudonym_key_inside_the_project_is_refused(shop):
    assert "lies inside the project" in shops.told(shop, f'{shops.GOOD}[privacy]\nkey = "{paths.PROJECT}/data/x.key"\n')


def test_a_pseudonym_key_in_a_home_that_is_not_known_is_told(shop, monkeypatch):
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as where HOME and the user's entry are missing
    said = shops.told(shop, f'{shops.GOOD}[privacy]\nkey = "~/x.key"\n')
    assert 'There is no home here that "~" stands for. Give the whole path' in said


def test_a_dataset_in_the_home_of_nobody_is_told_as_one_that_is_not_there():
    with pytest.raises(InputError, match='No dataset is called "~nobody-of-this-name/shop"'):
        dataset.folder_of("~nobody-of-this-name/shop")


@pytest.mark.parametrize(
    ("zone", "meant"),
    [
        ("shanghai", "Asia/Shanghai"),
        ("Asia/Beijing", "Asia/Shanghai"),
        ("UTC+8", "Asia/Shanghai"),
        ("Europe/Londn", "Europe/London"),
    ],
)
def test_an_unknown_zone_is_answered_with_the_one_that_was_meant(shop, zone, meant):
    assert f'Did you mean "{meant}"?' in shops.told(shop, shops.GOOD.replace("Asia/Shanghai", zone))


@pytest.mark.parametrize("zone", ["", "../../etc/passwd", "localtime", "CST", "\\u0000", "a" * 500])
def test_odd_zones_are_told_and_open_no_file(shop, zone):
    assert "There is no such time zone" in shops.told(shop, shops.GOOD.replace("Asia/Shanghai", zone))


SYNTAX = {
    "timezone = Asia/Shanghai": (1, "Text goes into quotes"),
    'timezone: "UTC"': (1, 'joined by "="'),
    'timezone = "UTC"\n[privacy]\npseudonymise = True': (3, "small letters"),
    "timezone = “UTC”": (1, "typographic mark"),
    'timezone = "UTC': (1, "quote is not closed"),
    'file = "C:\\data\\e.csv"': (1, "single quotes"),
    "data_until = 2026-3-8": (1, "2026-03-08"),
    'timezone = "UTC"\ntimezone = "UTC"': (2, "stands twice"),
    "[roles]\n[roles]": (2, "stands twice"),
    "timezone =": (1, "value is missing"),
    "[roles": (1, "bracket is not closed"),
    '[roles]\nactive = ["a"\n': (3, "not closed by the end"),
    'user id = "x"': (1, "double quotes"),
}


@pytest.mark.parametrize(("text", "expected"), SYNTAX.items(), ids=[str(number) for number in range(len(SYNTAX))])
def test_what_is_not_toml_is_told_with_line_column_and_a_hint(shop, text, expected):
    line, hint = expected
    said = shops.told(shop, text)
    assert re.search(rf"dataset\.toml line {line}, column \d+", said)
    assert hint in said


def test_a_file_in_another_encoding_is_told_and_a_mark_at_its_start_is_no_fault(tmp_path):
    folder = tmp_path / "shop"
    folder.mkdir()
    for encoding, said in (("utf-16", "is UTF-16"), ("latin-1", "line 3: the file is not UTF-8")):
        (folder / "dataset.toml").write_bytes(shops.GOOD.replace("CNY", "ÇNY").encode(encoding))
        with pytest.raises(InputError, match=said):
            dataset.load(folder)
    (folder / "dataset.toml").write_bytes(b"\xef\xbb\xbf" + shops.GOOD.encode())
    assert dataset.load(folder).name == "shop"


def test_terminal_escapes_in_the_file_are_spelt_out(shop):
    said = shops.told(shop, shops.GOOD.replace("Asia/Shanghai", "\\u001b[31mRed"))
    assert "\x1b" not in said
    assert "\\u001b[31mRed" in said


def test_an_event_does_not_both_pay_and_refund(shop):
    assert "either pays or refunds" in shops.told(shop, shops.GOOD + 'refund = ["pay"]\n')
