"""dataset.toml and its companions: what is read, where files are found, and that every mistake is told at once."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from helpers import paths
from helpers.errors import InputError
from helpers.sources import blocks, checks, dataset, finding, rules

GOOD = """
timezone = "Asia/Shanghai"
currency = "CNY"

[[events]]
file = "events/*.csv"
user_id = "uid"
ts = "time"
event = "type"

[roles]
active = ["view", "pay"]
pay = ["pay"]
"""
EXAMPLES = ("cookie_cats", "online_retail", "online_retail_usual", "travel_se")


@pytest.fixture
def shop(tmp_path):
    """Writes a folder `shop` with the given dataset.toml and other files, and loads it."""

    def make(text: str = GOOD, root: Path | None = None, **files: str):
        folder = tmp_path / "shop"
        folder.mkdir(exist_ok=True)
        (folder / "dataset.toml").write_text(text, encoding="utf-8")
        for name, content in files.items():
            (folder / f"{name}.toml").write_text(content, encoding="utf-8")
        return dataset.load(folder, root)

    return make


def told(shop, text: str, **files: str) -> str:
    with pytest.raises(InputError) as caught:
        shop(text, **files)
    return str(caught.value)


def test_a_dataset_is_read_with_its_defaults(shop, monkeypatch):
    monkeypatch.delenv(dataset.SOURCES_VARIABLE, raising=False)
    made = shop()
    assert (made.name, made.title, made.language, made.engine) == ("shop", "shop", "en", "duckdb")
    assert (made.zone.key, made.currency, made.data_until, made.simulate) == ("Asia/Shanghai", "CNY", None, None)
    assert [source.name for source in made.sources()] == ["events[1]"]
    assert made.root == made.folder
    assert made.privacy.min_group == 10
    assert made.privacy.pseudonymise is True
    assert (made.cleaning.max_quarantined_share, made.cleaning.max_bad_mandatory_share) == (0.05, 0.20)
    assert len(made.sha256) == 64
    with pytest.raises(Exception, match="frozen"):
        made.title = "other"


def test_every_kind_of_source_is_read_with_its_reading_keys(shop):
    made = shop(
        'data_until = 2026-03-08\ntitle = "My shop"\n'
        + GOOD
        + """
[users]
file = "u.csv"
delimiter = ";"
user_id = "uid"
name = "nick"
kind = "level"
[assignments]
file = "a.csv"
user_id = "uid"
experiment = "'prices'"
variant = "arm"
assigned_at = "at"
[units.trial]
file = "t.csv"
variant = "arm"
spend = "amount * 1"
[spend]
file = "s.csv"
day = "d"
channel = "c"
cost = "x"
[touches]
file = "t.csv"
drop_exact_duplicates = false
user_id = "u"
campaign = "c"
touched_at = "t"
[feedback]
file = "f.csv"
user_id = "u"
answered_at = "t"
question = "q"
score = "s"
"""
    )
    assert made.data_until == date(2026, 3, 8)
    assert [source.kind for source in made.sources()] == list(blocks.KINDS)
    assert list(made.users.columns) == ["user_id", "name", "kind"]
    assert made.users.delimiter == ";"
    assert made.touches.drop_exact_duplicates is False
    assert all(made.has(kind) for kind in blocks.KINDS)


def test_rows_of_units_without_an_id_are_different_people_even_when_equal(shop):
    text = 'timezone = "UTC"\n[units.mail]\nfile = "m.csv"\nvariant = "segment"\nvisit = "visit"\n'
    assert shop(text).units["mail"].drop_exact_duplicates is False
    assert shop(text + 'unit_id = "id"\n').units["mail"].drop_exact_duplicates is None


def test_has_tells_the_parts_that_notebooks_need(shop):
    made = shop()
    assert made.has("events")
    assert made.has("pay")
    for part in ("users", "topics", "amounts", "replies", "refund", "experiments", "channels", "users.city"):
        assert not made.has(part)
    more = shop(GOOD.replace("[roles]", 'topic = "t"\namount = "fee / 100"\nparent_id = "p"\ncontent_id = "c"\n[roles]'))
    for part in ("topics", "amounts", "replies", "events.topic"):
        assert more.has(part)
    with pytest.raises(ValueError, match='Did you mean "topics"'):
        made.has("topicz")


def test_root_comes_from_the_argument_then_the_environment_then_raw(shop, tmp_path, monkeypatch):
    monkeypatch.delenv(dataset.SOURCES_VARIABLE, raising=False)
    (tmp_path / "shop" / "raw").mkdir(parents=True)
    assert shop().root == tmp_path / "shop" / "raw"
    monkeypatch.setenv(dataset.SOURCES_VARIABLE, str(tmp_path / "elsewhere"))
    assert shop().root == tmp_path / "elsewhere"
    assert shop(root=tmp_path).root == tmp_path


def test_simulated_files_never_go_where_someone_keeps_his_own(shop, tmp_path, monkeypatch):
    monkeypatch.setenv(dataset.SOURCES_VARIABLE, str(tmp_path / "precious"))
    monkeypatch.setenv(paths.BUILT_ROOT_VARIABLE, str(tmp_path / "built"))
    made = shop("simulate = { seed = 7 }\n" + GOOD)
    assert (made.simulate.seed, made.simulate.null) == (7, False)
    assert made.root == tmp_path / "built" / "data" / "shop" / "raw"


def test_every_mistake_of_a_file_is_told_at_once_with_place_value_and_nearest_match(shop):
    said = told(
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
    text = f"{line}\n" + (GOOD if key != "currency" else GOOD.replace('currency = "CNY"\n', ""))
    message = told(shop, text)
    assert said in message
    assert message.count("dataset.toml: ") == 1
    assert not re.search(r"Input should|Extra inputs|Field required|pydantic", message)


def test_keys_that_differ_by_more_than_a_slip_are_attributes(shop):
    users = '[users]\nfile = "u.csv"\nuser_id = "u"\ncities = "c"\nchannel_2 = "d"\nlevel = "l"\ngenders = "g"\n'
    assert set(shop(GOOD + users).users.columns) == {"user_id", "cities", "channel_2", "level", "genders"}


def test_a_pseudonym_key_inside_the_project_is_refused(shop):
    assert "lies inside the project" in told(shop, f'{GOOD}[privacy]\nkey = "{paths.PROJECT}/data/x.key"\n')


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
    assert f'Did you mean "{meant}"?' in told(shop, GOOD.replace("Asia/Shanghai", zone))


@pytest.mark.parametrize("zone", ["", "../../etc/passwd", "localtime", "CST", "\\u0000", "a" * 500])
def test_odd_zones_are_told_and_open_no_file(shop, zone):
    assert "There is no such time zone" in told(shop, GOOD.replace("Asia/Shanghai", zone))


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
    said = told(shop, text)
    assert re.search(rf"dataset\.toml line {line}, column \d+", said)
    assert hint in said


def test_a_file_in_another_encoding_is_told_and_a_mark_at_its_start_is_no_fault(tmp_path):
    folder = tmp_path / "shop"
    folder.mkdir()
    for encoding, said in (("utf-16", "is UTF-16"), ("latin-1", "line 3: the file is not UTF-8")):
        (folder / "dataset.toml").write_bytes(GOOD.replace("CNY", "ÇNY").encode(encoding))
        with pytest.raises(InputError, match=said):
            dataset.load(folder)
    (folder / "dataset.toml").write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert dataset.load(folder).name == "shop"


def test_terminal_escapes_in_the_file_are_spelt_out(shop):
    said = told(shop, GOOD.replace("Asia/Shanghai", "\\u001b[31mRed"))
    assert "\x1b" not in said
    assert "\\u001b[31mRed" in said


def test_a_dataset_that_does_not_exist_is_answered_with_those_that_do(tmp_path):
    with pytest.raises(InputError, match='Did you mean "travel_se"'):
        dataset.load("travel_es")
    for wrong in ("", "no/such/folder", "../x"):
        with pytest.raises(InputError, match="cookie_cats"):
            dataset.load(wrong)
    with pytest.raises(InputError, match=r"no dataset\.toml lies there"):
        dataset.load(tmp_path)


def test_a_role_that_names_an_event_never_seen_is_told_as_in_the_style(shop):
    made = shop(GOOD.replace('pay = ["pay"]', 'pay = ["purchse"]'))
    with pytest.raises(InputError) as caught:
        made.check_roles(["view", "cart", "purchase", "pay"], 100_000)
    assert str(caught.value).endswith(
        'shop/dataset.toml: [roles] pay = ["purchse"]\n'
        '  No event is called "purchse". Events seen in 100,000 rows: cart, pay, purchase, view.\n'
        '  Did you mean "purchase"?'
    )
    made.check_roles(["view", "pay", "purchse", "more"], 5)


def test_an_event_does_not_both_pay_and_refund(shop):
    assert "either pays or refunds" in told(shop, GOOD + 'refund = ["pay"]\n')


def test_files_of_a_pattern_or_folder_come_in_natural_order_without_hidden_ones(shop, tmp_path):
    root = tmp_path / "raw files [2025] 100%;年"
    for name in ("part-10.csv", "part-2.csv", "_SUCCESS", ".hidden.csv", ".tmp/part-1.csv", "sub/part-3.csv.gz", "notes.md"):
        (root / "events" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "events" / name).write_text("x")

    def listed(pattern: str) -> list[str]:
        made = shop(GOOD.replace("events/*.csv", pattern), root)
        return [path.relative_to(root / "events").as_posix() for path in made.files(made.events[0])]

    assert listed("events/*.csv") == ["part-2.csv", "part-10.csv"]
    assert listed("events") == ["part-2.csv", "part-10.csv", "sub/part-3.csv.gz"]
    assert listed("events/**/*.csv*") == ["part-2.csv", "part-10.csv", "sub/part-3.csv.gz"]
    assert listed("events/_SUCCESS") == ["_SUCCESS"]


def test_a_file_name_with_brackets_means_itself(tmp_path):
    for name in ("log [2025].csv", "log 2.csv", "大 文件;100%.csv", "a [1] b.csv"):
        (tmp_path / name).write_text("x")
    assert [path.name for path in finding.files(tmp_path, "log [2025].csv", "place")] == ["log [2025].csv"]
    assert [path.name for path in finding.files(tmp_path, "* [1] *.csv", "place")] == ["a [1] b.csv"]
    assert [path.name for path in finding.files(tmp_path, "log [123].csv", "place")] == ["log 2.csv"]
    assert [path.name for path in finding.files(tmp_path, "大*", "place")] == ["大 文件;100%.csv"]


def test_a_missing_file_is_told_with_the_pattern_the_folder_and_what_lies_there(shop, tmp_path):
    (tmp_path / "raw" / "events").mkdir(parents=True)
    (tmp_path / "raw" / "events" / "2025.csv.gz").write_text("x")
    made = shop(GOOD.replace("*.csv", "2025.csv"), tmp_path / "raw")
    with pytest.raises(InputError) as caught:
        made.files(made.events[0])
    said = str(caught.value)
    assert '[[events]] block 1: file = "events/2025.csv"' in said
    assert str(tmp_path / "raw") in said
    assert 'Did you mean "events/2025.csv.gz"?' in said
    made = shop(root=tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"does not exist\. Say where the files lie: --root DIR"):
        made.files(made.events[0])


DEFAULTS = {"activity": {"days": 28, "high": 12}, "share": {"top": 0.8}, "weights": {}, "limits": {"steps": [1, 2]},
            "tag": [{"name": "a", "when": "x > 1", "version": 1}, {"name": "b", "when": "y", "version": 1}]}  # fmt: skip


def test_own_rules_change_what_they_name_and_leave_the_rest():
    wrong = []
    own = {"activity": {"high": 10}, "weights": {"post": 3}, "share": {"top": 1}, "limits": {"steps": [5]},
           "tag": [{"name": "b", "version": 2}, {"name": "c", "when": "z"}]}  # fmt: skip
    made = rules.merge(DEFAULTS, own, wrong)
    assert wrong == []
    assert made["activity"] == {"days": 28, "high": 10}
    assert made["weights"] == {"post": 3}
    assert made["limits"]["steps"] == [5]
    assert made["tag"] == [DEFAULTS["tag"][0], {"name": "b", "when": "y", "version": 2}, {"name": "c", "when": "z"}]
    assert DEFAULTS["activity"]["high"] == 12


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"activty": {}}, 'Did you mean "activity"?'),
        ({"activity": {"hihg": 1}}, '[activity] hihg = 1\n  There is no such key. Did you mean "high"?'),
        ({"activity": {"high": "ten"}}, "It must be a number, such as 12"),
        ({"activity": {"high": 1.5}}, "whole number"),
        ({"activity": {"high": True}}, "a number"),
        ({"activity": 5}, "a section"),
        ({"limits": {"steps": 5}}, "a list"),
        ({"limits": {"steps": ["x"]}}, "In the list: It must be a number, such as 1"),
        ({"tag": [{"when": "x"}]}, "[[tag]] block 1: name\n  It must be given"),
        ({"tag": [{"name": "c", "whenn": "x"}]}, 'Did you mean "when"?'),
        ({"tag": [{"name": "a", "version": "two"}]}, "[tag.a] version"),
    ],
)
def test_a_mistake_in_rules_is_told_with_its_place(own, said):
    wrong = []
    rules.merge(DEFAULTS, own, wrong)
    assert len(wrong) == 1
    assert said in str(wrong[0])


def test_rules_of_a_dataset_are_checked_against_the_shipped_ones(shop):
    assert rules.rules(shop())
    made = shop(rules="[nosuchsection]\nx = 1\n[alsonot]\ny = 2\n")
    with pytest.raises(InputError) as caught:
        dataset.rules(made)
    assert str(caught.value).count("rules.toml: ") == 2


UNITS = 'timezone = "UTC"\n[units.trial]\nfile = "t.csv"\nvariant = "arm"\nvisit = "v"\n'
PLAN = """
[[experiment]]
name = "trial"
units = "trial"
control = "a"
variants = { a = 0.5, b = 0.5 }
primary = "visit"
[[experiment.metric]]
name = "visit"
kind = "proportion"
"""


def test_an_experiment_on_units_is_read(shop):
    made = dataset.experiments(shop(UNITS, experiments=PLAN))
    assert [plan["name"] for plan in made["experiment"]] == ["trial"]
    assert dataset.experiments(shop(UNITS, experiments=""))["experiment"] == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('units = "trial"', 'units = "trail"'), 'Did you mean "trial"?'),
        (('control = "a"', 'control = "c"'), "one of the variants: a, b"),
        (("b = 0.5", "b = 0.4"), "adding up to 1"),
        (("a = 0.5, b = 0.5", "a = 1.0"), "two or more"),
        (('primary = "visit"', 'primary = "visits"'), 'Did you mean "visit"?'),
        (('name = "visit"', 'name = "visitt"'), "maps no such column"),
        (('"proportion"', '"share"'), "Allowed: proportion, mean"),
        (('name = "trial"\n', ""), "name"),
        (("primary", "guard = 1\nprimary"), "guard = 1\n  There is no such key"),
        (('units = "trial"\n', ""), "dataset.toml has no [assignments]; it has [units.trial]"),
        (('kind = "proportion"', 'kind = "retention"\nday = 7'), "Allowed: proportion, mean"),
        (('kind = "proportion"', 'kind = "proportion"\ncolum = "v"'), 'Did you mean "column"?'),
        (('kind = "proportion"', 'kind = "proportion"\ncolumn = "w"'), "column = "),
    ],
)
def test_a_mistake_in_an_experiment_is_told_with_its_place(shop, change, said):
    made = shop(UNITS, experiments=PLAN.replace(*change, 1))
    with pytest.raises(InputError) as caught:
        dataset.experiments(made)
    assert said in str(caught.value)
    assert "experiments.toml: [[experiment]]" in str(caught.value)


def test_an_experiment_on_events_says_how_far_its_metrics_look_ahead(shop):
    assigned = GOOD + '[assignments]\nfile = "a.csv"\nuser_id = "u"\nexperiment = "e"\nvariant = "v"\nassigned_at = "t"\n'
    plan = PLAN.replace('units = "trial"\n', "")
    kinds = {
        'kind = "retention"': "day",
        'kind = "proportion"\nday = 7': "days",
        'kind = "mean"\ndays = 0\nof = "net"': "days = 0",
        'kind = "mean"\ndays = 14': "of",
    }
    for wrong, said in kinds.items():
        with pytest.raises(InputError, match=rf"metric visit: {said}"):
            dataset.experiments(shop(assigned, experiments=plan.replace('kind = "proportion"', wrong)))
    for right in ('kind = "retention"\nday = 7', 'kind = "mean"\ndays = 14\nof = "net"'):
        assert dataset.experiments(shop(assigned, experiments=plan.replace('kind = "proportion"', right)))


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_worked_examples_are_valid_and_say_where_their_data_come_from(name):
    made = dataset.load(name)
    assert made.title != name
    dataset.rules(made)
    dataset.experiments(made)
    readme = (made.folder / "README.md").read_text(encoding="utf-8")
    assert "--root" in readme
    assert not list(made.folder.glob("**/*.csv*"))


def test_the_guide_names_every_key():
    guide = (paths.PROJECT / "data" / "README.md").read_text(encoding="utf-8")
    keys = {*blocks.TOP, *blocks.READING, *checks.ROLES}
    keys |= {column for kind in blocks.KINDS.values() for column in (*kind.required, *kind.optional)}
    for model in (dataset.Privacy, dataset.Cleaning, dataset.Simulate):
        keys |= set(model.model_fields)
    assert [key for key in sorted(keys) if f"`{key}`" not in guide] == []


def test_reading_a_plain_dataset_imports_nothing_heavy():
    code = (
        "import sys; from helpers.sources import dataset; dataset.load('cookie_cats');"
        "print([name for name in ('sqlglot', 'duckdb', 'ibis', 'pandas', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=paths.PROJECT, check=True)
    assert done.stdout.strip() == "[]"
