"""Impossible targets are refused before any work, with the possible values."""

from __future__ import annotations

import dataclasses
import math

import pytest

from tokcodec.models.modelfile import Model
from tokcodec.ratecontrol.targets import BPP, LPIPS, PSNR, SIZE, Target, smallest_file


@pytest.mark.parametrize(
    ("kind", "values", "possible"),
    [
        (SIZE, (0, -1, 10, math.nan, math.inf), "at least 11 bytes"),
        (BPP, (0, -0.1, math.nan, math.inf), "a number above 0"),
        (PSNR, (0, -20, 101, math.nan, math.inf), "above 0 and at most 100 dB"),
        (LPIPS, (0, -0.1, 1.1, math.nan, -math.inf), "above 0 and at most 1"),
    ],
)
def test_impossible_values_are_refused_with_what_is_possible(
    tiny: Model, kind: str, values: tuple[float, ...], possible: str
) -> None:
    for value in values:
        with pytest.raises(ValueError, match=f"{possible}.*, not {value:g}"):
            Target(kind, value).check(tiny)


@pytest.mark.parametrize("kind", [SIZE, BPP, PSNR, LPIPS])
@pytest.mark.parametrize("value", [10**400, -(10**400), 1e308])
def test_values_beyond_all_numbers_are_refused(tiny: Model, kind: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"^target {kind} must be at most 1e\+18$"):
        Target(kind, value).check(tiny)


def test_the_smallest_file_holds_a_token(tiny: Model) -> None:
    assert smallest_file(tiny) == 11
    assert smallest_file(tiny, "bare") == 3
    assert smallest_file(dataclasses.replace(tiny, radices=(4096,))) == 12


def test_budget_of_bits_per_pixel_is_rounded_down() -> None:
    assert Target(BPP, 0.1).budget(768, 512) == 4915
    assert Target(SIZE, 77).budget(768, 512) == 77
