"""Cohorts of the public data sets against a recount of their files, line by line in plain Python."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd
import plain_retention as plain
import pytest
import test_real_data as real

from helpers import retention

pytestmark = real.pytestmark
data_set = real.data_set


def lines(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as text:
        yield from csv.DictReader(text)


def recount(days: set[tuple[str, date]], unit: str, last_day: date) -> dict[tuple[date, int], tuple[int, int]]:
    """Size and actives of every cohort and age up to the last day, from who was there on which day."""
    seen: dict[str, set[date]] = {}
    for user, day in days:
        seen.setdefault(user, set()).add(plain.begins(day, unit, "monday"))
    members: dict[date, list[set[date]]] = {}
    for own in seen.values():
        members.setdefault(min(own), []).append(own)
    found = {}
    for begun, people in members.items():
        at, age = begun, 0
        while at <= last_day:
            found[begun, age] = (len(people), sum(at in own for own in people))
            at, age = plain.following(at, unit), age + 1
    return found


def counted(cube: pd.DataFrame) -> dict[tuple[date, int], tuple[int, int]]:
    return {(row["cohort"].date(), row["age"]): (row["size"], row["active"]) for row in cube.to_dict("records")}


def test_monthly_cohorts_of_online_retail_are_those_of_a_recount(data_set, real_data):
    shop, last_day = data_set("online_retail", "online_retail.csv.gz", "2011-W48"), date(2011, 12, 4)
    rows = {tuple(row.values()): row for row in lines(real_data("online_retail.csv.gz")) if row["CustomerID"]}
    bought, brought = set(), {}
    for row in rows.values():
        day = datetime.fromisoformat(row["InvoiceDate"]).date()
        if day > last_day:
            continue
        amount, month = int(row["Quantity"]) * Decimal(row["UnitPrice"]), day.replace(day=1)
        brought.setdefault(row["CustomerID"], []).append((month, amount))
        if not row["InvoiceNo"].startswith("C"):
            bought.add((row["CustomerID"], day))
    rule = retention.Rule(unit="month", zone="Europe/London")
    cube = retention.cohort_cube(shop.user_day(), rule=rule, last_day=last_day)
    assert counted(cube) == recount(bought, "month", last_day) and len(counted(cube)) == 13 * 14 // 2
    first: dict[str, date] = {}
    for user, day in sorted(bought, key=lambda pair: pair[1]):
        first.setdefault(user, day.replace(day=1))
    net: dict[tuple[date, int], Decimal] = {}
    for user, parts in brought.items():
        for month, amount in parts:
            begun = first.get(user)
            if begun is not None and month >= begun:
                key = begun, 12 * (month.year - begun.year) + month.month - begun.month
                net[key] = net.get(key, Decimal(0)) + amount
    found = {(row["cohort"].date(), row["age"]): row["net"] for row in cube.to_dict("records") if row["net"]}
    assert found == {key: amount for key, amount in net.items() if amount}


@pytest.mark.parametrize("whole", [pytest.param(False, marks=pytest.mark.hard), True])
def test_weekly_cohorts_of_travel_se_are_those_of_a_recount(data_set, real_data, whole):
    forum = data_set("travel_se", "travel_se_2017", "2017-W33")
    last_day, folder = date(2017, 8, 27) if whole else date(2017, 8, 20), real_data("travel_se_2017")
    posts = (row for row in lines(folder / "Posts.csv.gz") if row["PostTypeId"] in ("1", "2"))
    acted = [(row["OwnerUserId"], row["CreationDate"]) for row in posts]
    acted += [(row["UserId"], row["CreationDate"]) for row in lines(folder / "Comments.csv.gz")]
    days = {(user, datetime.fromisoformat(moment).replace(tzinfo=UTC).date()) for user, moment in acted if user not in ("", "-1")}
    cube = retention.cohort_cube(forum.user_day(whole=whole), rule=retention.Rule(zone="UTC"), last_day=last_day)
    assert counted(cube) == recount({(user, day) for user, day in days if day <= last_day}, "week", last_day)
    assert len(cube) > 50_000
