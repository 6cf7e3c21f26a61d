"""Codebooks, which turn vectors into tokens and back."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class Codebook(nn.Module):
    """Codebook whose code is the nearest row.

    Args:
        size: number of codes.
        width: numbers in a code.
    """

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(size, width)

    def nearest(self, z: Tensor) -> Tensor:
        """float32 [..., C] -> int64 [...]: the code with the least squared distance."""
        rows = self.embedding.weight
        return (rows.square().sum(1) - 2 * z @ rows.T).argmin(dim=-1)  # the square of z is the same for all codes

    def look_up(self, tokens: Tensor) -> Tensor:
        """int64 [...] -> float [..., C]."""
        return F.embedding(tokens, self.embedding.weight)


class UnitCodebook(Codebook):
    """Codebook whose rows and inputs are normalised to unit length."""

    def nearest(self, z: Tensor) -> Tensor:
        """float32 [..., C] -> int64 [...]: the code with the largest cosine, which is also the nearest one."""
        return (F.normalize(z, dim=-1) @ F.normalize(self.embedding.weight, dim=-1).T).argmax(dim=-1)

    def look_up(self, tokens: Tensor) -> Tensor:
        """int64 [...] -> float [..., C] of unit length. The stored rows are not normalised."""
        return F.normalize(super().look_up(tokens), dim=-1)
