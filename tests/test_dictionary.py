"""The data dictionary has every table with all its columns, under the notebook that makes it."""

import pytest
from typer.testing import CliRunner

from helpers import contracts
from helpers.__main__ import app
from helpers.errors import RunFailed
from helpers.runs import dictionary


def test_every_column_of_every_contract_stands_in_it_with_its_meaning():
    told = "\n".join(dictionary.lines())
    for name, contract in contracts.all_contracts().items():
        own = told[told.index(f"{name}: {contract.grain}\n") :].split("\n\n")[0].splitlines()
        assert len(own) == 2 + len(contract.columns), name
        for column, spec in contract.columns.items():
            assert any(line.split()[0] == column and spec.meaning in line for line in own[2:]), f"{name}.{column}"


def test_one_table_is_told_with_its_key_its_maker_and_what_it_needs():
    first, second, *rest = dictionary.lines("user_topic_day")
    assert first == "user_topic_day: one row per user, topic and local day"
    assert second == "  key user_id, topic, day; made by 01_cleaning; needs topics"
    assert any(line.split() == ["events", "int64", "events", "on", "the", "topic", "[events]"] for line in rest)


def test_a_name_that_there_is_not_is_answered_with_the_nearest():
    with pytest.raises(RunFailed, match='Did you mean "portraits"'):
        list(dictionary.lines("portrait"))


def test_the_command_prints_it():
    done = CliRunner().invoke(app, ["dictionary", "tags"])
    assert (done.exit_code, done.stdout.splitlines()[0]) == (0, "tags: one row per user and tag")
