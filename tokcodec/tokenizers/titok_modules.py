"""Networks of the two-stage TiTok and One-D-Piece tokenizers, with the parameter names of the published checkpoints.

Sources: TiTok (arXiv 2406.07550), One-D-Piece (arXiv 2501.10064), MaskGIT-VQGAN's pixel decoder (arXiv 2202.04200).
The networks are for inference only: `TitokNet.prepare` precomputes constants after the weights are loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..pictures.tiling import TILE

PATCH = 16
"""Side of a patch in pixels. The position embeddings of the 16x16 patches are absolute: no other tile size works."""
GRID = TILE // PATCH
"""Patches along a tile's side."""
PATCHES = GRID * GRID
"""Patches of a tile."""
HEAD_WIDTH = 64
"""Channels of an attention head. Every published size has width / 64 heads."""
CODEBOOK = 4096
"""Codes of a token."""
CODE_WIDTH = 12
"""Numbers in a code."""
PROXY_CODES = 1024
"""Codes of MaskGIT-VQGAN, which the latent decoder predicts."""
PROXY_WIDTH = 256
"""Numbers in such a code."""
CHANNEL_MULTIPLIERS = (1, 1, 2, 2, 4)
"""Channels of the pixel decoder in units of `hidden`, from full resolution down to the 16x16 grid."""


@dataclass(frozen=True)
class Layout:
    """The numbers that determine every shape of a state dict."""

    width: int
    """Channels of the transformers."""
    layers: int
    """Blocks of each transformer."""
    n_tokens: int
    """Tokens of a tile."""
    hidden: int = 128
    """Channels of the pixel decoder at full resolution."""

    @property
    def heads(self) -> int:
        """Attention heads of every block."""
        return self.width // HEAD_WIDTH


class Attention(nn.Module):
    """Multi-head self-attention with the parameters of `nn.MultiheadAttention`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // HEAD_WIDTH
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor, used: slice | None = None, mask: Tensor | None = None) -> Tensor:
        """Attend.

        Args:
            x: float [N, L, D].
            used: positions to compute. Default: all.
            mask: whether positions of a tile are attended to, bool [N, 1, 1, L]. Default: all are.

        Returns:
            float [N, L or the length of `used`, D].
        """
        width = x.shape[-1]
        if used is None:
            q, k, v = F.linear(x, self.in_proj_weight, self.in_proj_bias).chunk(3, dim=-1)
        else:
            q = F.linear(x[:, used], self.in_proj_weight[:width], self.in_proj_bias[:width])
            k, v = F.linear(x, self.in_proj_weight[width:], self.in_proj_bias[width:]).chunk(2, dim=-1)
        q, k, v = (t.view(len(x), -1, self.heads, HEAD_WIDTH).transpose(1, 2) for t in (q, k, v))
        return self.out_proj(F.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Pre-norm transformer block: attention, then an MLP of ratio 4 with the exact GELU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = Attention(width)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)})

    def forward(self, x: Tensor, used: slice | None = None, mask: Tensor | None = None) -> Tensor:
        """float [N, L, D] -> float [N, L or the length of `used`, D], with the arguments of `Attention`."""
        attended = self.attn(self.ln_1(x), used, mask)
        x = attended.add_(x if used is None else x[:, used])
        return x + self.mlp["c_proj"](F.gelu(self.mlp["c_fc"](self.ln_2(x))))  # type: ignore[no-any-return]


def _pointwise(x: Tensor, convolution: Any) -> Tensor:
    """A convolution whose windows do not overlap, as a matrix product over float [..., values of one window]."""
    return F.linear(x, convolution.weight.flatten(1), convolution.bias)


def run_blocks(blocks: nn.ModuleList, x: Tensor, used: slice, mask: Tensor | None = None) -> Tensor:
    """Run all blocks over float [N, L, D]. The last one computes only the positions `used`.

    Args:
        blocks: the blocks, at least one.
        x: float [N, L, D].
        used: positions of the result.
        mask: as in `Attention`.
    """
    for block in blocks[:-1]:
        x = block(x, None, mask)
    return blocks[-1](x, used, mask)  # type: ignore[no-any-return]


class LatentEncoder(nn.Module):
    """Vision transformer over the patches of a tile and the latent tokens. Its output is that of the latent tokens."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        width = layout.width
        self.class_embedding = nn.Parameter(torch.empty(1, width))
        self.positional_embedding = nn.Parameter(torch.empty(1 + PATCHES, width))
        self.latent_token_positional_embedding = nn.Parameter(torch.empty(layout.n_tokens, width))
        self.patch_embed = nn.Conv2d(3, width, PATCH, stride=PATCH)
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = nn.ModuleList(Block(width) for _ in range(layout.layers))
        self.ln_post = nn.LayerNorm(width)
        self.conv_out = nn.Conv2d(width, CODE_WIDTH, 1)

    def forward(self, tiles: Tensor, latent_tokens: Tensor) -> Tensor:
        """Tiles float32 [N, 3, 256, 256] in [0, 1] and latent tokens [K, D] -> float32 [N, K, 12], not normalised.

        Both convolutions are written as matrix products: on CUDA a convolution may round to TF32, which flips codes.
        """
        n, k = len(tiles), len(latent_tokens)
        patches = F.unfold(tiles, PATCH, stride=PATCH).transpose(1, 2)
        patches = _pointwise(patches, self.patch_embed)
        image = torch.cat((self.class_embedding.expand(n, 1, -1), patches), dim=1).add_(self.positional_embedding)
        latents = (latent_tokens + self.latent_token_positional_embedding).expand(n, -1, -1)
        x = self.ln_pre(torch.cat((image, latents), dim=1))
        x = self.ln_post(run_blocks(self.transformer, x, slice(1 + PATCHES, None)))
        # The published weights were trained with a reshape in place of a transposition: code i reads a slice of the
        # channels of ALL latent positions. The weights depend on it.
        x = x.reshape(n, -1, k).transpose(1, 2)
        return _pointwise(x, self.conv_out)


class Quantizer(nn.Module):
    """Codebook whose rows and inputs are normalised to unit length.

    Args:
        size: number of codes. Default: 4096.
        width: numbers in a code. Default: 12.
    """

    def __init__(self, size: int = CODEBOOK, width: int = CODE_WIDTH) -> None:
        super().__init__()
        self.embedding = nn.Embedding(size, width)

    def nearest(self, z: Tensor) -> Tensor:
        """float32 [..., 12] -> int64 [...]: the code with the largest cosine, which is also the nearest one."""
        return (F.normalize(z, dim=-1) @ F.normalize(self.embedding.weight, dim=-1).T).argmax(dim=-1)

    def look_up(self, tokens: Tensor) -> Tensor:
        """int64 [...] -> float [..., 12] of unit length. The stored rows are not normalised."""
        return F.normalize(F.embedding(tokens, self.embedding.weight), dim=-1)


class LatentDecoder(nn.Module):
    """Vision transformer from tokens to logits over the proxy codes at the 16x16 grid."""

    prefix: Tensor | None
    """Initial values of the image positions, [1, 257, D], the same for every tile."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        width = layout.width
        self.class_embedding = nn.Parameter(torch.empty(1, width))
        self.positional_embedding = nn.Parameter(torch.empty(1 + PATCHES, width))
        self.mask_token = nn.Parameter(torch.empty(1, 1, width))
        self.latent_token_positional_embedding = nn.Parameter(torch.empty(layout.n_tokens, width))
        self.decoder_embed = nn.Linear(CODE_WIDTH, width)
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = nn.ModuleList(Block(width) for _ in range(layout.layers))
        self.ln_post = nn.LayerNorm(width)
        self.ffn = nn.Sequential(nn.Conv2d(width, 2 * width, 1), nn.Tanh(), nn.Conv2d(2 * width, PROXY_CODES, 1))
        self.register_buffer("prefix", None, persistent=False)

    def prepare(self) -> None:
        """Compute `prefix` from the loaded weights."""
        masks = self.mask_token[0].expand(PATCHES, -1)
        self.prefix = self.ln_pre(torch.cat((self.class_embedding, masks)) + self.positional_embedding)[None]

    def forward(self, codes: Tensor) -> Tensor:
        """Codes float [N, k, 12], 1 <= k <= n_tokens -> logits float [N, 256, 1024], rows of the grid first.

        Missing tokens are omitted from the sequence, without a placeholder.
        """
        assert self.prefix is not None, "prepare() comes first"
        n, k = codes.shape[:2]
        latents = self.ln_pre(self.decoder_embed(codes) + self.latent_token_positional_embedding[:k])
        x = torch.cat((self.prefix.expand(n, -1, -1), latents), dim=1)
        x = self.ln_post(run_blocks(self.transformer, x, slice(1, 1 + PATCHES)))
        first, _, last = self.ffn
        x = _pointwise(x, first).tanh_()
        return _pointwise(x, last)


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
        self.conv_in = nn.Conv2d(PROXY_WIDTH, channels[-1], 3, padding=1)
        self.mid = nn.ModuleList(ResBlock(channels[-1], channels[-1]) for _ in range(2))
        inputs = [*channels[1:], channels[-1]]
        self.up = nn.ModuleList(UpLevel(inputs[i], c, upsample=i > 0) for i, c in enumerate(channels))
        self.norm_out = nn.GroupNorm(32, hidden, eps=1e-6)
        self.conv_out = nn.Conv2d(hidden, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """float [N, 256, 16, 16] -> float [N, 3, 256, 256], unbounded."""
        x = self.conv_in(x)
        for block in self.mid:
            x = block(x)
        for level in reversed(self.up):  # stored from full resolution down, run from the grid up
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(x), inplace=True))  # type: ignore[no-any-return]


class TitokNet(nn.Module):
    """A whole tokenizer. Before `prepare` its `state_dict()` has exactly the entries of a published checkpoint."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.latent_tokens = nn.Parameter(torch.empty(layout.n_tokens, layout.width))
        self.encoder = LatentEncoder(layout)
        self.decoder = LatentDecoder(layout)
        self.quantize = Quantizer()
        self.pixel_quantize = Quantizer(PROXY_CODES, PROXY_WIDTH)
        self.pixel_decoder = PixelDecoder(layout.hidden)

    def prepare(self, dtype: torch.dtype = torch.float32) -> None:
        """Precompute constants and choose the memory layout. Call it once, after loading the weights.

        Args:
            dtype: precision of the decoder. The encoder keeps float32, since other rounding would change tokens.
        """
        for module in self.modules():
            if isinstance(module, LatentDecoder | ResBlock | UpLevel):
                module.prepare()
        for module in (self.decoder, self.pixel_quantize, self.pixel_decoder):
            module.to(dtype)
        self.pixel_decoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def encode(self, tiles: Tensor) -> Tensor:
        """float32 [N, 3, 256, 256] in [0, 1] -> int64 [N, n_tokens]."""
        return self.quantize.nearest(self.encoder(tiles, self.latent_tokens))

    def decode(self, tokens: Tensor) -> Tensor:
        """int64 [N, k] -> float [N, 3, 256, 256], about [0, 1], not clamped, in the decoder's dtype."""
        proxy = self.pixel_quantize.embedding.weight
        codes = self.quantize.look_up(tokens).to(proxy.dtype)
        probabilities = self.decoder(codes).float().softmax(dim=-1).to(proxy.dtype)
        # Already channels last in memory.
        grid = (probabilities @ proxy).transpose(1, 2).view(len(tokens), -1, GRID, GRID)
        return self.pixel_decoder(grid)  # type: ignore[no-any-return]
