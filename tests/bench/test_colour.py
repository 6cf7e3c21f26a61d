"""Differences of colour over fields."""

from __future__ import annotations

import numpy as np
import pytest

from bench.colour import Colours
from bench.metrics import Meter


def grey(level: int, shape: tuple[int, int] = (64, 96)) -> np.ndarray:
    return np.full((*shape, 3), level, np.uint8)


def test_equal_pictures_do_not_differ() -> None:
    assert Colours(grey(90)).compare(grey(90)) == {"delta_e_8": 0, "delta_e_32": 0}


def test_a_golden_difference() -> None:
    # Pure red against pure blue, as in G. Sharma's implementation of CIEDE2000.
    red, blue = grey(0), grey(0)
    red[..., 0] = blue[..., 2] = 255
    assert Colours(red).compare(blue)["delta_e_8"] == pytest.approx(52.88, abs=0.05)


def test_what_is_finer_than_a_field_is_not_seen() -> None:
    stripes = grey(100)
    stripes[:, ::2] += 40
    stripes[:, 1::2] -= 40
    found = Colours(grey(100)).compare(stripes)
    assert found["delta_e_8"] < 0.1
    half = grey(100)
    half[:, 48:] = (140, 100, 60)
    assert Colours(grey(100)).compare(half)["delta_e_8"] > 5


def test_a_small_picture_has_fewer_fields() -> None:
    assert set(Colours(grey(9, (20, 40))).compare(grey(9, (20, 40)))) == {"delta_e_8"}
    assert Colours(grey(9, (1, 1))).compare(grey(8, (1, 1))) == {}


def test_the_meter_measures_it() -> None:
    assert Meter(grey(100)).measure(grey(110))["delta_e_32"] > 1
