"""Rows that are not what they should be: ids, times, amounts, repetitions; what `check` says and what is kept."""

from __future__ import annotations

import pytest
from faulty import ASSIGNMENTS, USERS, checked, rows, table

from helpers.sources import dataset, profile

GOOD = rows()
N = len(GOOD)
PEOPLE = [f"u{number:02d},2026-02-01,web,f,1990" for number in range(1, 11)]
USERS_HEADER = "user_id,registered_at,channel,gender,birth_year"


def users(lines: list[str]) -> dict[str, str]:
    return {"users.csv": table(lines, USERS_HEADER)}


# Ids


def test_ids_are_opaque_text(tmp_path):
    ids = [
        "007", "7", "07", "NA", "null", "None", "nan", "true", "inf", "9007199254740993", "9007199254740992",
        "18446744073709551617", "1e5", "../../etc/passwd", "'; DROP TABLE x; --", "$(rm -rf /)", "{{7*7}}", "=1+1",
    ]  # fmt: skip
    found = checked(tmp_path, [*GOOD, *(f'"{one}",2026-03-05 12:00:00,view,food,' for one in ids)])
    assert (found.status, found.file()["kept"]) == ("ok", N + len(ids))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset.toml", "events.csv"]


def test_a_blank_id_is_set_aside(tmp_path):
    blank = ["", "  ", "\u3000", "\u00a0", "\u200b"]
    found = checked(tmp_path, [*GOOD, *(f"{one},2026-03-05 12:00:00,view,food," for one in blank)])
    assert found.file()["quarantined"] == {"blank_user_id": len(blank)}
    assert found.line("E1201") == N + 2


def test_a_blank_event_is_set_aside(tmp_path):
    assert checked(tmp_path, [*GOOD, "u01,2026-03-05 12:00:00, ,food,"]).file()["quarantined"] == {"blank_event": 1}


def test_ids_of_another_form_than_the_users_are_an_error_with_both_forms(tmp_path):
    lines = [line.replace("u0", "").replace("u10", "10").replace(",", ".0,", 1) for line in GOOD]
    people = [line.replace("u0", "").replace("u10", "10") for line in PEOPLE]
    found = checked(tmp_path, lines, after=USERS, files=users(people))
    assert found.codes("error") == {"E1304"}
    assert "0 of 10 ids match" in found.text("E1304")


def test_ids_that_a_spreadsheet_has_shortened_are_counted(tmp_path):
    found = checked(tmp_path, [*GOOD, "1.23457E+11,2026-03-05 12:00:00,view,food,"])
    assert (found.status, found.file()["kept"]) == ("warn", N + 1)
    assert found.text("W1305").startswith("W1305 events.csv column user_id: 1 ids")


def test_ids_that_look_alike_are_counted_and_not_merged(tmp_path):
    alike = [" u01", "u02 ", "U03", "u\u200b04", "u05\u00a0"]
    found = checked(tmp_path, [*GOOD, *(f"{one},2026-03-05 12:00:00,view,food," for one in alike)])
    assert (found.status, found.file()["kept"]) == ("warn", N + len(alike))
    assert f"{2 * len(alike)} ids differ" in found.text("W1306")


def test_composed_and_decomposed_letters_look_alike(tmp_path):
    found = checked(tmp_path, [*GOOD, "Zo\u00eb,2026-03-05 12:00:00,view,,", "Zoe\u0308,2026-03-05 12:00:00,view,,"])
    assert "2 ids differ" in found.text("W1306")


# Times


def test_a_time_of_another_form_is_set_aside(tmp_path):
    times = [
        "13/02/2026 10:00", "2026-02-30 10:00:00", "2026-03-05 24:00:00", "yesterday", "", "45000.5", "26-03-05 10:00:00",
        "2026-03-05 10:00", "0000-00-00 00:00:00", "2026-13-01 00:00:00", "March 5, 2026",
    ]  # fmt: skip
    good = rows(users=30)
    found = checked(tmp_path, [*good, *(f'u01,"{time}",view,food,' for time in times)])
    assert found.file()["quarantined"] == {"bad_time": len(times)}
    assert (found.status, found.line("E1203")) == ("warn", len(good) + 2)


def test_a_bad_time_is_told_with_the_format_that_would_read_it(tmp_path):
    found = checked(tmp_path, [*GOOD, *["u01,13/02/2026 10:00,view,food,"] * 3])
    assert '"13/02/2026 10:00" is not a date-time in the form YYYY-MM-DD HH:MM:SS (rule: ts_format)' in found.text("E1203")
    assert "3 rows like this were set aside" in found.text("E1203")
    assert 'ts_format="%d/%m/%Y %H:%M"' in found.text("E1203")


def test_a_declared_format_is_read(tmp_path):
    lines = [f"u{n:02d},{n:02d}/03/2026 10:00,{'pay' if n == 1 else 'view'},food," for n in range(1, 20)]
    assert checked(tmp_path, lines, more='ts_format = "%d/%m/%Y %H:%M"').file()["kept"] == 19


@pytest.mark.parametrize(("factor", "unit"), [(1, "s"), (1000, "ms")])
def test_numbers_since_1970_are_an_error_that_asks_for_their_unit(tmp_path, factor, unit):
    found = checked(tmp_path, [f"u{n},{(1772330400 + n) * factor},{'pay' if n == 1 else 'view'},a," for n in range(20)])
    assert found.status == "error"
    assert f'ts_unit = "{unit}"' in found.text("E1215")


def test_future_and_ancient_times_are_set_aside_and_rows_after_as_of_wait(tmp_path):
    more = ["u01,2031-01-01 00:00:00,view,,", "u01,1970-01-01 00:00:00,view,,", "u01,2026-03-21 23:59:59,view,,"]
    found = checked(tmp_path, [*GOOD, *more])
    assert found.file()["quarantined"] == {"future_time": 1, "ancient_time": 1}
    assert found.file()["kept"] == N + 1
    found = checked(tmp_path, [*GOOD, *more], as_of="2026-03-19")
    assert found.file() | {"quarantined": 0} == found.file() | {"quarantined": 0, "kept": N - 10, "after_as_of": 10}
    assert found.file()["quarantined"] == {"future_time": 2, "ancient_time": 1}


def test_offsets_are_one_instant(tmp_path):
    times = ["2026-03-05T12:00:00+08:00", "2026-03-05T04:00:00Z", "2026-03-05 04:00:00.5+00:00", "2026-03-21 00:30:00+09:00"]
    found = checked(tmp_path, [*GOOD, *(f"u01,{time},view,a," for time in times)])
    assert (found.file()["kept"], found.verdict.data_until) == (N + 4, "2026-03-20")


def test_times_at_which_the_clock_changes_are_counted(tmp_path):
    lines = ["u01,2026-03-29 02:30:00,view,,", "u01,2026-10-25 02:30:00,view,,", "u01,2026-10-25 02:30:00+01:00,pay,,1"]
    lines += [f"u01,2026-{month:02d}-{day:02d} 12:00:00,view,," for month in range(3, 12) for day in range(1, 29)]
    found = checked(tmp_path, lines, zone="Europe/Berlin")
    assert "2 times fall where the clock is changed" in found.text("W1218")


def test_a_date_alone_is_midnight_and_said(tmp_path):
    found = checked(tmp_path, [*GOOD, "u01,2026-03-05,view,,"])
    assert found.file()["kept"] == N + 1
    assert found.text("W1217").endswith("1 times are dates alone, read as midnight. Export the time of day, too.")


def test_parts_of_a_second_are_no_duplicates(tmp_path):
    lines = [f"u01,2026-03-05 12:00:00.{part},view,food," for part in (1, 2, 25)]
    assert checked(tmp_path, [*GOOD, *lines]).file()["kept"] == N + 3


# Amounts


@pytest.mark.parametrize(
    "amounts",
    [["$5", "￥5", "(5.00)", "NaN", "inf", "1e400", "５.００", "5 USD", "1.2.3"], ['"1,000"']],
    ids=["marks", "thousands"],
)
def test_an_amount_that_is_no_plain_number_is_set_aside(tmp_path, amounts):
    found = checked(tmp_path, [*GOOD, *(f"u01,2026-03-05 12:00:00,pay,food,{amount}" for amount in amounts)])
    assert found.file()["quarantined"] == {"bad_amount": len(amounts)}
    assert amounts[0].strip('"') in found.text("E1206")


def test_plain_amounts_are_kept(tmp_path):
    amounts = ["", " 5.00 ", "-3", "+2.5", ".5", "5.", "0", "0.0001"]
    lines = [f"u01,2026-03-05 12:{minute:02d}:00,pay,food,{amount}" for minute, amount in enumerate(amounts)]
    assert checked(tmp_path, [*GOOD, *lines]).file()["kept"] == N + len(amounts)


def test_several_currencies_in_one_column_are_an_error(tmp_path):
    lines = [f"u01,2026-03-05 12:{n:02d}:00,pay,food,{n} {'USD' if n % 2 else 'EUR'}" for n in range(20)]
    found = checked(tmp_path, [*GOOD, *lines])
    assert "E1216" in found.codes("error")
    assert "EUR" in found.text("E1216") and "USD" in found.text("E1216")


# Repetitions, and tables against each other


def test_exact_duplicates_are_dropped_and_counted_and_kept_where_the_data_set_says_so(tmp_path):
    found = checked(tmp_path, [*GOOD, *GOOD[:5]])
    assert (found.status, found.file()["kept"], found.file()["duplicates"]) == ("ok", N, 5)
    found = checked(tmp_path, [*GOOD, *GOOD[:5]], more="drop_exact_duplicates = false")
    assert (found.file()["kept"], found.file()["duplicates"]) == (N + 5, 0)


def test_a_second_row_for_a_user_is_set_aside(tmp_path):
    found = checked(tmp_path, GOOD, after=USERS, files=users([*PEOPLE, "u01,2026-02-02,app,m,1980"]))
    assert found.file("users.csv")["quarantined"] == {"repeated_user": 1}


def test_bad_sign_ups_and_births_are_emptied_and_their_users_kept(tmp_path):
    people = [*PEOPLE, "u11,soon,web,f,1990", "u12,2031-01-01,web,f,1990", "u13,2026-02-01,web,f,1066", "u14,2026-02-01,web,f,x"]
    found = checked(tmp_path, GOOD, after=USERS, files=users(people))
    assert (found.file("users.csv")["kept"], found.file("users.csv")["changed"]) == (14, 4)
    assert "4 rows have a cell that cannot be" in found.text("W1219")


def test_events_of_unknown_users_and_before_the_sign_up_are_counted_and_kept(tmp_path):
    people = [*PEOPLE[1:9], "u10,2026-03-10,web,f,1990"]
    found = checked(tmp_path, GOOD, after=USERS, files=users(people))
    assert found.file()["kept"] == N
    assert {"W1307", "W1308"} <= found.codes("warn")


def test_spellings_of_topics_and_variants_are_listed_and_not_merged(tmp_path):
    lines = [*GOOD, "u02,2026-03-05 12:00:00,view,Food,", "u03,2026-03-05 12:00:00,view, ＦＯＯＤ ,"]
    arms = ["control", "Control", "control ", "CONTROL", "treatment", "Treatment", "treat\u200bment", "TREATMENT"]
    given = [f"u{n:02d},trial,{arm},2026-03-02 10:00:00" for n, arm in enumerate(arms, 1)]
    files = {"assignments.csv": table(given, "user_id,experiment,variant,assigned_at")}
    found = checked(tmp_path, lines, after=ASSIGNMENTS, files=files)
    assert found.file()["kept"] == N + 2
    assert found.file("assignments.csv")["kept"] == 8
    assert "topic" in found.text("W1310") and "variant" in found.text("W1310")


def test_a_bot_is_named_masked_and_kept(tmp_path):
    times = [f"2026-03-{1 + n // 1500:02d} {n % 24:02d}:{n % 60:02d}:{n % 59:02d}.{n}" for n in range(3000)]
    bot = [f"bot-99999999,{time},view,food," for time in times]
    found = checked(tmp_path, [*GOOD, *bot])
    assert found.file()["kept"] == N + 3000
    assert "W1404" in found.codes("warn")
    assert "bot-99999999" not in "\n".join(found.verdict.lines())


def test_payments_without_an_amount_are_counted_and_an_outlier_is_told_with_its_share(tmp_path):
    lines = [f"u02,2026-03-{n:02d} 12:00:00,pay,food,{n}" for n in range(1, 15)]
    found = checked(tmp_path, [*GOOD, *lines, "u03,2026-03-05 12:00:00,pay,food,", "u03,2026-03-06 12:00:00,pay,food,99999999"])
    assert {"W1312", "W1405"} <= found.codes("warn")


def test_an_amount_of_ten_to_the_fifteenth_is_kept_and_told_with_its_share(tmp_path):
    lines = [f"u02,2026-03-{n:02d} 12:00:00,pay,food,{n}" for n in range(1, 15)]
    found = checked(tmp_path, [*GOOD, *lines, "u03,2026-03-06 12:00:00,pay,food,1000000000000000"])
    assert found.file()["kept"] == N + 15
    assert "100.0 % of the total" in found.text("W1405")


def test_what_people_are_is_masked_everywhere(tmp_path):
    lines = ["13800138000,soon,view,food,", "13900139000 ,2026-03-05 12:00:00,view,,", "13900139000,2026-03-05 12:00:00,view,,$1"]
    found = checked(tmp_path, [*GOOD, *lines])
    said = "\n".join(found.verdict.lines())
    assert "13800138000" not in said and "13900139000" not in said


def test_a_column_that_looks_like_contact_data_is_dropped_and_named_once(tmp_path):
    people = [line + f",{n}@example.org" for n, line in enumerate(PEOPLE)]
    files = {"users.csv": table(people, USERS_HEADER + ",e_mail")}
    found = checked(tmp_path, GOOD, after=USERS + 'e_mail = "e_mail"\n', files=files)
    assert (found.status, found.codes("note")) == ("ok", {"N1501"})
    assert found.text("N1501").startswith("N1501 users.csv column e_mail: e_mail looks like contact data")
    assert "example.org" not in "\n".join(found.verdict.lines())


def test_a_column_is_contact_data_by_its_values_whatever_its_name(tmp_path):
    values = ["{n}@example.org", "1380013800{n}", "+49 30 123456{n}", "11010519491231002{n}", "39.904{n}21, 116.407{n}1"]
    notes = [f"note{letter}" for letter in "abcde"]
    people = [
        ",".join([line, *(f'"{value.format(n=n % 10)}"' for value in values), str(n)]) for n, line in enumerate(PEOPLE)
    ]
    files = {"users.csv": table(people, ",".join([USERS_HEADER, *notes, "level"]))}
    mapped = USERS + "".join(f'{name} = "{name}"\n' for name in notes)
    found = checked(tmp_path, GOOD, after=mapped + 'level = "level"\n', files=files)
    assert (found.status, found.codes("note")) == ("ok", {"N1501"})
    assert [message.column for message in found.verdict.messages if message.code == "N1501"] == notes
    assert found.text("N1501").startswith("N1501 users.csv column notea:")
    allowed = mapped + f"[privacy]\nallow_columns = {notes}\n"
    assert not checked(tmp_path, GOOD, after=allowed, files=files).codes("note")


def test_columns_and_events_that_came_or_went_are_told_at_the_next_run(tmp_path):
    checked(tmp_path, GOOD)

    def drift(lines: list[str], header: str) -> list[str]:
        (tmp_path / "events.csv").write_text(table(lines, header))
        made = profile.profile(dataset.load(tmp_path, tmp_path))
        return [str(own) for own in made.problems if own.code == "W1406"]

    header = "user_id,ts,event,topic,amount"
    assert drift(GOOD, header) == drift([*GOOD, GOOD[0]], header) == []
    columns, names = drift([*(f"{line},x" for line in GOOD), "u01,2026-03-01 09:00:00,look,,,"], f"{header},more")
    assert columns.startswith("W1406 events.csv: its columns") and "new: more" in columns
    assert names.startswith("W1406 events.csv column event: its events") and "new: look" in names


def test_stale_data_are_told_with_both_days(tmp_path):
    found = checked(tmp_path, GOOD, as_of="2026-03-29")
    assert "2026-03-20" in found.text("W1401") and "2026-03-29" in found.text("W1401")
