"""Published CoD-Lite checkpoints (arXiv 2604.12525), which draw pixels in one step from 128 or 256 bytes a tile."""

from __future__ import annotations

from typing import ClassVar

from .checkpoint import Shapes, Variant
from .codlite_modules import Layout
from .tokenizer import Published

_NOTE = "its tokens are a grid without an order and it cannot decode fewer, so all are always used"


def _cod_lite(shrinking: int, bits: int) -> Variant:
    layout = Layout(shrinking, bits, tile=16 * shrinking)
    return Variant(f"CoD-Lite {shrinking}x, {bits} bits", layout, False, layout.n_tokens, _NOTE)


class CodLite(Published):
    """A CoD-Lite checkpoint."""

    family = "cod-lite"
    hashed = (
        "y_embedder.bottleneck.", "y_embedder.decoder.", "y_embedder_x.", "t_embedder.", "x_embedder.", "s_embedder.",
        "blocks.", "dec_net.", "final_layer.",
    )  # fmt: skip
    variants: ClassVar[dict[str, Variant]] = {
        f"cod-lite-{shrinking}x-{bits}bit": _cod_lite(shrinking, bits) for shrinking in (32, 16) for bits in (4, 8)
    }

    @classmethod
    def hint(cls, shapes: Shapes) -> str:
        """The checkpoints of higher rates reduce a side less."""
        encoder = "y_embedder.encoder.down_block_"
        if f"{encoder}0.2.conv.weight" in shapes and f"{encoder}2.2.conv.weight" not in shapes:
            return "a CoD-Lite checkpoint of 8x or 4x, whose 256 tokens are 128 or 64 pixels: use one of 16x or 32x"
        return ""
