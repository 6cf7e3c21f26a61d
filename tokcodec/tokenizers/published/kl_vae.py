"""The convolutional autoencoder with a normal posterior (arXiv 2112.10752), which reduces a side eightfold.

FlexTok and flux2-1d-tokenizer code its latents, which are the means of the posterior: sampled ones would give other
tokens each time. Its parameters have the names of diffusers' `AutoencoderKL`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTHS = (128, 256, 512, 512)
"""Channels of the levels, from full resolution down."""
SHRINKING = 8
"""Pixels along a side of a latent."""


def group_norm(channels: int) -> nn.GroupNorm:
    """The normalisation of all convolutional networks here."""
    return nn.GroupNorm(32, channels, eps=1e-6)


class Residual(nn.Module):
    """Two rounds of GroupNorm, SiLU and a 3x3 convolution, and a residual.

    Args:
        c_in: channels of the input.
        c_out: channels of the output.
        shortcut: name of the convolution that changes the number of channels. Default: "conv_shortcut".
    """

    def __init__(self, c_in: int, c_out: int, shortcut: str = "conv_shortcut") -> None:
        super().__init__()
        self.norm1 = group_norm(c_in)
        self.conv1 = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.norm2 = group_norm(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1)
        self.shortcut = shortcut
        self.add_module(shortcut, nn.Conv2d(c_in, c_out, 1) if c_in != c_out else nn.Identity())

    def forward(self, x: Tensor) -> Tensor:
        """float [N, c_in, H, W] -> float [N, c_out, H, W]."""
        h = self.conv1(F.silu(self.norm1(x), inplace=True))
        h = self.conv2(F.silu(self.norm2(h), inplace=True))
        return h.add_(self.get_submodule(self.shortcut)(x))  # type: ignore[no-any-return]


class Attention(nn.Module):
    """Self-attention with one head over all places, and a residual."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.group_norm = group_norm(channels)
        self.to_q = nn.Linear(channels, channels)
        self.to_k = nn.Linear(channels, channels)
        self.to_v = nn.Linear(channels, channels)
        self.to_out = nn.ModuleList((nn.Linear(channels, channels),))

    def forward(self, x: Tensor) -> Tensor:
        """float [N, C, H, W] -> the same shape."""
        places = self.group_norm(x).flatten(2).transpose(1, 2)
        mixed = F.scaled_dot_product_attention(self.to_q(places), self.to_k(places), self.to_v(places))
        return x + self.to_out[0](mixed).transpose(1, 2).view_as(x)  # type: ignore[no-any-return]


class Middle(nn.Module):
    """The blocks at the lowest resolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(Residual(channels, channels) for _ in range(2))
        self.attentions = nn.ModuleList((Attention(channels),))

    def forward(self, x: Tensor) -> Tensor:
        """float [N, C, H, W] -> the same shape."""
        return self.resnets[1](self.attentions[0](self.resnets[0](x)))  # type: ignore[no-any-return]


class Shrink(nn.Module):
    """A 3x3 convolution to half the size, padded at the right and the bottom only."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """float [N, C, 2H, 2W] -> float [N, C, H, W]."""
        return self.conv(F.pad(x, (0, 1, 0, 1)))  # type: ignore[no-any-return]


class Enlarge(nn.Module):
    """Nearest x2, then a 3x3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """float [N, C, H, W] -> float [N, C, 2H, 2W]."""
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))  # type: ignore[no-any-return]


class Level(nn.Module):
    """Residual blocks at one resolution, and perhaps a change of the resolution.

    Args:
        c_in: channels of the input.
        c_out: channels of the output.
        blocks: number of residual blocks.
        name: `downsamplers` or `upsamplers`, the name of the change.
        change: the change; None: there is none.
    """

    def __init__(self, c_in: int, c_out: int, blocks: int, name: str, change: nn.Module | None) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(Residual(c_out if i else c_in, c_out) for i in range(blocks))
        self.change = name if change is not None else None
        if change is not None:
            self.add_module(name, nn.ModuleList((change,)))

    def forward(self, x: Tensor) -> Tensor:
        """float [N, c_in, H, W] -> float [N, c_out, H', W']."""
        for block in self.resnets:
            x = block(x)
        return x if self.change is None else self.get_submodule(f"{self.change}.0")(x)


class Encoder(nn.Module):
    """Pixels to mean and logarithm of the variance of the latents.

    Args:
        latent: channels of a latent.
        widths: as WIDTHS.
    """

    def __init__(self, latent: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(3, widths[0], 3, padding=1)
        last = len(widths) - 1
        self.down_blocks = nn.ModuleList(
            Level(widths[max(i - 1, 0)], width, 2, "downsamplers", Shrink(width) if i < last else None)
            for i, width in enumerate(widths)
        )
        self.mid_block = Middle(widths[-1])
        self.conv_norm_out = group_norm(widths[-1])
        self.conv_out = nn.Conv2d(widths[-1], 2 * latent, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """float [N, 3, 8H, 8W] in [-1, 1] -> float [N, 2 * latent, H, W]."""
        x = self.conv_in(x)
        for level in self.down_blocks:
            x = level(x)
        return self.conv_out(F.silu(self.conv_norm_out(self.mid_block(x)), inplace=True))  # type: ignore[no-any-return]


class Decoder(nn.Module):
    """Latents to pixels.

    Args:
        latent: channels of a latent.
        widths: as WIDTHS.
    """

    def __init__(self, latent: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(latent, widths[-1], 3, padding=1)
        self.mid_block = Middle(widths[-1])
        falling, last = widths[::-1], len(widths) - 1
        self.up_blocks = nn.ModuleList(
            Level(falling[max(i - 1, 0)], width, 3, "upsamplers", Enlarge(width) if i < last else None)
            for i, width in enumerate(falling)
        )
        self.conv_norm_out = group_norm(widths[0])
        self.conv_out = nn.Conv2d(widths[0], 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """float [N, latent, H, W] -> float [N, 3, 8H, 8W], about [-1, 1]."""
        x = self.mid_block(self.conv_in(x))
        for level in self.up_blocks:
            x = level(x)
        return self.conv_out(F.silu(self.conv_norm_out(x), inplace=True))  # type: ignore[no-any-return]


class Statistics(nn.Module):
    """Means and variances of latents, which FLUX.2's file holds for its image model. The tokenizers do not use them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("running_mean", torch.empty(channels))
        self.register_buffer("running_var", torch.empty(channels))


class KlVae(nn.Module):
    """The whole autoencoder.

    Args:
        latent: channels of a latent: 16 in FlexTok's, 32 in that of FLUX.2.
        widths: channels of the levels. Default: WIDTHS.
        statistics: whether the file holds statistics of the latents. Default: False.
    """

    def __init__(self, latent: int, widths: tuple[int, ...] = WIDTHS, *, statistics: bool = False) -> None:
        super().__init__()
        self.encoder = Encoder(latent, widths)
        self.decoder = Decoder(latent, widths)
        self.quant_conv = nn.Conv2d(2 * latent, 2 * latent, 1)
        self.post_quant_conv = nn.Conv2d(latent, latent, 1)
        if statistics:
            self.bn = Statistics(4 * latent)

    def encode(self, x: Tensor) -> Tensor:
        """float [N, 3, 8H, 8W] in [-1, 1] -> means of the latents, float [N, latent, H, W]."""
        return self.quant_conv(self.encoder(x)).chunk(2, dim=1)[0]  # type: ignore[no-any-return]

    def decode(self, latents: Tensor) -> Tensor:
        """float [N, latent, H, W] -> float [N, 3, 8H, 8W], about [-1, 1]."""
        return self.decoder(self.post_quant_conv(latents))  # type: ignore[no-any-return]
