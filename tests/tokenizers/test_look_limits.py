"""Limits of a look's cost, from the shapes of its weights, before anything is computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.tokenizers.test_look import random_look
from tokcodec.tokenizers import look_limits
from tokcodec.tokenizers.convolutions import NumpyLayers
from tokcodec.tokenizers.look import condition, correction
from tokcodec.tokenizers.look_limits import check_look
from tokcodec.tokenizers.networks import SIZES, LookNet

Weights = dict[str, NDArray[Any]]


def look_of(size: str, scales: int = 4) -> Weights:
    return {name: value.numpy() for name, value in LookNet(scales, SIZES[size]).state_dict().items()}


def test_the_cost_is_that_of_the_products() -> None:
    """The counted cost of a small network is that of the NumPy layers. Our own networks are far below the limits."""

    class Counting(NumpyLayers):
        products = 0

        def linear(self, name: str, x: Any) -> Any:
            self.products += x.shape[0] * self._matrices[name].size
            return super().linear(name, x)

        def conv(self, name: str, x: Any) -> Any:
            out = super().conv(name, x)
            self.products += out.shape[0] * out.shape[1] * self._matrices[name].size
            return out

        def conv_shuffle(self, name: str, x: Any) -> Any:
            self.products += x.shape[0] * x.shape[1] * self._matrices[name].size
            return super().conv_shuffle(name, x)

    weights = random_look()
    layers = Counting(weights)
    correction(layers, np.zeros((1, 3, 64, 64)), condition([1], 0, 2))
    assert check_look(weights, 2).multiplications == layers.products
    full, light = (check_look(look_of(size), 4) for size in SIZES)
    assert full.multiplications == 724_975_008 and light.multiplications == 59_411_872
    assert full.multiplications < look_limits.MAX_MULTIPLICATIONS / 4
    assert full.numbers < look_limits.MAX_NUMBERS / 4 and full.layers < look_limits.MAX_LAYERS / 3


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        ("MAX_MULTIPLICATIONS", "it needs more than 20 multiplications for a tile"),
        ("MAX_NUMBERS", "it needs more than 20 numbers between its layers for a tile"),
        ("MAX_CHANNELS", "condition.0 has 32 channels, and at most 20 are allowed"),
        ("MAX_LAYERS", "it needs more than 20 layers for a tile"),
    ],
)
def test_what_costs_more_is_refused(monkeypatch: pytest.MonkeyPatch, limit: str, text: str) -> None:
    monkeypatch.setattr(look_limits, limit, 20)
    with pytest.raises(ValueError, match=text):
        check_look(random_look(), 2)


@pytest.mark.parametrize(
    ("name", "weight", "text"),
    [
        ("stem.weight", np.zeros((8, 3, 3, 3), np.int32), "not finite floating-point"),
        ("stem.bias", np.full(8, np.nan, np.float32), "not finite floating-point"),
        ("last.bias", np.full(3, np.inf, np.float16), "not finite floating-point"),
        ("stem.weight", np.zeros((8, 3, 1, 1), np.float32), r"has the shape \[8, 3, 1, 1\], not \[8, 3, 3, 3\]"),
        ("up.0.weight", np.zeros((9, 10, 3, 3), np.float32), "up.0.weight has the shape"),
        ("another.weight", np.zeros(1, np.float32), "'another.weight' belongs to no layer"),
        ("blocks.0.7.first.weight", np.zeros((8, 8, 3, 3), np.float32), "belongs to no layer"),
        ("last.bias", np.zeros(2, np.float32), "last.weight has the shape"),
        ("middle.bias", np.zeros(0, np.float32), "middle.weight has the shape"),
    ],
)
def test_other_weights_are_refused(name: str, weight: NDArray[Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        check_look(random_look() | {name: weight}, 2)
