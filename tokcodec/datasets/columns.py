"""The columns of a shard of tokens, and what its metadata says about how they were made.

    key       string        name of the sample; for a picture in a folder, folder name and path
    tok       binary        the bytes that `tokcodec encode` writes
    width     uint16        width of the picture in pixels
    height    uint16        height of the picture in pixels
    tiles     int32         number of tiles
    tokens    list<uint16>  all tiles in order; within a tile, most important token first. Reshape to [tiles, -1].
                            A tile of an adaptive file with fewer tokens is filled with FILL (see `pack`).
    error     string        null, or the line that the command would print; then all of the above but key are null

The other columns of the sample follow under their own names, or as `source_NAME` if the name is one of these. A
vocabulary of more than 16 bits has tokens of uint32. The file's metadata has the `Recipe` as JSON under `tokcodec`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..errors import SourceError, printable, reason

KEY, TOK, WIDTH, HEIGHT, TILES, TOKENS, ERROR = "key", "tok", "width", "height", "tiles", "tokens", "error"
IMAGE = "image"
METADATA = b"tokcodec"
UNREAD = "unread"  # the mark of a source that cannot be read
IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])  # Hugging Face's


@dataclass(frozen=True)
class Recipe:
    """How a shard was made.

    work: "encode" or "decode".
    version: of tokcodec.
    model, hash: name and hash of the model, the hash in hexadecimal.
    options: the options that change the output.
    kind: kind of the source, see `listing.Shard`.
    source: name of the source.
    mark: identifies the content of the source, see `listing.Shard`.
    shard_size: pictures of a folder in a shard; None for other sources.
    """

    work: str
    version: str
    model: str
    hash: str
    options: Mapping[str, Any]
    kind: str
    source: str
    mark: str
    shard_size: int | None = None

    def dump(self) -> bytes:
        return json.dumps(asdict(self), sort_keys=True).encode()

    @classmethod
    def load(cls, metadata: Mapping[bytes, bytes] | None) -> Recipe | None:
        """The recipe in a schema's metadata; None without one."""
        try:
            return cls(**json.loads((metadata or {})[METADATA]))
        except (KeyError, ValueError, TypeError):
            return None

    def difference(self, other: Recipe) -> str | None:
        """The difference of two recipes as text; None if their shards belong together."""
        if self.work != other.work:
            return f"made by dataset {self.work}, not {other.work}"
        if self.hash != other.hash:
            return f"made with model {self.model} ({self.hash[:8]}...), not {other.model} ({other.hash[:8]}...)"
        every = sorted({*self.options, *other.options})
        names = [name for name in every if self.options.get(name) != other.options.get(name)]
        if names:
            return f"made with {_options_text(self.options, names)}, not {_options_text(other.options, names)}"
        return None

    def other_source(self, other: Recipe) -> str | None:
        """The difference of the sources of two shards of one name; None if they have the same content."""
        if self.kind == other.kind and self.shard_size != other.shard_size:
            return f"made with shard_size {self.shard_size}, not shard_size {other.shard_size}"
        if (self.kind, self.mark) == (other.kind, other.mark):
            return None
        if other.mark == UNREAD:
            return f"made from {self.source}, but {other.source} cannot be read now"
        if self.source == other.source:
            return f"made from {self.source} as it was; its content is another now"
        return f"made from {self.source}, not from {other.source}, whose content is another"


def _options_text(options: Mapping[str, Any], names: Sequence[str]) -> str:
    """The given ones among some options as text; all of them if none is given."""
    given = [name for name in names if options.get(name) is not None] or names
    return ", ".join(f"{name} {options.get(name)}" for name in given)


@dataclass
class Coded:
    """An encoded sample: the file and its content, or the line of its error.

    tokens: [tiles * tokens], FILL if a tile has fewer.
    """

    data: bytes | None = None
    width: int | None = None
    height: int | None = None
    tiles: int | None = None
    tokens: NDArray[Any] | None = None
    error: str | None = None


def error_line(key: str, error: BaseException) -> str:
    """The line that the command would print."""
    return printable(f"tokcodec: {key}: {reason(error)}" if key else f"tokcodec: {reason(error)}")


def token_table(
    keys: Sequence[str], coded: Sequence[Coded], carried: Mapping[str, Any], dtype: type[np.integer[Any]]
) -> pa.Table:
    """Encoded samples as a table.

    Args:
        keys: name of each sample.
        coded: file or error of each sample.
        carried: other columns by their names.
        dtype: type of the tokens.
    """
    return pa.table(
        {
            KEY: pa.array(keys, pa.string()),
            TOK: pa.array([one.data for one in coded], pa.binary()),
            WIDTH: pa.array([one.width for one in coded], pa.uint16()),
            HEIGHT: pa.array([one.height for one in coded], pa.uint16()),
            TILES: pa.array([one.tiles for one in coded], pa.int32()),
            TOKENS: _lists([one.tokens for one in coded], dtype),
            ERROR: pa.array([one.error for one in coded], pa.string()),
        }
        | _renamed(carried, (KEY, TOK, WIDTH, HEIGHT, TILES, TOKENS, ERROR))
    )


def image_table(
    columns: Mapping[str, Any], pictures: Sequence[bytes | None], errors: Sequence[str | None], suffix: str
) -> pa.Table:
    """Decoded samples as a table: their columns without the token columns, plus `image` and `error`.

    Args:
        columns: all columns of the samples by their names.
        pictures: picture file of each sample (None: it has an error).
        errors: line of each sample's error (None: it has a picture).
        suffix: suffix of the picture files, with its dot.
    """
    keys = columns[KEY].to_pylist() if KEY in columns else [None] * len(pictures)
    images = [
        None if data is None else {"bytes": data, "path": f"{key}{suffix}" if key else None}
        for key, data in zip(keys, pictures, strict=True)
    ]
    own = {name: columns[name] for name in (KEY, WIDTH, HEIGHT) if name in columns}
    made = {IMAGE: pa.array(images, IMAGE_TYPE), ERROR: pa.array(errors, pa.string())}
    rest = {name: column for name, column in columns.items() if name not in (*own, TOK, TILES, TOKENS, ERROR)}
    return pa.table(own | made | _renamed(rest, (*own, *made)))


def _renamed(carried: Mapping[str, Any], taken: Sequence[str]) -> dict[str, Any]:
    """Carried columns under names that are not taken."""
    found: dict[str, Any] = {}
    for name, column in carried.items():
        free = name
        while free in taken or (free != name and free in carried):
            free = f"source_{free}"
        found[free] = column
    return found


def _lists(values: Sequence[NDArray[Any] | None], dtype: type[np.integer[Any]]) -> pa.Array:
    lengths = [0 if one is None else len(one) for one in values]
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int32)
    flat = np.concatenate([np.empty(0, dtype), *(one.astype(dtype) for one in values if one is not None)])
    missing = pa.array([one is None for one in values], pa.bool_())
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat), mask=missing)


def check_tokens(schema: pa.Schema) -> None:
    """Raise SourceError if a table has no column of tokens."""
    if schema.get_field_index(TOK) < 0:
        raise SourceError(f"no column {TOK!r} of tokens; there are: {', '.join(schema.names) or 'none'}")
