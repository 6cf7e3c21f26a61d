"""Writes a model anew with other weights or tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from .modelfile import Model, write_model
from .weights import weights_about

if TYPE_CHECKING:
    from ..container.tables import FrequencyTables


def rewrite_model(
    model: Model,
    folder: Path,
    *,
    tensors: Mapping[str, NDArray[Any]],
    card: str,
    name: str | None = None,
    tables: Sequence[FrequencyTables] | None = None,
    overwrite: bool = False,
) -> Model:
    """Write a model anew, completely or not at all. All that is not given stays as it is.

    Args:
        model: the model.
        folder: path of the new folder, which may be that of the model.
        tensors: the weights by name.
        card: text of README.md.
        name: name of the new model. Default: that of the model.
        tables: frequency tables of each scale. Default: those of the model.
        overwrite: replace an existing model. Default: False.

    Raises:
        ModelFileError: the model's weights cannot be read.
        OutputError: the folder exists (unless overwrite), or cannot be written.
    """
    return write_model(
        folder,
        name=name or model.name,
        family=model.family,
        tables=tables or model.tables,
        tensors=tensors,
        hashed=model.hashed,
        scales=model.scales,
        tile=model.tile,
        error_weights=model.error_weights,
        ordered=model.ordered,
        default_tokens=model.default_tokens,
        licence=model.licence,
        description=model.description,
        card=card,
        metadata=weights_about(model.weights_path),
        overwrite=overwrite,
    )
