"""Pairs of neighbouring tiles: they show neighbouring parts of a picture, and are joined as a picture's tiles are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.training.test_training import as_tensor, smooth_picture
from tokcodec.pictures.canvas import Canvas
from tokcodec.pictures.tiling import Grid
from tokcodec.training.borders import AXES, MIDDLE, SHARED, crop_pairs, few_counts, joined, parts
from tokcodec.training.data import PATCHES

LONG = 2 * 256 - SHARED


def random_tiles(seed: int) -> torch.Tensor:
    """Two smooth tiles, not near 0 or 1, where the canvas would clip."""
    coarse = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(seed)) * 0.4 + 0.3
    return torch.nn.functional.interpolate(coarse, (256, 256), mode="bilinear")


@pytest.mark.parametrize("axis", AXES)
def test_a_pair_is_joined_as_in_a_picture(axis: int) -> None:
    tiles = random_tiles(0)
    grid = Grid(256, LONG, 1, 2) if axis == 2 else Grid(LONG, 256, 2, 1)
    canvas = Canvas(grid)
    canvas.add(tiles.permute(0, 2, 3, 1).contiguous().numpy())
    picture = joined(tiles, axis)[0]
    assert picture.shape == (3, grid.height, grid.width)
    assert np.abs(picture.permute(1, 2, 0).numpy() * 255 - np.asarray(canvas.finish())).max() < 0.51


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("scale", [0, 1, 3])
def test_neighbours_show_the_same_where_they_overlap(axis: int, scale: int) -> None:
    pictures = [as_tensor(smooth_picture(seed)) for seed in range(3)]
    tiles = crop_pairs(pictures, 2, np.random.default_rng(1), axis, scale)
    assert tiles.shape == (4, 3, 256, 256)
    first, second = tiles.chunk(2)
    end, begin = first.narrow(axis, 256 - SHARED, SHARED), second.narrow(axis, 0, SHARED)
    assert (end - begin).abs().max() < 0.02 < (first - second).abs().max()
    # Joining neighbours of a picture changes next to nothing.
    assert (joined(tiles, axis).narrow(axis, 0, 256) - first).abs().max() < 0.02


def test_a_pair_has_room_in_its_picture() -> None:
    small = [torch.zeros(3, 256, 300, dtype=torch.uint8)]
    for axis in AXES:
        for scale in range(len(PATCHES)):
            assert crop_pairs(small, 1, np.random.default_rng(0), axis, scale).shape == (2, 3, 256, 256)


@pytest.mark.parametrize("axis", AXES)
def test_the_loss_sees_both_ends_or_the_middle(axis: int) -> None:
    tiles = random_tiles(1)
    pictures = joined(tiles, axis)
    ends, middle = parts(pictures, axis, 0), parts(pictures, axis, MIDDLE)
    seen = [pictures.narrow(axis, start, 256) for start in (0, 120, LONG - 256)]
    assert torch.equal(ends, torch.cat([seen[0], seen[2]])) and torch.equal(middle, torch.cat([seen[1]] * 2))


def test_a_difference_of_neighbours_has_a_gradient_in_both() -> None:
    tiles = random_tiles(2).requires_grad_()
    joined(tiles, 3)[..., 240:256].sum().backward()
    assert tiles.grad is not None and all(float(tile.abs().sum()) > 0 for tile in tiles.grad)


def test_few_tokens_are_more_frequent() -> None:
    counts = few_counts(2000, 256, np.random.default_rng(0))
    assert min(counts) == 1 and 200 < max(counts) <= 256 and 0.4 < np.mean(np.array(counts) <= 16) < 0.6
