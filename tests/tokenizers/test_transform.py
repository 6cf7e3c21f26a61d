"""The transform: orthonormal, the same in NumPy and torch, and a picture at any resolution."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tokcodec.pictures.axes import dct_matrix
from tokcodec.tokenizers.transform import COLOURS, TileTransform

RNG = np.random.default_rng(0)


def test_dct_rows_are_orthonormal() -> None:
    basis = dct_matrix(256, 256)
    assert np.allclose(basis @ basis.T, np.eye(256), atol=1e-12)
    assert np.allclose(dct_matrix(5, 64) @ dct_matrix(5, 64).T, np.eye(5), atol=1e-12)
    assert np.allclose(COLOURS @ COLOURS.T, np.eye(3), atol=1e-12)


def test_low_frequencies_are_kept_exactly_and_energy_too() -> None:
    transform = TileTransform(8, 4)
    vectors = RNG.standard_normal((3, transform.size))
    pixels = transform.inverse(vectors)
    assert pixels.shape == (3, 3, 256, 256)
    assert np.allclose(transform.forward(pixels), vectors, atol=1e-10)
    assert np.allclose((pixels**2).sum((1, 2, 3)), (vectors**2).sum(1))


def test_what_is_left_out_is_orthogonal_to_what_is_kept() -> None:
    """Squared error of pixels is squared error of coefficients plus the energy outside of them."""
    transform, x = TileTransform(8, 4), RNG.random((2, 3, 256, 256))
    vectors = transform.forward(x)
    other = vectors + RNG.standard_normal(vectors.shape)
    outside = (x**2).sum((1, 2, 3)) - (vectors**2).sum(1)
    error = ((transform.inverse(other) - x) ** 2).sum((1, 2, 3))
    assert np.allclose(error, ((other - vectors) ** 2).sum(1) + outside)


def test_coefficients_by_hand() -> None:
    """Grey has only the first coefficient. Planes follow each other, each in row order."""
    transform = TileTransform(4, 2)
    assert transform.size == 16 + 2 * 4
    vector = transform.forward(np.full((1, 3, 256, 256), 0.5))[0]
    assert vector[0] == pytest.approx(128 * 3**0.5) and np.abs(vector[1:]).max() < 1e-9
    ramp = np.zeros((1, 3, 256, 256))
    ramp[:, 0] = np.cos(np.pi * (np.arange(256) + 0.5) / 256)  # red falls from left to right
    vector = transform.forward(ramp)[0]
    energy = 256 * 128
    assert np.flatnonzero(np.abs(vector) > 1e-6).tolist() == [1, 17, 21]
    assert vector[[1, 17, 21]] ** 2 == pytest.approx(np.array([1 / 3, 1 / 2, 1 / 6]) * energy)


@pytest.mark.parametrize("side", [64, 128, 256])
def test_a_picture_at_any_resolution(side: int) -> None:
    """The same opponent colours: at full size exactly, else as the averages of slow frequencies are."""
    transform = TileTransform(64, 32)
    white = transform.picture(transform.forward(np.ones((1, 3, 256, 256))), side)
    assert np.allclose(white[0, 0], 3**0.5) and np.abs(white[0, 1:]).max() < 1e-9
    slow = TileTransform(3, 3)
    vectors = RNG.standard_normal((2, slow.size))
    opponent = np.einsum("cd,ndhw->nchw", COLOURS, slow.inverse(vectors))
    factor = 256 // side
    averages = opponent.reshape(2, 3, side, factor, side, factor).mean((3, 5))
    assert np.allclose(
        slow.picture(vectors, side), averages, atol=1e-12 if side == 256 else 1e-3 * np.abs(averages).max()
    )


def test_nothing_is_lost_at_the_resolution_of_the_coefficients() -> None:
    transform = TileTransform(64, 32)
    vectors = RNG.standard_normal((2, transform.size))
    small = transform.picture(vectors, 64)
    assert np.allclose((small**2).sum((1, 2, 3)) * 16, (vectors**2).sum(1))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numpy_and_torch_agree(dtype: str) -> None:
    ours = TileTransform(16, 8, lambda array: array.astype(dtype))
    theirs = TileTransform(16, 8, lambda array: torch.from_numpy(array.astype(dtype)))
    x = RNG.random((2, 3, 256, 256)).astype(dtype)
    vectors, tensor = ours.forward(x), theirs.forward(torch.from_numpy(x))
    tolerance = {"rtol": 0, "atol": 1e-3 if dtype == "float32" else 1e-10}
    assert vectors.dtype.name == dtype and str(tensor.dtype) == f"torch.{dtype}"
    assert np.allclose(vectors, tensor.numpy(), **tolerance)
    for found, other in (
        (ours.inverse(vectors), theirs.inverse(tensor)),
        (ours.picture(vectors, 64), theirs.picture(tensor, 64)),
    ):
        assert found.dtype.name == dtype and np.allclose(found, other.numpy(), **tolerance)
