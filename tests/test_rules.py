"""rules.toml: own values over the shipped ones, and conditions that fit the columns."""

from __future__ import annotations

import pytest
import shops

from helpers.errors import InputError
from helpers.runs import checking, opening, planning, ruling
from helpers.sources import conditions, dataset, rules

DEFAULTS = {"activity": {"days": 28, "high": 12}, "share": {"top": 0.8}, "weights": {}, "limits": {"steps": [1, 2]},
            "tag": [{"name": "a", "when": "x > 1", "version": 1}, {"name": "b", "when": "y", "version": 1}]}  # fmt: skip


@pytest.fixture
def shop(tmp_path):
    return shops.maker(tmp_path)


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


def test_a_key_that_some_tags_have_may_be_given_to_any_and_is_given_to_no_other():
    shipped = {"tag": [{"name": "a", "when": "x"}, {"name": "b", "when": "y", "keep_until": "z"}]}
    made = rules.merge(shipped, {"tag": [{"name": "a", "when": "w"}]}, wrong := [])
    assert wrong == [] and made["tag"] == [{"name": "a", "when": "w"}, shipped["tag"][1]]
    made = rules.merge(shipped, {"tag": [{"name": "a", "keep_until": "v"}]}, wrong)
    assert wrong == [] and made["tag"][0] == {"name": "a", "when": "x", "keep_until": "v"}


TAG = """
[[tag]]
name = "poet"
group = "social"
version = 3
meaning = "writes much"
when = "create_28 >= 20"
reason = "{create_28} posts"
"""


def test_a_dataset_adds_a_tag_or_changes_a_shipped_one(shop):
    made = shop(rules=TAG + '[[tag]]\nname = "frequent poster"\nwhen = "create_28 >= 5"\nkeep_until = "create_28 < 2"\n')
    ruling.check(made)
    own = {tag["name"]: tag for tag in dataset.rules(made)["tag"]}
    shipped = {tag["name"]: tag for tag in dataset.rules(shop(rules=""))["tag"]}
    assert list(own) == [*shipped, "poet"] and own["poet"]["version"] == 3
    changed = {"when": "create_28 >= 5", "keep_until": "create_28 < 2"}
    assert own["frequent poster"] == shipped["frequent poster"] | changed
    assert [tag for name, tag in own.items() if name in shipped and tag != shipped[name]] == [own["frequent poster"]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('"create_28 >= 20"', '"creat_28 >= 20"'), 'poet: when = "creat_28 >= 20"\n  A portrait has no column "creat_28". '
         'Did you mean "create_28"? Its columns: user_id,'),
        (('"create_28 >= 20"', '"create_28 >="'), "when = \"create_28 >=\"\n  It is not SQL"),
        (('"create_28 >= 20"', '""'), "It is empty"),
        (('"create_28 >= 20"', '"create_28"'), 'It must be true or false, such as "create_28 >= 8".'),
        (('"create_28 >= 20"', '"(SELECT 1) > 0"'), "A sub-query is not allowed"),
        (('"create_28 >= 20"', '"max(create_28) > 1"'), "looks at many rows"),
        (('"create_28 >= 20"', "\"read_text('x') <> ''\""), "not among the functions"),
        (('"create_28 >= 20"', '"city >= 20"'), "city >= 20 compares a text with a number."),
        (('"create_28 >= 20"', '"net / orders > 9"'), "net / orders may divide by 0; write NULLIF(orders, 0)."),
        (('"{create_28} posts"', '"{creat_28} posts"'), 'poet: reason = "{creat_28} posts"\n  A portrait has no column "creat'),
        (('"{create_28} posts"', '"{net} earned"'), "{net} has a fraction"),
        (('"{create_28} posts"', '"{create_28 posts"'), "Its brackets do not match"),
        (("version = 3", 'version = 3\nkeep_until = "kreate < 2"'), 'poet: keep_until = "kreate < 2"'),
        (("version = 3", 'version = 3\nstrength = "city"'), "It must be a number, such as"),
        (("version = 3", "version = 3\nmin_weeks = 0"), "min_weeks = 0\n  It must be at least 1."),
        (("version = 3", "version = 3\nexclusive = true"), "exclusive = true\n  It must be a number"),
        (('"social"', '"socail"'), 'Allowed: basic, behaviour, social, spending, interests. Did you mean "social"?'),
        (("version = 3\n", ""), "[[tag]] poet: version\n  It must be given."),
        (("version = 3", "versoin = 3"), 'Did you mean "version"?'),
    ],
)  # fmt: skip
def test_a_mistake_in_a_tag_is_told_with_its_place(shop, change, said):
    made = shop(rules=TAG.replace(*change))
    with pytest.raises(InputError) as caught:
        ruling.check(made)
    assert said in str(caught.value) and "rules.toml: [" in str(caught.value)


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ("horizon = 0", "[retention] horizon = 0\n  It must be at least 1."),
        ("brackets = [[1, 3], [9, 5]]", "[9, 5] must be a first and a last week"),
        ("brackets = [[1, 2, 3]]", "[1, 2, 3] must be"),
        ('pair = ["channel"]', "two different ones of channel, entry_activity, entry_contribution, or none"),
        ('pair = ["city", "entry_activity"]', "two different ones of channel"),
        ("[retention.entry]\nhihg = 3", 'Did you mean "high"?'),
    ],
)
def test_a_mistake_in_the_rules_of_cohorts_is_told_with_its_place(shop, own, said):
    with pytest.raises(InputError) as caught:
        ruling.check(shop(rules=f"[retention]\n{own}\n"))
    assert said in str(caught.value)
    ruling.check(shop(rules='[retention]\nslices = ["city"]\npair = ["city", "entry_activity"]\nbrackets = []\n'))


@pytest.mark.parametrize("weeks", [0, 61])
def test_tags_look_at_one_week_end_or_at_sixty_at_most(shop, weeks):
    with pytest.raises(InputError, match=rf"\[tags\] weeks = {weeks}\n  It must lie between 1 and 60"):
        ruling.check(shop(rules=f"[tags]\nweeks = {weeks}\n"))


def test_all_mistakes_of_all_tags_are_told_at_once_and_by_the_check_too(shop):
    wrong = TAG.replace("create_28 >=", "one >=").replace("{create_28}", "{two}")
    made = shop(rules=wrong + TAG.replace("poet", "p").replace(">=", ""))
    with pytest.raises(InputError) as caught:
        ruling.check(made)
    assert str(caught.value).count("rules.toml: [[tag]] ") == 3
    for begin in (lambda: planning.check(planning.Request(str(made.folder))), lambda: opening.open_run(str(made.folder))):
        with pytest.raises(InputError, match="A portrait has no column"):
            begin()
    verdict = checking.check(str(made.folder))
    assert [(found.code, found.text) for found in verdict.messages] == [("E1606", str(caught.value))]


TYPED = {"n": "int64", "x": "float64", "t": "string", "b": "boolean", "d": "date", "m": "decimal"}


@pytest.mark.parametrize(
    "sql",
    ["b", "NOT b", "n > 1 AND b", "t IN ('a', 'b')", "t LIKE 'a%'", "t IS NULL", "n BETWEEN 1 AND x", "d < DATE '2026-01-01'",
     "x / NULLIF(n, 0) > 0.5", "n % 2 = 0", "m * 2 >= n", "CASE WHEN n > 1 THEN b ELSE FALSE END", "COALESCE(x, 0) > 1",
     "GREATEST(n, x) > 1", "length(t) > 3", "TRUE", "(n + x) / 4.0 > 1", "b = TRUE"],
)  # fmt: skip
def test_a_condition_that_fits_its_columns_is_accepted(sql):
    assert conditions.fault(sql, TYPED, of="a row") is None


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("t = 1", "compares a text with a number"), ("n BETWEEN 1 AND 'x'", "compares"), ("n IN (1, 'x')", "compares"),
        ("d < '2026-01-01'", "d < '2026-01-01' compares a date with a text"), ("t + 1 > 2", "computes with what is not a number"),
        ("b AND n", "joins what is not true or false"), ("n % x = 1", "may divide by 0"), ("1 / 0 > 1", "may divide by 0"),
        ("t", "must be true or false"), ("n; DROP TABLE x", "without a semicolon"), ("q.n > 1", "names a table"),
        ("N > 1", 'no column "N". Did you mean "n"?'), ("current_date > d", "not among"), ("random() > 0.5", "random"),
    ],
)  # fmt: skip
def test_a_condition_that_does_not_fit_says_which_part(sql, said):
    assert said in conditions.fault(sql, TYPED, of="a row")
