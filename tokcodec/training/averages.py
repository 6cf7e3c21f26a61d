"""Averaged weights, which are better than the last ones of a training."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel


def averaged_model(net: nn.Module, decay: float) -> AveragedModel:
    """A copy of a network for exponential moving averages of its weights.

    The decay grows with the number of weights that were seen.

    Args:
        net: the network. Its present weights take part.
        decay: the largest decay, 0..1.
    """

    def average(averaged: torch.Tensor, current: torch.Tensor, number: torch.Tensor | int) -> torch.Tensor:
        return torch.lerp(averaged, current, 1 - min(decay, float(number) / (9 + float(number))))

    model = AveragedModel(net, avg_fn=average)
    model.n_averaged.fill_(1)
    return model
