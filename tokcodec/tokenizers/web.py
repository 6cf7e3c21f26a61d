"""Writes a cascade for `formats/web/tok.js`: its first tokens, one or all scales, and one network, whole or in parts.

    "TOKM"      magic
    uint32      bytes of the JSON head
    JSON head   description of the model, and `arrays`: name, type and shape of each, in order
    arrays      little-endian, each at a multiple of 4 bytes

`formats/web/README.md` describes the files. Their hash is that of the whole model, so that the same `.tok`
files decode.
"""

from __future__ import annotations

import json
import struct

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelFileError
from ..models.modelfile import Model
from ..models.weights import weight_names
from .cascade_file import read_cascade
from .look import quantised
from .look_limits import check_look
from .transform import coefficient_weights

MAGIC = b"TOKM"
FORMAT = 1
PARTS_FORMAT = 2
"""Of a file that is a part of a model."""
NEGLIGIBLE = 0.02
"""Coefficients of the mean that are smaller, times their weight, are omitted unless a token changes them.

All of them together change no pixel by one level, and hardly any choice of a codeword: they count in the price of bits
alone.
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
    source = _Source(model, tokens, all_scales)
    return _packed(source.head(FORMAT, tokens, look), source.codewords(0, tokens) | source.network(look))


def pack_web_parts(
    model: Model, first: int, tokens: int, *, all_scales: bool = False, look: str | None = None
) -> dict[str, bytes]:
    """The bytes of the files that `loadModel` joins, by their part: "first", and "rest" and "network" if there are any.

    Args:
        model: a model of the family "cascade".
        first: tokens per tile in the first file, 1 to `tokens`.
        tokens: tokens per tile in all files, 1 to the model's number.
        all_scales: include the codewords of small tiles too. Default: only the first scale.
        look: include the network of this look. Default: no network.

    Raises:
        ValueError: the model is of another family, or lacks the tokens or the look.
        ModelFileError: the model is damaged.
    """
    if not 1 <= first <= tokens:
        raise ValueError(f"the first part must have 1..{tokens} tokens, not {first}")
    source = _Source(model, tokens, all_scales)
    owner = {"format": PARTS_FORMAT, "name": model.name, "hash": model.hash.hex()}
    parts = {"first": _packed(source.head(PARTS_FORMAT, first, None), source.codewords(0, first))}
    if first < tokens:
        parts["rest"] = _packed(owner | {"from": first, "tokens": tokens}, source.codewords(first, tokens))
    if look is not None:
        parts["network"] = _packed(owner | {"look": look}, source.network(look))
    return parts


class _Source:
    """The arrays of a model, and the head that describes them."""

    def __init__(self, model: Model, tokens: int, all_scales: bool) -> None:
        if model.family != "cascade":
            raise ValueError(f"model {model.name} is not a cascade: it has no file for the web")
        if not 1 <= tokens <= model.n_tokens:
            raise ValueError(f"tokens must be 1..{model.n_tokens} for model {model.name}, not {tokens}")
        model.verify()
        self.model = model
        self.scales = len(model.scales) + 1 if all_scales else 1
        self.stored, self.looks = read_cascade(model)

    def head(self, format: int, tokens: int, look: str | None) -> dict[str, object]:
        """The description of a whole model, or of a first part with its first tokens."""
        model = self.model
        luma, chroma = (int(side) for side in self.stored["planes"])
        head: dict[str, object] = {
            "format": format,
            "name": model.name,
            "hash": model.hash.hex(),
            "licence": model.licence,
            "tokens": tokens,
            "all_tokens": model.n_tokens,
            "radix": model.radices[0],
            "half": self.stored["words"].shape[-1],
            "scales": self.scales,
            "luma": luma,
            "chroma": chroma,
            "bounds": list(model.scales),
            "look": look,
        }
        if model.error_weights:
            head["weights"] = list(model.error_weights)
        return head

    def codewords(self, first: int, end: int) -> Arrays:
        """Arrays of the tokens `first` to `end` - 1 of all scales, with the part of the mean that they need."""
        arrays: Arrays = {}
        for scale in range(self.scales):
            own = {name: self.stored[name][scale] for name in ("mean", "dims", "words", "step")}
            kept = self._means(scale, end)
            if first:
                kept = np.setdiff1d(kept, self._means(scale, first))
            parts: Arrays = {
                "counts": np.stack(self.model.tables[scale].counts, 1)[first:end].astype(np.uint16),
                "mean": own["mean"][kept].astype(np.float32),
                "mean.dims": kept.astype(np.uint16),
                "dims": own["dims"][first:end].astype(np.uint16),
                "words": own["words"][first:end],
                "step": own["step"][first:end].astype(np.float32),
            }
            arrays |= {f"{scale}.{name}": part for name, part in parts.items()}
        return arrays

    def _means(self, scale: int, tokens: int) -> NDArray[np.int64]:
        """Numbers of the mean's coefficients that the first tokens need, sorted."""
        luma, chroma = (int(side) for side in self.stored["planes"])
        given = self.model.error_weights
        weights = coefficient_weights(luma, chroma, given) if given else 1.0
        mean = np.abs(self.stored["mean"][scale].astype(np.float32))
        needed = mean * weights >= NEGLIGIBLE
        changed = np.unique(self.stored["dims"][scale][:tokens])
        needed[changed] = mean[changed] > 0
        return np.flatnonzero(needed)

    def network(self, look: str | None) -> Arrays:
        """Arrays of the network of a look; none without one."""
        if look is None:
            return {}
        model = self.model
        if look not in self.looks:
            raise ValueError(f"model {model.name} has no network for the look {look!r}")
        tensors = self.looks[look]
        try:
            check_look(tensors, len(model.scales) + 1)
        except (KeyError, ValueError) as error:
            raise ModelFileError(f"{model.weights_path}: the look {look!r} does not fit ({error})") from error
        arrays: Arrays = {}
        for name, weight in tensors.items():
            arrays |= quantised(name, weight)
        return arrays


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
