"""Colours: by key, readable, apart for every reader."""

import itertools

import numpy as np
import pytest

from helpers.show import charts, palette


def test_known_keys_keep_their_colour_and_others_depend_on_their_own_text_only():
    assert charts.colour("high payer") == charts.colour("high_payer") == palette.TOKENS["accent"][0]
    assert charts.colour("control") == palette.TOKENS["quiet"][0]
    assert charts.colour("search") == charts.colour("search") and palette.token("search") in palette.OTHERS


def test_keys_side_by_side_get_colours_of_their_own():
    keys = [f"channel {i}" for i in range(6)]
    assert len(set(palette.tokens(keys).values())) == 6


def linear(colour: str) -> np.ndarray:
    parts = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
# Machado, Oliveira, Fernandes 2009, severity 1.
SEEN_BY = {
    "all": np.eye(3),
    "protanopia": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "deuteranopia": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]),
    "tritanopia": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]]),
}


def contrast(one: str, other: str) -> float:
    dark, light = sorted(float(TO_XYZ[1] @ linear(colour)) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    x, y, z = TO_XYZ @ np.clip(rgb, 0, 1) / np.array([0.9505, 1, 1.089])
    f = [np.cbrt(v) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z)]
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("form", [0, 1], ids=["light", "dark"])
def test_marks_stand_out_from_the_page_and_words_can_be_read(form):
    paper, panel = palette.TOKENS["paper"][form], palette.TOKENS["panel"][form]
    for name in (*palette.OTHERS, "accent", "quiet", "base"):
        assert contrast(palette.TOKENS[name][form], paper) >= 3, name
    for name in ("ink", "soft", "accent", "warn", "alarm"):
        assert min(contrast(palette.TOKENS[name][form], ground) for ground in (paper, panel)) >= 4.5, name
    for at, name in enumerate(palette.RAMP):
        words = palette.TOKENS["paper" if at >= palette.INVERT_FROM else "ink"][form]
        assert contrast(words, palette.TOKENS[name][form]) >= 4.4, name


@pytest.mark.parametrize("form", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("reader", SEEN_BY)
def test_colours_stay_apart_for_colour_blind_readers(form, reader):
    colours = {name: lab(SEEN_BY[reader] @ linear(palette.TOKENS[name][form])) for name in (*palette.OTHERS, "accent", "quiet")}
    apart = {pair: float(np.linalg.norm(colours[pair[0]] - colours[pair[1]])) for pair in itertools.combinations(colours, 2)}
    assert min(apart.values()) > 15, min(apart, key=apart.get)


def test_the_ramp_runs_one_way_in_grey():
    for form in (0, 1):
        light = [float(TO_XYZ[1] @ linear(palette.TOKENS[name][form])) for name in palette.RAMP]
        assert light == sorted(light, reverse=form == 0)


@pytest.mark.parametrize("form", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("keys", [("new", "resurrected"), ("control", "treatment"), ("dau", "wau", "mau")], ids=" ".join)
def test_what_lies_on_or_beside_each_other_is_apart_in_grey(form, keys):
    light = [lab(linear(palette.TOKENS[name][form]))[0] for name in palette.tokens(keys).values()]
    assert min(abs(one - other) for one, other in itertools.combinations(light, 2)) > 10
