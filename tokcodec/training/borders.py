"""Pairs of neighbouring tiles for the training of a look, joined as `pictures.canvas` joins the tiles of a picture.

A look draws one tile at a time. The errors of two neighbours show as a step where they meet, which a loss of single
tiles does not see. Here the loss sees two parts of the joined picture instead, each as large as a tile.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
import torch

from ..pictures.axes import dct_matrix
from ..pictures.seams import FREQUENCIES, profile
from ..pictures.tiling import OVERLAP, TILE
from .data import PATCHES, resampling_matrix

SHARED = TILE // OVERLAP
"""Samples that neighbours have in common."""
STEP = 1 - 1 / OVERLAP
"""Distance from a tile to its neighbour, in tiles."""
MIDDLE = (TILE - SHARED) // 2
"""Samples of a joined pair before its middle part of 256 samples."""
AXES = 2, 3
"""Axes of N x 3 x H x W along which neighbours lie: one below the other, or side by side."""


def few_counts(number: int, most: int, rng: np.random.Generator) -> list[int]:
    """Token counts from 1 to `most`, log-uniform: steps are largest where tokens are few."""
    return [int(v) for v in np.exp(rng.random(number) * math.log(most + 1)).astype(int).clip(1, most)]


def crop_pairs(
    pictures: Sequence[torch.Tensor], pairs: int, rng: np.random.Generator, axis: int, scale: int = 0
) -> torch.Tensor:
    """Random pairs of neighbouring tiles of random pictures.

    Tiles of the first scale are as large as the picture has room for, others have a size of PATCHES if there is room.

    Args:
        pictures: uint8 3 x H x W each.
        pairs: number of pairs.
        rng: chooses pictures, sizes and positions.
        axis: one of AXES.
        scale: scale of the model. Default: 0.

    Returns:
        float32 2 pairs x 3 x 256 x 256 in [0, 1]: the first tiles of all pairs, then their neighbours.
    """
    found = []
    for index in rng.integers(0, len(pictures), pairs):
        picture = pictures[index]
        sides = picture.shape[1:]
        room = min(sides[axis - 2] / (1 + STEP), sides[3 - axis])
        size = min(room, float(rng.choice(PATCHES[scale]))) if PATCHES[scale] else room
        extents = np.array([size, size])
        extents[axis - 2] *= 1 + STEP
        start = rng.random(2) * (np.array(sides) - extents)
        pair = []
        for _ in range(2):
            rows, columns = (resampling_matrix(sides[way], float(start[way]), size) for way in range(2))
            pair.append((rows @ picture.float() @ columns.T / 255).clamp(0, 1))
            start[axis - 2] += STEP * size
        found.append(torch.stack(pair))
    return torch.stack(found, 1).flatten(0, 1)


def joined(tiles: torch.Tensor, axis: int) -> torch.Tensor:
    """Join pairs of tiles like `pictures.canvas.Canvas`, with its correction of seams.

    Args:
        tiles: float32 2 N x 3 x 256 x 256, the first tiles of all pairs, then their neighbours.
        axis: one of AXES.

    Returns:
        float32 N x 3 x 256 x 496, or N x 3 x 496 x 256.
    """
    if axis == AXES[0]:
        return joined(tiles.mT, AXES[1]).mT
    first, second = tiles.chunk(2)
    basis, fall, ramp = (array.to(tiles.device) for array in _constants())
    difference = first[..., -SHARED:].mean(3) - second[..., :SHARED].mean(3)  # N x 3 x rows
    change = (difference @ basis.T / 2)[..., None, :] * basis.T @ fall
    first, second = first - change.flip(3), second + change
    shared = torch.lerp(first[..., -SHARED:], second[..., :SHARED], ramp)
    return torch.cat([first[..., :-SHARED], shared, second[..., SHARED:]], 3)


@cache
def _constants() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Lowest frequencies along a border, the fall of their correction across a tile, and the blending weights."""
    basis = torch.from_numpy(dct_matrix(FREQUENCIES, TILE)).float()
    return basis, torch.from_numpy(profile(TILE)), (torch.arange(SHARED) + 0.5) / SHARED


def parts(pictures: torch.Tensor, axis: int, start: int) -> torch.Tensor:
    """Two parts of joined pictures, as large as a tile, at the same distance from both ends.

    Args:
        pictures: float32 N x 3 x 256 x 496, or N x 3 x 496 x 256.
        axis: one of AXES, along which the pictures are long.
        start: samples before the first part, 0 to MIDDLE. At MIDDLE both are the middle.

    Returns:
        float32 2 N x 3 x 256 x 256, the first parts of all pictures, then the second ones.
    """
    last = pictures.shape[axis] - TILE - start
    return torch.cat([pictures.narrow(axis, start, TILE), pictures.narrow(axis, last, TILE)])
