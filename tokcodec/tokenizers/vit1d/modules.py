"""Networks of our own 1D tokenizers: vision transformers with latent tokens, one stage straight to pixels.

The shape is that of TiTok (arXiv 2406.07550) and One-D-Piece (arXiv 2501.10064), whose blocks are used here, without
their class embedding, their reshape of the latents and their second stage.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...errors import ModelFileError
from ..published.transformer import HEAD_WIDTH, Block, run_blocks
from .quantisers import Codebook, FiniteScalars

CONVOLVED = 2
"""The upsampler works at a tile's side divided by this number."""


@dataclass(frozen=True)
class Layout:
    """The numbers that determine every shape of a state dict."""

    width: int
    """Channels of the transformers, a multiple of HEAD_WIDTH."""
    encoder_layers: int
    """Blocks of the encoder."""
    decoder_layers: int
    """Blocks of the decoder."""
    n_tokens: int
    """Tokens of a tile."""
    tile: int = 256
    """Samples along a tile's side."""
    patch: int = 16
    """Side of a patch in samples, even."""
    hidden: int = 32
    """Channels of the upsampler."""
    codebook: int = 4096
    """Codes of the codebook. Ignored if there are levels."""
    code_width: int = 12
    """Numbers in a code. Ignored if there are levels."""
    levels: tuple[int, ...] = ()
    """Levels of each number of a code, for finite scalars instead of a codebook."""
    padding: int = 0
    """Latent tokens of the encoder behind those that are kept, see `settings.Training1d.padding`."""

    @property
    def patches(self) -> int:
        """Patches of a tile."""
        return (self.tile // self.patch) ** 2


def layout_of(shapes: Mapping[str, tuple[int, ...]], levels: tuple[int, ...]) -> Layout:
    """The layout of a state dict.

    Args:
        shapes: its shapes by name.
        levels: the values of `quantize.levels`, empty if it has a codebook.

    Raises:
        ModelFileError: the shapes are not those of such a network. The text names the first entries that do not fit.
    """
    try:
        places, width = shapes["encoder.positions"]
        patch = math.isqrt(shapes["encoder.embed.weight"][1] // 3)
        layout = Layout(
            width=width,
            encoder_layers=_layers(shapes, "encoder"),
            decoder_layers=_layers(shapes, "decoder"),
            n_tokens=shapes["decoder.latents"][0],
            tile=math.isqrt(places) * patch,
            patch=patch,
            hidden=shapes["decoder.head.last.weight"][1],
            codebook=0 if levels else shapes["quantize.embedding.weight"][0],
            code_width=len(levels) or shapes["quantize.embedding.weight"][1],
            levels=levels,
            padding=shapes["encoder.latents"][0] - shapes["decoder.latents"][0],
        )
        with torch.device("meta"):
            wanted = {name: tuple(entry.shape) for name, entry in Vit1dNet(layout).state_dict().items()}
    except KeyError as error:
        raise ModelFileError(f"not weights of a vit1d model: no tensor {error}") from error
    except (IndexError, ValueError, RuntimeError, ZeroDivisionError) as error:
        raise ModelFileError("not weights of a vit1d model: the shapes do not fit together") from error
    misfits = sorted(name for name in {*wanted, *shapes} if wanted.get(name) != shapes.get(name))
    if misfits:
        raise ModelFileError(f"not weights of a vit1d model: {', '.join(misfits[:3])} missing, unexpected or misshapen")
    return layout


def _layers(shapes: Mapping[str, tuple[int, ...]], part: str) -> int:
    return sum(name.startswith(f"{part}.blocks.") and name.endswith(".ln_1.weight") for name in shapes)


class Encoder(nn.Module):
    """Vision transformer over the patches of a tile and the latent tokens. Its output is that of the latent tokens."""

    def __init__(self, layout: Layout, code_width: int) -> None:
        super().__init__()
        width, self.patch, self.n_tokens = layout.width, layout.patch, layout.n_tokens
        self.positions = nn.Parameter(torch.empty(layout.patches, width))
        self.latents = nn.Parameter(torch.empty(layout.n_tokens + layout.padding, width))
        self.embed = nn.Linear(3 * layout.patch**2, width)
        self.ln_pre = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(layout.encoder_layers))
        self.ln_post = nn.LayerNorm(width)
        self.project = nn.Linear(width, code_width)
        # Moving statistics of the training, which make the output of each latent differ from tile to tile by about 1.
        shape = layout.n_tokens + layout.padding, code_width
        self.mean = nn.Parameter(torch.zeros(shape), requires_grad=False)
        self.deviation = nn.Parameter(torch.ones(shape), requires_grad=False)

    def forward(self, tiles: Tensor) -> Tensor:
        """float32 [N, 3, T, T] in [0, 1] -> float [N, latents, code_width], with those of the padding."""
        patches = F.unfold(2 * tiles - 1, self.patch, stride=self.patch).transpose(1, 2)
        image = self.embed(patches) + self.positions
        x = self.ln_pre(torch.cat((image, self.latents.expand(len(tiles), -1, -1)), dim=1))
        x = run_blocks(self.blocks, x, slice(len(self.positions), None))
        return (self.project(self.ln_post(x)) - self.mean) / self.deviation  # type: ignore[no-any-return]


class PixelHead(nn.Module):
    """Patches to pixels: a linear layer to half of the tile's side, then a small convolutional upsampler."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.enlarged = layout.patch // CONVOLVED
        hidden = layout.hidden
        self.project = nn.Linear(layout.width, hidden * self.enlarged**2)
        self.first = nn.Conv2d(hidden, hidden, 3, padding=1)
        self.second = nn.Conv2d(hidden, hidden, 3, padding=1)
        self.last = nn.Conv2d(hidden, 3 * CONVOLVED**2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """float [N, patches, D] -> float [N, 3, T, T], about [0, 1]."""
        side = math.isqrt(x.shape[1])
        x = F.pixel_shuffle(self.project(x).transpose(1, 2).unflatten(2, (side, side)), self.enlarged)
        x = x.contiguous(memory_format=torch.channels_last)
        x = x + self.second(F.gelu(self.first(x)))
        return 0.5 + F.pixel_shuffle(self.last(x), CONVOLVED)


class Decoder(nn.Module):
    """Vision transformer from codes to the patches of a tile, and its head."""

    def __init__(self, layout: Layout, code_width: int) -> None:
        super().__init__()
        width = layout.width
        self.positions = nn.Parameter(torch.empty(layout.patches, width))
        self.latents = nn.Parameter(torch.empty(layout.n_tokens, width))
        self.embed = nn.Linear(code_width, width)
        self.ln_pre = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(layout.decoder_layers))
        self.ln_post = nn.LayerNorm(width)
        self.head = PixelHead(layout)

    def features(self, codes: Tensor, kept: Tensor | None = None) -> Tensor:
        """Features of the patches.

        Args:
            codes: float [N, k, code_width], at least one code. Missing codes are omitted, without a placeholder.
            kept: number of first codes that each tile uses, int64 [N]. Default: all k.

        Returns:
            float [N, patches, D].
        """
        count, patches = codes.shape[1], len(self.positions)
        latents = self.embed(codes) + self.latents[:count]
        x = self.ln_pre(torch.cat((self.positions.expand(len(codes), -1, -1), latents), dim=1))
        mask = None
        if kept is not None:
            places = torch.arange(-patches, count, device=codes.device)
            mask = (places < kept[:, None])[:, None, None]
        x = run_blocks(self.blocks, x, slice(0, patches), mask)
        return self.ln_post(x)  # type: ignore[no-any-return]

    def forward(self, codes: Tensor) -> Tensor:
        """float [N, k, code_width] -> float [N, 3, T, T], about [0, 1]."""
        return self.head(self.features(codes))  # type: ignore[no-any-return]


class Vit1dNet(nn.Module):
    """A whole tokenizer."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        if layout.width < HEAD_WIDTH or layout.width % HEAD_WIDTH:
            raise ValueError(f"width must be a multiple of {HEAD_WIDTH}, not {layout.width}")
        if layout.patch % CONVOLVED or layout.tile % layout.patch:
            raise ValueError(f"patches of {layout.patch} do not fit tiles of {layout.tile}")
        self.layout = layout
        self.quantize: Codebook | FiniteScalars = (
            FiniteScalars(layout.levels) if layout.levels else Codebook(layout.codebook, layout.code_width)
        )
        code_width = len(layout.levels) or layout.code_width
        self.encoder = Encoder(layout, code_width)
        self.decoder = Decoder(layout, code_width)

    def encode(self, tiles: Tensor) -> Tensor:
        """float32 [N, 3, T, T] in [0, 1] -> int64 [N, n_tokens]."""
        z = self.encoder(tiles)[:, : self.layout.n_tokens]
        return self.quantize.nearest(self.quantize.represent(z))

    def decode(self, tokens: Tensor) -> Tensor:
        """int64 [N, k] -> float [N, 3, T, T], about [0, 1], not clamped, in the decoder's dtype."""
        return self.decoder(self.quantize.look_up(tokens).to(self.decoder.positions.dtype))  # type: ignore[no-any-return]
