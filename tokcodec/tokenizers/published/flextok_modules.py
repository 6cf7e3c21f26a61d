"""Networks of FlexTok (arXiv 2502.13967), with the parameter names of the published checkpoints.

A transformer turns the latents of an autoencoder into registers, of which each sees the ones before it. Their rounded
values are the tokens (finite scalar quantisation, arXiv 2309.15505). The decoder is a rectified flow (arXiv 2209.03003)
from noise to latents. The networks are for inference only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import kl_vae

HEAD_WIDTH = 64
"""Channels of an attention head."""
PATCH = 2
"""Side of a patch in latents."""
LATENT = 16
"""Channels of a latent."""
PATCH_VALUES = PATCH * PATCH * LATENT
"""Numbers in a patch of latents."""
LEVELS = (8, 8, 8, 5, 5, 5)
"""Values of each axis of a token. The first axis is the least significant."""
SQUEEZE = 1e-3
"""Share by which the bounds of an axis lie outside of its outermost values."""
TIME_WIDTH, TIME_PERIOD, TIME_SCALE = 256, 256.0, 1000.0
"""Features of the time, their longest period, and the factor of a time in [0, 1]."""


@dataclass(frozen=True)
class Layout:
    """The numbers that determine every shape of a state dict, and the rule that draws."""

    encoder: int = 12
    """Blocks of the encoder. Its width is HEAD_WIDTH for each."""
    decoder: int = 12
    """Blocks of the decoder, likewise."""
    n_tokens: int = 256
    """Tokens of a tile."""
    vae_widths: tuple[int, ...] = kl_vae.WIDTHS
    """Channels of the autoencoder's levels."""
    steps: int = 25
    """Euler steps from noise to latents."""
    guidance: float = 7.5
    """Weight of the condition (arXiv 2207.12598)."""
    scaling: float = 0.5
    """Factor of the latents between the autoencoder and the transformers."""
    tile: int = 256
    """Samples along a tile's side."""

    @property
    def radices(self) -> tuple[int, ...]:
        """Digits of a token, each of them two axes."""
        return (25, 40, 64)

    @property
    def codes(self) -> str:
        """Values of each axis of a token."""
        return "x".join(map(str, LEVELS))

    def build(self) -> FlextokNet:
        """The network."""
        return FlextokNet(self)


def normalised(x: Tensor) -> Tensor:
    """Layer normalisation without parameters."""
    return F.layer_norm(x, x.shape[-1:], eps=1e-6)


def to_patches(latents: Tensor) -> Tensor:
    """float [N, C, H, W] -> float [N, H / 2 * W / 2, 4 C]: rows of a patch, their columns, and their channels last."""
    n, channels, height, width = latents.shape
    x = latents.view(n, channels, height // PATCH, PATCH, width // PATCH, PATCH)
    return x.permute(0, 2, 4, 3, 5, 1).reshape(n, -1, channels * PATCH * PATCH)


def to_latents(patches: Tensor) -> Tensor:
    """The inverse of `to_patches` for a square."""
    n, side = len(patches), math.isqrt(patches.shape[1])
    x = patches.view(n, side, side, PATCH, PATCH, -1).permute(0, 5, 1, 3, 2, 4)
    return x.reshape(n, -1, side * PATCH, side * PATCH)


class Attention(nn.Module):
    """Multi-head self-attention without biases, whose queries and keys are normalised."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.wq, self.wk, self.wv, self.proj = (nn.Linear(width, width, bias=False) for _ in range(4))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """float [N, L, D] and which places see which, bool [L, L] (None: all) -> float [N, L, D]."""
        q, k, v = (each(x).unflatten(2, (-1, HEAD_WIDTH)).transpose(1, 2) for each in (self.wq, self.wk, self.wv))
        mixed = F.scaled_dot_product_attention(normalised(q), normalised(k), v, attn_mask=mask, scale=8 / HEAD_WIDTH)
        return self.proj(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class Gated(nn.Module):
    """The MLP with a gate (arXiv 2002.05202), without biases."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = int(2 / 3 * 4 * width)
        self.fc1 = nn.Linear(width, inner, bias=False)
        self.fc2 = nn.Linear(inner, width, bias=False)
        self.fc3 = nn.Linear(width, inner, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """float [N, L, D] -> the same shape."""
        return self.fc2(F.silu(self.fc1(x)) * self.fc3(x))  # type: ignore[no-any-return]


class Block(nn.Module):
    """A transformer block of the encoder."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attn = Attention(width)
        self.mlp = Gated(width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """As `Attention.forward`."""
        x = x + self.attn(normalised(x), mask)
        return x + self.mlp(normalised(x))  # type: ignore[no-any-return]


class Modulated(Block):
    """A block of the decoder, which the time modulates: the registers in one way, the patches in another."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 12 * width))

    def run(self, x: Tensor, time: Tensor, registers: int) -> Tensor:
        """Patches and registers, float [N, L, D], and the time, float [D] -> float [N, L, D].

        Args:
            x: the values; the registers come first.
            time: features of the time.
            registers: number of registers.
        """
        patch, register = self.adaLN_modulation(time).view(2, 6, -1)
        counts = torch.tensor([registers, x.shape[1] - registers], device=x.device)
        parts = torch.stack((register, patch), dim=1).repeat_interleave(counts, dim=1)
        gate_attention, gate_mlp, shift_attention, scale_attention, shift_mlp, scale_mlp = parts
        x = x + gate_attention * self.attn(normalised(x) * (1 + scale_attention) + shift_attention, None)
        return x + gate_mlp * self.mlp(normalised(x) * (1 + scale_mlp) + shift_mlp)  # type: ignore[no-any-return]


def _holder(**children: nn.Module | Tensor) -> Any:
    """A module that holds others, and tensors as parameters, under their published names."""
    module: Any = nn.Module()
    for name, child in children.items():
        if isinstance(child, Tensor):
            child = nn.Parameter(child)
        setattr(module, name, child)
    return module


class FlextokNet(nn.Module):
    """A whole tokenizer with its autoencoder under `vae.vae.`."""

    vae: Any
    """Holds the autoencoder."""
    encoder: Any
    """Holds the parts of the encoder."""
    decoder: Any
    """Holds the parts of the decoder."""
    positions: Tensor | None
    """Positions of the registers in the decoder, [n_tokens, D]."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        inside, outside = layout.encoder * HEAD_WIDTH, layout.decoder * HEAD_WIDTH
        side = layout.tile // kl_vae.SHRINKING // PATCH
        self.vae = _holder(vae=kl_vae.KlVae(LATENT, layout.vae_widths))
        encoder = {
            "enc_patch_emb": _holder(patch_proj=nn.Linear(PATCH_VALUES, inside)),
            "enc_posemb_module": _holder(posembs=torch.empty(1, inside, side, side)),
            "enc_register_module": _holder(registers=torch.empty(layout.n_tokens, inside)),
            "enc_transformer": _holder(blocks=nn.ModuleList(Block(inside) for _ in range(layout.encoder))),
            "enc_to_latents": _holder(proj=nn.Linear(inside, len(LEVELS))),
        }
        decoder = {
            "dec_from_latents": _holder(proj=nn.Linear(len(LEVELS), outside)),
            "dec_registers_posemb_module": _holder(posembs=torch.empty(1, 1, outside, layout.n_tokens)),
            "dec_nested_dropout": _holder(dropout_mask_token=torch.empty(outside)),
            "dec_latent_dropout": _holder(nullcond=torch.empty(outside)),
            "dec_noise_patch_emb": _holder(patch_proj=nn.Linear(PATCH_VALUES, outside)),
            "dec_patches_posemb_module": _holder(posembs=torch.empty(1, outside, side, side)),
            "dec_time_embedder": _holder(
                mlp=nn.Sequential(nn.Linear(TIME_WIDTH, outside), nn.SiLU(), nn.Linear(outside, outside))
            ),
            "dec_transformer": _holder(blocks=nn.ModuleList(Modulated(outside) for _ in range(layout.decoder))),
            "dec_to_patches": _holder(
                adaLN_modulation=nn.Sequential(nn.SiLU(), nn.Linear(outside, 2 * outside)),
                proj=nn.Linear(outside, PATCH_VALUES),
            ),
        }
        self.encoder = _holder(module_dict=nn.ModuleDict(encoder))
        self.decoder = _holder(module_dict=nn.ModuleDict(decoder))
        self.noise = nn.Parameter(torch.empty(LATENT, side * PATCH, side * PATCH))
        self.register_buffer("positions", None, persistent=False)

    def prepare(self, dtype: torch.dtype = torch.float32) -> None:
        """Precompute constants and choose the precision of the decoder. Call it once, after loading the weights."""
        vae = self.vae.vae
        self.positions = self.decoder.module_dict["dec_registers_posemb_module"].posembs[0, 0].T.contiguous().to(dtype)
        for module in (self.decoder, vae.decoder, vae.post_quant_conv):
            module.to(dtype)

    def registers(self, tiles: Tensor) -> Tensor:
        """float32 [N, 3, 256, 256] in [0, 1] -> the axes of the tokens before they are bounded, float32 [N, n, 6]."""
        return self.registers_of(self.vae.vae.encode(2 * tiles - 1) * self.layout.scaling)

    def registers_of(self, latents: Tensor) -> Tensor:
        """As `registers`, from scaled latents, float32 [N, 16, 32, 32]."""
        part = self.encoder.module_dict
        patches = part["enc_patch_emb"].patch_proj(to_patches(latents))
        patches = patches + part["enc_posemb_module"].posembs.flatten(2).transpose(1, 2)
        registers = part["enc_register_module"].registers.expand(len(latents), -1, -1)
        n = patches.shape[1]
        x = torch.cat((patches, registers), dim=1)
        sees = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).tril()
        sees[:, :n] = True  # all see the patches, and a register sees those before it
        for block in part["enc_transformer"].blocks:
            x = block(x, sees)
        return part["enc_to_latents"].proj(normalised(x[:, n:]))  # type: ignore[no-any-return]

    def encode(self, tiles: Tensor) -> Tensor:
        """float32 [N, 3, 256, 256] in [0, 1] -> int64 [N, n_tokens]."""
        return tokens_of(self.registers(tiles))

    def condition(self, tokens: Tensor) -> Tensor:
        """int64 [1, k] -> the registers of the decoder with the condition and without, float [2, n_tokens, D]."""
        assert self.positions is not None, "prepare() comes first"
        part = self.decoder.module_dict
        given = part["dec_from_latents"].proj(axes_of(tokens).to(self.positions.dtype))[0]
        given = given + self.positions[: len(given)]  # tokens that are left out have no positions
        missing = part["dec_nested_dropout"].dropout_mask_token.expand(len(self.positions) - len(given), -1)
        without = part["dec_latent_dropout"].nullcond.expand(len(self.positions), -1)
        return torch.stack((torch.cat((given, missing)), without))

    def velocity(self, latents: Tensor, time: float, registers: Tensor) -> Tensor:
        """The velocity of the flow for each row of registers.

        Args:
            latents: float [C, H, W].
            time: in [0, 1]; 1 is noise.
            registers: float [M, n_tokens, D].

        Returns:
            float [M, C, H, W].
        """
        part = self.decoder.module_dict
        half = TIME_WIDTH // 2
        speeds = torch.exp(-math.log(TIME_PERIOD) * torch.arange(half, device=latents.device) / half)
        angles = TIME_SCALE * time * speeds
        features = part["dec_time_embedder"].mlp(torch.cat((angles.cos(), angles.sin())).to(latents.dtype))
        patches = part["dec_noise_patch_emb"].patch_proj(to_patches(latents[None]))
        patches = patches + part["dec_patches_posemb_module"].posembs.flatten(2).transpose(1, 2)
        n = registers.shape[1]
        x = torch.cat((registers, patches.expand(len(registers), -1, -1)), dim=1)
        for block in part["dec_transformer"].blocks:
            x = block.run(x, features, n)
        shift, scale = part["dec_to_patches"].adaLN_modulation(features).chunk(2)
        return to_latents(part["dec_to_patches"].proj(normalised(x[:, n:]) * (1 + scale) + shift))

    def latents(self, tokens: Tensor) -> Tensor:
        """The end of the flow for one tile: int64 [1, k] -> scaled latents, float [1, 16, 32, 32]."""
        registers = self.condition(tokens)
        guide, x = Guide(self.layout.guidance), self.noise.to(registers.dtype)
        for step in range(self.layout.steps):
            with_tokens, without = self.velocity(x, 1 - step / self.layout.steps, registers)
            x = x - guide(with_tokens, without) / self.layout.steps
        return x[None]

    def decode(self, tokens: Tensor) -> Tensor:
        """int64 [N, k] -> float [N, 3, 256, 256], about [0, 1], not clamped, in the decoder's dtype."""
        latents = torch.cat([self.latents(row[None]) for row in tokens])
        return (self.vae.vae.decode(latents / self.layout.scaling) + 1) / 2  # type: ignore[no-any-return]


class Guide:
    """Guidance whose length is limited and whose part along the prediction is left out (arXiv 2410.02416).

    Args:
        weight: of the condition.
    """

    momentum, longest = -0.5, 2.5

    def __init__(self, weight: float) -> None:
        self.weight = weight
        self.average: Any = 0.0

    def __call__(self, given: Tensor, without: Tensor) -> Tensor:
        """The velocity of a step, from those with and without the condition, float [C, H, W] each."""
        self.average = given - without + self.momentum * self.average
        length = self.average.norm()
        change = self.average * (self.longest / length).clamp(max=1)
        along = given / given.norm()
        return given + (self.weight - 1) * (change - (change * along).sum() * along)  # type: ignore[no-any-return]


def tokens_of(axes: Tensor) -> Tensor:
    """float [..., 6] -> int64 [...]: bound each axis, round it, and join the values to a number."""
    levels = torch.tensor(LEVELS, device=axes.device)
    half = (levels - 1) * (1 + SQUEEZE) / 2
    offset = torch.where(levels % 2 == 0, 0.5, 0.0)
    values = ((axes + (offset / half).atanh()).tanh() * half - offset).round().long() + levels // 2
    return (values * _places(axes.device)).sum(-1)


def axes_of(tokens: Tensor) -> Tensor:
    """int64 [...] -> float32 [..., 6] in [-1, 1], the inverse of `tokens_of` up to rounding."""
    levels = torch.tensor(LEVELS, device=tokens.device)
    values = tokens[..., None] // _places(tokens.device) % levels
    return (values - levels // 2) / (levels // 2)


def _places(device: torch.device) -> Tensor:
    """What a step of each axis counts in a token."""
    return torch.tensor([math.prod(LEVELS[:axis]) for axis in range(len(LEVELS))], device=device)
