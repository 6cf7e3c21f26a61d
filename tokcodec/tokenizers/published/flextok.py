"""Published FlexTok checkpoints (arXiv 2502.13967), whose first tokens draw a whole picture."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from .checkpoint import Variant
from .flextok_modules import LATENT, PATCH, Layout
from .tokenizer import Published

_NOTE = (
    "any number of first tokens draws a whole picture, in 25 steps of a flow from noise that is part of the model: "
    "few tokens invent detail"
)
_POSITIONS = "decoder.module_dict.dec_patches_posemb_module.posembs"
_TERMS = "; the authors' licence of the weights allows research only"


def _flextok(encoder: int, decoder: int) -> Variant:
    return Variant(f"FlexTok d{encoder}-d{decoder}", Layout(encoder, decoder), True, 256, _NOTE, _TERMS)


class Flextok(Published):
    """A FlexTok checkpoint with its autoencoder."""

    family = "flextok"
    hashed = ("decoder.", "vae.vae.decoder.", "vae.vae.post_quant_conv.", "noise")
    variants: ClassVar[dict[str, Variant]] = {
        "flextok-d12-d12": _flextok(12, 12),
        "flextok-d18-d18": _flextok(18, 18),
        "flextok-d18-d28": _flextok(18, 28),
    }

    @classmethod
    def completed(cls, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The entries with the noise from which every tile is drawn. Checkpoints leave it to chance."""
        if "noise" in state:
            return dict(state)
        side = PATCH * state[_POSITIONS].shape[-1] if _POSITIONS in state else 0
        random = np.random.Generator(np.random.PCG64(zlib.crc32(b"noise")))
        noise = random.standard_normal((LATENT, side, side), dtype=np.float32)
        return {**state, "noise": torch.from_numpy(noise)}
