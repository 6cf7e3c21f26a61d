"""Reads and writes a model: a folder with `model.json` (the manifest), tables, weights and a card.

The identity of a model is a SHA-256 of its tables and of the tensors that decoding uses. Two models with the same hash
decode every file alike. A `.tok` file has the first byte of the hash as model id, and the header's check depends on the
whole hash. Weights are hashed here, never run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..container.header import Header
from ..errors import ModelFileError, OutputError, UnknownModelError, reason
from ..pictures.files import write_atomic
from ..pictures.limits import DEFAULT_TILE
from ..regularfile import open_regular, read_regular
from .folders import current_folder, new_folder
from .manifest import (
    CARD,
    MANIFEST,
    MANIFEST_FORMAT,
    MAX_MANIFEST_BYTES,
    TABLES,
    WEIGHTS,
    check_manifest,
    parse_manifest,
)
from .weights import MAX_FILE_BYTES, load_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..container.tables import FrequencyTables


@dataclass(frozen=True)
class Model:
    """An installed model, as its manifest describes it. Tables and weights are read when they are needed."""

    name: str
    """Name of the model, which is also that of its folder."""
    path: Path
    """The folder."""
    family: str
    """Family of its tokenizer, see `tokenizers/families.py`."""
    hash: bytes
    """32 bytes: the model's identity, see `model_hash`."""
    n_tokens: int
    """Tokens per tile, 1..256."""
    radices: tuple[int, ...]
    """Number of values of each digit of a token, see `container/tables.py`."""
    scales: tuple[int, ...]
    """Falling bounds in source pixels along a tile's side. Below each, another set of tables and codewords is used, see
    `tiling.Grid.scale`."""
    ordered: bool
    """Whether the first tokens of a tile decode without the others."""
    default_tokens: int
    """1..n_tokens, and n_tokens if the tokens are not ordered."""
    files: Mapping[str, str] = field(hash=False)
    """sha256 (hexadecimal) by file name."""
    hashed: tuple[str, ...]
    """Prefixes of the tensors that decoding uses."""
    tile: int = DEFAULT_TILE
    """Samples along a tile's side, one of `limits.TILE_SIDES`."""
    error_weights: tuple[float, ...] = ()
    """What the squared errors of parts of a tile count in the choice of tokens, as the family has parts. A decoder
    does not need them. Empty: all count alike."""
    licence: str = ""
    """Licence of the weights."""
    description: str = ""
    """One line for `tokcodec models list`."""

    @property
    def id(self) -> int:
        """The short id stored in a file: the first byte of the hash."""
        return self.hash[0]

    @property
    def weights_path(self) -> Path:
        """The file of the weights."""
        return self.path / WEIGHTS

    @cached_property
    def tables(self) -> tuple[FrequencyTables, ...]:
        """The entropy tables of every scale, with their checksum verified. Raises ModelFileError."""
        from ..container.tables import load_tables

        self._verify_file(TABLES)
        tables = load_tables(self.path / TABLES)
        shapes = {(table.radices, table.n_tokens) for table in tables}
        if shapes != {(self.radices, self.n_tokens)} or len(tables) != len(self.scales) + 1:
            raise ModelFileError(f"{self.path / TABLES}: tables do not have the shape that {MANIFEST} states")
        return tables

    @cached_property
    def flat_tables(self) -> FrequencyTables:
        """Tables with equal counts, for files with the flat flag."""
        from ..container.tables import FrequencyTables

        return FrequencyTables.uniform(self.n_tokens, self.radices)

    def tables_of(self, header: Header, scale: int) -> FrequencyTables:
        """The tables for the payload of a file, from its header and the scale of its tiles."""
        return self.flat_tables if header.flat else self.tables[scale]

    def verify(self) -> None:
        """Recompute the checksum of every file and the model's hash from tables and weights.

        Raises ModelFileError, which names the file.
        """
        for name in self.files:
            self._verify_file(name)
        decoding = load_weights(self.weights_path, self.hashed)
        if not decoding:
            raise ModelFileError(f"{self.weights_path}: no tensor begins with any of {list(self.hashed)}")
        if model_hash(self.tables, decoding) != self.hash:
            raise ModelFileError(f"{self.path / MANIFEST}: the hash does not belong to these tables and weights")

    def _verify_file(self, name: str) -> None:
        from ..container.tables import MAX_BYTES

        path = self.path / name
        try:
            with open_regular(path, MAX_BYTES if name == TABLES else MAX_FILE_BYTES) as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except (OSError, ValueError) as error:
            raise ModelFileError(f"{path}: cannot be read ({reason(error)})") from error
        if found != self.files[name]:
            raise ModelFileError(
                f"{path}: damaged or changed (sha256 is {found[:8]}..., {MANIFEST} states {self.files[name][:8]}...)"
            )


def model_hash(tables: Sequence[FrequencyTables], tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """Identity of a model, 32 bytes: SHA-256 of the tables and of the tensors that decoding uses.

    The input is `FrequencyTables.to_bytes` of every scale, then for each tensor in the order of names: name, dtype name
    and shape (decimal, with commas), each followed by a zero byte, and its raw little-endian bytes.
    """
    digest = hashlib.sha256()
    for table in tables:
        digest.update(table.to_bytes())
    for name in sorted(tensors):
        tensor = tensors[name]
        shape = ",".join(map(str, tensor.shape))
        digest.update(f"{name}\0{tensor.dtype.name}\0{shape}\0".encode())
        digest.update(tensor.astype(tensor.dtype.newbyteorder("<"), copy=False).tobytes())
    return digest.digest()


def read_model(folder: Path) -> Model:
    """The model in a folder. Reads only its manifest.

    Raises UnknownModelError if the folder has no manifest, and ModelFileError if it is damaged.
    """
    folder = current_folder(folder)
    path = folder / MANIFEST
    try:
        text = read_regular(path, MAX_MANIFEST_BYTES)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UnknownModelError(f"{folder}: not a model's folder (no {MANIFEST})") from error
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({reason(error)})") from error
    except ValueError as error:
        raise ModelFileError(f"{path}: not a manifest ({error})") from error
    return _parse(folder, text)


@lru_cache(maxsize=64)
def _parse(folder: Path, text: bytes) -> Model:
    """The same instance while the manifest is unchanged, so that its tables are read once per process."""
    try:
        manifest = parse_manifest(text)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{folder / MANIFEST}: not a manifest ({error})") from error
    try:
        return _from_manifest(folder, manifest)
    except ValueError as error:
        raise ModelFileError(f"{folder / MANIFEST}: {error}") from error


def write_model(
    folder: Path,
    *,
    name: str,
    family: str,
    tables: Sequence[FrequencyTables],
    tensors: Mapping[str, NDArray[Any]],
    hashed: Sequence[str],
    scales: Sequence[int] = (),
    tile: int = DEFAULT_TILE,
    error_weights: Sequence[float] = (),
    ordered: bool,
    default_tokens: int,
    licence: str,
    description: str,
    card: str = "",
    metadata: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> Model:
    """Write the folder of a model completely or not at all. A kill leaves the old model or the new one.

    Args:
        folder: Path of the folder.
        name: Up to 64 letters, digits, ".", "_" and "-".
        family: The name of a family of tokenizers.
        tables: The frequency tables of each scale, which determine the number of tokens and the digits.
        tensors: The weights by name.
        hashed: Prefixes of the tensors that decoding uses, for the model's hash.
        scales: As in `Model`.
        tile: As in `Model`.
        error_weights: As in `Model`.
        ordered: As in `Model`.
        default_tokens: As in `Model`.
        licence: Licence of the weights.
        description: One line for `tokcodec models list`.
        card: Text of README.md. Default: the name and the description.
        metadata: Description of the weights, for their file.
        overwrite: Replace an existing model.

    Raises:
        OutputError: The folder exists (unless overwrite), or cannot be written.
        ValueError: The arguments do not fit together.
    """
    from ..container.tables import pack_tables
    from ..tensorfile import save_tensors

    check_place(folder, overwrite)
    decoding = {key: tensor for key, tensor in tensors.items() if key.startswith(tuple(hashed))}
    if not decoding:
        raise ValueError(f"no tensor begins with any of {list(hashed)}")
    manifest = {
        "format": MANIFEST_FORMAT,
        "name": name,
        "family": family,
        "n_tokens": tables[0].n_tokens,
        "radices": list(tables[0].radices),
        "scales": list(scales),
        "tile": tile,
        **({"error_weights": list(error_weights)} if error_weights else {}),
        "ordered": ordered,
        "default_tokens": default_tokens,
        "hash": model_hash(tables, decoding).hex(),
        "hashed": list(hashed),
        "files": {TABLES: "0" * 64, WEIGHTS: "0" * 64},
        "licence": licence,
        "description": description,
    }
    _from_manifest(folder, manifest)  # refuse a model that could not be read again
    files = {TABLES: pack_tables(tables), WEIGHTS: save_tensors(tensors, metadata)}
    manifest["files"] = {file: hashlib.sha256(data).hexdigest() for file, data in files.items()}
    files[CARD] = (card or f"# {name}\n\n{description}\n").encode()
    files[MANIFEST] = (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode()
    try:
        with new_folder(folder) as partial:
            for file, data in files.items():
                write_atomic(partial / file, data, force=False)
    except (OSError, OutputError) as error:
        raise OutputError(f"{folder}: cannot be written ({reason(error)})") from error
    return read_model(folder)


def check_place(folder: Path, overwrite: bool) -> None:
    """Raise OutputError if something lies in the place of a new model, unless it is a model that may be replaced."""
    old = current_folder(folder)
    if old.exists() and not overwrite:
        raise OutputError(f"{folder}: exists already")
    if old.exists() and not (old / MANIFEST).is_file():
        raise OutputError(f"{folder}: exists already and is not a model")


def _from_manifest(folder: Path, manifest: Any) -> Model:
    """The model that a manifest describes. Raises ValueError for a wrong manifest, see `check_manifest`."""
    check_manifest(manifest)
    return Model(
        name=manifest["name"],
        path=folder,
        family=manifest["family"],
        hash=bytes.fromhex(manifest["hash"]),
        n_tokens=manifest["n_tokens"],
        radices=tuple(manifest["radices"]),
        scales=tuple(manifest["scales"]),
        ordered=manifest["ordered"],
        default_tokens=manifest["default_tokens"],
        files=dict(manifest["files"]),
        hashed=tuple(manifest["hashed"]),
        tile=manifest.get("tile", DEFAULT_TILE),
        error_weights=tuple(map(float, manifest.get("error_weights", ()))),
        licence=manifest["licence"],
        description=manifest["description"],
    )
