"""Where error counts more: regions and a map of weights, as a weight for every pixel and for every tile."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..errors import TokError
from ..pictures.images import Warn, to_rgb
from ..pictures.tiling import Grid, tile_pixels

DEFAULT_WEIGHT = 4.0
LARGEST_WEIGHT = 1000.0
"""And its inverse is the smallest: beyond that the rest of the picture is decided by rounding."""
BACKDROP = "black"
"""What shows through a transparent map: nothing is painted there, so it counts once."""
STRIP = 256
"""Rows of weights at a time: memory stays small for any picture."""

_NUMBER = r"\s*([0-9]{1,6}(?:\.[0-9]{1,4})?)\s*(%?)\s*"
_REGION = re.compile(rf"{','.join([_NUMBER] * 4)}(?::\s*([0-9.]{{1,12}})\s*)?")

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Region:
    """A rectangle that counts `weight` times: left, top, width and height, each in pixels or in per cent of a side."""

    sides: tuple[float, float, float, float]
    per_cent: tuple[bool, bool, bool, bool] = (False,) * 4
    weight: float = DEFAULT_WEIGHT

    def __post_init__(self) -> None:
        check_weight(self.weight)
        if not all(0 <= side < math.inf for side in self.sides) or min(self.sides[2:]) <= 0:
            raise ValueError(f"focus {self} must have a width and a height, and no negative numbers")

    def __str__(self) -> str:
        return ",".join(f"{side:g}{'%' * of}" for side, of in zip(self.sides, self.per_cent, strict=True))

    def box(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Left, top, right and bottom in whole pixels of a picture. Raises TokError where that is outside of it."""
        whole = (width, height, width, height)
        x, y, w, h = (
            side * of / 100 if part else side for side, part, of in zip(self.sides, self.per_cent, whole, strict=True)
        )
        left, top = math.floor(x), math.floor(y)
        right, bottom = min(width, math.ceil(x + w)), min(height, math.ceil(y + h))
        if left >= right or top >= bottom:
            raise TokError(f"focus {self} lies outside of a picture of {width}x{height} pixels")
        return left, top, right, bottom


def check_weight(weight: float) -> None:
    """Raise ValueError unless it is in 1 / LARGEST_WEIGHT .. LARGEST_WEIGHT."""
    if not 1 / LARGEST_WEIGHT <= weight <= LARGEST_WEIGHT:
        raise ValueError(f"a weight must be {1 / LARGEST_WEIGHT:g} to {LARGEST_WEIGHT:g}, not {weight:g}")


def find_region(given: str | Sequence[float]) -> Region:
    """A region from its text, "X,Y,W,H" or "X,Y,W,H:WEIGHT" with numbers such as 120 or 25%, or from 4 or 5 numbers.

    Numbers are pixels. Raises ValueError for anything else.
    """
    if not isinstance(given, str):
        if len(given) not in (4, 5):
            raise ValueError(f"focus must be X, Y, W, H and perhaps a weight, not {list(given)}")
        x, y, w, h, weight = *(float(number) for number in given), *[DEFAULT_WEIGHT][: 5 - len(given)]
        return Region((x, y, w, h), weight=weight)
    match = _REGION.fullmatch(given)
    try:
        groups = match.groups() if match else ()
        x, y, w, h = (float(number) for number in groups[:8:2])
        weight = float(groups[8] or DEFAULT_WEIGHT)
    except (ValueError, IndexError):
        raise ValueError(f"focus must be X,Y,W,H or X,Y,W,H:WEIGHT in pixels or per cent, not {given!r}") from None
    a, b, c, d = (sign == "%" for sign in groups[1:8:2])
    return Region((x, y, w, h), (a, b, c, d), weight)


def check_map(mask: object) -> None:
    """Raise TypeError unless it is a PIL image."""
    if not isinstance(mask, Image.Image):
        raise TypeError(f"focus_map must be a PIL image, not {type(mask).__name__}")


def to_map(mask: Image.Image, warn: Warn) -> Image.Image:
    """A map of weights of any mode as L: as a picture is converted, but with its transparency on black.

    `warn` is called with what is lost. Raises TypeError for no PIL image, TokError for one that cannot be decoded.
    """
    check_map(mask)
    notes: list[str] = []
    try:
        converted = to_rgb(mask, backdrop=BACKDROP, warn=notes.append).convert("L")
    except TokError as error:
        raise type(error)(f"focus map: {error}") from error
    for note in notes:
        warn(f"focus map: {note}")
    return converted


class Weights:
    """What the error of every pixel of a picture counts, 1 on average.

    regions: where they overlap the last one holds; mask: a picture of mode L and any size, stretched over the other;
    black counts once, white DEFAULT_WEIGHT times. Raises TokError for a region outside of the picture.
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
            found = np.ones((stop - start, self.width), np.float32)
        else:
            part = self._mask.height / self.height
            box = (0, start * part, self._mask.width, stop * part)
            shown = self._mask.resize((self.width, stop - start), box=box)
            found = 1 + np.asarray(shown, np.float32) * np.float32((DEFAULT_WEIGHT - 1) / 255)
        for (left, top, right, bottom), weight in self._boxes:
            found[max(0, top - start) : max(0, bottom - start), left:right] = weight
        return found / np.float32(self._mean)

    def of_tiles(self, grid: Grid) -> Floats:
        """Mean weight of every tile's pixels, float32 [tiles]."""
        across = [tile_pixels(grid.width, grid.columns, column) for column in range(grid.columns)]
        lefts, rights = np.array(across).T
        found = np.empty((grid.rows, grid.columns))
        for row in range(grid.rows):
            start, stop = tile_pixels(grid.height, grid.rows, row)
            total = np.zeros(grid.width)
            for top in range(start, stop, STRIP):
                total += self.rows(top, min(top + STRIP, stop)).sum(0, dtype=np.float64)
            sums = np.concatenate([[0.0], np.cumsum(total)])
            found[row] = (sums[rights] - sums[lefts]) / ((rights - lefts) * (stop - start))
        return found.ravel().astype(np.float32)
