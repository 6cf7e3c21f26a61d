"""Tiles: geometry from the header alone, and cutting."""

from __future__ import annotations

import math
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tokcodec.pictures.limits import FIT, MAX_SIDE
from tokcodec.pictures.tiling import Grid, cut

PITCHES = (FIT, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)


def gradient(width: int, height: int) -> Image.Image:
    """A sky: every channel changes slowly and not along an axis."""
    y, x = np.mgrid[:height, :width] / max(width, height)
    planes = np.stack([60 + 90 * x + 70 * y, 40 + 150 * y, 220 - 120 * x * y], axis=-1)
    return Image.fromarray(np.rint(planes).astype(np.uint8), "RGB")


# ---- geometry


@pytest.mark.parametrize(
    ("size", "pitch", "columns", "rows"),
    [
        ((768, 512), 256, 3, 2),
        ((768, 512), 512, 2, 1),
        ((768, 512), 1024, 1, 1),
        ((768, 512), FIT, 1, 1),
        ((256, 256), 256, 1, 1),
        ((383, 384), 256, 1, 2),  # half a pitch rounds up
        ((1, 10000), 256, 1, 39),
        ((4000, 3000), 256, 16, 12),
        ((16383, 16383), 16, 1024, 1024),
    ],
)
def test_number_of_tiles(size: tuple[int, int], pitch: int, columns: int, rows: int) -> None:
    grid = Grid.for_picture(*size, pitch)
    assert (grid.columns, grid.rows, grid.tiles) == (columns, rows, columns * rows)


def test_rectangles_by_hand() -> None:
    grid = Grid.for_picture(496, 256, 256)  # 31 sixteenths of 256
    assert [grid.rect(i) for i in range(2)] == [(0, 0, 256, 256), (240, 0, 496, 256)]
    assert grid.tile_extent == (256, 256)
    grid = Grid.for_picture(768, 512, 256)
    assert grid.rect(5) == (30 * 768 / 46, 15 * 512 / 31, 768, 512)


# ---- scales


def test_scales_by_hand() -> None:
    """At the bound itself a tile still is of the larger scale; tiles that are not square count by their area."""
    bounds = (192, 96, 48)
    for side, scale in ((256, 0), (192, 0), (191, 1), (96, 1), (95, 2), (48, 2), (47, 3), (1, 3)):
        assert Grid.for_picture(side, side, FIT).scale(bounds) == scale
    assert Grid.for_picture(384, 96, FIT).scale(bounds) == 0
    assert Grid.for_picture(384, 95, FIT).scale(bounds) == 1
    # 31 sixteenths of 192, two tiles along each side: each covers exactly 192 x 192.
    assert Grid.for_picture(372, 372, 192).scale(bounds) == 0
    assert Grid.for_picture(371, 372, 192).scale(bounds) == 1
    assert Grid.for_picture(16383, 16383, 16).scale(bounds) == 3
    assert Grid.for_picture(1, 1, FIT).scale(()) == 0


@given(
    st.integers(1, MAX_SIDE),
    st.integers(1, MAX_SIDE),
    st.sampled_from(PITCHES),
    st.lists(st.integers(1, 1 << 14), max_size=5),
)
def test_a_scale_is_the_number_of_bounds_above_the_tiles_area(
    width: int, height: int, pitch: int, bounds: list[int]
) -> None:
    """In exact fractions; and a bound that is the area's root rounded down is not above it, the next one is."""
    grid = Grid.for_picture(width, height, pitch)
    area = Fraction(16 * width, 15 * grid.columns + 1) * Fraction(16 * height, 15 * grid.rows + 1)
    assert grid.scale(bounds) == sum(area < bound * bound for bound in bounds)
    root = math.isqrt(math.floor(area))
    assert [grid.scale([bound]) for bound in (root, root + 1)] == [0, 1]


# ---- arguments


@pytest.mark.parametrize(("width", "height", "pitch"), [(0, 1, 256), (1, 0, 256), (-3, 5, 256), (5, 5, -1)])
def test_wrong_arguments(width: int, height: int, pitch: int) -> None:
    with pytest.raises(ValueError):
        Grid.for_picture(width, height, pitch)


@pytest.mark.parametrize(
    ("size", "axis"), [((300, 1), 2), ((300, 2), 2), ((300, 3), None), ((1, 300), 3), ((2, 2), 2), ((300, 300), None)]
)
def test_strips(size: tuple[int, int], axis: int | None) -> None:
    assert Grid.for_picture(*size, 256).strip_axis == axis


def test_no_such_tile() -> None:
    grid = Grid.for_picture(768, 512, 256)
    for index in (-1, 6):
        with pytest.raises(IndexError):
            grid.rect(index)


def test_cut_refuses_a_picture_of_another_size_or_mode() -> None:
    grid = Grid.for_picture(300, 300, 256)
    for image in (Image.new("RGB", (300, 301)), Image.new("L", (300, 300))):
        with pytest.raises(ValueError):
            cut(image, grid)


def test_batches_give_the_same_tiles() -> None:
    image = gradient(600, 300)
    grid = Grid.for_picture(600, 300, 128)
    batches = [cut(image, grid, range(i, min(i + 3, grid.tiles))) for i in range(0, grid.tiles, 3)]
    assert np.array_equal(np.concatenate(batches), cut(image, grid))


def test_no_torch() -> None:
    import subprocess

    code = "import sys, tokcodec.pictures.canvas, tokcodec.pictures.tiling; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
