"""Decoded tiles to a picture: weights, round trips, and no seams."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from tests.pictures.test_tiling import PITCHES, gradient
from tokcodec.pictures.canvas import Canvas, blend_matrices, blend_matrix, blend_weights
from tokcodec.pictures.limits import FIT
from tokcodec.pictures.seams import FREQUENCIES, REACH, along, profile, spectrum
from tokcodec.pictures.tiling import OVERLAP, TILE, Grid, cut, tile_pixels, tile_span


def round_trip(image: Image.Image, pitch: int) -> Image.Image:
    grid = Grid.for_picture(*image.size, pitch)
    canvas = Canvas(grid)
    for index in range(grid.tiles):
        canvas.add(cut(image, grid, [index]))
    return canvas.finish()


def difference(a: Image.Image, b: Image.Image) -> float:
    return float(np.abs(np.asarray(a, np.int16) - np.asarray(b, np.int16)).max())


@given(st.integers(1, 16383), st.sampled_from(PITCHES))
@example(16383, 16)
@example(24, 16)
@example(1, FIT)
@settings(deadline=None, max_examples=40)
def test_every_pixel_is_covered_with_weights_that_sum_to_one(side: int, pitch: int) -> None:
    n = Grid.for_picture(side, 1, pitch).columns
    extents = [tile_span(side, n, i) for i in range(n)]
    assert extents[0][0] == 0 and extents[-1][1] == side
    total = np.zeros(side)
    for i in range(n):
        first, end = tile_pixels(side, n, i)
        assert 0 <= first < end <= side
        weights = blend_weights(side, n, i, np.arange(first, end) + 0.5)
        assert weights.min() >= 0
        total[first:end] += weights
    np.testing.assert_allclose(total, 1, atol=1e-9)
    assert all(a[0] < b[0] < a[1] < b[1] for a, b in pairwise(extents))


@given(st.integers(1, 3000), st.sampled_from(PITCHES), st.data())
@settings(deadline=None, max_examples=20)
def test_blend_matrix_rows_sum_to_the_weights(side: int, pitch: int, data: st.DataObject) -> None:
    n = Grid.for_picture(side, 1, pitch).columns
    i = data.draw(st.integers(0, n - 1))
    weights = blend_weights(side, n, i, np.arange(*tile_pixels(side, n, i)) + 0.5)
    matrix = blend_matrix(side, n, i)
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


def put_together(grid: Grid, tiles: NDArray[np.float32], blank: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """The picture of tiles in 0..255, added three at a time."""
    canvas = Canvas(grid)
    for i in range(0, grid.tiles, 3):
        canvas.add(tiles[i : i + 3] / np.float32(255), None if blank is None else blank[i : i + 3])
    return np.asarray(canvas.finish(), float)


def adapted(grid: Grid, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
    """The result of the canvas, computed for all tiles at once: first columns, then rows."""
    shared, tiles = TILE // OVERLAP, tiles.reshape(grid.rows, grid.columns, TILE, TILE, 3).copy()
    y, k = np.arange(TILE), np.arange(FREQUENCIES)
    basis = np.cos(np.pi * np.outer(k, 2 * y + 1) / (2 * TILE)) * np.sqrt(2 / TILE)
    basis[0] /= np.sqrt(2)
    for axis in (1, 0):
        # A view: neighbours, others, along the border, across it, colour.
        moved = np.moveaxis(tiles, (axis, axis + 2), (0, 3))
        for one, next_one in pairwise(moved):
            difference = one[:, :, -shared:].mean(2) - next_one[:, :, :shared].mean(2)
            half = np.einsum("ky,oyc->okc", basis, difference) / 2
            change = np.einsum("okc,ky,kx->oyxc", half, basis, profile(), optimize=True)
            one -= change[:, :, ::-1]
            next_one += change
    return tiles.reshape(-1, TILE, TILE, 3)


def blended(grid: Grid, tiles: NDArray[np.float32]) -> NDArray[np.float64]:
    """Tiles resampled and blended as they are."""
    out = np.zeros((grid.height, grid.width, 3))
    for i, tile in enumerate(tiles):
        row, column = divmod(i, grid.columns)
        top, bottom = tile_pixels(grid.height, grid.rows, row)
        left, right = tile_pixels(grid.width, grid.columns, column)
        down, across = blend_matrix(grid.height, grid.rows, row), blend_matrix(grid.width, grid.columns, column)
        out[top:bottom, left:right] += np.einsum("hy,yxc,wx->hwc", down, tile, across, optimize=True)
    return out.clip(0, 255)


@pytest.mark.parametrize(("size", "pitch"), [((500, 400), 128), ((90, 700), 64), ((1000, 300), 512)])
def test_seams_are_mended_as_in_a_plain_version(size: tuple[int, int], pitch: int) -> None:
    grid = Grid.for_picture(*size, pitch)
    rng = np.random.default_rng(2)
    slopes = np.linspace(-1, 1, TILE)[:, None, None] * rng.normal(0, 9, (grid.tiles, 1, 1, 3))
    tiles = (cut(gradient(*size), grid) * 0.5 + 60 + slopes).astype(np.float32)
    expected = blended(grid, adapted(grid, tiles))
    assert np.abs(put_together(grid, tiles) - expected).max() <= 0.51
    assert np.abs(blended(grid, tiles) - expected).max() > 1


@pytest.mark.parametrize("pitch", [64, 128, 256, 512])
def test_tiles_of_different_brightness_leave_no_step(pitch: int) -> None:
    """Tiles that are off by a constant are joined by a slope much longer than their overlap."""
    image, offset = gradient(900, 600), 6.0
    grid = Grid.for_picture(*image.size, pitch)
    signs = np.array([(-1) ** sum(divmod(i, grid.columns)) for i in range(grid.tiles)], np.float32)
    back = put_together(grid, cut(image, grid) + np.float32(offset) * signs[:, None, None, None])
    for axis, extent in ((1, grid.tile_extent[0]), (0, grid.tile_extent[1])):
        slope = np.abs(np.diff(back, axis=axis)).max()
        own = np.abs(np.diff(np.asarray(image, float), axis=axis)).max()
        assert slope <= own + 1.5 * offset / (REACH * extent / TILE) + 1  # the slope, and 1 for rounding to levels


def test_nothing_is_adapted_to_blank_tiles() -> None:
    image = gradient(500, 500)
    grid = Grid.for_picture(500, 500, 256)
    tiles = cut(image, grid).astype(np.float32)
    tiles[3] = 128
    alone = put_together(grid, tiles, np.array([False, False, False, True]))
    left, top, _, _ = grid.rect(3)
    outside = np.ones((500, 500), bool)
    outside[int(top) :, int(left) :] = False
    assert np.abs(alone - np.asarray(image, float))[outside].max() <= 1
    assert (alone[300:, 300:] == 128).all()
    drawn = put_together(grid, tiles)
    assert np.abs(drawn - np.asarray(image, float))[outside].max() > 10


def test_profile_mends_the_overlap_and_ends() -> None:
    share = profile()
    assert share.shape == (FREQUENCIES, TILE)
    assert (share[:, : TILE // OVERLAP] == 1).all() and not share[:, TILE // OVERLAP - 1 + REACH :].any()
    assert (np.diff(share, axis=1) <= 0).all() and (np.diff(share, axis=0) <= 0).all()


def test_spectra_hold_what_is_smooth() -> None:
    border = np.cos(np.arange(TILE) / 60).astype(np.float32)[None].repeat(3, 0)
    assert np.abs(along(spectrum(border)).sum(-1) - border).max() < 0.05
    fine = np.cos(np.pi * np.arange(TILE)).astype(np.float32)
    assert np.abs(along(spectrum(fine)).sum(-1)).max() < 0.2


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


@pytest.mark.parametrize("pitch", [256, FIT])
def test_memory_of_blending(pitch: int) -> None:
    """The canvas needs a row of tiles, or a strip of a single tile, in float. A float picture would have 144 MB."""
    grid = Grid.for_picture(2000, 6000, pitch)
    tile = np.zeros((1, TILE, TILE, 3), np.uint8)
    tracemalloc.start()
    canvas = Canvas(grid)
    for _ in range(grid.tiles):
        canvas.add(tile)
    canvas.finish()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < (45e6 if pitch else 90e6)


# ---- other numbers of samples than 256


@pytest.mark.parametrize("side", [128, 384, 512])
@pytest.mark.parametrize("pitch", [FIT, 64, 256, 512])
def test_tiles_of_other_sizes(side: int, pitch: int) -> None:
    image = gradient(700, 500)
    grid = Grid.for_picture(*image.size, pitch)
    tiles = cut(image, grid, side=side)
    assert tiles.shape == (grid.tiles, side, side, 3)
    canvas = Canvas(grid, side)
    canvas.add(tiles)
    assert difference(canvas.finish(), image) <= 1
    with pytest.raises(ValueError, match=rf"\[n, {side}, {side}, 3\]"):
        Canvas(grid, side).add(np.zeros((1, TILE, TILE, 3), np.uint8))


@pytest.mark.parametrize("side", [128, 384, 512])
def test_seams_are_mended_alike_at_other_sizes(side: int) -> None:
    """Tiles that differ by a level give the same ramp in the picture for any number of samples."""
    grid = Grid.for_picture(496, 256, 256)

    def drawn(samples: int) -> NDArray[np.int16]:
        canvas = Canvas(grid, samples)
        canvas.add(np.stack([np.full((samples, samples, 3), level, np.uint8) for level in (100, 140)]))
        return np.asarray(canvas.finish(), np.int16)

    assert np.abs(drawn(side) - drawn(TILE)).max() <= 1


def test_blank_tiles_are_filled_with_the_pixels_that_resampling_gives() -> None:
    """As on a chessboard, where every two neighbours have a blank one: no tile is adapted to another."""
    grid = Grid.for_picture(300, 200, 64)
    tiles = np.random.default_rng(0).integers(0, 256, (grid.tiles, TILE, TILE, 3)).astype(np.float32)
    blank = np.array([sum(divmod(number, grid.columns)) % 2 == 1 for number in range(grid.tiles)])
    tiles[blank] = 128
    rows, columns = blend_matrices(200, grid.rows), blend_matrices(300, grid.columns)
    expected = np.zeros((200, 300, 3))
    for number, tile in enumerate(tiles):
        row, column = divmod(number, grid.columns)
        top, bottom = tile_pixels(200, grid.rows, row)
        left, right = tile_pixels(300, grid.columns, column)
        drawn = rows[row] @ tile.transpose(2, 0, 1) @ columns[column].T
        expected[top:bottom, left:right] += drawn.transpose(1, 2, 0)
    filled = put_together(grid, tiles, blank)
    difference = np.abs(filled - np.rint(expected.clip(0, 255)))
    assert difference.max() <= 1 and (difference > 0).mean() < 0.001
