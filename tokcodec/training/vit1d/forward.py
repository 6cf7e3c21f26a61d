"""The forward pass of the training, which one module holds so that it can be compiled and averaged over processes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...tokenizers.vit1d.modules import Vit1dNet


class Passed(NamedTuple):
    """What a pass gives."""

    drawn: Tensor
    """The tiles, float32 N x 3 x T x T."""
    encoded: Tensor
    """The encoder's output, float32 N x latents x width of a code."""
    represented: Tensor
    """What was quantised, of the same shape."""
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
            z = net.encoder(tiles).float()
            with torch.autocast(kind, enabled=False):
                represented = net.quantize.represent(z)
                tokens = net.quantize.nearest(represented.detach())
                codes = net.quantize.look_up(tokens).detach()
                passed = represented + hardness * (codes - represented).detach()
            features = net.decoder.features(passed, kept)
            aligned = None if self.align is None else self.align(features).float()
            return Passed(net.decoder.head(features).float(), z.detach(), represented, codes, tokens, aligned)
