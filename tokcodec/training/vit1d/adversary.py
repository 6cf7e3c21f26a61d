"""The patch discriminator and its losses (arXiv 1611.07004, hinge and adaptive weight as in arXiv 2012.09841)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from .ranks import Ranks

WIDTHS = (64, 128, 256)
"""Channels of its layers, each of which halves the side."""
LARGEST = 1e4
"""Largest adaptive weight."""


class Discriminator(nn.Module):
    """Judges patches of a tile: float32 N x 3 x T x T in [0, 1] -> N x 1 x T / 8 x T / 8, positive for originals."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, WIDTHS[0], 4, 2, 1), nn.LeakyReLU(0.2)]
        for inputs, outputs in pairwise(WIDTHS):
            layers += [nn.Conv2d(inputs, outputs, 4, 2, 1), nn.GroupNorm(16, outputs), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(WIDTHS[-1], 1, 3, padding=1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(2 * x - 1)  # type: ignore[no-any-return]


def hinge(scores: torch.Tensor) -> torch.Tensor:
    """The discriminator's loss, from its scores of originals and, in the second half of the batch, of drawn tiles."""
    originals, drawn = scores.chunk(2)
    return (F.relu(1 - originals).mean() + F.relu(1 + drawn).mean()) / 2


def adaptive_weight(
    loss: torch.Tensor, adversarial: torch.Tensor, last: torch.Tensor, ranks: Ranks
) -> torch.Tensor:
    """The factor that makes the gradient of the adversarial loss as large as that of the others at the last layer.

    Args:
        loss: the other losses, a scalar.
        adversarial: the adversarial loss, a scalar.
        last: weights of the last layer.
        ranks: this process; gradients are averaged over all.
    """
    gradients = [torch.autograd.grad(value, last, retain_graph=True)[0] for value in (loss, adversarial)]
    norms = [ranks.sum(gradient.clone()).norm() for gradient in gradients]
    weight: torch.Tensor = (norms[0] / (norms[1] + 1e-6)).clamp(0, LARGEST)
    return weight
