"""Networks of ResTok (arXiv 2601.03955), with the parameter names of the published checkpoints.

Tokens are in levels. Those of a level begin as means over a grid of fields, less what coarser levels say. On the way
through the encoder, the vectors of the patches are halved three times. The networks are for inference only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import maskgit
from .codebooks import UnitCodebook
from .titok_modules import GRID, PATCH, PATCHES
from .transformer import HEAD_WIDTH, pointwise, rotated

FIELDS = ((1, 1), (1, 1), (1, 2), (2, 2), (2, 4), (4, 4), (4, 8), (8, 8))
"""Rows and columns of fields of each level: a token for each."""
LEVELS = tuple(rows * columns for rows, columns in FIELDS)
"""Tokens of each level."""
HALVINGS = 3
"""Times that the vectors of the patches are halved, along their columns."""
PERIOD = 10_000
"""Base of the wavelengths of the rotations."""
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Those of ImageNet, by which pictures are normalised."""


@dataclass(frozen=True)
class Layout:
    """The numbers that determine every shape of a state dict."""

    width: int = 1024
    """Channels of the transformers."""
    layers: int = 24
    """Blocks of each transformer, a multiple of HALVINGS + 1."""
    hidden: int = 128
    """Channels of the convolutional networks at full resolution."""
    codebook: int = 8192
    """Codes of a token."""
    code_width: int = 8
    """Numbers in a code."""

    n_tokens = sum(LEVELS)
    tile = GRID * PATCH

    @property
    def radices(self) -> tuple[int, ...]:
        """Digits of a token."""
        return (64, self.codebook // 64)

    @property
    def codes(self) -> str:
        """Codes of a token, and numbers in a code."""
        return f"{self.codebook}x{self.code_width}"

    def build(self) -> RestokNet:
        """The network."""
        return RestokNet(self)


class Attention(nn.Module):
    """Self-attention whose queries and keys are normalised and then rotated by their places."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_bias = nn.Parameter(torch.empty(width))
        self.v_bias = nn.Parameter(torch.empty(width))
        self.q_norm = nn.LayerNorm(HEAD_WIDTH)
        self.k_norm = nn.LayerNorm(HEAD_WIDTH)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, angles: Tensor, mask: Tensor | None) -> Tensor:
        """float [N, L, D], the angles of the L places and a mask as in `Block` -> float [N, L, D]."""
        bias = torch.cat((self.q_bias, torch.zeros_like(self.q_bias), self.v_bias))
        q, k, v = F.linear(x, self.qkv.weight, bias).unflatten(2, (3, -1, HEAD_WIDTH)).permute(2, 0, 3, 1, 4)
        cosines, sines = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        q, k = (rotated(norm(t), cosines, sines) for norm, t in ((self.q_norm, q), (self.k_norm, k)))
        return self.proj(F.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Pre-norm transformer block with an MLP of ratio 4, the exact GELU, and a factor for each channel of a branch."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})
        self.gamma_1 = nn.Parameter(torch.empty(width))
        self.gamma_2 = nn.Parameter(torch.empty(width))

    def forward(self, x: Tensor, angles: Tensor, mask: Tensor | None = None, halved: int = 0) -> Tensor:
        """Run the block.

        Args:
            x: float [N, L, D].
            angles: those of the places, float64 [L, HEAD_WIDTH / 2].
            mask: which place sees which, bool [L, L]. Default: all see all.
            halved: number of first places of which each second one is put before all others, and subtracted from
                both places of its pair. Default: none.

        Returns:
            float [N, L + halved / 2, D].
        """
        x = x + self.gamma_1 * self.attn(self.norm1(x), angles, mask)
        if halved:
            kept = x[:, 0:halved:2]
            rest = x[:, :halved] - kept.repeat_interleave(2, dim=1)
            x = torch.cat((kept, rest, x[:, halved:]), dim=1)
        return x + self.gamma_2 * self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x))))  # type: ignore[no-any-return]


def turned(places: Tensor) -> Tensor:
    """Angles of places, float64 [L, HEAD_WIDTH / 2]: those of the row and then those of the column.

    Args:
        places: row and column, [L, 2].
    """
    half = HEAD_WIDTH // 2
    speeds = PERIOD ** -(torch.arange(0, half, 2, dtype=torch.float64) / half)
    return (places.double()[:, :, None] * speeds).flatten(1)


def grid(rows: int, columns: int) -> Tensor:
    """Places of a grid, row by row, int64 [rows * columns, 2]."""
    return torch.cartesian_prod(torch.arange(rows), torch.arange(columns))


def line(count: int) -> Tensor:
    """Places on the diagonal, which tokens have, int64 [count, 2]."""
    return torch.arange(count)[:, None].expand(-1, 2)


def earlier(sizes: Sequence[int]) -> Tensor:
    """The mask by which each group of places sees itself and the groups before it, bool [L, L].

    Args:
        sizes: places of each group.
    """
    groups = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    return groups[:, None] >= groups


def by_level(x: Tensor, modules: nn.ModuleList) -> Tensor:
    """Apply to the tokens of each level its own map: float [N, L, C] -> float [N, L, D]."""
    parts = x.split(LEVELS[: len(modules)], dim=1)
    return torch.cat([pointwise(part, module) for part, module in zip(parts, modules, strict=True)], dim=1)


def level_embeddings(width: int, count: int) -> nn.ParameterList:
    """Vectors of levels, each [1, D]."""
    return nn.ParameterList(torch.empty(1, width) for _ in range(count))


def of_tokens(levels: nn.ParameterList) -> Tensor:
    """The vectors of the tokens' levels, one for each token, [L, D]."""
    return torch.cat([vector.expand(count, -1) for vector, count in zip(levels, LEVELS, strict=True)])


class LatentEncoder(nn.Module):
    """Features of the picture to the vectors of tokens."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        width = layout.width
        self.patch_embed = nn.Conv2d(maskgit.CODE_WIDTH, width, 1)
        self.ln_pre = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(layout.layers))
        self.ln_post = nn.LayerNorm(width)
        self.level_embedding = level_embeddings(width, HALVINGS + 1)
        self.latent_token_level_embedding = level_embeddings(width, len(LEVELS))
        self.conv_out = nn.ModuleList(nn.Conv2d(width, layout.code_width, 1) for _ in LEVELS)

    def forward(self, features: Tensor) -> Tensor:
        """float32 [N, 256, 16, 16] -> float32 [N, n_tokens, code_width], not normalised."""
        x = self.patch_embed(features)
        latents = pooled(x) + of_tokens(self.latent_token_level_embedding)
        x = self.ln_pre(torch.cat((x.flatten(2).transpose(1, 2) + self.level_embedding[0], latents), dim=1))
        widths = [GRID]  # columns of the groups of patches, the newest first
        stage = len(self.blocks) // (HALVINGS + 1)
        for i, block in enumerate(self.blocks):
            if i % stage == 0:
                angles, mask = (t.to(x.device) for t in (_angles(widths), _mask(widths)))
            halves = i % stage == stage - 1 and len(widths) <= HALVINGS
            x = block(x, angles, mask, GRID * widths[0] if halves else 0)
            if halves:
                widths.insert(0, widths[0] // 2)
                first = GRID * widths[0]
                x = torch.cat((x[:, :first] + self.level_embedding[len(widths) - 1], x[:, first:]), dim=1)
        x = self.ln_post(x[:, -sum(LEVELS) :])
        # As in TiTok, the weights were trained with a reshape in place of a transposition.
        return by_level(x.reshape(len(x), -1, sum(LEVELS)).transpose(1, 2), self.conv_out)


def pooled(x: Tensor) -> Tensor:
    """Means over the fields of each level, less those of the levels before: float [N, D, 16, 16] -> float [N, L, D]."""
    found = []
    for fields in FIELDS:
        means = F.interpolate(x, size=fields, mode="area")
        found.append(means.flatten(2).transpose(1, 2))
        x = x - F.interpolate(means, size=x.shape[2:], mode="nearest")
    return torch.cat(found, dim=1)


def _angles(widths: list[int]) -> Tensor:
    """Angles of groups of patches with these columns, and of the tokens behind them."""
    places, before = [], 0
    for width in widths:
        places.append(grid(GRID, width) + before)
        before += GRID * width
    return turned(torch.cat((*places, line(sum(LEVELS)) + before)))


def _mask(widths: list[int]) -> Tensor:
    return earlier([*(GRID * width for width in widths), *LEVELS])


class LatentDecoder(nn.Module):
    """Codes of the first tokens to features of the picture."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        width = layout.width
        self.latent_mask_token = nn.Parameter(torch.empty(1, 1, layout.code_width))
        self.mask_token = nn.Parameter(torch.empty(1, 1, width))
        self.ln_pre = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(layout.layers))
        self.ln_post = nn.LayerNorm(width)
        self.ffn = nn.Conv2d(width, maskgit.CODE_WIDTH, 1)
        self.latent_token_level_embedding = level_embeddings(width, len(LEVELS))
        self.decoder_embed = nn.ModuleList(nn.Linear(layout.code_width, width) for _ in LEVELS)

    def forward(self, codes: Tensor) -> Tensor:
        """float [N, k, code_width] -> float [N, 256, 16, 16]. A learned code stands for each missing token."""
        n, k = codes.shape[:2]
        total = sum(LEVELS)
        codes = torch.cat((codes, self.latent_mask_token.expand(n, total - k, -1)), dim=1)
        tokens = by_level(codes, self.decoder_embed) + of_tokens(self.latent_token_level_embedding)
        x = self.ln_pre(torch.cat((tokens, self.mask_token.expand(n, PATCHES, -1)), dim=1))
        angles = turned(torch.cat((line(total), grid(GRID, GRID) + total))).to(x.device)
        for block in self.blocks:
            x = block(x, angles)
        x = pointwise(self.ln_post(x[:, total:]), self.ffn)
        return x.transpose(1, 2).unflatten(2, (GRID, GRID))  # type: ignore[no-any-return]


class RestokNet(nn.Module):
    """A whole tokenizer. Before `prepare` its `state_dict()` has the entries of a published one that inference uses."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.encoder = LatentEncoder(layout)
        self.decoder = LatentDecoder(layout)
        self.pixel_encoder = maskgit.PixelEncoder(layout.hidden)
        self.pixel_decoder = maskgit.PixelDecoder(layout.hidden)
        self.quantize = UnitCodebook(layout.codebook, layout.code_width)

    def prepare(self, dtype: torch.dtype = torch.float32) -> None:
        """Precompute constants and choose the precision of the decoder. Call it once, after loading the weights."""
        self.pixel_encoder.prepare()
        self.pixel_decoder.prepare()
        self.decoder.to(dtype)
        self.pixel_decoder.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def encode(self, tiles: Tensor) -> Tensor:
        """float32 [N, 3, 256, 256] in [0, 1] -> int64 [N, n_tokens]."""
        mean, deviation = (tiles.new_tensor(values).view(3, 1, 1) for values in (MEAN, DEVIATION))
        return self.quantize.nearest(self.encoder(self.pixel_encoder((tiles - mean) / deviation)))

    def decode(self, tokens: Tensor) -> Tensor:
        """int64 [N, k] -> float [N, 3, 256, 256], about [0, 1], not clamped, in the decoder's dtype."""
        codes = self.quantize.look_up(tokens).to(self.decoder.mask_token.dtype)
        return self.pixel_decoder(self.decoder(codes))  # type: ignore[no-any-return]
