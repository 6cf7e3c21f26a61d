"""The transform of our own tokenizers: a tile's lowest DCT coefficients in opponent colours, with NumPy or torch.

The transform is orthonormal: the squared error of coefficients equals the squared error of pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..pictures.axes import dct_matrix
from ..pictures.tiling import TILE
from .arrays import Array, Maker, concat

COLOURS = np.array([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 2.0, -1.0]]) / np.sqrt([[3.0], [2.0], [6.0]])
"""Rows: brightness, red minus blue, green minus magenta. They are close to the principal axes of photographs."""


class TileTransform:
    """Transforms tiles to vectors of luma^2 + 2 chroma^2 coefficients and back.

    A vector holds the low frequencies of each plane in row order.

    Args:
        luma: side of the square of brightness coefficients.
        chroma: side of the squares of colour coefficients.
        array: converts float64 arrays of NumPy to the kind and dtype of vectors and tiles. Default: NumPy.
    """

    def __init__(self, luma: int, chroma: int, array: Maker = np.asarray) -> None:
        self.luma, self.chroma, self.array = luma, chroma, array
        self.size = luma * luma + 2 * chroma * chroma
        self.colours = array(COLOURS)
        self._bases: dict[tuple[int, int], Array] = {}

    def basis(self, rows: int, size: int) -> Array:
        """`dct_matrix` as the transform's kind of array."""
        if (rows, size) not in self._bases:
            self._bases[rows, size] = self.array(dct_matrix(rows, size))
        return self._bases[rows, size]

    def forward(self, x: Array) -> Array:
        """Pixels to coefficients: float N x 3 x 256 x 256 -> N x size."""
        basis, number = self.basis(self.luma, TILE), len(x)
        # Channels last, as in the memory of tiles that `cut` has made: two large products per tile instead of six.
        columns = basis @ x.swapaxes(1, 2).swapaxes(2, 3).reshape(number, TILE, TILE * 3)
        columns = columns.reshape(number, self.luma, TILE, 3).swapaxes(2, 3).swapaxes(1, 2)
        planes = columns.reshape(number, 3 * self.luma, TILE) @ basis.swapaxes(0, 1)
        opponent = self.colours @ planes.reshape(number, 3, self.luma**2)
        return self.pack(opponent.reshape(number, 3, self.luma, self.luma))

    def pack(self, planes: Array) -> Array:
        """Keep the coefficients that are coded, of planes in opponent colours: N x 3 x luma x luma -> N x size."""
        brightness, colour = planes[:, 0], planes[:, 1:, : self.chroma, : self.chroma]
        return concat(
            [brightness.reshape(len(planes), self.luma**2), colour.reshape(len(planes), 2 * self.chroma**2)], 1
        )

    def picture(self, vectors: Array, side: int = TILE) -> Array:
        """A picture of side x side samples in opponent colours: N x size -> N x 3 x side x side.

        Brightness is sqrt(3) times the pixel values, at every resolution.
        """
        scale = side / TILE
        number = len(vectors)
        luma, chroma = (self.basis(rows, side) for rows in (self.luma, self.chroma))
        brightness = vectors[:, : self.luma**2].reshape(number, 1, self.luma, self.luma)
        colour = vectors[:, self.luma**2 :].reshape(number, 2, self.chroma, self.chroma)
        parts = [luma.swapaxes(0, 1) @ brightness @ luma, chroma.swapaxes(0, 1) @ colour @ chroma]
        return concat(parts, 1) * scale

    def inverse(self, vectors: Array) -> Array:
        """Coefficients to pixels, not clamped: N x size -> float N x 3 x 256 x 256."""
        opponent = self.picture(vectors)
        return (self.colours.swapaxes(0, 1) @ opponent.reshape(len(vectors), 3, TILE**2)).reshape(opponent.shape)


def coefficient_weights(luma: int, chroma: int, planes: Sequence[float]) -> NDArray[np.float64]:
    """The weight of each coefficient of a vector: float64 [luma^2 + 2 chroma^2].

    Args:
        luma: side of the square of brightness coefficients.
        chroma: side of the squares of colour coefficients.
        planes: weights of brightness, red minus blue, and green minus magenta.
    """
    return np.repeat(np.asarray(planes, np.float64), [luma * luma, chroma * chroma, chroma * chroma])
