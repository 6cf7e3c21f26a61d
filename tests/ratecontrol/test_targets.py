"""Targets are refused before any work, with what is possible."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from tokcodec.models.modelfile import Model
from tokcodec.ratecontrol.targets import BPP, LPIPS, PSNR, SIZE, Target, check_target, smallest_file


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"target_size": 2000}, SIZE),
        ({"target_bpp": 0.05}, BPP),
        ({"target_psnr": 22}, PSNR),
        ({"target_lpips": 0.3}, LPIPS),
    ],
)
def test_one_target(tiny: Model, given: dict[str, Any], kind: str) -> None:
    assert check_target(tiny, **given) == Target(kind, next(iter(given.values())))


def test_none(tiny: Model) -> None:
    assert check_target(tiny, tokens=5) is None
    assert check_target(tiny, adaptive=True, tokens=5) is None


@pytest.mark.parametrize(
    ("name", "values", "possible"),
    [
        ("target_size", (0, -1, 10, math.nan, math.inf), "at least 11 bytes"),
        ("target_bpp", (0, -0.1, math.nan, math.inf), "a number above 0"),
        ("target_psnr", (0, -20, 101, math.nan, math.inf), "above 0 and at most 100 dB"),
        ("target_lpips", (0, -0.1, 1.1, math.nan, -math.inf), "above 0 and at most 1"),
    ],
)
def test_impossible_values_are_refused_with_what_is_possible(
    tiny: Model, name: str, values: tuple[float, ...], possible: str
) -> None:
    for value in values:
        with pytest.raises(ValueError, match=f"{possible}.*, not {value:g}"):
            check_target(tiny, **{name: value})  # type: ignore[arg-type]


def test_two_targets_or_tokens_beside_one(tiny: Model) -> None:
    with pytest.raises(ValueError, match="give one target, not 2: size and psnr"):
        check_target(tiny, target_size=100, target_psnr=20)
    with pytest.raises(ValueError, match="give no tokens with it"):
        check_target(tiny, target_size=100, tokens=8)


def test_models_without_order_have_nothing_to_choose(tiny: Model) -> None:
    unordered = dataclasses.replace(tiny, ordered=False)
    for given in ({"target_size": 100}, {"adaptive": True}):
        with pytest.raises(ValueError, match="not ordered"):
            check_target(unordered, **given)  # type: ignore[arg-type]
    assert check_target(unordered) is None


def test_the_smallest_file_holds_a_token(tiny: Model) -> None:
    assert smallest_file(tiny) == 11
    assert smallest_file(tiny, "bare") == 3
    assert smallest_file(dataclasses.replace(tiny, radices=(4096,))) == 12


def test_budget_of_bits_per_pixel_is_rounded_down() -> None:
    assert Target(BPP, 0.1).budget(768, 512) == 4915
    assert Target(SIZE, 77).budget(768, 512) == 77
