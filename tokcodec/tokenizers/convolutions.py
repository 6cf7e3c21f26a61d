"""A network's layers in NumPy, for decoding without torch.

They process one picture at a time, H x W x C. A 3 x 3 convolution is the sum of three matrix products, one for each row
of its windows. The columns of the windows are copied strip by strip. Where BLAS has kernels for small matrices, which
copy nothing, each row of the picture is multiplied as a matrix of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cores import blas_kernels

Floats = NDArray[np.float32]

STRIP = 1 << 18
"""Numbers in a strip (1 MB), so that they stay in the cache until they are multiplied and added."""
GROUP = 4
"""Neighbours computed together in a layer of few channels, since a product with few columns is slow."""
FEW = 8
"""Layers with fewer channels have few."""
SMALL_KERNELS = {"SkylakeX", "Cooperlake", "SapphireRapids"}
"""Processors with AVX-512: OpenBLAS has kernels for small matrices for them, and a tile takes 0.9 times as long by rows
as by large products. With the kernels for Haswell, Zen and Nehalem it takes 1.0 to 1.1 times as long."""
KEPT = 32_000_000
"""Bytes of a block whose release makes glibc keep freed memory, up to twice as much. By default it returns the memory
between layers to the system after each use, which takes a tenth of the time. 32 MiB is the largest value that works."""


class NumpyLayers:
    """Layers with weights named and shaped as in torch. Pictures between layers are float32 H x W x C.

    Raises:
        KeyError: a weight is missing.
        ValueError: a weight has a shape that no layer has.
    """

    def __init__(self, weights: Mapping[str, NDArray[Any]]) -> None:
        np.empty(KEPT, np.uint8)  # freed at once, and never touched
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
        matrix, bias, kernel = self._parameters(name, x)
        height, width, channels = x.shape
        if kernel == 1:
            mixed: Floats = x @ matrix + bias
            return mixed
        if kernel == 2:
            halves = x.reshape(height // 2, 2, width // 2, 2, channels).transpose(0, 2, 1, 3, 4)
            halved: Floats = halves.reshape(height // 2, width // 2, -1) @ matrix + bias
            return halved
        out = np.empty((height, width, len(bias)), np.float32)
        _sum_of_rows(x, matrix, bias, out)
        return out

    def conv_shuffle(self, name: str, x: Floats) -> Floats:
        matrix, bias, _ = self._parameters(name, x)
        height, width, _ = x.shape
        # Columns in the order row, column, channel, so that the channels of a row of samples are side by side.
        order = np.arange(len(bias)).reshape(-1, 4).T.reshape(-1)
        out = np.empty((height, 2, width, len(bias) // 2), np.float32)
        _sum_of_rows(x, matrix[:, order], bias[order].reshape(2, -1), out.transpose(0, 2, 1, 3))
        return out.reshape(2 * height, 2 * width, len(bias) // 4)

    def _parameters(self, name: str, x: Floats) -> tuple[Floats, Floats, int]:
        """Matrix, bias and side of the kernel of a convolution. Raises ValueError if it does not fit the picture."""
        matrix, kernel, channels = self._matrices[name], self._kernels[name], x.shape[2]
        if len(matrix) != kernel * kernel * channels:
            raise ValueError(f"{name} is for {len(matrix) // kernel**2} channels, not {channels}")
        return matrix, self._bias[name], kernel

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


def _sum_of_rows(x: Floats, matrix: Floats, bias: Floats, out: Floats) -> None:
    """A 3 x 3 convolution: the rows above, at and below each pixel, each multiplied by its part of the matrix.

    Args:
        x: the picture, H x W x C.
        matrix: the weights, 9 C x C'.
        bias: the bias, C' numbers in the shape of a pixel of `out`.
        out: gets the result, H x W x the shape of a pixel.
    """
    height, width, channels = x.shape
    group = GROUP if bias.size < FEW and width % GROUP == 0 else 1
    parts = _for_groups(matrix.reshape(3, 3, channels, -1), group)
    _, size, outputs = parts.shape
    x = x.reshape(height, width // group, group * channels)
    across, inner = x.shape[1:]
    rows = min(height, max(1, STRIP // (across * (size + 2 * outputs))))
    # One array for all strips, since new memory takes time. One more row at both ends, and zeros beyond the borders.
    windows = np.zeros((rows + 2, across, size), np.float32)
    sums = np.empty((2, rows, across, outputs), np.float32)
    single = _multiplies_rows()
    for top in range(0, height, rows):
        number = min(rows, height - top)
        first, last = max(top - 1, 0), min(top + number + 1, height)
        strip, filled = x[first:last], windows[first - top + 1 : last - top + 1]
        filled[:, 1:, :channels] = strip[:, :-1, -channels:]
        filled[:, :, channels : channels + inner] = strip
        filled[:, :-1, channels + inner :] = strip[:, 1:, :channels]
        if last == height:
            windows[last - top + 1 :] = 0
        total, product = sums[:, :number]
        matrices = (number, across) if single else (1, number * across)
        for down, result in enumerate((total, product, product)):
            factor = windows[down : down + number].reshape(*matrices, size)
            np.matmul(factor, parts[down], out=result.reshape(*matrices, outputs))
            if down:
                total += product
        np.add(total.reshape(number, width, *bias.shape), bias, out=out[top : top + number])


@cache
def _multiplies_rows() -> bool:
    """Whether products of single rows are faster than those of strips."""
    return not SMALL_KERNELS.isdisjoint(blas_kernels())


def _for_groups(weights: Floats, group: int) -> Floats:
    """The matrices that compute a group of neighbours from a row of their window.

    Args:
        weights: 3 rows x 3 columns x C x C'.
        group: number of neighbours.

    Returns:
        3 x (group + 2) C x group C'.
    """
    _, _, channels, many = weights.shape
    grouped = np.zeros((3, group + 2, channels, group, many), np.float32)
    for place in range(group):
        grouped[:, place : place + 3, :, place] = weights
    return grouped.reshape(3, (group + 2) * channels, group * many)
