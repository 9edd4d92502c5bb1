"""Pseudonyms: what Python's own HMAC gives, the same in every table, under a key that lies outside the project."""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from concurrent.futures import ThreadPoolExecutor

import logs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import paths
from helpers.errors import EnvironmentFault, InputError
from helpers.sources import dataset, engine, privacy

IDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@pytest.fixture(scope="module")
def shops(tmp_path_factory):
    return logs.Shops(tmp_path_factory.mktemp("privacy"))


def shop_with(shops, lines: str = "", users: str = "a"):
    text = logs.toml(after=f"[privacy]\n{lines}\n")
    return shops(text, events_csv=logs.as_csv(["uid", "time", "type"], [[users, "2026-03-01", "view"]]))


@settings(deadline=None, max_examples=30)
@given(st.lists(IDS, min_size=1, max_size=30), st.binary(min_size=16, max_size=64))
def test_a_pseudonym_is_the_hmac_that_python_makes(shops, ids, key):
    table = shops.backend.create_table("ids", {"id": ids}, overwrite=True)
    made = engine.view(shops.backend, f"SELECT id, {privacy.pseudonym_sql('id', key)} AS pseudonym FROM ids")
    assert table.count().to_pyarrow().as_py() == len(ids)
    for row in made.to_pyarrow().to_pylist():
        expected = hmac.new(key, row["id"].encode(), hashlib.sha256).hexdigest()[:24] if row["id"] else ""
        assert row["pseudonym"] == expected


def test_one_person_is_one_pseudonym_in_every_table(shops):
    after = """
[users]
file = "users.csv"
user_id = "id"
referrer_id = "by"
[assignments]
file = "users.csv"
user_id = "id"
experiment = "id"
variant = "id"
assigned_at = "at"
"""
    users = logs.as_csv(["id", "by", "at"], [["u1", "u2", "2026-03-01"], ["u2", "", "2026-03-01"], ["U2", "u1", ""]])
    shop = shops(
        logs.toml(after=after), events_csv="uid,time,type\nu1,2026-03-01,view\nu2,2026-03-01,view\n", users_csv=users
    )
    u1, u2, other = (shop.pseudonym(user) for user in ("u1", "u2", "U2"))
    assert len({u1, u2, other}) == 3
    assert [row["user_id"] for row in shop.records()] == [u1, u2]
    assert [(row["user_id"], row["referrer_id"]) for row in shop.records("users")] == [(u1, u2), (u2, ""), (other, u1)]
    assert [row["user_id"] for row in shop.records("assignments")] == [u1, u2, other]


def test_no_id_is_left_in_what_passes_the_door(shops):
    shop = shop_with(shops, users="somebody@example.org")
    [row] = shop.records()
    assert "somebody" not in repr(row)
    assert row["user_id"] == shop.pseudonym("somebody@example.org")


def test_the_key_is_made_once_outside_the_project_for_its_owner_alone(shops, tmp_path):
    path = tmp_path / "config" / "growth-rings" / "pseudonym.key"
    shop = shop_with(shops)
    key = privacy.key(shop.found)
    assert len(key) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not path.is_relative_to(paths.PROJECT)
    assert privacy.key(shop.found) == key
    assert [left.name for left in path.parent.iterdir()] == ["pseudonym.key"]


def test_two_that_want_the_first_key_at_once_get_the_same_one(shops):
    found = shop_with(shops).found
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: privacy.key(found), range(32)))) == 1


def test_a_key_inside_the_project_is_refused(shops):
    with pytest.raises(InputError, match="inside the project"):
        shop_with(shops, f'key = "{paths.PROJECT}/data/shop.key"')
    assert not (paths.PROJECT / "data" / "shop.key").exists()


def test_another_key_gives_other_pseudonyms_and_another_id_that_gives_nothing_away(shops, monkeypatch, tmp_path):
    keys = {privacy.key(shop_with(shops).found)}
    (tmp_path / "own.key").write_text("a key of twenty chars\n")
    keys.add(privacy.key(shop_with(shops, f'key = "{tmp_path}/own.key"').found))
    monkeypatch.setenv("GROWTH_RINGS_KEY", "given by the environment")
    keys.add(privacy.key(shop_with(shops, f'key = "{tmp_path}/own.key"').found))
    keys.add(privacy.key(dataset.load("sample")))
    assert len(keys) == len({privacy.key_id(key) for key in keys}) == 4
    assert privacy.SAMPLE_KEY in keys
    assert all(len(privacy.key_id(key)) == 8 and privacy.key_id(key) not in key.hex() for key in keys)


def test_a_key_that_is_too_short_or_cannot_be_read_is_refused(shops, monkeypatch, tmp_path):
    (tmp_path / "own.key").write_text("short\n" + " " * 40)
    found = shop_with(shops, f'key = "{tmp_path}/own.key"').found
    with pytest.raises(InputError, match=r"own.key: the pseudonym key has fewer than 16 characters"):
        privacy.key(found)
    (tmp_path / "own.key").unlink()
    (tmp_path / "own.key").mkdir()
    with pytest.raises(EnvironmentFault, match="own"):
        privacy.key(found)
    monkeypatch.setenv("GROWTH_RINGS_KEY", "short")
    with pytest.raises(InputError, match="GROWTH_RINGS_KEY"):
        privacy.key(found)


@pytest.mark.parametrize(
    ("name", "is_one"),
    {
        "email": True, "eMail": True, "work_email_2": True, "e_mail": True, "PhoneNumber": True, "ip": True, "ip_address": True,
        "手机": True, "联系地址": True, "first_name": True, "level": False, "shipping": False, "mailing": False, "topic": False,
        "hotel": False, "plan": False, "zip_code": False,
    }.items(),
)  # fmt: skip
def test_contact_data_is_known_by_the_words_of_its_name(shops, name, is_one):
    found = shop_with(shops).found
    expression = logs.dataset.Expression(name, (name,))
    assert privacy.is_contact("attribute", expression, found) is is_one
    assert privacy.is_contact("city", expression, found) is False


@pytest.mark.parametrize("home", ["/dev/null", None])
def test_without_a_home_that_can_hold_the_key_it_is_said_where_else_it_may_come_from(shops, monkeypatch, home):
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", home) if home else monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    with pytest.raises(EnvironmentFault, match=r"pseudonym\.key: the pseudonym key cannot be .*GROWTH_RINGS_KEY"):
        privacy.key(shop_with(shops).found)
    monkeypatch.setenv("GROWTH_RINGS_KEY", "0123456789abcdef")
    assert len(privacy.key(shop_with(shops).found)) == 32


def test_ids_are_no_secret_where_dataset_toml_says_so(shops):
    shop = shop_with(shops, "pseudonymise = false", users="u 1")
    assert [row["user_id"] for row in shop.records()] == ["u 1"]
    assert not os.path.lexists(privacy._default_path())
