"""The encoder of CoD-Lite (arXiv 2604.12525), its codebook, and the decoder from codes to the condition.

They are convolutional, as in an autoencoder, and the diffusion network of `codlite_modules` draws from the condition.
"""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

from .codebooks import Codebook
from .kl_vae import Residual, Shrink, group_norm
from .transformer import pointwise

PATCH = 16
"""Side of a patch in pixels. It has one vector of the condition."""
CODE_WIDTH = 128
"""Numbers in a code."""


def residual(c_in: int, c_out: int) -> Residual:
    """A residual block with this family's name of the shortcut."""
    return Residual(c_in, c_out, "nin_shortcut")


class Attention(nn.Module):
    """Self-attention with one head over all places, and a residual."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = group_norm(channels)
        self.q = nn.Conv2d(channels, channels, 1)
        self.k = nn.Conv2d(channels, channels, 1)
        self.v = nn.Conv2d(channels, channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """float [N, C, H, W] -> the same shape."""
        places = self.norm(x).flatten(2).transpose(1, 2)
        q, k, v = (pointwise(places, each) for each in (self.q, self.k, self.v))
        mixed = pointwise(F.scaled_dot_product_attention(q, k, v), self.proj_out)
        return x + mixed.transpose(1, 2).reshape(x.shape)


class Encoder(nn.Module):
    """Pixels to the vectors of tokens.

    Args:
        c: channels at the highest resolution.
        shrinking: pixels along a side of a token.
    """

    def __init__(self, c: int, shrinking: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(3, c, 3, stride=2, padding=1)
        halvings = int(math.log2(shrinking)) - 1  # and the one of conv_in
        last = c
        for i, width in enumerate((c, c, 2 * c, 2 * c)):
            blocks: list[nn.Module] = [residual(last, width), residual(width, width)]
            if i < halvings:
                blocks.append(Shrink(width))
            self.add_module(f"down_block_{i}", nn.Sequential(*blocks))
            last = width
        top = 4 * c
        self.down_block_4 = nn.Sequential(residual(last, top), Attention(top), residual(top, top), Attention(top))
        self.mid_block = nn.Sequential(residual(top, top), Attention(top), residual(top, top))
        self.norm_out = group_norm(top)
        self.conv_out = nn.Conv2d(top, CODE_WIDTH, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """float [N, 3, T, T] in [0, 1] -> float [N, CODE_WIDTH, side, side]."""
        x = self.conv_in(x)
        for i in range(5):
            x = self.get_submodule(f"down_block_{i}")(x)
        return self.conv_out(F.silu(self.norm_out(self.mid_block(x)), inplace=True))  # type: ignore[no-any-return]


class Doubling(nn.Module):
    """Nearest x2, then a residual block."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block = residual(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """float [N, C, H, W] -> float [N, C, 2H, 2W]."""
        return self.block(F.interpolate(x, scale_factor=2.0, mode="nearest"))  # type: ignore[no-any-return]


class ConditionDecoder(nn.Module):
    """Codes to the condition.

    Args:
        width: channels of the condition.
        shrinking: pixels along a side of a token.
    """

    def __init__(self, width: int, shrinking: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(CODE_WIDTH, width, 3, padding=1)
        self.block = nn.Sequential(*(Attention(width) if i % 2 else residual(width, width) for i in range(5)))
        self.norm_out = group_norm(width)
        self.conv_out = nn.Conv2d(width, width, 3, padding=1)
        self.ada = Doubling(width) if shrinking > PATCH else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """float [N, CODE_WIDTH, side, side] -> float [N, width, T / PATCH, T / PATCH]."""
        x = self.norm_out(self.block(self.conv_in(x)))
        return self.ada(self.conv_out(F.silu(x, inplace=True)))  # type: ignore[no-any-return]


class Codec(nn.Module):
    """Encoder, codebook and condition decoder.

    Args:
        channels: as `c` of `Encoder`.
        width: channels of the condition.
        shrinking: pixels along a side of a token.
        bits: bits of a token.
    """

    def __init__(self, channels: int, width: int, shrinking: int, bits: int) -> None:
        super().__init__()
        self.encoder = Encoder(channels, shrinking)
        self.bottleneck = Codebook(1 << bits, CODE_WIDTH)
        self.decoder = ConditionDecoder(width, shrinking)
