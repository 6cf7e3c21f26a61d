"""A perceptual distance by a small network, which the search for tokens reduces together with the squared error.

The network was distilled from LPIPS (arXiv 1801.03924) and from an image classifier's features (EfficientNet-lite0,
arXiv 1905.11946) by `training.distance`. Neither is needed to use it. Its weights are in the same folder, 8 bits each.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

WEIGHTS = Path(__file__).with_name("distance.safetensors")
WIDTHS = (16, 48, 96, 128)
"""Channels at a half, a quarter, ... of the picture's resolution."""
CLASSIFIER = ((16,), (24,), (40,), (80, 112))
"""Channels of the classifier's stages, by the resolution at which they are predicted."""
LPIPS = ((16,), (24,), (32,), (32, 32, 32, 32))
"""The same for LPIPS, whose features are reduced to their principal components."""

Features = tuple[list[torch.Tensor], list[torch.Tensor]]
"""Predicted features of the classifier and of LPIPS, float32 N x C x H x W each."""


class DistanceNet(nn.Module):
    """Predicts the features of both teachers by two convolutions and a linear map at each resolution."""

    def __init__(self) -> None:
        super().__init__()
        inputs = (3, *WIDTHS[:-1])
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in zip(inputs, WIDTHS, strict=True))
        self.same = nn.ModuleList(nn.Conv2d(width, width, 3, 1, 1) for width in WIDTHS)
        self.heads = nn.ModuleList(
            nn.Conv2d(width, sum(first) + sum(second), 1)
            for width, first, second in zip(WIDTHS, CLASSIFIER, LPIPS, strict=True)
        )

    def forward(self, x: torch.Tensor) -> Features:
        """Predict the features of pictures.

        Args:
            x: float32 N x 3 x H x W in [0, 1], sides of 32 or more.
        """
        x = ((x - 0.5) * 4).contiguous(memory_format=torch.channels_last)
        classifier: list[torch.Tensor] = []
        lpips: list[torch.Tensor] = []
        for down, same, head, first, second in zip(self.down, self.same, self.heads, CLASSIFIER, LPIPS, strict=True):
            x = F.silu(down(x))
            x = x + F.silu(same(x))
            parts = head(x).split([*first, *second], 1)
            classifier += parts[: len(first)]
            lpips += parts[len(first) :]
        return classifier, lpips


def distances(a: Features, b: Features) -> tuple[torch.Tensor, torch.Tensor]:
    """Distances of pictures by the predicted features of the classifier and of LPIPS, float32 N each; 0 if equal."""
    angles = [1 - F.cosine_similarity(x, y, dim=1, eps=1e-6).mean((1, 2)) for x, y in zip(a[0], b[0], strict=True)]
    squares = [(x - y).square().sum(1).mean((1, 2)) for x, y in zip(a[1], b[1], strict=True)]
    return torch.stack(angles).mean(0), torch.stack(squares).sum(0)


def quantised(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights in stored form: int8 with a float32 step for each output channel, and biases as float16."""
    stored = {}
    for name, value in weights.items():
        if value.ndim == 1:
            stored[name] = value.half()
            continue
        step = value.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-12) / 127
        stored[name] = (value / step).round().to(torch.int8).contiguous()
        stored[f"{name}.step"] = step.contiguous()
    return stored


def restored(stored: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The inverse of `quantised`, in float32."""
    return {
        name: value.float() * stored[f"{name}.step"] if f"{name}.step" in stored else value.float()
        for name, value in stored.items()
        if not name.endswith(".step")
    }


@lru_cache(maxsize=2)
def load_distance(device: str) -> DistanceNet:
    """The frozen network of the package on a device, as torch names it."""
    net = DistanceNet()
    net.load_state_dict(restored(load_file(WEIGHTS)))
    net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net.eval().requires_grad_(False)
