"""Reads and checks the tensors of a cascade, since a model may come from a stranger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelFileError
from ..models.modelfile import Model
from ..models.weights import load_weights
from .look import INPUT, LIGHT, LOOKS, restored, weights_of
from .transform import COLOURS

MAX_CODEWORDS = 4096
"""Codewords for each half of a token at most. Our own models have 64."""
MAX_NUMBERS = 1 << 21
"""Numbers in the codewords of a scale at most. Our own models have 2^18."""

PLANES = len(COLOURS)

Tensors = Mapping[str, NDArray[Any]]


def read_cascade(model: Model) -> tuple[dict[str, NDArray[Any]], dict[str, dict[str, NDArray[Any]]]]:
    """Read the tensors of a cascade, by the names of `CascadeTokenizer`, and the weights of its looks, by look.

    Looks are checked on first use, by `look_limits.check_look`.

    Raises:
        ModelFileError: tensors are missing, do not fit together or to the tables, or have wrong types, values or
            sizes.
    """
    path = model.weights_path
    stored = load_weights(path)
    tensors = {name.removeprefix("decoder."): tensor for name, tensor in stored.items()}
    try:
        check_tensors(tensors)
        looks = {look: restored(weights) for look in (*LOOKS, LIGHT) if (weights := weights_of(look, stored))}
    except KeyError as error:
        raise ModelFileError(f"{path}: not a cascade ({error} is missing)") from error
    except ValueError as error:
        raise ModelFileError(f"{path}: {error}") from error
    scales, n_tokens, _, codewords, _ = tensors["words"].shape
    if len(model.error_weights) not in (0, PLANES):
        raise ModelFileError(
            f"{model.path}: a cascade has error_weights for {PLANES} planes, not {len(model.error_weights)}"
        )
    tables = model.tables
    if (tables[0].radices, tables[0].n_tokens, len(tables)) != ((codewords,) * 2, n_tokens, scales):
        raise ModelFileError(f"{path}: the entropy tables are not for {n_tokens} tokens of {codewords} x {codewords}")
    return tensors, looks


def check_tensors(tensors: Tensors) -> None:
    """Check planes, words, mean, dims and step. Raises KeyError if one is missing, ValueError if one is wrong."""
    planes, words = tensors["planes"], tensors["words"]
    if planes.shape != (2,) or not np.issubdtype(planes.dtype, np.integer):
        raise ValueError(f"not a cascade (planes are {planes.dtype} {list(planes.shape)}, not 2 integers)")
    luma, chroma = (int(side) for side in planes)
    if not 1 <= chroma <= luma <= INPUT:
        raise ValueError(f"not a cascade (planes of {luma} and {chroma}; must hold: 1 <= chroma <= luma <= {INPUT})")
    if words.ndim != 5 or 0 in words.shape or words.dtype != np.int8:
        raise ValueError(f"not a cascade (words are {words.dtype} {list(words.shape)})")
    scales, n_tokens, digits, codewords, half = words.shape
    size = luma**2 + 2 * chroma**2
    if codewords > MAX_CODEWORDS or words[0].size > MAX_NUMBERS:
        raise ValueError(
            f"{codewords} codewords of {half} numbers for {n_tokens} tokens: at most {MAX_CODEWORDS} codewords, and "
            f"{MAX_NUMBERS} numbers in all of a scale, are allowed"
        )
    for name, kind, shape in (
        ("mean", np.floating, (scales, size)),
        ("dims", np.integer, (scales, n_tokens, 2 * half)),
        ("step", np.floating, (scales, n_tokens, 2)),
    ):
        if name not in tensors or tensors[name].shape != shape:
            raise ValueError(f"{name} is missing or not of shape {shape}")
        if not np.issubdtype(tensors[name].dtype, kind) or not np.isfinite(tensors[name]).all():
            raise ValueError(f"{name} holds {tensors[name].dtype}, or values that are not finite")
    dims = tensors["dims"]
    if digits != 2 or not 0 <= int(dims.min()) <= int(dims.max()) < size:
        raise ValueError(f"dims must lie in 0..{size - 1}, and words have 2 digits")
    if not np.diff(np.sort(dims, axis=2), axis=2).all():
        raise ValueError("dims name a coefficient twice for a token")
    if tensors["step"].min() < 0:
        raise ValueError("step holds negative values")
