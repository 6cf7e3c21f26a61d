"""Averaged weights, which are better than the last ones of a training."""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

Params: TypeAlias = tuple[torch.Tensor, ...] | list[torch.Tensor]


def averaged_model(net: nn.Module, decay: float) -> AveragedModel:
    """A copy of a network for exponential moving averages of its weights.

    The decay grows with the number of weights that were seen.

    Args:
        net: the network. Its present weights take part.
        decay: the largest decay, 0..1.
    """

    @torch.no_grad()
    def average(averaged: Params, current: Params, number: torch.Tensor | int) -> None:
        seen = float(number)
        for old, new in zip(averaged, current, strict=True):
            old.lerp_(new, 1 - min(decay, seen / (9 + seen)))

    model = AveragedModel(net, multi_avg_fn=average)
    model.n_averaged.fill_(1)
    return model
