"""A network's layers in NumPy, for decoding without torch.

They process one picture at a time, H x W x C. A 3 x 3 convolution is the sum of three matrix products, one for each row
of its windows. The three columns of the windows are copied strip by strip.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

STRIP = 1 << 18
"""Numbers in a strip (1 MB), so that they stay in the cache until they are multiplied and added."""


class NumpyLayers:
    """Layers with weights named and shaped as in torch. Pictures between layers are float32 H x W x C.

    Raises:
        KeyError: a weight is missing.
        ValueError: a weight has a shape that no layer has.
    """

    def __init__(self, weights: Mapping[str, NDArray[Any]]) -> None:
        self._bias = {name[:-5]: w.astype(np.float32) for name, w in weights.items() if name.endswith(".bias")}
        self._matrices: dict[str, Floats] = {}
        self._kernels: dict[str, int] = {}
        self._names = list(weights)
        for name, weight in weights.items():
            if not name.endswith(".weight"):
                continue
            layer, w = name[:-7], weight.astype(np.float32)
            if w.ndim not in (2, 4) or self._bias[layer].shape != w.shape[:1]:
                raise ValueError(f"{name} has the shape {list(w.shape)}")
            if w.ndim == 4:
                if w.shape[2:] not in ((1, 1), (2, 2), (3, 3)):
                    raise ValueError(f"{name} has the shape {list(w.shape)}")
                self._kernels[layer] = w.shape[2]
                # Rows in the order of a window's numbers: row, column, channel.
                w = w.transpose(0, 2, 3, 1).reshape(len(w), -1)
            self._matrices[layer] = np.ascontiguousarray(w.T)

    def names(self) -> Iterable[str]:
        return self._names

    def enter(self, x: NDArray[Any]) -> Floats:
        return np.ascontiguousarray(x[0].transpose(1, 2, 0), np.float32)

    def leave(self, x: Floats) -> Floats:
        return x.transpose(2, 0, 1)[None]

    def vector(self, x: Floats) -> Floats:
        return x

    def linear(self, name: str, x: Floats) -> Floats:
        return x @ self._matrices[name] + self._bias[name]

    def conv(self, name: str, x: Floats) -> Floats:
        matrix, bias, kernel = self._matrices[name], self._bias[name], self._kernels[name]
        height, width, channels = x.shape
        if len(matrix) != kernel * kernel * channels:
            raise ValueError(f"{name} is for {len(matrix) // kernel**2} channels, not {channels}")
        if kernel == 1:
            mixed: Floats = x @ matrix + bias
            return mixed
        if kernel == 2:
            halves = x.reshape(height // 2, 2, width // 2, 2, channels).transpose(0, 2, 1, 3, 4)
            halved: Floats = halves.reshape(height // 2, width // 2, -1) @ matrix + bias
            return halved
        if len(bias) < channels:
            return _sum_of_shifted(x, matrix, bias)
        return _sum_of_rows(x, matrix, bias)

    def silu(self, x: Floats) -> Floats:
        y = np.negative(x)
        with np.errstate(over="ignore"):  # sigmoid(-100) is 0
            np.exp(y, out=y)
        y += 1
        np.divide(x, y, out=y)
        return y

    def gain(self, x: Floats, factors: Floats) -> Floats:
        scaled: Floats = x * factors[0]
        return scaled

    def enlarge(self, x: Floats) -> Floats:
        return x.repeat(2, 0).repeat(2, 1)

    def shuffle(self, x: Floats) -> Floats:
        height, width, channels = x.shape
        parts = x.reshape(height, width, channels // 4, 2, 2)
        return parts.transpose(0, 3, 1, 4, 2).reshape(2 * height, 2 * width, channels // 4)


def _sum_of_rows(x: Floats, matrix: Floats, bias: Floats) -> Floats:
    """A 3 x 3 convolution: the rows above, at and below each pixel, each multiplied by its part of the matrix.

    Args:
        x: the picture, H x W x C.
        matrix: the weights, 9 C x C'.
        bias: the bias, C'.
    """
    height, width, channels = x.shape
    parts = matrix.reshape(3, 3 * channels, len(bias))
    out = np.empty((height, width, len(bias)), np.float32)
    rows = min(height, max(1, STRIP // (width * (3 * channels + 2 * len(bias)))))
    # One array for all strips, since new memory takes time. One more row at both ends, and zeros beyond the borders.
    windows = np.zeros((rows + 2, width, 3 * channels), np.float32)
    product = np.empty((rows * width, len(bias)), np.float32)
    for top in range(0, height, rows):
        number = min(rows, height - top)
        first, last = max(top - 1, 0), min(top + number + 1, height)
        strip, filled = x[first:last], windows[first - top + 1 : last - top + 1]
        filled[:, 1:, :channels] = strip[:, :-1]
        filled[:, :, channels : 2 * channels] = strip
        filled[:, :-1, 2 * channels :] = strip[:, 1:]
        if last == height:
            windows[last - top + 1 :] = 0
        total = out[top : top + number].reshape(-1, len(bias))
        for down, part in enumerate(parts):
            flat = windows[down : down + number].reshape(-1, 3 * channels)
            if down == 0:
                np.matmul(flat, part, out=total)
            else:
                total += np.matmul(flat, part, out=product[: len(flat)])
        total += bias
    return out


def _sum_of_shifted(x: Floats, matrix: Floats, bias: Floats) -> Floats:
    """A 3 x 3 convolution to few channels: multiply first, then add nine shifted pictures, which are small.

    Channels are separate planes, so that whole rows are added. Work goes strip by strip, so that products stay in the
    cache.

    Args:
        x: the picture, H x W x C.
        matrix: the weights, 9 C x C'.
        bias: the bias, C'.
    """
    height, width, channels = x.shape
    few = matrix.shape[1]
    rows = max(1, STRIP // (width * 9 * few))
    kernels = np.ascontiguousarray(matrix.reshape(9, channels, few).transpose(0, 2, 1)).reshape(-1, channels)
    out = np.empty((few, height, width), np.float32)
    out[:] = bias[:, None, None]
    for top in range(0, height, rows):
        strip = x[top : top + rows]
        products = (kernels @ strip.reshape(-1, channels).T).reshape(3, 3, few, len(strip), width)
        for down in range(3):
            first = top + 1 - down  # the row of the sum to which the strip's first row belongs
            start, stop = max(0, first), min(height, first + len(strip))
            target, left, middle, right = out[:, start:stop], *products[down, :, :, start - first : stop - first]
            target += middle
            target[:, :, 1:] += left[:, :, :-1]
            target[:, :, :-1] += right[:, :, 1:]
    return out.transpose(1, 2, 0)
