"""Published checkpoints of flux2-1d-tokenizer 0.1.1, which code the latents of FLUX.2's autoencoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from ...errors import ModelFileError
from . import LOOKS_OF_FLUX2
from .checkpoint import Shapes, Variant
from .flux2_modules import Layout
from .tokenizer import Published

_NOTE = (
    "a file holds the first 256 of its 1024 tokens, as many as the format allows, and any number of first tokens draws "
    "a whole picture"
)


class Flux2(Published):
    """A checkpoint of flux2-1d-tokenizer with the autoencoder, and one or two decoders."""

    family = "flux2-1d"
    hashed = ("decoder.", "other_decoder.", "bsq.", "vae.decoder.", "vae.post_quant_conv.")
    variants: ClassVar[dict[str, Variant]] = {
        "flux2-1d": Variant("flux2-1d-tokenizer", Layout(), True, 256, _NOTE),
        "flux2-1d-looks": Variant(
            "flux2-1d-tokenizer with both looks", Layout(decoders=2), True, 256, _NOTE, looks=LOOKS_OF_FLUX2
        ),
    }

    def draw(self, tokens: Tensor, look: str | None) -> Tensor:
        """As `Published.draw`."""
        return self.net.decode(tokens, self.looks.index(look or self.looks[0]))  # type: ignore[no-any-return]

    @classmethod
    def hint(cls, shapes: Shapes) -> str:
        """The autoencoder is another file."""
        if not any(name.startswith("vae.") for name in shapes):
            return "it has no autoencoder: give that of FLUX.2, another file, with --vae"
        return ""


def with_looks(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The entries of two checkpoints that differ in their decoders, as one model with two looks.

    Args:
        first: the entries of the default look.
        second: the entries of the other look.

    Raises:
        ModelFileError: they differ elsewhere, so that their tokens do.
    """
    for name, entry in first.items():
        if not name.startswith("decoder.") and not torch.equal(entry, second.get(name, entry[:0])):
            raise ModelFileError(f"the checkpoints differ in `{name}`, so their tokens do: import them as two models")
    others = {f"other_{name}": entry for name, entry in second.items() if name.startswith("decoder.")}
    return {**first, **others}
