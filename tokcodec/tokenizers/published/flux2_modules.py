"""Networks of flux2-1d-tokenizer (0.1.1), with the parameter names of the published checkpoints.

Transformers between the latents of FLUX.2's autoencoder and tokens. Only the patches have positions by rotation
(arXiv 2104.09864), and they are relative to the picture's sides. The networks are for inference only.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import kl_vae
from .transformer import HEAD_WIDTH, rotated

PATCH = 2
"""Side of a patch in latents."""
SPAN = 32
"""Position of the last row or column of patches, however many there are. That of the first is 0."""
PERIOD = 10_000
"""Base of the wavelengths of the rotations."""


@dataclass(frozen=True)
class Layout:
    """The numbers that determine every shape of a state dict."""

    width: int = 512
    """Channels of the transformers."""
    layers: int = 12
    """Blocks of each transformer."""
    queries: int = 1024
    """Tokens that the networks make."""
    kept: int = 256
    """Tokens that a file holds: the first ones, as many as its format allows."""
    latent: int = 32
    """Channels of a latent."""
    codebook: int = 65_536
    """Codes of a token."""
    code_width: int = 128
    """Numbers in a code."""
    vae_widths: tuple[int, ...] = kl_vae.WIDTHS
    """Channels of the autoencoder's levels."""
    decoders: int = 1
    """Number of decoders, each of which is a look."""
    tile: int = 256
    """Samples along a tile's side."""

    @property
    def n_tokens(self) -> int:
        """Tokens of a tile."""
        return self.kept

    @property
    def radices(self) -> tuple[int, ...]:
        """Digits of a token."""
        return (256, self.codebook // 256)

    @property
    def codes(self) -> str:
        """Codes of a token, and numbers in a code."""
        return f"{self.codebook}x{self.code_width}"

    def build(self) -> Flux2Net:
        """The network."""
        return Flux2Net(self)


def rotations(side: int) -> Tensor:
    """Angles of the patches, float32 [side * side, HEAD_WIDTH / 2]: those of the row, and then those of the column.

    Args:
        side: patches along a side of the picture.
    """
    places = torch.arange(side) * (SPAN / (side - 1))
    speeds = PERIOD ** -(torch.arange(0, HEAD_WIDTH // 2, 2) / (HEAD_WIDTH // 2))
    angles = places[:, None] * speeds
    rows, columns = angles[:, None].expand(-1, side, -1), angles[None].expand(side, -1, -1)
    return torch.cat((rows, columns), dim=2).flatten(0, 1)


class Attention(nn.Module):
    """Multi-head self-attention. Places that are not patches have angle 0."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        """float [N, L, D] and the angles of the L places, each [L, HEAD_WIDTH / 2] -> float [N, L, D]."""
        q, k, v = self.qkv(x).unflatten(2, (3, -1, HEAD_WIDTH)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(rotated(q, cosines, sines), rotated(k, cosines, sines), v)
        return self.proj(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Pre-norm transformer block with an MLP of ratio 4 and the exact GELU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        """As `Attention.forward`."""
        x = x + self.attn(self.norm1(x), cosines, sines)
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]


class Transformer(nn.Module):
    """Blocks over patches and tokens, and the last normalisation."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(layout.width) for _ in range(layout.layers))
        self.norm = nn.LayerNorm(layout.width)

    def run(self, x: Tensor, side: int, before: int) -> Tensor:
        """float [N, L, D], whose patches, side * side, follow `before` tokens -> float [N, L, D]."""
        patches = side * side
        angles = F.pad(rotations(side), (0, 0, before, x.shape[1] - before - patches)).to(x.device)
        cosines, sines = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        for block in self.blocks:
            x = block(x, cosines, sines)
        return self.norm(x)  # type: ignore[no-any-return]


class Patches(nn.Module):
    """Latents to the vectors of patches."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.proj = nn.Conv2d(layout.latent, layout.width, PATCH, stride=PATCH)

    def forward(self, latents: Tensor) -> Tensor:
        """float [N, latent, H, W] -> float [N, H / 2 * W / 2, D]."""
        return self.proj(latents).flatten(2).transpose(1, 2)  # type: ignore[no-any-return]


class LatentEncoder(Transformer):
    """Latents to the vectors of tokens."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.query_tokens = nn.Parameter(torch.empty(1, layout.queries, layout.width))
        self.patch_embed = Patches(layout)

    def forward(self, latents: Tensor) -> Tensor:
        """float [N, latent, S, S] -> float [N, queries, D]."""
        patches = self.patch_embed(latents)
        x = torch.cat((patches, self.query_tokens.expand(len(latents), -1, -1)), dim=1)
        return self.run(x, latents.shape[-1] // PATCH, 0)[:, patches.shape[1] :]


class Codebook(nn.Module):
    """Codes of unit length, and the maps to and from them."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.proj_in = nn.Linear(layout.width, layout.code_width)
        self.proj_out = nn.Linear(layout.code_width, layout.width)
        self.codebook = nn.Embedding(layout.codebook, layout.code_width)

    def nearest(self, x: Tensor) -> Tensor:
        """float [..., D] -> int64 [...]: the code with the largest cosine."""
        return (F.normalize(self.proj_in(x), dim=-1) @ F.normalize(self.codebook.weight, dim=-1).T).argmax(dim=-1)

    def look_up(self, tokens: Tensor) -> Tensor:
        """int64 [...] -> float [..., D]."""
        return self.proj_out(F.normalize(self.codebook(tokens), dim=-1))  # type: ignore[no-any-return]


class LatentDecoder(Transformer):
    """Vectors of the first tokens to latents."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.latent = layout.latent
        self.pos_embed_tokens = nn.Parameter(torch.empty(1, layout.queries, layout.width))
        self.mask_token = nn.Parameter(torch.empty(1, 1, layout.width))
        self.head = nn.Linear(layout.width, PATCH * PATCH * layout.latent)
        self.conv_out = nn.Conv2d(layout.latent, layout.latent, 3, padding=1)

    def forward(self, codes: Tensor, side: int) -> Tensor:
        """float [N, k, D] and the patches along a side -> float [N, latent, 2 * side, 2 * side]."""
        n, k = codes.shape[:2]
        patches = self.mask_token.expand(n, side * side, -1)
        x = self.run(torch.cat((codes + self.pos_embed_tokens[:, :k], patches), dim=1), side, k)[:, k:]
        # The values of a patch are its rows, each with its columns, each with its channels.
        x = self.head(x).view(n, side, side, PATCH, PATCH, self.latent).permute(0, 5, 1, 3, 2, 4)
        return self.conv_out(x.reshape(n, self.latent, side * PATCH, side * PATCH))  # type: ignore[no-any-return]


class Flux2Net(nn.Module):
    """A whole tokenizer with its autoencoder under `vae.`."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        self.encoder = LatentEncoder(layout)
        self.bsq = Codebook(layout)
        self.decoder = LatentDecoder(layout)
        if layout.decoders == 2:
            self.other_decoder = LatentDecoder(layout)
        self.vae = kl_vae.KlVae(layout.latent, layout.vae_widths, statistics=True)

    def prepare(self, dtype: torch.dtype = torch.float32) -> None:
        """Choose the precision of the decoders. Call it once, after loading the weights."""
        for module in (*self._decoders(), self.vae.decoder, self.vae.post_quant_conv):
            module.to(dtype)

    def encode(self, tiles: Tensor) -> Tensor:
        """float32 [N, 3, T, T] in [0, 1] -> int64 [N, kept]."""
        return self.tokens_of(self.vae.encode(2 * tiles - 1))[:, : self.layout.kept]

    def tokens_of(self, latents: Tensor) -> Tensor:
        """float32 [N, latent, T / 8, T / 8] -> int64 [N, queries]."""
        return self.bsq.nearest(self.encoder(latents))

    def latents(self, tokens: Tensor, look: int = 0) -> Tensor:
        """int64 [N, k] -> float [N, latent, T / 8, T / 8], in the decoder's dtype."""
        side, decoder = self.layout.tile // kl_vae.SHRINKING // PATCH, self._decoders()[look]
        return decoder(self.bsq.look_up(tokens).to(decoder.mask_token.dtype), side)  # type: ignore[no-any-return]

    def decode(self, tokens: Tensor, look: int = 0) -> Tensor:
        """int64 [N, k] and the number of a decoder -> float [N, 3, T, T], about [0, 1], in the decoder's dtype."""
        return (self.vae.decode(self.latents(tokens, look)) + 1) / 2

    def _decoders(self) -> list[LatentDecoder]:
        return [self.decoder, self.other_decoder] if self.layout.decoders == 2 else [self.decoder]
