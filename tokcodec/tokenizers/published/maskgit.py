"""The convolutional networks of MaskGIT-VQGAN (arXiv 2202.04200).

Its decoder draws the pixels of TiTok, One-D-Piece and KARL, and KARL sees pictures through its encoder too.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CODE_WIDTH = 256
"""Numbers in a code of MaskGIT-VQGAN."""
CHANNEL_MULTIPLIERS = (1, 1, 2, 2, 4)
"""Channels in units of `hidden`, from full resolution down to the 16x16 grid."""


class ResBlock(nn.Module):
    """Two rounds of GroupNorm, SiLU and a 3x3 convolution without bias, with a residual."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(32, c_in, eps=1e-6)
        self.conv1 = nn.Conv2d(c_in, c_out, 3, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(32, c_out, eps=1e-6)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)
        self.keeps_input = c_in == c_out
        self.nin_shortcut = None if self.keeps_input else nn.Conv2d(c_out, c_out, 1, bias=False)

    def prepare(self) -> None:
        """Fold the shortcut into conv2.

        Where the channel count changes, the published networks apply the shortcut to the OUTPUT of conv2, not to the
        block's input: h + S h = (I + S) conv2(..), which is again one convolution.
        """
        if self.nin_shortcut is not None:
            shortcut = self.nin_shortcut.weight[:, :, 0, 0]
            folded = self.conv2.weight + torch.tensordot(shortcut, self.conv2.weight, dims=1)
            self.conv2.weight = nn.Parameter(folded, requires_grad=False)
            self.nin_shortcut = None

    def forward(self, x: Tensor) -> Tensor:
        """float [N, c_in, H, W] -> float [N, c_out, H, W]."""
        h = self.conv1(F.silu(self.norm1(x), inplace=True))
        h = self.conv2(F.silu(self.norm2(h), inplace=True))
        return h.add_(x) if self.keeps_input else h  # type: ignore[no-any-return]


class UpLevel(nn.Module):
    """Two residual blocks at one resolution, then (except at the last level) nearest x2 and a 3x3 convolution.

    Args:
        c_in: channels of the input.
        c_out: channels of the output.
        upsample: whether to double the resolution.
    """

    doubled: Tensor | None
    """Weight of the transposed convolution that equals nearest x2 and `upsample_conv`."""

    def __init__(self, c_in: int, c_out: int, upsample: bool) -> None:
        super().__init__()
        self.block = nn.ModuleList((ResBlock(c_in, c_out), ResBlock(c_out, c_out)))
        self.upsample_conv: nn.Conv2d | None = nn.Conv2d(c_out, c_out, 3, padding=1) if upsample else None
        self.register_buffer("doubled", None, persistent=False)

    def prepare(self) -> None:
        """Fuse nearest x2 and the 3x3 convolution: 16 instead of 36 products per input pixel and channel pair."""
        if self.upsample_conv is not None:
            flipped = self.upsample_conv.weight.flip(2, 3).transpose(0, 1)
            padded = F.pad(flipped, (1, 1, 1, 1))
            rows = padded[:, :, :-1] + padded[:, :, 1:]
            self.doubled = rows[..., :-1] + rows[..., 1:]

    def forward(self, x: Tensor) -> Tensor:
        """float [N, c_in, H, W] -> float [N, c_out, 2H, 2W], or [N, c_out, H, W] at the last level."""
        for block in self.block:
            x = block(x)
        if self.upsample_conv is None:
            return x
        assert self.doubled is not None, "prepare() comes first"
        return F.conv_transpose2d(x, self.doubled, self.upsample_conv.bias, stride=2, padding=1)


class PixelDecoder(nn.Module):
    """Convolutional decoder of MaskGIT-VQGAN, from proxy embeddings at 16x16 to a tile at 256x256."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        channels = [hidden * m for m in CHANNEL_MULTIPLIERS]
        self.conv_in = nn.Conv2d(CODE_WIDTH, channels[-1], 3, padding=1)
        self.mid = nn.ModuleList(ResBlock(channels[-1], channels[-1]) for _ in range(2))
        inputs = [*channels[1:], channels[-1]]
        self.up = nn.ModuleList(UpLevel(inputs[i], c, upsample=i > 0) for i, c in enumerate(channels))
        self.norm_out = nn.GroupNorm(32, hidden, eps=1e-6)
        self.conv_out = nn.Conv2d(hidden, 3, 3, padding=1)

    def prepare(self) -> None:
        """Fuse what can be fused, once the weights are loaded."""
        for module in self.modules():
            if isinstance(module, ResBlock | UpLevel):
                module.prepare()

    def forward(self, x: Tensor) -> Tensor:
        """float [N, 256, 16, 16] -> float [N, 3, 256, 256], unbounded."""
        x = self.conv_in(x)
        for block in self.mid:
            x = block(x)
        for level in reversed(self.up):  # stored from full resolution down, run from the grid up
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(x), inplace=True))  # type: ignore[no-any-return]


class DownLevel(nn.Module):
    """Two residual blocks at one resolution, then (except at the last level) the means of 2x2 places.

    Args:
        c_in: channels of the input.
        c_out: channels of the output.
        shrink: whether to halve the resolution.
    """

    def __init__(self, c_in: int, c_out: int, shrink: bool) -> None:
        super().__init__()
        self.block = nn.ModuleList((ResBlock(c_in, c_out), ResBlock(c_out, c_out)))
        self.shrink = shrink

    def forward(self, x: Tensor) -> Tensor:
        """float [N, c_in, 2H, 2W] -> float [N, c_out, H, W], or [N, c_out, 2H, 2W] at the last level."""
        for block in self.block:
            x = block(x)
        return F.avg_pool2d(x, 2) if self.shrink else x


class PixelEncoder(nn.Module):
    """Convolutional encoder of MaskGIT-VQGAN, from a tile at 256x256 to features at 16x16, before their quantiser."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        channels = [hidden * m for m in CHANNEL_MULTIPLIERS]
        last = len(channels) - 1
        self.conv_in = nn.Conv2d(3, hidden, 3, padding=1, bias=False)
        self.down = nn.ModuleList(
            DownLevel(channels[max(i - 1, 0)], c, shrink=i < last) for i, c in enumerate(channels)
        )
        self.mid = nn.ModuleList(ResBlock(channels[-1], channels[-1]) for _ in range(2))
        self.norm_out = nn.GroupNorm(32, channels[-1], eps=1e-6)
        self.conv_out = nn.Conv2d(channels[-1], CODE_WIDTH, 1)

    def prepare(self) -> None:
        """Fuse what can be fused, once the weights are loaded."""
        for module in self.modules():
            if isinstance(module, ResBlock):
                module.prepare()

    def forward(self, x: Tensor) -> Tensor:
        """float [N, 3, 256, 256] in [0, 1] -> float [N, 256, 16, 16]."""
        x = self.conv_in(x)
        for level in self.down:
            x = level(x)
        for block in self.mid:
            x = block(x)
        return self.conv_out(F.silu(self.norm_out(x), inplace=True))  # type: ignore[no-any-return]
