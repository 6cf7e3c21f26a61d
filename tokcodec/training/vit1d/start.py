"""The first values of the weights, with which the networks pass pictures on from the first step.

With random attention a latent token sees the mean of all patches, which hides all but the mean colour, and a patch of
the decoder sees the mean of all tokens, so the networks take long to find out where things are. Here the first latents
look at the whole tile, the next at its quarters, and so on, and patches look at the latents that cover them. Weights of
queries and keys that start alike are from arXiv 2305.09828. All of these are only first values.
"""

from __future__ import annotations

import math
from itertools import product

import torch
from torch import nn
from torch.nn import functional as F

from ...tokenizers.published.transformer import Block
from ...tokenizers.vit1d.modules import Decoder, Encoder, Vit1dNet

GAIN = 3.0
"""Gain of what attention adds in all blocks of a transformer together."""
SHARPNESS = {Encoder: 1.0, Decoder: 1.4}
"""Scale of queries and keys. The decoder's is larger: a patch chooses among the latents, a latent takes a mean."""
CONTENT = {Encoder: 1.5, Decoder: 2.0}
"""Deviation of embedded patches and codes beside positions, whose deviation is 1: content must not drown in them."""
NOISE = 0.1
"""Deviation of the noise in the latents, which lets those that cover the same patches differ."""
HIGHEST = 0.6 * math.pi
"""Highest frequency of the positions, in radians per patch."""


@torch.no_grad()
def initialise(module: nn.Module) -> None:
    """Give all weights of networks their first values.

    Args:
        module: holds the networks of a tokenizer, and may hold further linear layers.
    """
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            nn.init.zeros_(part.bias)
    for part in module.modules():
        if isinstance(part, Vit1dNet):
            # A code of a codebook has the length 1, and each of a code's scalars is about 1.
            numbers = len(part.layout.levels) or 1
            nn.init.normal_(part.decoder.embed.weight, std=CONTENT[Decoder] / math.sqrt(numbers))
            part.encoder.embed.weight.mul_(CONTENT[Encoder])
            _aim(part.encoder)
            _aim(part.decoder)


def _aim(part: Encoder | Decoder) -> None:
    """Give a transformer its positions, latents, and the weights of its attention."""
    patches, width = part.positions.shape
    grid = math.isqrt(patches)
    positions = sinusoids(grid, width)
    latents = covered(grid, len(part.latents)) @ positions
    latents = latents / latents.std(1, keepdim=True) + NOISE * torch.randn_like(latents)
    # Patches and latents lie on both sides along a random direction, and queries are mirrored along it: each kind
    # attends to the other one.
    direction = F.normalize(torch.randn(width), dim=0)
    mirror = torch.eye(width) - 2 * torch.outer(direction, direction)
    part.positions.copy_(positions + math.sqrt(width) * direction)
    part.latents.copy_(latents - math.sqrt(width) * direction)
    blocks = [block for block in part.blocks if isinstance(block, Block)]
    gain = GAIN / math.sqrt(len(blocks))
    for block in blocks:
        keys = SHARPNESS[type(part)] * nn.init.orthogonal_(torch.empty(width, width))
        values = nn.init.orthogonal_(torch.empty(width, width))
        block.attn.in_proj_weight.copy_(torch.cat((keys @ mirror, keys, values)))
        nn.init.zeros_(block.attn.in_proj_bias)
        block.attn.out_proj.weight.copy_(gain * values.T)
        block.mlp.get_parameter("c_proj.weight").div_(math.sqrt(2 * len(blocks)))  # two branches in each block


def sinusoids(grid: int, width: int) -> torch.Tensor:
    """Sines and cosines of the row and the column of each patch.

    Args:
        grid: patches along a tile's side.
        width: numbers of a position, a multiple of 4.

    Returns:
        float32 grid**2 x width, each row with a deviation of 1.
    """
    frequencies = torch.logspace(math.log10(math.pi / (2 * grid)), math.log10(HIGHEST), width // 4)
    angles = (torch.arange(grid) - (grid - 1) / 2)[:, None] * frequencies
    axis = torch.cat((angles.sin(), angles.cos()), 1)
    both = torch.cat((axis[:, None].expand(-1, grid, -1), axis[None].expand(grid, -1, -1)), 2).flatten(0, 1)
    return both / both.std(1, keepdim=True)


def covered(grid: int, count: int) -> torch.Tensor:
    """What each latent looks at first: the whole tile, then its quarters, and so on to single patches, again and again.

    Args:
        grid: patches along a tile's side.
        count: number of latents.

    Returns:
        float32 count x grid**2: weights of the patches, whose sum is 1.
    """
    sides = [*(1 << power for power in range(grid.bit_length()) if 1 << power < grid), grid]
    rows, found = torch.arange(grid), []
    for side in sides:
        cells = (2 * rows + 1) * side // (2 * grid)  # the cell that a row's or a column's centre is in
        inside = F.one_hot(cells, side).float().T
        found += [torch.outer(inside[row], inside[column]).flatten() for row, column in _spread(side)]
    weights = torch.stack([found[number % len(found)] for number in range(count)])
    return weights / weights.sum(1, keepdim=True)


def _spread(side: int) -> list[tuple[int, int]]:
    """The cells of a square grid, ordered so that the first ones are spread over it as in ordered dithering."""
    bits = range((side - 1).bit_length())

    def place(cell: tuple[int, int]) -> list[int]:
        row, column = cell
        return [digit for bit in bits for digit in ((row ^ column) >> bit & 1, row >> bit & 1)]

    return sorted(product(range(side), range(side)), key=place)
