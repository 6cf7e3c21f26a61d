"""The moving statistics that standardise the encoder's output before it is quantised."""

from __future__ import annotations

import torch

from ...tokenizers.vit1d.modules import Encoder
from .ranks import Ranks

DECAY = 0.95
"""Largest decay of the statistics, which grows with the steps. With a larger one the outputs outrun their means."""
LEAST = 1e-3
"""Smallest deviation."""


@torch.no_grad()
def standardise(encoder: Encoder, encoded: torch.Tensor, step: int, ranks: Ranks) -> None:
    """Move the mean and the deviation of each number of each latent towards those of a step.

    Without this, what all tiles have in common outgrows what tells them apart, and all get the same codes. Gradients do
    not pass through the statistics, unlike in batch norm (arXiv 1502.03167): a batch is too small to be one.

    Args:
        encoder: whose statistics move.
        encoded: its output in this step, float32 N x latents x width of a code.
        step: number of the step.
        ranks: this process; statistics are those of the tiles of all.
    """
    weight = 1 - min(DECAY, (1 + step) / (10 + step))
    sums = torch.stack((encoded.sum(0), encoded.square().sum(0)))
    mean, square = ranks.sum(sums) / (len(encoded) * ranks.world)
    # Both are in units of the present statistics.
    shift = weight * mean
    variance = 1 - weight + weight * square - shift.square()
    encoder.mean.add_(shift * encoder.deviation)
    encoder.deviation.mul_(variance.clamp_min(0).sqrt()).clamp_min_(LEAST)
