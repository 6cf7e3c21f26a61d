"""The published ResTok checkpoint (arXiv 2601.03955), whose tokens are ordered by levels of detail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from .checkpoint import Variant
from .restok_modules import Layout
from .tokenizer import Published

_TRAINING = ("foundation_model.", "vf_proj", "decoder.feat_mask_token")
"""Beginnings of the names of entries that only training uses."""


class Restok(Published):
    """A ResTok checkpoint."""

    family = "restok"
    hashed = ("decoder.", "quantize.", "pixel_decoder.")
    variants: ClassVar[dict[str, Variant]] = {
        "restok-l-128": Variant(
            "ResTok-L-128",
            Layout(),
            True,
            128,
            "any number of first tokens draws a whole picture, and its training had 4, 8, 16, 32, 64 and 128 of them",
        )
    }

    @classmethod
    def completed(cls, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The entries without those that only training uses."""
        return {name: entry for name, entry in state.items() if not name.startswith(_TRAINING)}
