"""The NumPy layers equal those of torch, and weights that belong to no layer are refused."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from tokcodec.tokenizers import convolutions
from tokcodec.tokenizers.convolutions import NumpyLayers

RNG = np.random.default_rng(0)


def floats(*shape: int) -> NDArray[np.float32]:
    return RNG.standard_normal(shape).astype(np.float32)


def as_torch(x: NDArray[np.float32]) -> torch.Tensor:
    """H x W x C -> 1 x C x H x W."""
    return torch.from_numpy(x.transpose(2, 0, 1)[None].copy())


def as_numpy(x: torch.Tensor) -> NDArray[np.float32]:
    return x[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize(
    ("channels", "outputs"),
    [(3, 8), (8, 8), (16, 32), (8, 3), (9, 3), (10, 3), (48, 3), (5, 1)],
)
@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 5), (64, 64), (13, 7), (5, 12)])
def test_3_by_3(channels: int, outputs: int, height: int, width: int) -> None:
    """Many channels one by one, few in groups of neighbours, both with zero padding."""
    weight, bias, x = floats(outputs, channels, 3, 3), floats(outputs), floats(height, width, channels)
    found = NumpyLayers({"a.weight": weight, "a.bias": bias}).conv("a", x)
    expected = F.conv2d(as_torch(x), torch.from_numpy(weight), torch.from_numpy(bias), padding=1)
    assert found.dtype == np.float32 and np.allclose(found, as_numpy(expected), atol=1e-4)


@pytest.mark.parametrize(("channels", "outputs"), [(6, 4), (16, 32), (32, 64)])
def test_3_by_3_and_shuffled(channels: int, outputs: int) -> None:
    weight, bias, x = floats(outputs, channels, 3, 3), floats(outputs), floats(6, 8, channels)
    found = NumpyLayers({"a.weight": weight, "a.bias": bias}).conv_shuffle("a", x)
    sums = F.conv2d(as_torch(x), torch.from_numpy(weight), torch.from_numpy(bias), padding=1)
    assert np.allclose(found, as_numpy(F.pixel_shuffle(sums, 2)), atol=1e-4)


@pytest.mark.parametrize("kernels", [{"SkylakeX"}, {"Haswell"}, set()])
def test_matrices_as_the_kernels_like_them(kernels: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Single rows and whole strips, the last of them shorter, have the same sums."""
    weight, bias, x = floats(4, 6, 3, 3), floats(4), floats(17, 5, 6)
    monkeypatch.setattr(convolutions, "STRIP", 5 * 26 * 7)
    monkeypatch.setattr(convolutions, "blas_kernels", lambda: kernels)
    convolutions._multiplies_rows.cache_clear()
    try:
        assert convolutions._multiplies_rows() == (kernels == {"SkylakeX"})
        found = NumpyLayers({"a.weight": weight, "a.bias": bias}).conv("a", x)
    finally:
        convolutions._multiplies_rows.cache_clear()
    expected = F.conv2d(as_torch(x), torch.from_numpy(weight), torch.from_numpy(bias), padding=1)
    assert np.allclose(found, as_numpy(expected), atol=1e-4)


@pytest.mark.parametrize("numbers", [1, 5 * 9 * 6 * 7, 10**9])
def test_strips_of_any_height(numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One row, seven rows with a remainder, all at once."""
    layers = NumpyLayers({"a.weight": floats(4, 6, 3, 3), "a.bias": floats(4)})
    x = floats(17, 5, 6)
    expected = layers.conv("a", x)
    monkeypatch.setattr(convolutions, "STRIP", numbers)
    assert np.allclose(layers.conv("a", x), expected, atol=1e-5)


def test_2_by_2_and_1_by_1() -> None:
    x = floats(6, 8, 5)
    for kernel, stride in ((2, 2), (1, 1)):
        weight, bias = floats(7, 5, kernel, kernel), floats(7)
        found = NumpyLayers({"a.weight": weight, "a.bias": bias}).conv("a", x)
        expected = F.conv2d(as_torch(x), torch.from_numpy(weight), torch.from_numpy(bias), stride=stride)
        assert np.allclose(found, as_numpy(expected), atol=1e-4)


def test_linear() -> None:
    weight, bias, x = floats(7, 5), floats(7), floats(1, 5)
    found = NumpyLayers({"a.weight": weight, "a.bias": bias}).linear("a", x)
    assert np.allclose(found, F.linear(*map(torch.from_numpy, (x, weight, bias))).numpy(), atol=1e-5)


def test_layers_without_weights() -> None:
    layers, x, factors = NumpyLayers({}), floats(6, 4, 8), floats(1, 8)
    assert np.allclose(layers.silu(x), as_numpy(F.silu(as_torch(x))), atol=1e-6)
    assert np.array_equal(layers.enlarge(x), as_numpy(F.interpolate(as_torch(x), scale_factor=2.0, mode="nearest")))
    assert np.array_equal(layers.gain(x, factors), x * factors[0])
    entered = layers.enter(as_torch(x).numpy().astype(np.float64))
    assert np.array_equal(entered, x) and entered.flags.c_contiguous and entered.dtype == np.float32
    assert np.array_equal(layers.leave(x), as_torch(x).numpy())


def test_silu_of_large_values_warns_of_nothing() -> None:
    x = np.array([[[-3e38, -1e4, -100, -88.8, 0, 88.8, 1e4, 3e38]]], np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = NumpyLayers({}).silu(x)
    assert np.allclose(found, [[[0, 0, 0, 0, 0, 88.8, 1e4, 3e38]]], atol=1e-30)


def test_the_input_stays_as_it_is() -> None:
    layers, x = NumpyLayers({"a.weight": floats(4, 6, 3, 3), "a.bias": floats(4)}), floats(5, 5, 6)
    before = x.copy()
    for found in (layers.conv("a", x), layers.silu(x), layers.gain(x, floats(1, 6)), layers.enlarge(x)):
        found[:] = 0
    assert np.array_equal(x, before)


def test_weights_of_half_precision_compute_in_single() -> None:
    weights = {"a.weight": floats(4, 6, 3, 3).astype(np.float16), "a.bias": floats(4).astype(np.float16)}
    layers = NumpyLayers(weights)
    exact = NumpyLayers({name: weight.astype(np.float32) for name, weight in weights.items()})
    x = floats(5, 5, 6)
    assert np.array_equal(layers.conv("a", x), exact.conv("a", x))
    assert list(layers.names()) == ["a.weight", "a.bias"]


@pytest.mark.parametrize(
    ("weights", "error"),
    [
        ({"a.weight": floats(4, 6, 3, 3)}, KeyError),  # no bias
        ({"a.weight": floats(4, 6, 3, 3), "a.bias": floats(5)}, ValueError),
        ({"a.weight": floats(4, 6, 3, 3), "a.bias": floats(4, 1)}, ValueError),
        ({"a.weight": floats(4, 6, 5, 5), "a.bias": floats(4)}, ValueError),
        ({"a.weight": floats(4, 6, 3, 1), "a.bias": floats(4)}, ValueError),
        ({"a.weight": floats(4, 6, 3), "a.bias": floats(4)}, ValueError),
        ({"a.weight": floats(4), "a.bias": floats(4)}, ValueError),
        ({"a.weight": np.float32(1), "a.bias": floats(4)}, ValueError),
    ],
)
def test_weights_of_no_layer_are_refused(weights: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match="a"):
        NumpyLayers(weights)


def test_layers_that_do_not_follow_each_other_are_refused() -> None:
    kernels = {"three": (3, 3), "two": (2, 2), "one": (1, 1), "flat": ()}
    weights = {f"{name}.weight": floats(4, 6, *kernel) for name, kernel in kernels.items()}
    layers = NumpyLayers(weights | {f"{name}.bias": floats(4) for name in kernels})
    for name in ("three", "two", "one"):
        with pytest.raises(ValueError, match=f"{name} is for 6 channels, not 5"):
            layers.conv(name, floats(4, 4, 5))
    with pytest.raises(ValueError):
        layers.linear("flat", floats(1, 5))
    with pytest.raises(KeyError):
        layers.conv("missing", floats(4, 4, 6))
    with pytest.raises(KeyError):
        layers.conv("flat", floats(4, 4, 6))
