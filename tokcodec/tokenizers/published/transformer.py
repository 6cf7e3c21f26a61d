"""Transformer blocks with the parameter names of CLIP (arXiv 2103.00020), which TiTok and One-D-Piece have.

The family vit1d is trained with the same blocks.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HEAD_WIDTH = 64
"""Channels of an attention head, except for KARL."""


class Attention(nn.Module):
    """Multi-head self-attention with the parameters of `nn.MultiheadAttention`.

    Args:
        width: channels.
        head_width: channels of a head. Default: HEAD_WIDTH.
    """

    def __init__(self, width: int, head_width: int = HEAD_WIDTH) -> None:
        super().__init__()
        self.head_width = head_width
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor, used: slice | None = None, mask: Tensor | None = None) -> Tensor:
        """Attend to all positions.

        Args:
            x: float [N, L, D].
            used: positions to compute. Default: all.
            mask: the positions that are attended to, bool [N, 1, 1, L]. Default: all.

        Returns:
            float [N, L or the length of `used`, D].
        """
        width = x.shape[-1]
        if used is None:
            q, k, v = F.linear(x, self.in_proj_weight, self.in_proj_bias).chunk(3, dim=-1)
        else:
            q = F.linear(x[:, used], self.in_proj_weight[:width], self.in_proj_bias[:width])
            k, v = F.linear(x, self.in_proj_weight[width:], self.in_proj_bias[width:]).chunk(2, dim=-1)
        q, k, v = (t.unflatten(2, (-1, self.head_width)).transpose(1, 2) for t in (q, k, v))
        return self.out_proj(_mixed(q, k, v, mask).transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


def _mixed(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """Values by the likeness of queries and keys, all float [N, heads, L, W]. `mask` as in `Attention`."""
    if q.device.type != "cpu" or not q.requires_grad:
        return F.scaled_dot_product_attention(q, k, v, mask)
    # On a CPU the gradient of the fused kernel is slow: in bfloat16 it takes five times as long as these products.
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    return torch.softmax(scores, dim=-1).to(v.dtype) @ v


class Block(nn.Module):
    """Pre-norm transformer block: attention, then an MLP of ratio 4 with the exact GELU. Arguments of `Attention`."""

    def __init__(self, width: int, head_width: int = HEAD_WIDTH) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = Attention(width, head_width)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)})

    def forward(self, x: Tensor, used: slice | None = None, mask: Tensor | None = None) -> Tensor:
        """float [N, L, D] -> float [N, L or the length of `used`, D], with the arguments of `Attention`."""
        attended = self.attn(self.ln_1(x), used, mask)
        x = attended.add_(x if used is None else x[:, used])
        return x + self.mlp["c_proj"](F.gelu(self.mlp["c_fc"](self.ln_2(x))))  # type: ignore[no-any-return]


def rotated(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Rotate neighbouring pairs of channels: float [N, heads, L, W] by the angles of L places."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cosines - odd * sines, even * sines + odd * cosines), dim=-1).flatten(-2)


def pointwise(x: Tensor, convolution: Any) -> Tensor:
    """A convolution whose windows do not overlap, as a matrix product over float [..., values of one window]."""
    return F.linear(x, convolution.weight.flatten(1), convolution.bias)


def run_blocks(blocks: nn.ModuleList, x: Tensor, used: slice, mask: Tensor | None = None) -> Tensor:
    """Run all blocks over float [N, L, D].

    Args:
        blocks: the blocks, at least one.
        x: float [N, L, D].
        used: positions that the last block computes.
        mask: as in `Attention`.
    """
    for block in blocks[:-1]:
        x = block(x, None, mask)
    return blocks[-1](x, used, mask)  # type: ignore[no-any-return]
