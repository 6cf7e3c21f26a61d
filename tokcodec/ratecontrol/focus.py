"""Focus: regions and a map of weights, as a weight of the error of every pixel and of every tile."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import TokError
from ..pictures.images import Warn, to_rgb
from ..pictures.tiling import Grid, tile_pixels

DEFAULT_WEIGHT = 4.0
"""Weight of a region, and of white in a map."""
LARGEST_WEIGHT = 1000.0
"""The smallest weight is its inverse. With more the rest of the picture would depend on rounding."""
BACKGROUND = "black"
"""Colour behind a transparent map: transparent places count once."""
STRIP = 256
"""Number of rows of weights computed at a time. It bounds the memory."""

_NUMBER = r"\s*([0-9]{1,6}(?:\.[0-9]{1,4})?)\s*(%?)\s*"
_REGION = re.compile(rf"{','.join([_NUMBER] * 4)}(?::\s*([0-9.]{{1,12}})\s*)?")

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Region:
    """A rectangle whose error counts more. Raises ValueError if it has no area or its weight is out of range."""

    sides: tuple[float, float, float, float]
    """Left, top, width and height, in pixels or percent."""
    per_cent: tuple[bool, bool, bool, bool] = (False,) * 4
    """Which of these are percent of the picture's side."""
    weight: float = DEFAULT_WEIGHT
    """Weight of the error in the rectangle, 0.001 to 1000."""

    def __post_init__(self) -> None:
        check_weight(self.weight)
        if not all(0 <= side < math.inf for side in self.sides) or min(self.sides[2:]) <= 0:
            raise ValueError(f"focus {self} must have a width and a height above 0, and no negative numbers")

    def __str__(self) -> str:
        return ",".join(f"{side:g}{'%' * of}" for side, of in zip(self.sides, self.per_cent, strict=True))

    def box(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Left, top, right and bottom in whole pixels of a picture. Raises TokError if they are outside of it."""
        whole = (width, height, width, height)
        x, y, w, h = (
            side * of / 100 if part else side for side, part, of in zip(self.sides, self.per_cent, whole, strict=True)
        )
        left, top = math.floor(x), math.floor(y)
        right, bottom = min(width, math.ceil(x + w)), min(height, math.ceil(y + h))
        if left >= right or top >= bottom:
            raise TokError(f"focus {self} is outside of the picture of {width}x{height} pixels")
        return left, top, right, bottom


def check_weight(weight: float) -> None:
    """Raise ValueError unless the weight is in 1 / LARGEST_WEIGHT .. LARGEST_WEIGHT."""
    if not 1 / LARGEST_WEIGHT <= weight <= LARGEST_WEIGHT:
        raise ValueError(f"a weight must be {1 / LARGEST_WEIGHT:g} to {LARGEST_WEIGHT:g}, not {weight:g}")


def find_region(given: str | Sequence[float]) -> Region:
    """A region from its text or numbers.

    Args:
        given: "X,Y,W,H" or "X,Y,W,H:WEIGHT" in pixels (120) or percent (25%), or 4 or 5 numbers in pixels.

    Raises:
        ValueError: it is none of these.
    """
    if not isinstance(given, str):
        if len(given) not in (4, 5):
            raise ValueError(f"focus must be X, Y, W, H and an optional weight, not {list(given)}")
        x, y, w, h, weight = *(float(number) for number in given), *[DEFAULT_WEIGHT][: 5 - len(given)]
        return Region((x, y, w, h), weight=weight)
    match = _REGION.fullmatch(given)
    try:
        groups = match.groups() if match else ()
        x, y, w, h = (float(number) for number in groups[:8:2])
        weight = float(groups[8] or DEFAULT_WEIGHT)
    except (ValueError, IndexError):
        raise ValueError(f"focus must be X,Y,W,H or X,Y,W,H:WEIGHT in pixels or percent, not {given!r}") from None
    a, b, c, d = (sign == "%" for sign in groups[1:8:2])
    return Region((x, y, w, h), (a, b, c, d), weight)


def check_map(mask: object) -> None:
    """Raise TypeError unless `mask` is a PIL image."""
    if not isinstance(mask, Image.Image):
        raise TypeError(f"focus_map must be a PIL image, not {type(mask).__name__}")


def to_map(mask: Image.Image, warn: Warn) -> Image.Image:
    """Convert a map of weights to mode L, as `to_rgb` converts pictures, but with transparency on black.

    Args:
        mask: PIL image of any mode.
        warn: called with a line for each property of the map that is dropped.

    Raises:
        TypeError: the map is not a PIL image.
        TokError: it cannot be decoded.
    """
    check_map(mask)
    notes: list[str] = []
    try:
        converted = to_rgb(mask, background=BACKGROUND, warn=notes.append).convert("L")
    except TokError as error:
        raise type(error)(f"focus map: {error}") from error
    for note in notes:
        warn(f"focus map: {note}")
    return converted


class Weights:
    """The weight of the error of every pixel of a picture, with mean 1.

    Args:
        width: pixels along the picture's horizontal side.
        height: pixels along the picture's vertical side.
        regions: rectangles with weights. The last one of overlapping regions counts.
        mask: map of weights, mode L, of any size. It is stretched over the picture. Black is 1, white DEFAULT_WEIGHT.
            Default: 1 everywhere.

    Raises:
        TokError: a region is outside of the picture.
    """

    def __init__(self, width: int, height: int, regions: Sequence[Region], mask: Image.Image | None = None) -> None:
        self.width, self.height = width, height
        self._boxes = [(region.box(width, height), region.weight) for region in regions]
        self._mask = mask
        self._mean = 1.0
        strips = (self.rows(top, min(top + STRIP, height)) for top in range(0, height, STRIP))
        self._mean = float(sum(strip.sum(dtype=np.float64) for strip in strips)) / (width * height)

    def rows(self, start: int, stop: int) -> Floats:
        """The weights of some rows of pixels: float32 [stop - start, width]."""
        if self._mask is None:
            weights = np.ones((stop - start, self.width), np.float32)
        else:
            part = self._mask.height / self.height
            box = (0, start * part, self._mask.width, stop * part)
            grey = self._mask.resize((self.width, stop - start), box=box)
            weights = 1 + np.asarray(grey, np.float32) * np.float32((DEFAULT_WEIGHT - 1) / 255)
        for (left, top, right, bottom), weight in self._boxes:
            weights[max(0, top - start) : max(0, bottom - start), left:right] = weight
        return weights / np.float32(self._mean)

    def of_tiles(self, grid: Grid) -> Floats:
        """Mean weight of every tile's pixels, float32 [tiles]."""
        across = [tile_pixels(grid.width, grid.columns, column) for column in range(grid.columns)]
        lefts, rights = np.array(across).T
        means = np.empty((grid.rows, grid.columns))
        for row in range(grid.rows):
            start, stop = tile_pixels(grid.height, grid.rows, row)
            total = np.zeros(grid.width)
            for top in range(start, stop, STRIP):
                total += self.rows(top, min(top + STRIP, stop)).sum(0, dtype=np.float64)
            sums = np.concatenate([[0.0], np.cumsum(total)])
            means[row] = (sums[rights] - sums[lefts]) / ((rights - lefts) * (stop - start))
        return means.ravel().astype(np.float32)
