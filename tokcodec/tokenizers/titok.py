"""Published One-D-Piece and TiTok checkpoints as tokenizers: the known ones, their checks, encoding and decoding.

Sources: One-D-Piece (arXiv 2501.10064) and TiTok (arXiv 2406.07550), the two-stage models with their pixel decoder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..errors import ModelFileError
from ..models.modelfile import Model, load_weights
from .arrays import Array, like
from .base import Tokenizer
from .titok_modules import CODEBOOK, Layout, TitokNet

RADICES = (CODEBOOK,)
"""A token has one digit, its index into the codebook."""
NAMED_MISFITS = 3
"""Number of entries that an error names per kind of misfit: enough to recognise the file."""
DECODE_BATCH = 4
"""Number of tiles decoded at once: about 0.2 GB of activations at 256x256 and 128 channels."""
ENCODE_BATCH = 32
"""Number of tiles encoded at once: about 0.3 GB in the largest model."""

Shapes = Mapping[str, tuple[int, ...]]

_NOTE_LAST_TOKEN = (
    "the published weights of January 2025 were trained without the last token, so 255 tokens are used by default"
)
_NOTE_UNORDERED = (
    "its tokens are not ordered: it was trained with all of them and cannot decode fewer, so all are always used"
)
_TERMS = "; the authors of TiTok state that their models are for research purposes only"


@dataclass(frozen=True)
class Variant:
    """One published checkpoint."""

    title: str
    """Name of the checkpoint."""
    layout: Layout
    """The numbers that determine the shapes of its tensors."""
    ordered: bool
    """Whether any prefix of its tokens decodes."""
    default_tokens: int
    """Tokens per tile by default."""
    note: str
    """A note on the tokens for users."""
    terms: str = ""
    """Terms of use of the authors, as an addition to the note."""


def _one_d_piece(size: str, width: int, layers: int) -> Variant:
    return Variant(f"One-D-Piece-{size}-256", Layout(width, layers, 256), True, 255, _NOTE_LAST_TOKEN)


def _titok(size: str, width: int, layers: int, n_tokens: int) -> Variant:
    return Variant(
        f"TiTok-{size}-{n_tokens}", Layout(width, layers, n_tokens), False, n_tokens, _NOTE_UNORDERED, _TERMS
    )


VARIANTS: dict[str, Variant] = {
    "one-d-piece-s-256": _one_d_piece("S", 512, 8),
    "one-d-piece-b-256": _one_d_piece("B", 768, 12),
    "one-d-piece-l-256": _one_d_piece("L", 1024, 24),
    "titok-s-128": _titok("S", 512, 8, 128),
    "titok-b-64": _titok("B", 768, 12, 64),
    "titok-l-32": _titok("L", 1024, 24, 32),
}


def identify(shapes: Shapes) -> str:
    """The key in VARIANTS of a state dict with these shapes.

    Raises:
        ModelFileError: it is none of them. The text names the first missing, unexpected and misshapen entries.
    """
    latents = shapes.get("latent_tokens", ())
    if len(latents) != 2:
        raise ModelFileError("not a One-D-Piece or TiTok checkpoint: it has no matrix `latent_tokens`")
    by_latents = {(variant.layout.n_tokens, variant.layout.width): key for key, variant in VARIANTS.items()}
    if latents not in by_latents:
        known = ", ".join(variant.title for variant in VARIANTS.values())
        raise ModelFileError(f"`latent_tokens` is {_text(latents)}, which is none of the known checkpoints ({known})")
    key = by_latents[latents]
    variant = VARIANTS[key]
    if not any(name.startswith("pixel_") for name in shapes):
        raise ModelFileError(_without_pixels(shapes))
    misfits = "; ".join(_misfits(expected_shapes(variant.layout), shapes))
    if misfits:
        raise ModelFileError(f"does not fit {variant.title}: {misfits}")
    return key


def expected_shapes(layout: Layout) -> dict[str, tuple[int, ...]]:
    """The shapes of a checkpoint's entries, by name."""
    with torch.device("meta"):
        return {name: tuple(entry.shape) for name, entry in TitokNet(layout).state_dict().items()}


def check_state_dict(entries: Mapping[Any, Any]) -> tuple[str, dict[str, Tensor]]:
    """Check the entries of a file: the key in VARIANTS, and the entries as contiguous tensors.

    Raises:
        ModelFileError: an entry is not a dense floating-point tensor, or the shapes are those of no known checkpoint.
    """
    state = {}
    for name, entry in entries.items():
        if not isinstance(name, str) or not isinstance(entry, Tensor):
            raise ModelFileError(f"not a state dict: the entry {name!r} is a {type(entry).__name__}, not a tensor")
        state[name] = entry.detach()
    key = identify({name: tuple(entry.shape) for name, entry in state.items()})
    for name, entry in state.items():
        if entry.layout != torch.strided or not entry.is_floating_point():
            raise ModelFileError(f"the entry `{name}` is {entry.dtype}, {entry.layout}, not dense and floating-point")
        state[name] = entry.contiguous()
    return key, state


class Titok(Tokenizer):
    """A One-D-Piece or TiTok checkpoint.

    Args:
        state: the state dict.
        device: torch's device. Default: "cpu".
        dtype: precision of the decoder, float32 or bfloat16. The encoder always uses float32, since other rounding
            changes tokens. Default: float32.

    Raises:
        ModelFileError: the state dict is not that of a known checkpoint.
        ValueError: the dtype is another one.
    """

    family = "titok"

    def __init__(
        self, state: Mapping[str, Tensor], device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
    ) -> None:
        if dtype not in (torch.float32, torch.bfloat16):
            raise ValueError(f"dtype must be float32 or bfloat16, not {dtype}")
        key, checked = check_state_dict(state)
        self.variant = VARIANTS[key]
        self.n_tokens = self.variant.layout.n_tokens
        self.device = str(device)
        with torch.device("meta"):
            self.net = TitokNet(self.variant.layout)
        self.net.load_state_dict({name: entry.float() for name, entry in checked.items()}, assign=True)
        self.net.eval().requires_grad_(False).to(self.device)
        with torch.inference_mode():
            self.net.prepare(dtype)

    def encode(self, x: Array, count: int | None = None, scale: int = 0) -> Array:
        """float [N, 3, 256, 256] in [0, 1] -> int64 [N, count]. A smaller count is not faster."""
        self.check_tiles(x)
        count = self.check_count(count)
        tiles = torch.as_tensor(x).to(self.device, torch.float32)
        # A single tile would use another matrix routine, which rounds differently. It is doubled, so that its tokens
        # are the same as in a batch.
        pair = tiles.repeat(2, 1, 1, 1) if len(tiles) == 1 else tiles
        with torch.inference_mode(), torch.autocast(torch.device(self.device).type, enabled=False):
            parts = [self.net.encode(part) for part in torch.split(pair, ENCODE_BATCH)]
        return like(torch.cat(parts)[: len(tiles), :count], x)  # outside of inference mode, for ordinary tensors

    def decode(self, tokens: Array, look: str | None = None, scale: int = 0) -> Array:
        """int [N, k], 1 <= k <= n_tokens -> float32 [N, 3, 256, 256] in [0, 1]. There is one look."""
        self.check_look(look)
        self.check_tokens(tokens, CODEBOOK)
        return like(self.reconstruct(torch.as_tensor(tokens).long()).clamp_(0, 1), tokens)

    def reconstruct(self, tokens: Tensor) -> Tensor:
        """As `decode`, but not clamped to [0, 1]."""
        self.check_tokens(tokens, CODEBOOK)
        if not self.variant.ordered and tokens.shape[1] < self.n_tokens:
            raise ValueError(f"{self.variant.title} needs all {self.n_tokens} tokens: {self.variant.note}")
        with torch.inference_mode():
            parts = [self.net.decode(part.to(self.device)).float() for part in torch.split(tokens, DECODE_BATCH)]
        return torch.cat(parts)


def _without_pixels(shapes: Shapes) -> str:
    if "decoder.conv_out.weight" in shapes:
        return "a one-stage TiTok checkpoint, which has no pixel decoder: only the two-stage ones are supported"
    return (
        "a stage-1 checkpoint: `pixel_quantize.*` and `pixel_decoder.*` (the MaskGIT-VQGAN pixel decoder, a separate "
        "file) are missing; use the finished stage-2 checkpoint"
    )


def _misfits(expected: Shapes, found: Shapes) -> Iterator[str]:
    missing = [name for name in expected if name not in found]
    unexpected = [name for name in found if name not in expected]
    misshapen = [
        f"{name} is {_text(found[name])} instead of {_text(shape)}"
        for name, shape in expected.items()
        if name in found and found[name] != shape
    ]
    for kind, names in (("missing", missing), ("unexpected", unexpected), ("misshapen", misshapen)):
        if names:
            rest = f" and {len(names) - NAMED_MISFITS} more" if len(names) > NAMED_MISFITS else ""
            yield f"{kind}: " + ", ".join(_printable(name) for name in names[:NAMED_MISFITS]) + rest


def _text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a scalar"


def _printable(name: str) -> str:
    """A name from a file, safe and short enough for one line of a terminal."""
    return re.sub(r"[^\x20-\x7e]", "?", name)[:120]


def load(model: Model, device: torch.device, dtype: torch.dtype) -> Titok:
    """Load the checkpoint of a model.

    Args:
        model: the model.
        device: torch's device.
        dtype: precision of the decoder, float32 or bfloat16.

    Raises:
        ModelFileError: the checkpoint cannot be read or does not fit.
    """
    stored = load_weights(model.weights_path)
    return Titok({name: torch.from_numpy(tensor) for name, tensor in stored.items()}, device, dtype)
