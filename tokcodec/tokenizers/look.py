"""The looks: small convolutional networks that draw over the bare sum of a tile's codewords, one for each taste.

A network sees the decoded coefficients as a 64 x 64 picture and the number of tokens, and adds a correction to the
256 x 256 pixels. Same tokens, same file: `perceptual` pleases the eye, `fidelity` has the least squared error. A U-net
(arXiv 1505.04597) of residual blocks with sub-pixel upsampling (arXiv 1609.05158).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional as F

from ..pictures.tiling import TILE
from .transform import dct_matrix

INPUT = 64
"""Side of the picture that the network sees: one sample for each luma coefficient."""
LOOKS = ("perceptual", "fidelity")
"""The default first."""


def prefix(look: str) -> str:
    """Of a look's tensors in a model's weights. The hash leaves them out, since tokens and files stay the same."""
    return f"look.{look}."


def start_at_zero(layer: nn.Conv2d | nn.Linear) -> None:
    """An untrained layer adds nothing."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


class Residual(nn.Module):
    """x + conv(silu(conv(x))), with a gain per channel from the conditioning vector."""

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.gain = nn.Linear(condition, width)
        start_at_zero(self.second)
        start_at_zero(self.gain)
        nn.init.ones_(self.gain.bias)

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = F.silu(self.first(F.silu(x))) * self.gain(condition)[:, :, None, None]
        y = self.second(y)
        return x + y


class LookNet(nn.Module):
    """Widths at 64, 32 and 16 samples a side, and of the last layers at 128 and 256."""

    def __init__(self, widths: tuple[int, int, int] = (32, 64, 96), tops: tuple[int, int] = (16, 8)) -> None:
        super().__init__()
        a, b, c = widths
        self.condition = nn.Sequential(nn.Linear(9, 32), nn.SiLU())
        self.stem = nn.Conv2d(3, a, 3, padding=1)
        self.down = nn.ModuleList([nn.Conv2d(a, b, 2, 2), nn.Conv2d(b, c, 2, 2)])
        self.up = nn.ModuleList([nn.Conv2d(c, b, 1), nn.Conv2d(b, a, 1)])
        blocks = [(a, 1), (b, 2), (c, 2), (b, 1), (a, 2)]
        self.blocks = nn.ModuleList(
            [nn.ModuleList([Residual(width, 32) for _ in range(count)]) for width, count in blocks]
        )
        self.widen = nn.Conv2d(a, 4 * tops[0], 3, padding=1)
        self.middle = nn.Conv2d(tops[0], 4 * tops[1], 3, padding=1)
        self.last = nn.Conv2d(tops[1], 3, 3, padding=1)
        start_at_zero(self.last)

    def forward(self, small: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
        """N x 3 x 64 x 64 in about [-1, 1] and token counts int N -> correction of the pixels, N x 3 x 256 x 256."""
        # A tent for each power of two of the count.
        dtype = self.stem.weight.dtype
        tents = (1 - (count.float().log2()[:, None] - torch.arange(9, device=count.device)).abs()).clamp_min(0)
        condition = self.condition(tents.to(dtype))
        x = self.stem(small.to(dtype, memory_format=torch.channels_last))
        skips: list[torch.Tensor] = []
        for level, blocks in enumerate(self.blocks):
            if level > 2:
                x = F.interpolate(self.up[level - 3](x), scale_factor=2.0, mode="nearest") + skips.pop()
            for block in blocks:  # type: ignore[attr-defined]
                x = block(x, condition)
            if level < 2:
                skips.append(x)
                x = self.down[level](x)
        x = F.silu(F.pixel_shuffle(self.widen(F.silu(x)), 2))
        # A convolution after the last shuffle, so that the four phases of a pixel block see one another: no grid.
        x = F.silu(F.pixel_shuffle(self.middle(x), 2))
        drawn: torch.Tensor = self.last(x)
        return drawn.float()


def small_picture(planes: torch.Tensor) -> torch.Tensor:
    """The network's input from DCT planes N x 3 x 64 x 64: brightness and colours, about [-1, 1], nothing lost."""
    basis = dct_matrix(planes.shape[-1], INPUT).to(planes.device)
    small = basis.T @ planes @ basis * (INPUT / TILE)
    return small * (2 / math.sqrt(3)) - small.new_tensor([1.0, 0.0, 0.0])[:, None, None]


def looks_from(tensors: Mapping[str, torch.Tensor], device: torch.device, dtype: torch.dtype) -> dict[str, LookNet]:
    """The networks in a model's weights by look. Raises KeyError or RuntimeError when tensors do not fit."""
    return {look: net for look in LOOKS if (net := _look_from(tensors, prefix(look), device, dtype)) is not None}


def _look_from(
    tensors: Mapping[str, torch.Tensor], start: str, device: torch.device, dtype: torch.dtype
) -> LookNet | None:
    state = {name.removeprefix(start): tensor.float() for name, tensor in tensors.items() if name.startswith(start)}
    if not state:
        return None
    widths = (len(state["stem.bias"]), len(state["down.0.bias"]), len(state["down.1.bias"]))
    net = LookNet(widths, (len(state["widen.bias"]) // 4, len(state["middle.bias"]) // 4))
    net.load_state_dict(state)
    return net.to(device, dtype, memory_format=torch.channels_last).eval()  # type: ignore[call-overload,no-any-return]
