"""dataset.toml: what is read from it, and that the worked examples and the guide keep up with it."""

from __future__ import annotations

import subprocess
import sys
from datetime import date

import pytest
import shops

from helpers import paths
from helpers.errors import InputError
from helpers.sources import blocks, checks, dataset

EXAMPLES = ("cookie_cats", "hillstrom", "online_retail", "online_retail_usual", "travel_se")


@pytest.fixture
def shop(tmp_path):
    return shops.maker(tmp_path)


def test_a_dataset_is_read_with_its_defaults(shop, monkeypatch):
    monkeypatch.delenv(dataset.SOURCES_VARIABLE, raising=False)
    made = shop()
    assert (made.name, made.title, made.language, str(made.engine)) == ("shop", "shop", "en", "duckdb")
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
        + shops.GOOD
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
    lacking = ("users", "topics", "kinds", "campaigns", "amounts", "replies", "refund", "experiments", "channels", "users.city")
    for part in lacking:
        assert not made.has(part)
    columns = 'topic = "t"\namount = "fee / 100"\nparent_id = "p"\ncontent_id = "c"\ncontent_kind = "k"\ncampaign = "s"\n'
    more = shop(shops.GOOD.replace("[roles]", f"{columns}[roles]"))
    for part in ("topics", "amounts", "replies", "kinds", "campaigns", "events.topic"):
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
    made = shop("simulate = { seed = 7 }\n" + shops.GOOD)
    assert (made.simulate.seed, made.simulate.null) == (7, False)
    assert made.root == tmp_path / "built" / "data" / "shop" / "raw"


def test_a_dataset_that_does_not_exist_is_answered_with_those_that_do(tmp_path):
    with pytest.raises(InputError, match='Did you mean "travel_se"'):
        dataset.load("travel_es")
    for wrong in ("", "no/such/folder", "../x"):
        with pytest.raises(InputError, match="cookie_cats"):
            dataset.load(wrong)
    with pytest.raises(InputError, match=r"no dataset\.toml lies there"):
        dataset.load(tmp_path)


def test_a_role_that_names_an_event_never_seen_is_told_as_in_the_style(shop):
    made = shop(shops.GOOD.replace('pay = ["pay"]', 'pay = ["purchse"]'))
    with pytest.raises(InputError) as caught:
        made.check_roles(["view", "cart", "purchase", "pay"], 100_000)
    assert str(caught.value).endswith(
        'shop/dataset.toml: [roles] pay = ["purchse"]\n'
        '  No event is called "purchse". Events seen in 100,000 rows: cart, pay, purchase, view.\n'
        '  Did you mean "purchase"?'
    )
    made.check_roles(["view", "pay", "purchse", "more"], 5)


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
