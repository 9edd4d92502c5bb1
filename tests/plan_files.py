"""Texts of experiments.toml that tests change, and how they are read."""

from __future__ import annotations

import pytest
import shops

from helpers.errors import InputError
from helpers.sources import dataset

UNITS = """
timezone = "UTC"
[units.trial]
file = "t.csv"
unit_id = "id"
variant = "arm"
visit = "v"
spend = "s"
items = "i"
before = "b"
place = "p"
age = "a"
value = "w"
e_mail = "m"
"""
EVENTS = (
    shops.GOOD
    + '[users]\nfile = "u.csv"\nuser_id = "u"\nchannel = "c"\nlevel = "l"\nregistered_at = "r"\n'
    + '[assignments]\nfile = "a.csv"\nuser_id = "u"\nexperiment = "e"\nvariant = "v"\nassigned_at = "t"\n'
)
ON_UNITS = """
[[experiment]]
name = "trial"
units = "trial"
control = "a"
variants = { a = 0.5, b = 0.5 }
primary = "visit"
covariates = ["before"]
slices = ["place"]
[[experiment.metric]]
name = "visit"
kind = "proportion"
[[experiment.metric]]
name = "basket"
kind = "ratio"
column = "spend"
per = "items"
"""
ON_EVENTS = """
[[metric]]
name = "back"
kind = "proportion"
days = 7
[[metric]]
name = "paid"
kind = "revenue"
days = 28
cap_quantile = 0.99
[[metric]]
name = "pace"
kind = "ratio"
of = "events"
per = "active_days"
days = 14
[[experiment]]
name = "tour"
hypothesis = "A tour of the circle brings more people back."
control = "a"
variants = { a = 0.5, b = 0.5 }
start = 2026-01-05
end = 2026-01-18
primary = "back"
matters = 0.02
"""
LOOKED = 'looks = "group-sequential"\nlook_times = [0.5, 1]'


def read(shop, text: str, of: str = EVENTS) -> list[dict]:
    return dataset.experiments(shop(of, experiments=text))["experiment"]


def told(shop, text: str, of: str = EVENTS) -> str:
    with pytest.raises(InputError) as caught:
        read(shop, text, of)
    return str(caught.value)
