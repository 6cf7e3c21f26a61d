"""The families of published tokenizers, and to which of them a checkpoint belongs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from ...models.modelfile import Model
from ...models.weights import load_weights
from .checkpoint import ALIKE, UnknownCheckpointError, checked_tensors, shapes_of
from .codlite import CodLite
from .flextok import Flextok
from .flux2 import Flux2
from .karl import Karl
from .restok import Restok
from .titok import Titok
from .tokenizer import Published

if TYPE_CHECKING:
    from torch import Tensor

FAMILIES: dict[str, type[Published]] = {
    family.family: family for family in (Titok, Flux2, Flextok, CodLite, Karl, Restok)
}
"""The families by their names in a model's manifest."""


def recognise(entries: Mapping[Any, Any]) -> tuple[type[Published], str, dict[str, Tensor]]:
    """The family of a checkpoint and the key of its variant, from its entries.

    Args:
        entries: the entries of a file by name, without the prefixes of wrappers.

    Returns:
        The family, the key in its `variants`, and the entries as contiguous tensors.

    Raises:
        UnknownCheckpointError: the entries are those of no known tokenizer.
        ModelFileError: an entry is not a tensor, or the checkpoint fits no variant. The text names the nearest one and
            what is missing, unexpected or misshapen.
    """
    state = checked_tensors(entries)
    shapes = shapes_of(state)
    nearest = {family: family.nearest(shapes)[1] for family in FAMILIES.values()}
    family = max(nearest, key=nearest.__getitem__)
    if nearest[family] < ALIKE:
        titles = [variant.title for each in FAMILIES.values() for variant in each.variants.values()]
        raise UnknownCheckpointError(f"not a known checkpoint: its entries are those of none of {', '.join(titles)}")
    state = family.completed(state)
    return family, family.identify(shapes_of(state)), state


def load(model: Model, device: torch.device, dtype: torch.dtype) -> Published:
    """Load the checkpoint of a model.

    Args:
        model: the model.
        device: torch's device.
        dtype: precision of the decoder, float32 or bfloat16.

    Raises:
        ModelFileError: the checkpoint cannot be read or does not fit.
    """
    stored = load_weights(model.weights_path)
    state = {name: torch.from_numpy(tensor) for name, tensor in stored.items()}
    return FAMILIES[model.family](state, device, dtype)
