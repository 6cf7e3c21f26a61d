"""Packs the tokens of many files into arrays for training, and unpacks the files. Does not import torch.

A pack is an .npz file of these arrays, which `np.load` reads without pickle, or a .safetensors file of the same arrays.
The latter has the texts as a JSON object in the entry `tokcodec` of its metadata (in 1.0.0 in an entry each). Tiles are
in the order of the files, and row by row within a file.

    tokens            uint16 [tiles, most]  row t: the counts[t] tokens of tile t, best first, then FILL
    counts            uint16 [tiles]        number of tokens of each tile
    levels            uint8 [tiles]         see `counts.py`; 0 in files that are not adaptive
    offsets           int64 [files + 1]     file i has the tiles offsets[i] .. offsets[i + 1] - 1
    declared          uint16 [files]        declared tokens per tile, of an adaptive file the largest number
    adaptive          bool [files]
    widths, heights   uint16 [files]        of the pictures, in pixels
    pitches           uint16 [files]        source pixels per tile, 0: the whole picture is one tile
    names             str [files]           relative paths with "/"
    model, hash       str                   name and hash (hexadecimal) of the one model of all files
    version           str                   "1"

FILL is 65535. For a vocabulary of more than 16 bits, tokens are uint32 and FILL is 2^32 - 1.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..container.counts import LEVELS, most_tokens
from ..container.header import HASH_SIZE, MAX_TOKENS, Header
from ..contents import Contents, pack
from ..errors import TokError, UnknownModelError, reason
from ..models.modelfile import Model
from ..models.registry import candidates
from ..pictures.files import write_atomic
from ..pictures.tiling import Grid
from ..regularfile import open_regular
from ..tensorfile import check_header, read_about, save_tensors

VERSION = "1"
SUFFIXES = (".npz", ".safetensors")
MAX_BYTES = 1 << 33  # of the arrays together: a small .npz may declare terabytes
_KINDS = {  # dtypes and number of axes
    "tokens": (("uint16", "uint32"), 2),
    "counts": (("uint16",), 1),
    "levels": (("uint8",), 1),
    "offsets": (("int64",), 1),
    "declared": (("uint16",), 1),
    "adaptive": (("bool",), 1),
    "widths": (("uint16",), 1),
    "heights": (("uint16",), 1),
    "pitches": (("uint16",), 1),
}
_TEXTS = ("model", "hash", "version")


@dataclass(frozen=True)
class Pack:
    """The tokens of many files, as described above. Raises TokError if the parts do not fit together."""

    arrays: dict[str, NDArray[Any]]
    names: list[str]
    model: str
    hash: bytes

    def __post_init__(self) -> None:
        for name, (dtypes, axes) in _KINDS.items():
            array = self.arrays.get(name)
            if not isinstance(array, np.ndarray) or array.dtype.name not in dtypes or array.ndim != axes:
                raise TokError(f"damaged pack: {name} is missing or of another kind")
        tiles, most = self.arrays["tokens"].shape
        files, offsets = len(self.names), self.arrays["offsets"]
        lengths = dict.fromkeys(("declared", "adaptive", "widths", "heights", "pitches"), files)
        lengths |= {"counts": tiles, "levels": tiles, "offsets": files + 1}
        for name, length in lengths.items():
            if len(self.arrays[name]) != length:
                raise TokError(f"damaged pack: {name} has {len(self.arrays[name])} entries, not {length}")
        if offsets[0] != 0 or offsets[-1] != tiles or (np.diff(offsets) < 1).any():
            raise TokError("damaged pack: the offsets do not divide the tiles")
        if not 1 <= most <= MAX_TOKENS or self.arrays["counts"].max() > most or self.arrays["levels"].max() >= LEVELS:
            raise TokError("damaged pack: counts or levels are out of range")
        if len(self.hash) != HASH_SIZE:
            raise TokError("damaged pack: the model's hash is damaged")
        if len(set(self.names)) != files:
            raise TokError("damaged pack: a name occurs twice")
        for name in self.names:
            check_name(name)

    def __len__(self) -> int:
        return len(self.names)

    def file(self, index: int, model: Model) -> bytes:
        """The bytes of a `.tok` file, the same as those packed if the file was complete and made by this version.

        A cut file gets the largest number of tokens that it held of every tile. Raises TokError if that is 0, or if the
        pack belongs to another model.
        """
        if model.hash != self.hash:
            raise UnknownModelError(f"{self.names[index]}: packed with model {self.model}, not {model.name}")
        tiles = slice(*self.arrays["offsets"][index : index + 2])
        width, height, pitch, declared = (
            int(self.arrays[key][index]) for key in ("widths", "heights", "pitches", "declared")
        )
        levels = self.arrays["levels"][tiles].astype(np.int64)
        try:
            if Grid.for_picture(width, height, pitch).tiles != len(levels):
                raise ValueError(f"{len(levels)} tiles for {width}x{height} pixels at pitch {pitch}")
            if (count := most_tokens(self.arrays["counts"][tiles], levels, declared)) < 1:
                raise ValueError("it was cut and holds no token of some tile")
            header = Header(model.id, count, pitch, width, height)
            coded = self.arrays["tokens"][tiles].astype(np.int64)
            return pack(header, model, coded, levels if self.arrays["adaptive"][index] else None)
        except ValueError as error:
            raise TokError(f"{self.names[index]}: {error}") from error


class Packer:
    """Collects files for a pack."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._seen: set[str] = set()
        self._files: list[Contents] = []
        self._tokens: list[NDArray[Any]] = []

    def add(self, name: str, contents: Contents) -> None:
        """Add the contents of a file (`tokfile.read`) under a relative path.

        Raises TokError if the name is not valid or taken, the model is not that of the other files, or the file has no
        tokens.
        """
        check_name(name)
        if name in self._seen:
            raise TokError(f"{name}: two files of this name")
        if not contents.held:
            raise TokError(f"{name}: {contents.shortfall()}")
        if self._files and self._files[0].model.hash != contents.model.hash:
            first, other = self._files[0].model, contents.model
            raise TokError(
                f"a pack holds files of one model: {self.names[0]} was made with {_label(first)}, "
                f"{name} with {_label(other)}"
            )
        # -1 becomes the largest value of the type: that is FILL
        self._tokens.append(contents.coded.astype(token_dtype(contents.model)))
        self.names.append(name)
        self._seen.add(name)
        self._files.append(contents)

    def finish(self) -> Pack:
        """The pack of the added files, in their order. Raises TokError if there are none."""
        if not self._files:
            raise TokError("nothing to pack")
        headers = [contents.header for contents in self._files]
        tiles = [contents.tiles for contents in self._files]
        model = self._files[0].model
        dtype = token_dtype(model)
        tokens = np.full((sum(tiles), max(header.tokens for header in headers)), np.iinfo(dtype).max, dtype)
        offsets = np.concatenate([[0], np.cumsum(tiles)]).astype(np.int64)
        for start, coded in zip(offsets, self._tokens, strict=False):
            tokens[start : start + len(coded), : coded.shape[1]] = coded
        levels = [np.zeros(f.tiles, np.uint8) if f.levels is None else f.levels for f in self._files]
        arrays = {
            "tokens": tokens,
            "counts": np.concatenate([f.counts() for f in self._files]).astype(np.uint16),
            "levels": np.concatenate(levels).astype(np.uint8),
            "offsets": offsets,
            "declared": np.array([header.tokens for header in headers], np.uint16),
            "adaptive": np.array([header.adaptive for header in headers], np.bool_),
            "widths": np.array([header.width for header in headers], np.uint16),
            "heights": np.array([header.height for header in headers], np.uint16),
            "pitches": np.array([header.pitch for header in headers], np.uint16),
        }
        return Pack(arrays, self.names, model.name, model.hash)


def write(path: str | Path, content: Pack, *, force: bool = False) -> None:
    """Write a pack as .npz or .safetensors, by the suffix of the path, completely or not at all.

    Raises ValueError for another suffix, and OutputError if it cannot be written.
    """
    texts = {"model": content.model, "hash": content.hash.hex(), "version": VERSION}
    if Path(path).suffix == ".npz":
        named = content.arrays | {"names": np.array(content.names), **{k: np.array(v) for k, v in texts.items()}}
        write_atomic(path, lambda stream: np.savez_compressed(stream, **named), force=force)  # type: ignore[arg-type]
    elif Path(path).suffix == ".safetensors":
        write_atomic(path, save_tensors(content.arrays, texts | {"names": content.names}), force=force)
    else:
        raise ValueError(f"a pack is named {' or '.join(SUFFIXES)}, not {Path(path).name}")


def read(path: str | Path) -> Pack:
    """Read a pack. Its first bytes tell its kind. Raises TokError if the file is not a pack."""
    try:
        try:
            stream = open_regular(path, MAX_BYTES)
        except ValueError as error:
            raise TokError(f"not a pack: {error}; large sets are for tokcodec dataset") from error
        with stream:
            zipped = stream.read(2) == b"PK"
        arrays, texts = _read_npz(path) if zipped else _read_safetensors(path)
        names = texts.pop("names")
        if texts.get("version") != VERSION or not isinstance(names, list) or not all(type(n) is str for n in names):
            raise ValueError("not a pack of this version")
        return Pack(arrays, names, texts["model"], bytes.fromhex(texts["hash"]))
    except TokError:
        raise
    except OSError as error:
        raise TokError(reason(error)) from error
    except Exception as error:  # zipfile, NumPy and safetensors do not document all of their exceptions
        raise TokError("not a pack, or a damaged one") from error


def _read_npz(path: str | Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    with zipfile.ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > MAX_BYTES:
            raise TokError(f"a pack of more than {MAX_BYTES} bytes; large sets are for tokcodec dataset")
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in _KINDS}
        texts: dict[str, Any] = {name: str(archive[name]) for name in _TEXTS}
        return arrays, texts | {"names": archive["names"].tolist()}


def _read_safetensors(path: str | Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    from safetensors import safe_open

    check_header(path, MAX_BYTES)
    with safe_open(path, framework="numpy") as file:
        texts = read_about(file.metadata())
        arrays = {name: file.get_tensor(name) for name in _KINDS}
    if isinstance(texts["names"], str):  # 1.0.0
        texts["names"] = json.loads(texts["names"])
    return arrays, texts


def find_packed_model(content: Pack) -> Model:
    """The model of a pack. Raises UnknownModelError if it is not installed."""
    for model in candidates(content.hash[0]):
        if model.hash == content.hash:
            return model
    raise UnknownModelError(f"needs model {content.model} (hash {content.hash.hex()[:8]}...), which is not installed")


def check_name(name: str) -> None:
    """Raise TokError unless a name is a relative path inside its folder, on every system."""
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    if (
        not posix.name
        or "\0" in name
        or posix.is_absolute()
        or windows.anchor
        or ".." in (*posix.parts, *windows.parts)
    ):
        raise TokError(f"{name!r} is not a relative path inside a folder")


def token_dtype(model: Model) -> type[np.uint16] | type[np.uint32]:
    """The type for the tokens of a model. Its largest value is FILL."""
    vocabulary = int(np.prod(model.radices, dtype=np.int64))
    return np.uint16 if vocabulary <= np.iinfo(np.uint16).max else np.uint32


def _label(model: Model) -> str:
    return f"{model.name} ({model.hash.hex()[:8]}...)"
