"""A cascade as the one file that `formats/web/tok.js` reads: the first tokens, all scales or the first, one network.

    "TOKM"      magic
    uint32      bytes of the JSON head
    JSON head   what the model is, and `arrays`: name, type and shape of each, in order
    arrays      little-endian, each from a multiple of 4 bytes on

`formats/web/README.md` describes it. The hash is the whole model's, so that the same `.tok` files decode.
"""

from __future__ import annotations

import json
import struct

import numpy as np
import numpy.typing as npt

from ..errors import ModelFileError
from ..models.modelfile import Model, weight_names
from .cascade_file import read_cascade
from .look_limits import check_look

MAGIC = b"TOKM"
FORMAT = 1
NEGLIGIBLE = 0.02
"""Coefficients of the mean below this are left out: all of them together change no pixel by one level."""

Arrays = dict[str, npt.NDArray[np.generic]]


def pack_web(model: Model, tokens: int, *, all_scales: bool = False, look: str | None = None) -> bytes:
    """The bytes of a model's file for the web.

    tokens: the first so many of every tile; look: whose network goes along (None: no network). Raises ValueError for
    more tokens than the model has, a look that it lacks, or a model of another kind; ModelFileError for a damaged one.
    """
    if model.family != "cascade":
        raise ValueError(f"model {model.name} is no cascade: it has no file for the web")
    if not 1 <= tokens <= model.n_tokens:
        raise ValueError(f"tokens must be 1..{model.n_tokens} for model {model.name}, not {tokens}")
    model.verify()
    stored, looks = read_cascade(model)
    scales = len(model.scales) + 1 if all_scales else 1
    arrays: Arrays = {}
    for scale in range(scales):
        own = {name: stored[name][scale] for name in ("mean", "dims", "words", "step")}
        mean = own["mean"].astype(np.float32)
        kept = np.flatnonzero(np.abs(mean) >= NEGLIGIBLE)
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
            arrays |= _quantised(name, weight)
    luma, chroma = (int(side) for side in stored["planes"])
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
    return _packed(head, arrays)


def looks_of(model: Model) -> list[str]:
    """The looks of which a model has a network. Raises ModelFileError."""
    names = [name.split(".") for name in weight_names(model.weights_path)]
    return sorted({name[1] for name in names if name[0] == "look"})


def _quantised(name: str, weight: npt.NDArray[np.generic]) -> Arrays:
    """A network's weight as int8 with a step for every output channel; a bias stays what it is."""
    exact = weight.astype(np.float32)
    if not name.endswith(".weight"):
        return {name: exact}
    flat = exact.reshape(len(exact), -1)
    step = np.maximum(np.abs(flat).max(1) / 127, np.float32(1e-12)).astype(np.float32)
    return {
        name: np.rint(flat / step[:, None]).astype(np.int8).reshape(exact.shape),
        f"{name.removesuffix('weight')}step": step,
    }


def _packed(head: dict[str, object], arrays: Arrays) -> bytes:
    listing = [[name, array.dtype.name, list(array.shape)] for name, array in arrays.items()]
    text = json.dumps(head | {"arrays": listing}, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    parts = [MAGIC, struct.pack("<I", len(text)), text]
    for array in arrays.values():
        data = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        parts += [data, bytes(-len(data) % 4)]
    return b"".join(parts)
