"""Writes a cascade as one file for `formats/web/tok.js`: its first tokens, one or all scales, and one network.

    "TOKM"      magic
    uint32      bytes of the JSON head
    JSON head   description of the model, and `arrays`: name, type and shape of each, in order
    arrays      little-endian, each at a multiple of 4 bytes

`formats/web/README.md` describes the file. Its hash is that of the whole model, so that the same `.tok` files decode.
"""

from __future__ import annotations

import json
import struct

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelFileError
from ..models.modelfile import Model, weight_names
from .cascade_file import read_cascade
from .look import quantised
from .look_limits import check_look
from .transform import coefficient_weights

MAGIC = b"TOKM"
FORMAT = 1
NEGLIGIBLE = 0.02
"""Coefficients of the mean that are smaller, times their weight, are omitted.

All of them together change no pixel by one level, and hardly any choice of a codeword.
"""

Arrays = dict[str, NDArray[np.generic]]


def pack_web(model: Model, tokens: int, *, all_scales: bool = False, look: str | None = None) -> bytes:
    """The bytes of a model's file for the web.

    Args:
        model: a model of the family "cascade".
        tokens: tokens per tile to include, 1 to the model's number.
        all_scales: include the codewords of small tiles too. Default: only the first scale.
        look: include the network of this look. Default: no network.

    Raises:
        ValueError: the model is of another family, or lacks the tokens or the look.
        ModelFileError: the model is damaged.
    """
    if model.family != "cascade":
        raise ValueError(f"model {model.name} is not a cascade: it has no file for the web")
    if not 1 <= tokens <= model.n_tokens:
        raise ValueError(f"tokens must be 1..{model.n_tokens} for model {model.name}, not {tokens}")
    model.verify()
    stored, looks = read_cascade(model)
    luma, chroma = (int(side) for side in stored["planes"])
    weights = coefficient_weights(luma, chroma, model.error_weights) if model.error_weights else 1.0
    scales = len(model.scales) + 1 if all_scales else 1
    arrays: Arrays = {}
    for scale in range(scales):
        own = {name: stored[name][scale] for name in ("mean", "dims", "words", "step")}
        mean = own["mean"].astype(np.float32)
        kept = np.flatnonzero(np.abs(mean) * weights >= NEGLIGIBLE)
        parts = {
            "counts": np.stack(model.tables[scale].counts, 1)[:tokens].astype(np.uint16),
            "mean": mean[kept],
            "mean.dims": kept.astype(np.uint16),
            "dims": own["dims"][:tokens].astype(np.uint16),
            "words": own["words"][:tokens],
            "step": own["step"][:tokens].astype(np.float32),
        }
        arrays |= {f"{scale}.{name}": part for name, part in parts.items()}
    if look is not None:
        if look not in looks:
            raise ValueError(f"model {model.name} has no network for the look {look!r}")
        try:
            check_look(looks[look], len(model.scales) + 1)
        except (KeyError, ValueError) as error:
            raise ModelFileError(f"{model.weights_path}: the look {look!r} does not fit ({error})") from error
        for name, weight in looks[look].items():
            arrays |= quantised(name, weight)
    head = {
        "format": FORMAT,
        "name": model.name,
        "hash": model.hash.hex(),
        "licence": model.licence,
        "tokens": tokens,
        "all_tokens": model.n_tokens,
        "radix": model.radices[0],
        "half": stored["words"].shape[-1],
        "scales": scales,
        "luma": luma,
        "chroma": chroma,
        "bounds": list(model.scales),
        "look": look,
    }
    if model.error_weights:
        head["weights"] = list(model.error_weights)
    return _packed(head, arrays)


def looks_of(model: Model) -> list[str]:
    """The looks for which a model has a network. Raises ModelFileError if the model is damaged."""
    names = [name.split(".") for name in weight_names(model.weights_path)]
    return sorted({name[1] for name in names if name[0] == "look"})


def _packed(head: dict[str, object], arrays: Arrays) -> bytes:
    listing = [[name, array.dtype.name, list(array.shape)] for name, array in arrays.items()]
    text = json.dumps(head | {"arrays": listing}, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    parts = [MAGIC, struct.pack("<I", len(text)), text]
    for array in arrays.values():
        data = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        parts += [data, bytes(-len(data) % 4)]
    return b"".join(parts)
