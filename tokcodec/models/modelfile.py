"""One model: a folder with `model.json` (the manifest), `tables.safetensors`, `model.safetensors` and a card.

Its identity is a sha256 over the tables and the tensors that take part in decoding: two models with the same hash
decode every file alike. A `.tok` file stores the first byte of it as the model's id and has the whole hash mixed into
the header's check. Weights are hashed here, never run.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..container.header import HASH_SIZE, MAX_TOKENS, Header
from ..errors import ModelFileError, OutputError, UnknownModelError
from ..pictures.limits import DEFAULT_TILE, TILE_SIDES

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ..container.tables import FrequencyTables

MANIFEST_FORMAT = 1
MANIFEST, TABLES, WEIGHTS, CARD = "model.json", "tables.safetensors", "model.safetensors", "README.md"
MAX_MANIFEST_BYTES = 1 << 20  # a manifest is about 1 kB: more is not one, and is not read into memory
MAX_BOUND = 1 << 14  # of a scale, in pixels: no tile covers more along a side
MAX_RADIX = 1 << 16  # of a digit: each of its values has a count of at least 1, and they sum to so many
MAX_VOCABULARY = 1 << 31
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # of a model: safe as a folder name on every system


@dataclass(frozen=True)
class Model:
    """An installed model, as its manifest describes it; tables and weights are read when asked for.

    hash: 32 bytes; n_tokens: tokens per tile, 1..256; radices: digits of a token (see `entropy`); scales: source pixels
    a tile below which another set of tables and codewords serves it, falling (see `tiling.Grid.scale`); ordered:
    whether fewer than all tokens decode; default_tokens: 1..n_tokens, n_tokens where they are not ordered; files:
    sha256 (hex) by file name; hashed: prefixes of the tensors that take part in decoding; tile: samples along a tile's
    side, one of `limits.TILE_SIDES`.
    """

    name: str
    path: Path
    family: str
    hash: bytes
    n_tokens: int
    radices: tuple[int, ...]
    scales: tuple[int, ...]
    ordered: bool
    default_tokens: int
    files: Mapping[str, str] = field(hash=False)
    hashed: tuple[str, ...]
    tile: int = DEFAULT_TILE
    licence: str = ""
    description: str = ""

    @property
    def id(self) -> int:
        """The short id stored in a file: the first byte of the hash."""
        return self.hash[0]

    @property
    def weights_path(self) -> Path:
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
        """Equal counts for all values: what a file with the flat flag is coded with."""
        from ..container.tables import FrequencyTables

        return FrequencyTables.uniform(self.n_tokens, self.radices)

    def tables_of(self, header: Header, scale: int) -> FrequencyTables:
        """The tables that the payload of a file whose tiles have a scale is coded with."""
        return self.flat_tables if header.flat else self.tables[scale]

    def verify(self) -> None:
        """Recompute the checksum of every file and the model's hash from tables and weights.

        Raises ModelFileError naming the file.
        """
        for name in self.files:
            self._verify_file(name)
        if model_hash(self.tables, _read_tensors(self.weights_path, self.hashed)) != self.hash:
            raise ModelFileError(f"{self.path / MANIFEST}: the hash does not belong to these tables and weights")

    def _verify_file(self, name: str) -> None:
        path = self.path / name
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ModelFileError(f"{path}: cannot be read ({error.strerror})") from error
        if found != self.files[name]:
            raise ModelFileError(
                f"{path}: damaged or changed (sha256 is {found[:8]}..., {MANIFEST} states {self.files[name][:8]}...)"
            )


def model_hash(tables: Sequence[FrequencyTables], tensors: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Identity of a model, 32 bytes: sha256 over the tables and the given tensors (those that take part in decoding).

    Fed in this order: `FrequencyTables.to_bytes` of every scale, then for each tensor by name its name, dtype name and
    shape (decimal, with commas), each closed by a zero byte, and its raw little-endian bytes.
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
    """The model in a folder, from its manifest alone.

    Raises UnknownModelError (no manifest there) or ModelFileError (a bad one).
    """
    path = folder / MANIFEST
    try:
        with path.open("rb") as file:
            text = file.read(MAX_MANIFEST_BYTES + 1)
        if len(text) > MAX_MANIFEST_BYTES:
            raise ValueError(f"larger than {MAX_MANIFEST_BYTES} bytes")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UnknownModelError(f"{folder}: not a model's folder (no {MANIFEST})") from error
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ModelFileError(f"{path}: not a manifest ({error})") from error
    return _parse(folder, text)


@lru_cache(maxsize=64)
def _parse(folder: Path, text: bytes) -> Model:
    """One instance for a manifest as long as it stays the same, so that its tables are read once in a process."""
    try:
        manifest = json.loads(text)
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
    tensors: Mapping[str, npt.NDArray[Any]],
    hashed: Sequence[str],
    scales: Sequence[int] = (),
    tile: int = DEFAULT_TILE,
    ordered: bool,
    default_tokens: int,
    licence: str,
    description: str,
    card: str = "",
    metadata: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> Model:
    """Write a model's folder, all of it or nothing.

    tables: one for each scale; tensors: numpy arrays by name; metadata goes into the weights file; the others are as in
    `Model`.

    Raises OutputError when the folder exists (unless overwrite) or cannot be written, ValueError when the arguments
    do not fit together.
    """
    from safetensors.numpy import save_file

    from ..container.tables import save_tables

    if folder.exists() and not (overwrite and (folder / MANIFEST).is_file()):
        raise OutputError(f"{folder}: exists already")
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
        "ordered": ordered,
        "default_tokens": default_tokens,
        "hash": model_hash(tables, decoding).hex(),
        "hashed": list(hashed),
        "files": {TABLES: "0" * 64, WEIGHTS: "0" * 64},
        "licence": licence,
        "description": description,
    }
    _from_manifest(folder, manifest)  # refuse what could not be read again
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder.parent))
        try:
            save_tables(tables, partial / TABLES)
            save_file(
                {key: tensor.copy(order="C") for key, tensor in tensors.items()},
                partial / WEIGHTS,
                metadata=dict(metadata or {}),
            )
            manifest["files"] = {
                file: hashlib.sha256((partial / file).read_bytes()).hexdigest() for file in (TABLES, WEIGHTS)
            }
            (partial / MANIFEST).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            (partial / CARD).write_text(card or f"# {name}\n\n{description}\n", encoding="utf-8")
            partial.chmod(0o755)  # mkdtemp makes it private, safetensors its files
            for file in (TABLES, WEIGHTS):
                (partial / file).chmod(0o644)
            if folder.exists():
                shutil.rmtree(folder)
            partial.rename(folder)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror or error})") from error
    return read_model(folder)


def _from_manifest(folder: Path, manifest: Any) -> Model:
    """Raises ValueError naming the key that is missing or wrong."""
    if not isinstance(manifest, dict):
        raise ValueError("not a JSON object")
    if manifest.get("format") != MANIFEST_FORMAT:
        raise ValueError(f"manifest format {manifest.get('format')!r} is not {MANIFEST_FORMAT}: needs another tokcodec")

    def take(key: str, kind: type) -> Any:
        if type(manifest.get(key)) is not kind:  # exact: true is no number
            raise ValueError(f"{key!r} is missing or not of type {kind.__name__}")
        return manifest[key]

    name, files, radices, hashed = take("name", str), take("files", dict), take("radices", list), take("hashed", list)
    if not NAME.fullmatch(name):
        raise ValueError("'name' must be letters, digits, '.', '_' and '-', at most 64")
    if not radices or not all(type(radix) is int and 2 <= radix <= MAX_RADIX for radix in radices):
        raise ValueError(f"'radices' must be numbers, 2..{MAX_RADIX}")
    if math.prod(radices) > MAX_VOCABULARY:
        raise ValueError(f"'radices' must make at most {MAX_VOCABULARY} tokens")
    tile = manifest.get("tile", DEFAULT_TILE)  # early manifests have none
    if type(tile) is not int or tile not in TILE_SIDES:
        raise ValueError(f"'tile' must be one of {', '.join(map(str, TILE_SIDES))} samples, not {tile!r}")
    scales = take("scales", list)
    if not all(type(bound) is int and 0 < bound <= MAX_BOUND for bound in scales) or any(
        below >= bound for bound, below in pairwise(scales)
    ):
        raise ValueError(f"'scales' must be numbers of pixels, 1..{MAX_BOUND}, falling")
    n_tokens, default_tokens = take("n_tokens", int), take("default_tokens", int)
    if not 1 <= default_tokens <= n_tokens <= MAX_TOKENS:
        raise ValueError(f"must hold: 1 <= 'default_tokens' <= 'n_tokens' <= {MAX_TOKENS}")
    ordered = take("ordered", bool)
    if not ordered and default_tokens != n_tokens:
        raise ValueError(f"'default_tokens' must be 'n_tokens', {n_tokens}, where tokens are not 'ordered'")
    if not re.fullmatch(f"[0-9a-f]{{{2 * HASH_SIZE}}}", take("hash", str)):
        raise ValueError(f"'hash' must be {HASH_SIZE} bytes in hexadecimal")
    if not hashed or not all(type(prefix) is str for prefix in hashed):
        raise ValueError("'hashed' must name at least one prefix")
    if not {TABLES, WEIGHTS} <= files.keys() or not all(
        NAME.fullmatch(file) and type(files[file]) is str for file in files
    ):
        raise ValueError(f"'files' must give the sha256 of {TABLES} and {WEIGHTS}, and no paths")
    return Model(
        name=name,
        path=folder,
        family=take("family", str),
        hash=bytes.fromhex(manifest["hash"]),
        n_tokens=n_tokens,
        radices=tuple(radices),
        scales=tuple(scales),
        ordered=ordered,
        default_tokens=default_tokens,
        files=dict(files),
        hashed=tuple(hashed),
        tile=tile,
        licence=take("licence", str),
        description=take("description", str),
    )


def _read_tensors(path: Path, prefixes: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """The tensors of a safetensors file whose names begin with one of the prefixes."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            names = [name for name in file.keys() if name.startswith(tuple(prefixes))]  # noqa: SIM118 (not a dict)
            tensors: dict[str, np.ndarray[Any, Any]] = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:
        raise ModelFileError(f"{path}: not usable as weights ({error})") from error
    if not tensors:
        raise ModelFileError(f"{path}: no tensor begins with any of {list(prefixes)}")
    return tensors
