"""A network's layers in torch, for training, for GPUs and for jobs of many tiles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from .look import TENTS, correction


def start_at_zero(layer: nn.Conv2d | nn.Linear) -> None:
    """Set all parameters of a layer to 0, so that an untrained layer adds nothing."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


class Residual(nn.Module):
    """The weights of one residual block.

    Args:
        width: number of channels.
        known: number of features of the conditions.
    """

    def __init__(self, width: int, known: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.gain = nn.Linear(known, width)
        start_at_zero(self.second)
        start_at_zero(self.gain)
        nn.init.ones_(self.gain.bias)


@dataclass(frozen=True)
class LookSize:
    """Size of a look's network."""

    widths: tuple[int, ...] = (32, 64, 96)
    """Channels at 64, 32 and 16 samples per side."""
    tops: tuple[int, ...] = (16, 8)
    """Channels at 128 and 256 samples per side."""
    blocks: tuple[int, ...] = (1, 2, 2, 1, 2)
    """Numbers of residual blocks at 64, 32, 16, 32 and 64 samples per side."""


SIZES = {"full": LookSize(), "light": LookSize((12, 20, 32), (4, 2), (1, 1, 1, 1, 1))}
"""Sizes by name: 725 million multiplications per tile, and 59 million."""


class LookNet(nn.Module):
    """The network of a look, as `look.correction` defines it, with its weights as parameters.

    Args:
        scales: number of scales of the model.
        size: size of the network. Default: SIZES["full"].
    """

    def __init__(self, scales: int, size: LookSize = SIZES["full"]) -> None:
        super().__init__()
        (a, b, c), tops = size.widths, size.tops
        self.scales = scales
        self.condition = nn.Sequential(nn.Linear(TENTS + scales, 32), nn.SiLU())
        self.stem = nn.Conv2d(3, a, 3, padding=1)
        self.down = nn.ModuleList([nn.Conv2d(a, b, 2, 2), nn.Conv2d(b, c, 2, 2)])
        self.up = nn.ModuleList([nn.Conv2d(c, b, 1), nn.Conv2d(b, a, 1)])
        self.blocks = nn.ModuleList(
            [
                nn.ModuleList([Residual(width, 32) for _ in range(count)])
                for width, count in zip((a, b, c, b, a), size.blocks, strict=True)
            ]
        )
        self.widen = nn.Conv2d(a, 4 * tops[0], 3, padding=1)
        self.middle = nn.Conv2d(tops[0], 4 * tops[1], 3, padding=1)
        self.last = nn.Conv2d(tops[1], 3, 3, padding=1)
        start_at_zero(self.last)
        self._layers = {name: layer for name, layer in self.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear)}

    @classmethod
    def from_weights(cls, weights: Mapping[str, NDArray[Any]]) -> LookNet:
        """The network of weights. Raises KeyError, ValueError or RuntimeError if they do not fit."""
        size = cls.size_of(weights)
        net = cls(weights["condition.0.weight"].shape[1] - TENTS, size)
        net.load_state_dict({name: torch.from_numpy(weight.astype(np.float32)) for name, weight in weights.items()})
        return net

    @staticmethod
    def size_of(weights: Mapping[str, NDArray[Any]]) -> LookSize:
        """The size of the network of weights. Raises KeyError if one is missing."""
        widths = tuple(len(weights[f"{name}.bias"]) for name in ("stem", "down.0", "down.1"))
        tops = tuple(len(weights[f"{name}.bias"]) // 4 for name in ("widen", "middle"))
        blocks = tuple(
            sum(name.startswith(f"blocks.{level}.") and name.endswith(".first.bias") for name in weights)
            for level in range(5)
        )
        return LookSize(widths, tops, blocks)

    def ready(self, device: torch.device, dtype: torch.dtype | None) -> LookNet:
        """Prepare the network for inference on a device. `dtype`: float32 by default."""
        self.to(device, dtype or torch.float32, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self.eval().requires_grad_(False)

    def forward(self, small: torch.Tensor, conditions: NDArray[np.float32]) -> torch.Tensor:
        """The correction to add to the pixels, N x 3 x 256 x 256: see `look.correction` for the arguments."""
        drawn: torch.Tensor = correction(self, small, conditions)
        return drawn

    # ---- layers, see look.Layers: pictures are N x C x H x W in the network's dtype

    def names(self) -> Iterable[str]:
        return (name for name, _ in self.named_parameters())

    def enter(self, x: torch.Tensor) -> torch.Tensor:
        return x.to(self.stem.weight.device, self.stem.weight.dtype, memory_format=torch.channels_last)

    def leave(self, x: torch.Tensor) -> torch.Tensor:
        return x.float()

    def vector(self, x: NDArray[np.float32]) -> torch.Tensor:
        return torch.from_numpy(x).to(self.stem.weight.device, self.stem.weight.dtype)

    def linear(self, name: str, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self._layers[name](x)
        return y

    conv = linear

    def conv_shuffle(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return F.pixel_shuffle(self.conv(name, x), 2)

    def silu(self, x: torch.Tensor) -> torch.Tensor:
        return F.silu(x)

    def gain(self, x: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
        return x * factors[:, :, None, None]

    def enlarge(self, x: torch.Tensor) -> torch.Tensor:
        return F.interpolate(x, scale_factor=2.0, mode="nearest")
