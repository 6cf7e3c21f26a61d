"""The codes of the quantiser in training: which are used, where they move, and what replaces those that are not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from ...tokenizers.vit1d.quantisers import Codebook, FiniteScalars
from .ranks import Ranks
from .settings import Training1d


class Codes:
    """Moves the codes of a codebook, and counts the use of the codes of any quantiser.

    A code is the direction of a moving sum of the vectors that chose it (as in VQ-VAE, arXiv 1711.00937). Codes that
    few vectors choose are replaced by vectors of the batch.

    Args:
        quantiser: whose codes they are.
        latents: places of a tile's tokens, with those of the padding.
        training: settings.
        ranks: this process.
    """

    def __init__(self, quantiser: Codebook | FiniteScalars, latents: int, training: Training1d, ranks: Ranks) -> None:
        self.quantiser, self.training, self.ranks = quantiser, training, ranks
        size = int(np.prod(quantiser.radices))
        self.counts = torch.ones(size, device=ranks.device)
        self.seen = torch.zeros(latents, size, device=ranks.device)
        self.use = 0.0
        """Share of the codes that the last whole window used, 0 before the first one."""
        self.bits = 0.0
        """Entropy of the tokens of that window at one place, the mean of all places: how far they tell tiles apart."""
        self.most_bits = math.log2(size)

    @torch.no_grad()
    def update(self, represented: torch.Tensor, tokens: torch.Tensor, step: int) -> None:
        """Take the vectors of a step into account.

        Args:
            represented: float32 N x n x width, of unit length for a codebook.
            tokens: the codes that they chose, int64 N x n.
            step: number of the step.
        """
        vectors, chosen = represented.flatten(0, 1), tokens.flatten()
        places, size = self.seen.shape
        cells = tokens + size * torch.arange(places, device=tokens.device)
        table = self.ranks.sum(torch.bincount(cells.flatten(), minlength=places * size).float()).view(places, size)
        count = table.sum(0)
        self.seen += table
        if isinstance(self.quantiser, Codebook):
            self._move(self.quantiser.embedding.weight, vectors, chosen, count)
            self._replace(self.quantiser.embedding.weight, vectors, step)
        if (step + 1) % self.training.window == 0:
            self.use = float((self.seen.sum(0) > 0).float().mean())
            share = self.seen / self.seen.sum(1, keepdim=True)
            self.bits = float(-torch.special.xlogy(share, share).sum(1).mean() / math.log(2))
            self.seen.zero_()

    def _move(self, codes: torch.Tensor, vectors: torch.Tensor, chosen: torch.Tensor, count: torch.Tensor) -> None:
        decay = self.training.decay
        total = self.ranks.sum(torch.zeros_like(codes).index_add_(0, chosen, vectors))
        moving = F.normalize(codes, dim=1) * (self.counts * decay)[:, None] + total * (1 - decay)
        codes.copy_(F.normalize(moving, dim=1))
        self.counts.mul_(decay).add_(count, alpha=1 - decay).clamp_min_(1e-6)

    def _replace(self, codes: torch.Tensor, vectors: torch.Tensor, step: int) -> None:
        mean = self.counts.mean()
        dead = (self.counts < self.training.dead * mean).nonzero()[:, 0]
        if not len(dead):
            return
        # A vector is chosen among those of all processes. The one that has it gives it to the others.
        rng = np.random.default_rng([self.training.seed, 23, step])
        own = rng.integers(0, len(vectors) * self.ranks.world, len(dead)) - len(vectors) * self.ranks.rank
        here = torch.from_numpy((own >= 0) & (own < len(vectors))).to(vectors.device)
        places = torch.from_numpy(own.clip(0, len(vectors) - 1)).to(vectors.device)
        codes[dead] = self.ranks.sum(vectors[places] * here[:, None])
        self.counts[dead] = mean / 2

    def state_dict(self) -> dict[str, Any]:
        """The counts, how often this window has used each code at each place, and the figures of the last one."""
        return {"counts": self.counts, "seen": self.seen, "use": self.use, "bits": self.bits}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.counts.copy_(state["counts"])
        self.seen.copy_(state["seen"])
        self.use, self.bits = state["use"], state["bits"]
