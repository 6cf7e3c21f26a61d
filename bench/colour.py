"""Colour of a decoded picture: CIEDE2000 between the mean colours of fields, 8 x 8 and 32 x 32 of them.

PSNR hardly sees a wrong colour, since most of the energy is brightness; an eye sees it first where a picture is small.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab

FIELDS = (8, 32)
"""Fields along each side of a picture."""


def fields(pixels: NDArray[Any], number: int) -> NDArray[np.float32]:
    """Mean colour of each field in CIELAB: uint8 HxWx3 -> [number, number, 3]."""
    size = (number, number)
    planes = [Image.fromarray(plane.astype(np.float32)) for plane in np.moveaxis(pixels, 2, 0)]
    means = np.stack([np.asarray(plane.resize(size, Image.Resampling.BOX)) for plane in planes], 2)
    return np.asarray(rgb2lab(means.clip(0, 255) / 255), np.float32)


class Colours:
    """Colours of one picture, computed once and compared with many.

    Args:
        pixels: the picture, uint8 HxWx3.
    """

    def __init__(self, pixels: NDArray[Any]) -> None:
        self._fields = {number: fields(pixels, number) for number in FIELDS if number <= min(pixels.shape[:2])}

    def compare(self, pixels: NDArray[Any]) -> dict[str, float]:
        """Mean CIEDE2000 of the fields to those of another picture, by name: `delta_e_8`, `delta_e_32`.

        A number of fields is left out where a side of the picture has fewer pixels.
        """
        return {
            f"delta_e_{number}": float(deltaE_ciede2000(own, fields(pixels, number)).mean())
            for number, own in self._fields.items()
        }
