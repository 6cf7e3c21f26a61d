"""Networks of the TiTok and One-D-Piece tokenizers, with the parameter names of the published checkpoints.

The two-stage networks predict codes of MaskGIT-VQGAN, whose decoder draws the pixels. The one-stage ones draw pixels.

Sources: TiTok (arXiv 2406.07550), One-D-Piece (arXiv 2501.10064).
The networks are for inference only: `prepare` precomputes constants after the weights are loaded.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...pictures.tiling import TILE
from . import maskgit
from .codebooks import Codebook, UnitCodebook
from .transformer import HEAD_WIDTH, Block, pointwise, run_blocks

PATCH = 16
"""Side of a patch in pixels. The position embeddings of the 16x16 patches are absolute: no other tile size works."""
GRID = TILE // PATCH
"""Patches along a tile's side."""
PATCHES = GRID * GRID
"""Patches of a tile."""
PROXY_CODES = 1024
"""Codes of MaskGIT-VQGAN, which the latent decoder predicts."""


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
    """Channels of the pixel decoder at full resolution, in two-stage models."""
    direct: tuple[int, int] | None = None
    """Channels and blocks of the decoder of a one-stage model. None: a two-stage model."""

    tile = TILE

    @property
    def heads(self) -> int:
        """Attention heads of every block."""
        return self.width // HEAD_WIDTH

    @property
    def codebook(self) -> int:
        """Codes of a token."""
        return 8192 if self.direct else 4096

    @property
    def code_width(self) -> int:
        """Numbers in a code."""
        return 64 if self.direct else 12

    @property
    def radices(self) -> tuple[int, ...]:
        """Digits of a token. Two short digits need fewer pictures to learn tables than one long digit."""
        return (64, 128) if self.direct else (4096,)

    @property
    def codes(self) -> str:
        """Codes of a token, and numbers in a code."""
        return f"{self.codebook}x{self.code_width}"

    def build(self) -> TitokNet | DirectNet:
        """The network."""
        return DirectNet(self) if self.direct else TitokNet(self)


class LatentEncoder(nn.Module):
    """Vision transformer over the patches of a tile and the latent tokens. Its output is that of the latent tokens."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        width = layout.width
        self.mixed = layout.direct is None
        self.class_embedding = nn.Parameter(torch.empty(1, width))
        self.positional_embedding = nn.Parameter(torch.empty(1 + PATCHES, width))
        self.latent_token_positional_embedding = nn.Parameter(torch.empty(layout.n_tokens, width))
        self.patch_embed = nn.Conv2d(3, width, PATCH, stride=PATCH)
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = nn.ModuleList(Block(width) for _ in range(layout.layers))
        self.ln_post = nn.LayerNorm(width)
        self.conv_out = nn.Conv2d(width, layout.code_width, 1)

    def forward(self, tiles: Tensor, latent_tokens: Tensor) -> Tensor:
        """Tiles float32 [N, 3, 256, 256] in [0, 1] and latent tokens [K, D] -> float32 [N, K, C], not normalised.

        Both convolutions are written as matrix products: on CUDA a convolution may round to TF32, which flips codes.
        """
        n, k = len(tiles), len(latent_tokens)
        patches = F.unfold(tiles, PATCH, stride=PATCH).transpose(1, 2)
        patches = pointwise(patches, self.patch_embed)
        image = torch.cat((self.class_embedding.expand(n, 1, -1), patches), dim=1).add_(self.positional_embedding)
        latents = (latent_tokens + self.latent_token_positional_embedding).expand(n, -1, -1)
        x = self.ln_pre(torch.cat((image, latents), dim=1))
        x = self.ln_post(run_blocks(self.transformer, x, slice(1 + PATCHES, None)))
        if self.mixed:
            # The two-stage weights were trained with a reshape in place of a transposition: code i reads a slice of the
            # channels of ALL latent positions. The weights depend on it.
            x = x.reshape(n, -1, k).transpose(1, 2)
        return pointwise(x, self.conv_out)


class LatentDecoder(nn.Module):
    """Vision transformer from tokens to the features of the patches.

    Args:
        width: channels.
        layers: blocks.
        n_tokens: tokens of a tile.
        code_width: numbers in a code.
    """

    prefix: Tensor | None
    """Initial values of the image positions, [1, 257, D], the same for every tile."""

    def __init__(self, width: int, layers: int, n_tokens: int, code_width: int) -> None:
        super().__init__()
        self.class_embedding = nn.Parameter(torch.empty(1, width))
        self.positional_embedding = nn.Parameter(torch.empty(1 + PATCHES, width))
        self.mask_token = nn.Parameter(torch.empty(1, 1, width))
        self.latent_token_positional_embedding = nn.Parameter(torch.empty(n_tokens, width))
        self.decoder_embed = nn.Linear(code_width, width)
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = nn.ModuleList(Block(width) for _ in range(layers))
        self.ln_post = nn.LayerNorm(width)
        self.register_buffer("prefix", None, persistent=False)

    def prepare(self) -> None:
        """Compute `prefix` from the loaded weights."""
        masks = self.mask_token[0].expand(PATCHES, -1)
        self.prefix = self.ln_pre(torch.cat((self.class_embedding, masks)) + self.positional_embedding)[None]

    def features(self, codes: Tensor) -> Tensor:
        """Codes float [N, k, C], 1 <= k <= n_tokens -> features float [N, 256, D], rows of the grid first.

        Missing tokens are omitted from the sequence, without a placeholder.
        """
        assert self.prefix is not None, "prepare() comes first"
        n, k = codes.shape[:2]
        latents = self.ln_pre(self.decoder_embed(codes) + self.latent_token_positional_embedding[:k])
        x = torch.cat((self.prefix.expand(n, -1, -1), latents), dim=1)
        return self.ln_post(run_blocks(self.transformer, x, slice(1, 1 + PATCHES)))  # type: ignore[no-any-return]


class ProxyDecoder(LatentDecoder):
    """The decoder of a two-stage model, from codes to logits over the codes of MaskGIT-VQGAN."""

    def __init__(self, width: int, layers: int, n_tokens: int, code_width: int) -> None:
        super().__init__(width, layers, n_tokens, code_width)
        self.ffn = nn.Sequential(nn.Conv2d(width, 2 * width, 1), nn.Tanh(), nn.Conv2d(2 * width, PROXY_CODES, 1))

    def forward(self, codes: Tensor) -> Tensor:
        """Codes float [N, k, C] -> logits float [N, 256, 1024]."""
        first, _, last = self.ffn
        return pointwise(pointwise(self.features(codes), first).tanh_(), last)


class DirectDecoder(LatentDecoder):
    """The decoder of a one-stage model, from codes to pixels."""

    def __init__(self, width: int, layers: int, n_tokens: int, code_width: int) -> None:
        super().__init__(width, layers, n_tokens, code_width)
        self.ffn = nn.Sequential(nn.Conv2d(width, 3 * PATCH * PATCH, 1))
        self.conv_out = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, codes: Tensor) -> Tensor:
        """Codes float [N, k, C] -> float [N, 3, 256, 256], about [0, 1]."""
        x = pointwise(self.features(codes), self.ffn[0])
        # The values of a patch are its rows, each with its columns, each with its channels.
        x = x.view(-1, GRID, GRID, PATCH, PATCH, 3).permute(0, 5, 1, 3, 2, 4)
        return self.conv_out(x.reshape(-1, 3, TILE, TILE))  # type: ignore[no-any-return]


class TitokNet(nn.Module):
    """A whole two-stage tokenizer. Before `prepare` its `state_dict()` has the entries of a published checkpoint."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.latent_tokens = nn.Parameter(torch.empty(layout.n_tokens, layout.width))
        self.encoder = LatentEncoder(layout)
        self.decoder = ProxyDecoder(layout.width, layout.layers, layout.n_tokens, layout.code_width)
        self.quantize = UnitCodebook(layout.codebook, layout.code_width)
        self.pixel_quantize = UnitCodebook(PROXY_CODES, maskgit.CODE_WIDTH)
        self.pixel_decoder = maskgit.PixelDecoder(layout.hidden)

    def prepare(self, dtype: torch.dtype = torch.float32) -> None:
        """Precompute constants and choose the memory layout. Call it once, after loading the weights.

        Args:
            dtype: precision of the decoder. The encoder keeps float32, since other rounding would change tokens.
        """
        self.decoder.prepare()
        self.pixel_decoder.prepare()
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


class DirectNet(nn.Module):
    """A whole one-stage tokenizer, as `TitokNet`."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        assert layout.direct is not None
        self.latent_tokens = nn.Parameter(torch.empty(layout.n_tokens, layout.width))
        self.encoder = LatentEncoder(layout)
        self.decoder = DirectDecoder(*layout.direct, layout.n_tokens, layout.code_width)
        self.quantize = Codebook(layout.codebook, layout.code_width)

    def prepare(self, dtype: torch.dtype = torch.float32) -> None:
        """As `TitokNet.prepare`."""
        self.decoder.prepare()
        self.decoder.to(dtype)

    def encode(self, tiles: Tensor) -> Tensor:
        """float32 [N, 3, 256, 256] in [0, 1] -> int64 [N, n_tokens]."""
        return self.quantize.nearest(self.encoder(tiles, self.latent_tokens))

    def decode(self, tokens: Tensor) -> Tensor:
        """int64 [N, k] -> float [N, 3, 256, 256], about [0, 1], not clamped, in the decoder's dtype."""
        return self.decoder(self.quantize.look_up(tokens).to(self.decoder.mask_token.dtype))  # type: ignore[no-any-return]
