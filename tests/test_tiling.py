"""Tiles: geometry from the header alone, exact coverage, round trips, and no seams."""

from __future__ import annotations

import sys
import tracemalloc
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from tokcodec.tiling import FIT, TILE, Canvas, Grid, _blend_matrix, _extent, _pixels, _weights, cut

PITCHES = (FIT, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)


def gradient(width: int, height: int) -> Image.Image:
    """A sky: every channel changes slowly and not along an axis."""
    y, x = np.mgrid[:height, :width] / max(width, height)
    planes = np.stack([60 + 90 * x + 70 * y, 40 + 150 * y, 220 - 120 * x * y], axis=-1)
    return Image.fromarray(np.rint(planes).astype(np.uint8), "RGB")


def round_trip(image: Image.Image, pitch: int) -> Image.Image:
    grid = Grid.for_picture(*image.size, pitch)
    canvas = Canvas(grid)
    for index in range(grid.tiles):
        canvas.add(cut(image, grid, [index]))
    return canvas.finish()


def difference(a: Image.Image, b: Image.Image) -> float:
    return float(np.abs(np.asarray(a, np.int16) - np.asarray(b, np.int16)).max())


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


@pytest.mark.parametrize(("width", "height", "pitch"), [(0, 1, 256), (1, 0, 256), (-3, 5, 256), (5, 5, -1)])
def test_wrong_arguments(width: int, height: int, pitch: int) -> None:
    with pytest.raises(ValueError):
        Grid.for_picture(width, height, pitch)


def test_no_such_tile() -> None:
    grid = Grid.for_picture(768, 512, 256)
    for index in (-1, 6):
        with pytest.raises(IndexError):
            grid.rect(index)


@given(st.integers(1, 16383), st.sampled_from(PITCHES))
@example(16383, 16)
@example(24, 16)
@example(1, FIT)
@settings(deadline=None, max_examples=40)
def test_every_pixel_is_covered_with_weights_that_sum_to_one(side: int, pitch: int) -> None:
    n = Grid.for_picture(side, 1, pitch).columns
    extents = [_extent(side, n, i) for i in range(n)]
    assert extents[0][0] == 0 and extents[-1][1] == side
    total = np.zeros(side)
    for i in range(n):
        first, end = _pixels(side, n, i)
        assert 0 <= first < end <= side
        weights = _weights(side, n, i, np.arange(first, end) + 0.5)
        assert weights.min() >= 0
        total[first:end] += weights
    np.testing.assert_allclose(total, 1, atol=1e-9)
    assert all(a[0] < b[0] < a[1] < b[1] for a, b in pairwise(extents))


@given(st.integers(1, 3000), st.sampled_from(PITCHES), st.data())
@settings(deadline=None, max_examples=20)
def test_blend_matrix_rows_sum_to_the_weights(side: int, pitch: int, data: st.DataObject) -> None:
    n = Grid.for_picture(side, 1, pitch).columns
    i = data.draw(st.integers(0, n - 1))
    weights = _weights(side, n, i, np.arange(*_pixels(side, n, i)) + 0.5)
    matrix = _blend_matrix(side, n, i)
    assert matrix.shape == (len(weights), TILE) and matrix.dtype == np.float32
    np.testing.assert_allclose(matrix.sum(axis=1), weights, atol=1e-5)


# ---- round trips


def test_one_tile_at_scale_one_is_exact() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (TILE, TILE, 3), np.uint8)
    image = Image.fromarray(pixels)
    grid = Grid.for_picture(TILE, TILE, 256)
    tiles = cut(image, grid)
    assert np.array_equal(tiles[0], pixels)
    canvas = Canvas(grid)
    canvas.add(tiles)
    assert np.array_equal(np.asarray(canvas.finish()), pixels)


def test_tiles_on_whole_pixels_are_exact() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (496, 496, 3), np.uint8)
    image = Image.fromarray(pixels)
    assert np.array_equal(cut(image, Grid.for_picture(496, 496, 256))[3], pixels[240:, 240:])
    assert np.array_equal(np.asarray(round_trip(image, 256)), pixels)


@pytest.mark.parametrize("pitch", [FIT, 64, 128, 192, 256, 512])
@pytest.mark.parametrize("size", [(700, 500), (333, 577), (257, 255)])
def test_smooth_picture_comes_back_across_seams(size: tuple[int, int], pitch: int) -> None:
    image = gradient(*size)
    assert difference(round_trip(image, pitch), image) <= 1


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from((FIT, 16, 32, 256, 2048)))
@example(1, 2, FIT)
@example(2, 2, 256)
@example(1, 1, FIT)
@settings(deadline=None, max_examples=25)
def test_small_pictures_of_any_size(width: int, height: int, pitch: int) -> None:
    image = gradient(width, height)
    back = round_trip(image, pitch)
    assert back.size == image.size and back.mode == "RGB"
    # In two rows the whole gradient is one edge of up to 75 levels, which resampling cannot keep as exactly as a slope.
    most = 3.0 if height == 2 and width <= 3 else 1.5
    assert np.abs(np.asarray(back, float) - np.asarray(image, float)).mean() <= most


@pytest.mark.parametrize(
    ("width", "height", "pitch"),
    [
        (1, 1, FIT),
        (1, 1, 16),
        (1, 10000, 256),
        (16383, 1, 512),
        (16383, 1, FIT),
        (3, 5001, 128),
        (25, 24, 16),
        (4097, 2, 2048),
    ],
)
def test_extreme_sizes(width: int, height: int, pitch: int) -> None:
    image = gradient(width, height)
    back = round_trip(image, pitch)
    assert back.size == (width, height)
    assert difference(back, image) <= 2


def test_photograph_survives_the_default_pitch() -> None:
    data = pytest.importorskip("skimage.data")
    image = Image.fromarray(data.coffee())  # 600 x 400: 2 x 2 tiles of 310 x 206 pixels
    error = np.asarray(round_trip(image, 256), float) - np.asarray(image, float)
    assert 10 * np.log10(255**2 / np.mean(error**2)) > 37


# ---- seams


@pytest.mark.parametrize("pitch", [64, 128, 256, 512])
def test_tiles_of_different_brightness_leave_no_step(pitch: int) -> None:
    """Tiles that are off by a constant are joined by a ramp: no step between neighbours beyond the picture's own."""
    image = gradient(900, 600)
    grid = Grid.for_picture(*image.size, pitch)
    tiles = cut(image, grid).astype(np.float32)
    offset = 6.0
    signs = np.array([(-1) ** sum(divmod(i, grid.columns)) for i in range(grid.tiles)], np.float32)
    canvas = Canvas(grid)
    canvas.add(((tiles + offset * signs[:, None, None, None]) / 255).astype(np.float32))
    back = np.asarray(canvas.finish(), float)
    for axis, extent in ((1, grid.tile_extent[0]), (0, grid.tile_extent[1])):
        slope = np.abs(np.diff(back, axis=axis)).max()
        own = np.abs(np.diff(np.asarray(image, float), axis=axis)).max()
        assert slope <= own + 2 * offset / (extent / 16) + 1  # the ramp, and 1 for rounding to levels


def test_mean_step_across_borders_is_that_of_the_inside() -> None:
    image = gradient(900, 600)
    grid = Grid.for_picture(*image.size, 256)
    back = np.asarray(round_trip(image, 256), float)
    steps = np.abs(np.diff(back, axis=1)).mean(axis=(0, 2))
    borders = [round(edge) for i in range(1, grid.columns) for edge in grid.rect(i)[:1] + grid.rect(i - 1)[2:3]]
    near = np.concatenate([steps[b - 2 : b + 2] for b in borders])
    assert near.mean() <= np.median(steps) * 1.1


# ---- canvas


def test_float_and_8_bit_tiles_give_the_same_picture() -> None:
    grid = Grid.for_picture(500, 300, 256)
    tiles = cut(gradient(500, 300), grid)
    first, second = Canvas(grid), Canvas(grid)
    first.add(tiles)
    second.add(tiles.astype(np.float32) / np.float32(255))
    assert difference(first.finish(), second.finish()) <= 1


def test_values_out_of_range_are_clipped() -> None:
    grid = Grid.for_picture(TILE, TILE, 256)
    tile = np.full((1, TILE, TILE, 3), 0.5, np.float32)
    tile[0, 0, 0], tile[0, 1, 1], tile[0, 2, 2] = 7.0, -7.0, np.nan
    tile[0, 3, 3] = np.inf
    canvas = Canvas(grid)
    canvas.add(tile)
    back = np.asarray(canvas.finish())
    assert back[0, 0].tolist() == [255] * 3 and back[1, 1].tolist() == [0] * 3 and back[2, 2].tolist() == [0] * 3
    assert back[3, 3].tolist() == [255] * 3 and back[9, 9].tolist() == [128] * 3


@pytest.mark.parametrize(
    ("tiles", "error"),
    [
        (np.zeros((1, TILE, TILE, 3), np.float64), TypeError),
        (np.zeros((TILE, TILE, 3), np.uint8), ValueError),
        (np.zeros((1, 3, TILE, TILE), np.float32), ValueError),
        (np.zeros((3, TILE, TILE, 3), np.uint8), ValueError),
    ],
)
def test_canvas_refuses_wrong_tiles(tiles: NDArray[Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        Canvas(Grid.for_picture(500, 200, 256)).add(tiles)


def test_canvas_refuses_to_finish_early() -> None:
    canvas = Canvas(Grid.for_picture(500, 200, 256))
    canvas.add(np.zeros((1, TILE, TILE, 3), np.uint8))
    with pytest.raises(ValueError, match="1 of 2"):
        canvas.finish()


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


@pytest.mark.parametrize("pitch", [256, FIT])
def test_memory_of_blending(pitch: int) -> None:
    """A 3-megapixel picture: 9 MB in 8 bit; one row of tiles, or the whole of a fitted picture, in float on top."""
    grid = Grid.for_picture(2000, 1500, pitch)
    tile = np.zeros((1, TILE, TILE, 3), np.uint8)
    tracemalloc.start()
    canvas = Canvas(grid)
    for _ in range(grid.tiles):
        canvas.add(tile)
    canvas.finish()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < (45e6 if pitch else 90e6)


def test_no_torch() -> None:
    import subprocess

    code = "import sys, tokcodec.tiling; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
