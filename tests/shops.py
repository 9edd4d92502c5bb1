"""Folders with a dataset.toml of a few lines, written for one test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.errors import InputError
from helpers.sources import dataset

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


def maker(folder: Path) -> Callable[..., dataset.Dataset]:
    """A function that writes a folder `shop` with the given dataset.toml and other files, and loads it."""

    def make(text: str = GOOD, root: Path | None = None, **files: str) -> dataset.Dataset:
        shop = folder / "shop"
        shop.mkdir(exist_ok=True)
        (shop / "dataset.toml").write_text(text, encoding="utf-8")
        for name, content in files.items():
            (shop / f"{name}.toml").write_text(content, encoding="utf-8")
        return dataset.load(shop, root)

    return make


def told(make: Callable[..., dataset.Dataset], text: str) -> str:
    """What is said of a dataset.toml with mistakes."""
    with pytest.raises(InputError) as caught:
        make(text)
    return str(caught.value)
