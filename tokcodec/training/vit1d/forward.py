"""The forward pass of the training, which one module holds so that it can be compiled and averaged over processes."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...tokenizers.published.transformer import Block
from ...tokenizers.vit1d.modules import Vit1dNet

SPREAD = 0.5
"""Deviation of new positions and latents, about that of the patches and codes that they are added to."""


class Passed(NamedTuple):
    """What a pass gives."""

    drawn: Tensor
    """The tiles, float32 N x 3 x T x T."""
    represented: Tensor
    """What was quantised, float32 N x latents x width of a code."""
    codes: Tensor
    """The codes, of the same shape, without gradient."""
    tokens: Tensor
    """int64 N x latents."""
    aligned: Tensor | None
    """The decoder's features in a classifier's channels, float32 N x patches x channels."""


class Forward(nn.Module):
    """Encodes tiles, quantises, and draws each from its first tokens.

    Args:
        net: the tokenizer's networks. Its number of tokens includes the padding.
        precision: of the transformers; codes are always chosen in float32.
        channels: channels of the classifier that the decoder's features are compared with. 0: none.
    """

    def __init__(self, net: Vit1dNet, precision: torch.dtype, channels: int) -> None:
        super().__init__()
        self.net, self.precision = net, precision
        self.align = nn.Linear(net.layout.width, channels) if channels else None

    def forward(self, tiles: Tensor, kept: Tensor, hardness: Tensor) -> Passed:
        """Pass a batch.

        Args:
            tiles: float32 N x 3 x T x T in [0, 1].
            kept: how many first tokens each tile is drawn from, int64 N.
            hardness: how far what was represented is moved to its codes, a scalar, 0 to 1.
        """
        net, kind = self.net, tiles.device.type
        with torch.autocast(kind, self.precision, enabled=self.precision != torch.float32):
            z = net.encoder(tiles)
            with torch.autocast(kind, enabled=False):
                represented = net.quantize.represent(z.float())
                tokens = net.quantize.nearest(represented.detach())
                codes = net.quantize.look_up(tokens).detach()
                passed = represented + hardness * (codes - represented).detach()
            features = net.decoder.features(passed, kept)
            aligned = None if self.align is None else self.align(features).float()
            return Passed(net.decoder.head(features).float(), represented, codes, tokens, aligned)


@torch.no_grad()
def initialise(net: nn.Module) -> None:
    """Give all weights their first values. The last layers of a block's branches start smaller."""
    for module in net.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
    for name, parameter in net.named_parameters():
        # Where they are small beside what they are added to, the networks take long to tell places apart.
        if name.endswith(("positions", "latents", "decoder.embed.weight")):
            nn.init.normal_(parameter, std=SPREAD)
        elif name.endswith("in_proj_weight"):
            for part in parameter.chunk(3):
                nn.init.xavier_uniform_(part)
        elif name.endswith("in_proj_bias"):
            nn.init.zeros_(parameter)
    blocks = [module for module in net.modules() if isinstance(module, Block)]
    for block in blocks:
        for weight in (block.attn.out_proj.weight, block.mlp.get_parameter("c_proj.weight")):
            weight.div_(math.sqrt(len(blocks)))  # a transformer has about half of the blocks, each with two branches
