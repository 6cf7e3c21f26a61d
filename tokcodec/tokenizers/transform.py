"""The linear front of our own tokenizers: a tile's lowest DCT coefficients in opponent colours.

The transform is orthonormal, so squared error over coefficients is squared error over pixels.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch

from ..pictures.tiling import TILE

COLOURS = torch.nn.functional.normalize(torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 2.0, -1.0]]), dim=1)
"""Rows: brightness, red minus blue, green minus magenta. Close to the principal axes of photographs."""


@lru_cache(maxsize=8)
def dct_matrix(rows: int, size: int = TILE) -> torch.Tensor:
    """First `rows` basis vectors of the orthonormal DCT-II of length `size`: float32 rows x size."""
    k, n = torch.arange(rows, dtype=torch.float64)[:, None], torch.arange(size, dtype=torch.float64)[None]
    basis = torch.cos(math.pi * (2 * n + 1) * k / (2 * size)) * math.sqrt(2 / size)
    basis[0] /= math.sqrt(2)
    return basis.float()


class TileTransform:
    """Tiles <-> vectors of `luma`^2 + 2 * `chroma`^2 coefficients, low frequencies of each plane in row order."""

    def __init__(self, luma: int, chroma: int, device: torch.device | str = "cpu") -> None:
        self.luma, self.chroma = luma, chroma
        self.size = luma * luma + 2 * chroma * chroma
        self.basis = dct_matrix(luma).to(device)
        self.colours = COLOURS.to(device)

    def pack(self, planes: torch.Tensor) -> torch.Tensor:
        """Keep the coded part of coefficient planes: ... x 3 x luma x luma -> ... x size."""
        chroma = planes[..., 1:, : self.chroma, : self.chroma].flatten(-3)
        return torch.cat([planes[..., 0, :, :].flatten(-2), chroma], dim=-1)

    def unpack(self, vectors: torch.Tensor) -> torch.Tensor:
        """Inverse of `pack`, with zeros where nothing is coded: ... x size -> ... x 3 x luma x luma."""
        planes = vectors.new_zeros(*vectors.shape[:-1], 3, self.luma, self.luma)
        planes[..., 0, :, :] = vectors[..., : self.luma**2].unflatten(-1, (self.luma, self.luma))
        chroma = vectors[..., self.luma**2 :].unflatten(-1, (2, self.chroma, self.chroma))
        planes[..., 1:, : self.chroma, : self.chroma] = chroma
        return planes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Pixels to coefficients: float32 N x 3 x 256 x 256 -> N x size."""
        planes = torch.einsum("cd,ndhw->nchw", self.colours, x)
        return self.pack(self.basis @ planes @ self.basis.T)

    def inverse(self, vectors: torch.Tensor) -> torch.Tensor:
        """Coefficients to pixels, not clamped: N x size -> float32 N x 3 x 256 x 256."""
        planes = self.basis.T @ self.unpack(vectors) @ self.basis
        return torch.einsum("cd,nchw->ndhw", self.colours, planes)
