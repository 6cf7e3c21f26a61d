"""Networks of KARL (arXiv 2507.07995), with the parameter names of the published checkpoints.

The encoder is told a budget of tokens and a target error. It gives each token a probability that the tokens before it
are enough, and the decoder does without those. The networks are for inference only.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from . import maskgit
from .codebooks import UnitCodebook
from .titok_modules import GRID, PATCH, PATCHES, PROXY_CODES
from .transformer import Block, run_blocks

HALTED = 0.75
"""Probability above which a token is left out."""
TARGETS = (
    0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.09, 0.1, 0.12, 0.14, 0.16, 0.18, 0.2, 0.24, 0.28, 0.32, 0.38,
)  # fmt: skip
"""Mean absolute errors that the encoder can be told, pixels being in [0, 1]."""
ROUNDING = 1e-6
"""Difference of targets that are the same, since a model stores its own in float32."""
DEFAULT_TARGET = 0.05
"""That of the public code."""
HEAD_WIDTH = 128
"""Channels of an attention head."""
PLACES = 64
"""Positions along a side that are stored. A tile has GRID patches along a side and uses every fourth."""
LATENTS = 512
"""Tokens that the networks know. A file holds at most 256."""
CODEBOOK = 4096
"""Codes of a token."""
CODE_WIDTH = 12
"""Numbers in a code."""


@dataclass(frozen=True)
class Layout:
    """The numbers that determine every shape of a state dict."""

    width: int = 1024
    """Channels of the transformers."""
    layers: int = 8
    """Blocks of each transformer."""
    hidden: int = 128
    """Channels of the convolutional networks at full resolution."""
    n_tokens: int = 256
    """Tokens of a tile: the budget."""

    tile = GRID * PATCH

    @property
    def radices(self) -> tuple[int, ...]:
        """Digits of a token: its code, or the value CODEBOOK of a token that is left out."""
        return (CODEBOOK + 1,)

    @property
    def codes(self) -> str:
        """Codes of a token, and numbers in a code."""
        return f"{CODEBOOK}x{CODE_WIDTH}"

    def build(self) -> KarlNet:
        """The network."""
        return KarlNet(self)


class Transformer(nn.Module):
    """Blocks of the encoder."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.transformer = nn.ModuleList(Block(layout.width, HEAD_WIDTH) for _ in range(layout.layers))


class ProxyDecoder(Transformer):
    """Blocks of the decoder with its norms, and the logits over the codes of MaskGIT-VQGAN."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        width = layout.width
        self.ln_pre = nn.LayerNorm(width)
        self.ln_post = nn.LayerNorm(width)
        self.ffn = nn.Sequential(nn.Linear(width, 2 * width), nn.Tanh(), nn.Linear(2 * width, PROXY_CODES))

    def forward(self, x: Tensor) -> Tensor:
        """Patches and then tokens, float [N, 256 + k, D] -> logits of the patches, float [N, 256, 1024]."""
        x = run_blocks(self.transformer, self.ln_pre(x), slice(PATCHES))
        return self.ffn(self.ln_post(x))  # type: ignore[no-any-return]


class Vqgan(nn.Module):
    """MaskGIT-VQGAN, whose encoder sees the picture and whose decoder draws it."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.encoder = maskgit.PixelEncoder(hidden)
        self.decoder = maskgit.PixelDecoder(hidden)
        self.quantize = UnitCodebook(PROXY_CODES, maskgit.CODE_WIDTH)


class BaseTokenizer(nn.Module):
    """The tokenizer on which KARL builds."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.vqgan = Vqgan(hidden)


class KarlNet(nn.Module):
    """A whole tokenizer. Before `prepare` its `state_dict()` has the entries that `Karl.completed` makes."""

    target_error: Tensor
    """Mean absolute error at which `encode` aims, float32 [1]."""
    encoder_positions: Tensor | None
    """Positions of the patches in the encoder, [256, D]."""
    blank: Tensor | None
    """Initial values of the patches in the decoder, [1, 256, D]."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        width = layout.width
        self.layout = layout
        self.encoder_positional_embedding = nn.Parameter(torch.empty(width, PLACES, PLACES))
        self.decoder_positional_embedding = nn.Parameter(torch.empty(width, PLACES, PLACES))
        self.decoder_mask_token = nn.Parameter(torch.empty(1, 1, width))
        self.decoder_latent_tokens_timestep_embed = nn.Parameter(torch.empty(LATENTS, width))
        self.latent_tokens = nn.Parameter(torch.empty(LATENTS, width))
        self.rec_loss_embeddings = nn.Parameter(torch.empty(len(TARGETS), width))
        self.register_buffer("target_error", torch.empty(1))
        self.patch_embed = nn.Conv2d(3, width - maskgit.CODE_WIDTH, PATCH, stride=PATCH)
        self.encoder_ln_pre = nn.LayerNorm(width)
        self.encoder = Transformer(layout)
        self.encoder_ln_post = nn.LayerNorm(width)
        self.encoder_ln_post_halt = nn.LayerNorm(width)
        self.pre_quantizer_mlp = nn.Linear(width, CODE_WIDTH)
        self.halting_mlp = nn.Sequential(nn.Linear(width, 512), nn.Tanh(), nn.Linear(512, 1))
        self.quantize = UnitCodebook(CODEBOOK, CODE_WIDTH)
        self.decoder_embed = nn.Linear(CODE_WIDTH, width)
        self.decoder = ProxyDecoder(layout)
        self.base_tokenizer = BaseTokenizer(layout.hidden)
        self.register_buffer("encoder_positions", None, persistent=False)
        self.register_buffer("blank", None, persistent=False)

    def prepare(self, dtype: torch.dtype = torch.float32) -> None:
        """Precompute constants and choose the precision of the decoder. Call it once, after loading the weights."""
        vqgan = self.base_tokenizer.vqgan
        vqgan.encoder.prepare()
        vqgan.decoder.prepare()
        step = PLACES // GRID
        self.encoder_positions = self.encoder_positional_embedding[:, ::step, ::step].flatten(1).T.contiguous()
        places = self.decoder_positional_embedding[:, ::step, ::step].flatten(1).T
        self.blank = (self.decoder_mask_token + places).to(dtype)
        for module in (self.decoder_embed, self.decoder, vqgan.decoder, vqgan.quantize):
            module.to(dtype)
        vqgan.decoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def codes(self, tiles: Tensor, budget: int, target: float) -> tuple[Tensor, Tensor]:
        """All tokens of a budget, and which of them are not needed.

        Args:
            tiles: float32 [N, 3, 256, 256] in [0, 1].
            budget: number of tokens, 1..512.
            target: mean absolute error to aim at. It is rounded up to one of TARGETS.

        Returns:
            Tokens, int64 [N, budget], and the probability that the tokens before suffice, float32 [N, budget].
        """
        assert self.encoder_positions is not None, "prepare() comes first"
        n = len(tiles)
        features = self.base_tokenizer.vqgan.encoder(tiles).flatten(2)
        patches = torch.cat((self.patch_embed(tiles).flatten(2), features), dim=1).transpose(1, 2)
        level = next((i for i, known in enumerate(TARGETS) if known >= target - ROUNDING), len(TARGETS) - 1)
        aim = self.rec_loss_embeddings[level].expand(n, 1, -1)
        latents = self.latent_tokens[:budget].expand(n, -1, -1)
        x = torch.cat((aim, patches + self.encoder_positions, latents), dim=1)
        x = run_blocks(self.encoder.transformer, self.encoder_ln_pre(x), slice(1 + PATCHES, None))
        halting = self.halting_mlp(self.encoder_ln_post_halt(x))[..., 0].sigmoid()
        return self.quantize.nearest(self.pre_quantizer_mlp(self.encoder_ln_post(x))), halting

    def encode(self, tiles: Tensor) -> Tensor:
        """float32 [N, 3, 256, 256] in [0, 1] -> int64 [N, n_tokens], CODEBOOK for a token that is left out."""
        tokens, halting = self.codes(tiles, self.layout.n_tokens, float(self.target_error))
        return tokens.masked_fill(halting > HALTED, CODEBOOK)

    def decode(self, tokens: Tensor) -> Tensor:
        """int64 [N, k] -> float [N, 3, 256, 256], about [0, 1], not clamped, in the decoder's dtype.

        Tokens that are left out are not in the sequence, and the others keep their positions.
        """
        if len(tokens) > 1:  # tiles keep different tokens
            return torch.cat([self.decode(row[None]) for row in tokens])
        assert self.blank is not None, "prepare() comes first"
        kept = (tokens[0] < CODEBOOK).nonzero()[:, 0]
        codes = self.quantize.look_up(tokens[:, kept]).to(self.blank.dtype)
        positions = self.decoder_latent_tokens_timestep_embed[kept].to(self.blank.dtype)
        logits = self.decoder(torch.cat((self.blank, self.decoder_embed(codes) + positions), dim=1))
        vqgan = self.base_tokenizer.vqgan
        proxy = vqgan.quantize.embedding.weight
        grid = (logits.float().softmax(dim=-1).to(proxy.dtype) @ proxy).transpose(1, 2)
        return vqgan.decoder(grid.view(1, -1, GRID, GRID))  # type: ignore[no-any-return]
