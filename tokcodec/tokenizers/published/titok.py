"""Published One-D-Piece and TiTok checkpoints.

Sources: One-D-Piece (arXiv 2501.10064) and TiTok (arXiv 2406.07550), the two-stage and one-stage models with VQ tokens.
"""

from __future__ import annotations

from typing import ClassVar

from .checkpoint import Shapes, Variant
from .titok_modules import Layout
from .tokenizer import Published

_NOTE_LAST_TOKEN = (
    "the published weights of January 2025 were trained without the last token, so 255 tokens are used by default"
)
_NOTE_UNORDERED = (
    "its tokens are not ordered: it was trained with all of them and cannot decode fewer, so all are always used"
)
_TERMS = "; the authors of TiTok state that their models are for research purposes only"


def _one_d_piece(size: str, width: int, layers: int) -> Variant:
    return Variant(f"One-D-Piece-{size}-256", Layout(width, layers, 256), True, 255, _NOTE_LAST_TOKEN)


def _titok(size: str, width: int, layers: int, n_tokens: int, direct: tuple[int, int] | None = None) -> Variant:
    layout = Layout(width, layers, n_tokens, direct=direct)
    title = f"TiTok-{size}-{n_tokens}{' (one-stage)' if direct else ''}"
    return Variant(title, layout, False, n_tokens, _NOTE_UNORDERED, _TERMS)


class Titok(Published):
    """A One-D-Piece or TiTok checkpoint."""

    family = "titok"
    hashed = ("decoder.", "quantize.", "pixel_quantize.", "pixel_decoder.")
    encode_batch = 32  # about 0.3 GB in the largest model
    decode_batch = 4  # about 0.2 GB of activations at 256x256 and 128 channels
    variants: ClassVar[dict[str, Variant]] = {
        "one-d-piece-s-256": _one_d_piece("S", 512, 8),
        "one-d-piece-b-256": _one_d_piece("B", 768, 12),
        "one-d-piece-l-256": _one_d_piece("L", 1024, 24),
        "titok-s-128": _titok("S", 512, 8, 128),
        "titok-b-64": _titok("B", 768, 12, 64),
        "titok-l-32": _titok("L", 1024, 24, 32),
        "titok-bl-64": _titok("BL", 768, 12, 64, (1024, 24)),
        "titok-bl-128": _titok("BL", 768, 12, 128, (1024, 24)),
        "titok-sl-256": _titok("SL", 512, 8, 256, (1024, 24)),
    }

    @classmethod
    def hint(cls, shapes: Shapes) -> str:
        """A stage-1 checkpoint has no pixel decoder, and TA-TiTok draws from a text too."""
        if "decoder.text_guidance_positional_embedding" in shapes:
            return (
                "a TA-TiTok checkpoint: its decoder also reads CLIP features of a text about the picture, which a "
                ".tok file does not hold"
            )
        if "decoder.ffn.2.weight" in shapes and not any(name.startswith("pixel_") for name in shapes):
            return (
                "a stage-1 checkpoint: `pixel_quantize.*` and `pixel_decoder.*` (the MaskGIT-VQGAN pixel decoder, a "
                "separate file) are missing; use the finished stage-2 checkpoint"
            )
        return ""
