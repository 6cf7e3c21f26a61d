"""Networks of CoD-Lite (arXiv 2604.12525), with the parameter names of the published checkpoints.

A convolutional encoder makes a grid of tokens. The decoder turns the grid into a condition with one vector for each
patch, and draws each pixel of a patch separately. It is a diffusion network that was distilled to one step. Its start
noise is zero and its time is 0, so that what depends on them is constant. The networks are for inference only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .codlite_codec import CODE_WIDTH, PATCH, Codec

PIXEL_WIDTH = 32
"""Channels of a pixel."""
FREQUENCIES = 8
"""Frequencies of a pixel's position along each axis."""
TIME_WIDTH = 256
"""Numbers that describe the time: cosines, and then sines."""
EPSILON = 1e-6
"""Added to variances."""


@dataclass(frozen=True)
class Layout:
    """The numbers that determine every shape of a state dict."""

    shrinking: int = 32
    """Pixels along a side of a token: 16 or 32."""
    bits: int = 4
    """Bits of a token."""
    tile: int = 512
    """Samples along a tile's side."""
    channels: int = 128
    """Channels of the encoder at its highest resolution."""
    width: int = 384
    """Channels of the condition."""
    blocks: int = 21
    """Blocks that work on patches."""
    pixel_blocks: int = 3
    """Blocks that work on pixels."""
    bottleneck: int = 128
    """Channels of the start noise."""

    @property
    def side(self) -> int:
        """Tokens along a side of a tile."""
        return self.tile // self.shrinking

    @property
    def n_tokens(self) -> int:
        """Tokens of a tile."""
        return self.side**2

    @property
    def radices(self) -> tuple[int, ...]:
        """Digits of a token."""
        return (1 << self.bits,)

    @property
    def codes(self) -> str:
        """Codes of a token, and numbers in a code."""
        return f"{1 << self.bits}x{CODE_WIDTH}"

    def build(self) -> CodLiteNet:
        """The network."""
        return CodLiteNet(self)


class Mlp(nn.Module):
    """Two linear layers with SiLU between them."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width))


class StartEmbedding(nn.Module):
    """Start noise and condition to the vectors of patches."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.proj1 = nn.Conv2d(3, layout.bottleneck, PATCH, stride=PATCH, bias=False)
        self.proj2 = nn.Conv2d(layout.bottleneck + layout.width, layout.width, 1)

    def forward(self, condition: Tensor) -> Tensor:
        """float [N, width, H, W] -> the same shape. The noise is zero."""
        weight = self.proj2.weight[:, self.proj1.out_channels :]
        return F.conv2d(condition, weight, self.proj2.bias)


class PatchBlock(nn.Module):
    """A convolution with attention to channels, and an MLP of ratio 4, both modulated by the time."""

    adaLN_modulation: nn.Sequential | None

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.conv3 = nn.Conv2d(width, width, 1)
        self.ca = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, width, 1), nn.Sigmoid())
        self.conv4 = nn.Conv2d(width, 4 * width, 1)
        self.conv5 = nn.Conv2d(4 * width, width, 1)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))

    def prepare(self, time: Tensor) -> None:
        """Fold the modulation, which is constant, into the convolutions.

        Args:
            time: the vector of the time, float [1, width].
        """
        assert self.adaLN_modulation is not None, "prepare() is called once"
        shift1, scale1, gate1, shift2, scale2, gate2 = self.adaLN_modulation(time)[0].chunk(6)
        for first, shift, scale in ((self.conv1, shift1, scale1), (self.conv4, shift2, scale2)):
            assert first.bias is not None
            _replace(first, first.weight * (1 + scale[:, None, None]), first.bias + first.weight[:, :, 0, 0] @ shift)
        for last, gate in ((self.conv3, gate1), (self.conv5, gate2)):
            assert last.bias is not None
            _replace(last, last.weight * gate[:, None, None, None], last.bias * gate)
        self.adaLN_modulation = None

    def forward(self, x: Tensor) -> Tensor:
        """float [N, width, H, W] -> the same shape."""
        h = F.gelu(self.conv2(self.conv1(normalised(x))))
        x = x + self.conv3(h * self.ca(h))
        return x + self.conv5(F.gelu(self.conv4(normalised(x))))  # type: ignore[no-any-return]


def _replace(convolution: nn.Conv2d, weight: Tensor, bias: Tensor) -> None:
    """Give a convolution other parameters. Those that it had are the caller's, and stay as they are."""
    convolution.weight = nn.Parameter(weight, requires_grad=False)
    convolution.bias = nn.Parameter(bias, requires_grad=False)


def normalised(x: Tensor) -> Tensor:
    """Layer normalisation without parameters over the channels of float [N, C, H, W]."""
    return F.layer_norm(x.permute(0, 2, 3, 1), x.shape[1:2], eps=EPSILON).permute(0, 3, 1, 2)


class PixelEmbedding(nn.Module):
    """Noise, condition and position of a pixel to its vector."""

    def __init__(self) -> None:
        super().__init__()
        self.embedder = nn.Sequential(nn.Linear(3 + PIXEL_WIDTH + FREQUENCIES**2, PIXEL_WIDTH))


def positions() -> Tensor:
    """Products of cosines that describe the places in a patch, float32 [PATCH * PATCH, FREQUENCIES ** 2]."""
    places, frequencies = torch.linspace(0, 1, PATCH), torch.linspace(0, FREQUENCIES, FREQUENCIES)
    waves = torch.cos(math.pi * places[:, None] * frequencies)
    weights = 1 / (1 + frequencies[:, None] * frequencies)
    return torch.einsum("yv,xu,uv->yxuv", waves, waves, weights).reshape(PATCH * PATCH, -1)


class PixelBlock(nn.Module):
    """A residual MLP, modulated by the pixel's condition."""

    def __init__(self) -> None:
        super().__init__()
        self.in_ln = nn.LayerNorm(PIXEL_WIDTH, eps=EPSILON)
        self.mlp = Mlp(PIXEL_WIDTH, PIXEL_WIDTH).mlp
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(PIXEL_WIDTH, 3 * PIXEL_WIDTH))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Pixels and their conditions after SiLU, both float [..., PIXEL_WIDTH] -> the same shape."""
        shift, scale, gate = self.adaLN_modulation[1](condition).chunk(3, dim=-1)
        h = torch.addcmul(shift, self.in_ln(x), 1 + scale)
        return torch.addcmul(x, gate, self.mlp(h))


class PixelNet(nn.Module):
    """Blocks that work on pixels."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.cond_embed = nn.Linear(layout.width, PATCH * PATCH * PIXEL_WIDTH)
        self.input_proj = nn.Linear(PIXEL_WIDTH, PIXEL_WIDTH)
        self.res_blocks = nn.ModuleList(PixelBlock() for _ in range(layout.pixel_blocks))


class Colours(nn.Module):
    """Vectors of pixels to colours."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(PIXEL_WIDTH, eps=EPSILON)
        self.linear = nn.Linear(PIXEL_WIDTH, 3)

    def forward(self, x: Tensor) -> Tensor:
        """float [..., PIXEL_WIDTH] -> float [..., 3], about [-1, 1]."""
        return self.linear(self.norm(x))  # type: ignore[no-any-return]


class CodLiteNet(nn.Module):
    """A whole tokenizer. Before `prepare` its `state_dict()` has the entries of a published checkpoint."""

    start: Tensor | None
    """Weight of the map from the condition to the vectors of pixels, [PATCH * PATCH * PIXEL_WIDTH, width]."""
    start_bias: Tensor | None
    """Its bias, which has the positions too."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        self.t_embedder = Mlp(TIME_WIDTH, layout.width)
        self.y_embedder = Codec(layout.channels, layout.width, layout.shrinking, layout.bits)
        self.y_embedder_x = nn.Conv2d(layout.width, PIXEL_WIDTH * PATCH * PATCH, 1)
        self.x_embedder = PixelEmbedding()
        self.s_embedder = StartEmbedding(layout)
        self.blocks = nn.ModuleList(PatchBlock(layout.width) for _ in range(layout.blocks))
        self.dec_net = PixelNet(layout)
        self.final_layer = Colours()
        self.register_buffer("start", None, persistent=False)
        self.register_buffer("start_bias", None, persistent=False)

    def prepare(self, dtype: torch.dtype = torch.float32) -> None:
        """Fold what is constant and choose the precision of the decoder. Call it once, after loading the weights."""
        self._fold()
        self.y_embedder.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for module in (self.y_embedder.decoder, self.s_embedder, self.blocks, self.dec_net, self.final_layer):
            module.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        assert self.start is not None and self.start_bias is not None
        self.start, self.start_bias = self.start.to(dtype), self.start_bias.to(dtype)

    def _fold(self) -> None:
        """Replace the time's modulation, and the linear maps before the first block of pixels, by constants."""
        device = self.final_layer.linear.weight.device
        moment = torch.zeros(1, TIME_WIDTH, device=device)
        moment[:, : TIME_WIDTH // 2] = 1  # the cosines of time 0
        time = self.t_embedder.mlp(moment)
        for block in self.blocks:
            assert isinstance(block, PatchBlock)
            block.prepare(time)
        embedding: Any = self.x_embedder.embedder[0]
        after = self.dec_net.input_proj
        inner = after.weight @ embedding.weight  # of three linear maps in a row
        of_condition, of_position = inner[:, 3 : 3 + PIXEL_WIDTH], inner[:, 3 + PIXEL_WIDTH :]
        assert self.y_embedder_x.bias is not None
        shape = (PIXEL_WIDTH, PATCH * PATCH)
        first = self.y_embedder_x.weight[:, :, 0, 0].unflatten(0, shape)
        self.start = torch.einsum("oi,ipc->poc", of_condition, first).flatten(0, 1)
        bias = (of_condition @ self.y_embedder_x.bias.view(shape)).T
        bias = bias + positions().to(device) @ of_position.T + after.weight @ embedding.bias + after.bias
        self.start_bias = bias.flatten()

    def encode(self, tiles: Tensor) -> Tensor:
        """float32 [N, 3, T, T] in [0, 1] -> int64 [N, n_tokens], row by row."""
        grid = self.y_embedder.encoder(tiles.to(memory_format=torch.channels_last))
        return self.y_embedder.bottleneck.nearest(grid.flatten(2).transpose(1, 2))

    def decode(self, tokens: Tensor) -> Tensor:
        """int64 [N, n_tokens] -> float [N, 3, T, T], about [0, 1], in the decoder's dtype."""
        assert self.start is not None and self.start_bias is not None, "prepare() comes first"
        n, side = len(tokens), self.layout.side
        codes = self.y_embedder.bottleneck.look_up(tokens).to(self.start.dtype)
        condition = self.y_embedder.decoder(codes.transpose(1, 2).unflatten(2, (side, side)))
        patches = self.s_embedder(condition)
        for block in self.blocks:
            patches = block(patches)
        pixels, conditions = (
            F.linear(x.permute(0, 2, 3, 1), weight, bias).unflatten(3, (PATCH, PATCH, PIXEL_WIDTH))
            for x, weight, bias in (
                (condition, self.start, self.start_bias),
                (patches, self.dec_net.cond_embed.weight, self.dec_net.cond_embed.bias),
            )
        )
        conditions = F.silu(conditions)
        for block in self.dec_net.res_blocks:
            pixels = block(pixels, conditions)
        colours = self.final_layer(pixels).permute(0, 5, 1, 3, 2, 4)
        return (colours.reshape(n, 3, self.layout.tile, self.layout.tile) + 1) / 2  # type: ignore[no-any-return]
