"""The quality of a decoded picture: PSNR, and LPIPS if its weights are installed."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageChops

if TYPE_CHECKING:
    import torch

    from .focus import Weights
    from .lpips import LPIPS

BLOCK = 1024
"""LPIPS of a large picture is the mean over blocks of at most this side, since its memory grows with the pixels."""
SMALLEST_SIDE = 32
"""Number of pixels that the LPIPS network needs along a side."""


def psnr(a: Image.Image, b: Image.Image, weights: Weights | None = None) -> float:
    """PSNR in dB over all channels. Infinite for equal pictures.

    Args:
        a: RGB picture.
        b: RGB picture of the same size.
        weights: weights of the pixels' errors. Default: all count alike.
    """
    return to_psnr(mean_squared_error(a, b, weights))


def to_psnr(error: float) -> float:
    """PSNR in dB of a mean squared error of values in [0, 1]."""
    return -10 * math.log10(error) if error > 0 else math.inf


def to_error(db: float) -> float:
    """The inverse of `to_psnr`."""
    return float(10 ** (-db / 10))


def mean_squared_error(a: Image.Image, b: Image.Image, weights: Weights | None = None) -> float:
    """Mean squared error of values in [0, 1], over all pixels and channels.

    Args:
        a: RGB picture.
        b: RGB picture of the same size.
        weights: weights of the pixels' errors. Default: all count alike.
    """
    if weights is None:
        counts = np.array(ImageChops.difference(a, b).histogram(), np.int64)  # of 256 values in each channel
        total = float(np.dot(counts, (np.arange(len(counts)) % 256) ** 2))
    else:
        total = 0.0
        for top in range(0, a.height, 256):  # strips: memory stays small for any picture
            box = (0, top, a.width, min(top + 256, a.height))
            strips = [np.asarray(picture.crop(box), np.int32) for picture in (a, b)]
            squares = np.square(strips[0] - strips[1]).sum(2).astype(np.float64)
            total += np.dot(squares.ravel(), weights.rows(top, box[3]).ravel())
    return total / (a.width * a.height * 3 * 255**2)


class Distance:
    """LPIPS (squeeze) between pictures and one reference, whose features are computed once.

    Args:
        reference: RGB picture.
        device: "cpu" or "cuda".

    Raises:
        WeightsMissingError: the weights of LPIPS are missing.
        ModelFileError: they cannot be read.
        ValueError: a side of the picture is below 32 pixels.
    """

    def __init__(self, reference: Image.Image, device: str) -> None:
        if min(reference.size) < SMALLEST_SIDE:
            raise ValueError(f"LPIPS needs {SMALLEST_SIDE} pixels a side")
        self.net = _net(device)
        self.device = device
        self._boxes = list(_boxes(*reference.size))
        self._features = [self._embed(reference, box) for box in self._boxes] if len(self._boxes) == 1 else []
        self.reference = reference

    def __call__(self, picture: Image.Image) -> float:
        import torch

        total, pixels = 0.0, 0
        with torch.inference_mode():
            for index, box in enumerate(self._boxes):
                features = self._features[index] if self._features else self._embed(self.reference, box)
                area = (box[2] - box[0]) * (box[3] - box[1])
                total += area * float(self.net.compare(features, self._embed(picture, box)))
                pixels += area
        return total / pixels

    def _embed(self, picture: Image.Image, box: tuple[int, int, int, int]) -> list[torch.Tensor]:
        import torch

        with torch.inference_mode():
            pixels = torch.from_numpy(np.array(picture.crop(box))).to(self.device)
            return self.net.features(pixels.permute(2, 0, 1)[None].float() / 255)


@lru_cache(maxsize=1)
def _net(device: str) -> LPIPS:
    from .lpips import LPIPS

    return LPIPS("squeeze").to(device)


def _boxes(width: int, height: int) -> list[tuple[int, int, int, int]]:
    """Split a picture into equal blocks of at most BLOCK pixels a side: left, top, right and bottom of each."""
    across, down = (max(1, math.ceil(side / BLOCK)) for side in (width, height))
    xs = [width * i // across for i in range(across + 1)]
    ys = [height * i // down for i in range(down + 1)]
    return [(x0, y0, x1, y1) for y0, y1 in pairwise(ys) for x0, x1 in pairwise(xs)]
