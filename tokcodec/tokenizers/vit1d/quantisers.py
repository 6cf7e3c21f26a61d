"""Quantisers of the latent tokens: a codebook of unit vectors, or a finite grid of scalars.

Both have the same three functions. `represent` maps the encoder's output to the space of the codes, `nearest` gives the
tokens there, and `look_up` the codes of tokens. Training passes gradients from a code straight to its representation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..published.codebooks import UnitCodebook

EDGE = 1e-3
"""Share by which the range of a scalar exceeds its levels, so that the outer ones can be reached."""


class Codebook(UnitCodebook):
    """Vector quantiser with codes of unit length (arXiv 2110.04627).

    Args:
        size: number of codes.
        width: numbers in a code.
    """

    @property
    def radices(self) -> tuple[int, ...]:
        """A token has one digit."""
        return (self.embedding.num_embeddings,)

    def represent(self, z: Tensor) -> Tensor:
        """float32 [..., width] -> the same, of unit length."""
        return F.normalize(z, dim=-1)


class FiniteScalars(nn.Module):
    """Finite scalar quantiser (FSQ, arXiv 2309.15505): each number is rounded to one of a few levels.

    Args:
        levels: number of levels of each number of a code, at least 2.
    """

    levels: Tensor

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("levels", torch.tensor(levels))

    @property
    def radices(self) -> tuple[int, ...]:
        """A token has a digit for each number of its code."""
        return tuple(self.levels.tolist())

    def represent(self, z: Tensor) -> Tensor:
        """float32 [..., numbers] -> the same, between the lowest and the highest level, about -1 to 1."""
        half = (self.levels - 1) * (1 + EDGE) / 2
        offset = torch.where(self.levels % 2 == 0, 0.5, 0.0)
        return ((z + torch.atanh(offset / half)).tanh() * half - offset) / (self.levels // 2)

    def nearest(self, represented: Tensor) -> Tensor:
        """float32 [..., numbers], from `represent` -> int64 [...]: digits as a token, the first most significant."""
        digits = (represented * (self.levels // 2)).round().long() + self.levels // 2
        return (digits * self._places()).sum(-1)

    def look_up(self, tokens: Tensor) -> Tensor:
        """int64 [...] -> float32 [..., numbers]."""
        digits = tokens[..., None] // self._places() % self.levels
        return (digits - self.levels // 2) / (self.levels // 2)

    def _places(self) -> Tensor:
        """The value of each digit's place."""
        radices = self.radices
        return torch.tensor([math.prod(radices[place + 1 :]) for place in range(len(radices))]).to(self.levels)
