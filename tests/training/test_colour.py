"""Distances of colours in OKLab."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from tokcodec.training.colour import FIELDS, colour_distance, oklab  # noqa: E402


def test_golden_colours() -> None:
    # White, and red, green and blue as B. Ottosson's page and the CSS Color specification have them.
    x = torch.tensor([[1.0, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]])[:, :, None, None]
    expected = torch.tensor(
        [[1.0, 0, 0], [0.628, 0.225, 0.126], [0.866, -0.234, 0.179], [0.452, -0.032, -0.312]]
    )
    torch.testing.assert_close(oklab(x)[:, :, 0, 0], expected, atol=1e-3, rtol=0)


def test_fields_are_compared_by_their_means() -> None:
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.2
    side = 64 // FIELDS
    shuffled = x.unflatten(2, (FIELDS, side)).flip(3).flatten(2, 3)
    torch.testing.assert_close(colour_distance(x, shuffled), torch.zeros(2), atol=1e-8, rtol=0)
    assert (colour_distance(x, x.roll(1, 1)) > 1e-4).all()


def test_black_has_a_finite_gradient() -> None:
    x = torch.zeros(1, 3, 64, 64, requires_grad=True)
    colour_distance(x, torch.full((1, 3, 64, 64), 0.1)).sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
