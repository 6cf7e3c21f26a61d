"""Published KARL checkpoints (arXiv 2507.07995), which need fewer tokens for simple pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ...container.tables import TOTAL, FrequencyTables
from .checkpoint import Layout as AnyLayout
from .checkpoint import Shapes, Variant
from .karl_modules import CODEBOOK, DEFAULT_TARGET, Layout
from .tokenizer import Published

_VQGAN = "base_tokenizer.vqgan."
_NAMES = ((".mid.block_1.", ".mid.0."), (".mid.block_2.", ".mid.1."), (".upsample.conv.", ".upsample_conv."))
"""Parts of MaskGIT-VQGAN's names in these checkpoints, and in those of TiTok, which `maskgit` has."""


def _our_name(name: str) -> str:
    """The name that the networks here have for an entry of a published file."""
    if name.startswith(_VQGAN):
        for theirs, ours in _NAMES:
            name = name.replace(theirs, ours)
    return name


class Karl(Published):
    """A KARL checkpoint with a budget of 256 tokens. A token that a tile does not need has a value of its own."""

    family = "karl"
    hashed = (
        "decoder",  # and the parameters whose names begin so
        "quantize.",
        f"{_VQGAN}decoder.",
        f"{_VQGAN}quantize.",
    )
    encode_batch = 4
    variants: ClassVar[dict[str, Variant]] = {
        "karl-small": Variant(
            "KARL small",
            Layout(),
            False,
            256,
            "it leaves out tokens that a tile does not need for a target error, and its tokens are chosen together, so "
            "that files are not cut",
            "; the authors published no licence with their code or weights",
        )
    }

    @classmethod
    def completed(cls, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The entries with TiTok's names of MaskGIT-VQGAN and a target error, without the networks of the losses."""
        own = {_our_name(name): entry for name, entry in state.items() if not name.startswith("gan_losses.")}
        return {"target_error": torch.tensor([DEFAULT_TARGET]), **own}

    @classmethod
    def aiming_at(cls, target_error: float, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """As `Published.aiming_at`."""
        return {**state, "target_error": torch.tensor([target_error])}

    @classmethod
    def first_tables(cls, layout: AnyLayout) -> FrequencyTables:
        """One half of the probability for a token that is left out, and the other for all codes alike."""
        row = np.full((1, CODEBOOK + 1), TOTAL // 2 // CODEBOOK)
        row[0, CODEBOOK] = TOTAL // 2
        return FrequencyTables(layout.radices, [np.repeat(row, layout.n_tokens, axis=0)])

    @classmethod
    def hint(cls, shapes: Shapes) -> str:
        """There are checkpoints without a codebook."""
        if "halting_mlp.2.weight" in shapes and "quantize.embedding.weight" not in shapes:
            return "a KARL checkpoint with continuous latents, and .tok files hold whole numbers: use a quantised one"
        return ""
