"""The samples of a Parquet file with a column of encoded pictures: binary, or Hugging Face's struct of bytes and path.

The key is the column `key` or `__key__` if there is one, else the shard's name, as that of its output, and the row's
number.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterator
from itertools import chain

import pyarrow as pa
import pyarrow.parquet as pq

from ...errors import PictureError, SourceError
from .listing import Shard
from .samples import BATCH_BYTES, Picture, Samples

KEYS = ("key", "__key__")
USUAL = ("image", "img", "picture", "photo", "jpg", "png", "webp")
"""Names of columns that are preferred where several could hold pictures."""
READ_AHEAD = 1 << 20  # bytes of a column's chunk: without a buffer all of it is read, which may be gigabytes


def read(shard: Shard, column: str | None, batch_size: int) -> Iterator[Samples]:
    """The samples in batches. Raises SourceError for an unknown column."""
    with shard.place.open() as stream, pq.ParquetFile(stream, buffer_size=READ_AHEAD, pre_buffer=False) as file:
        name = find_column(file.schema_arrow, column)
        start, stem = 0, posixpath.splitext(shard.output)[0]
        for batch in _batches(file, batch_size):
            yield samples_of(batch, name, [f"{stem}-{start + i:08d}" for i in range(len(batch))])
            start += len(batch)


def _batches(file: pq.ParquetFile, batch_size: int) -> Iterator[pa.Table]:
    """The rows in batches of about BATCH_BYTES at most: read as the mean row of their row group allows, then joined."""
    waiting: list[pa.RecordBatch] = []
    rows = held = 0
    for number in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(number)
        step = max(1, min(batch_size, BATCH_BYTES * group.num_rows // max(group.total_byte_size, 1)))
        read = file.iter_batches(step, row_groups=[number], use_threads=False)
        for piece in chain.from_iterable(map(_pieces, read)):
            if rows and (rows + len(piece) > batch_size or held + piece.nbytes > BATCH_BYTES):
                yield pa.Table.from_batches(waiting)
                waiting, rows, held = [], 0, 0
            waiting.append(piece)
            rows, held = rows + len(piece), held + piece.nbytes
    if rows:
        yield pa.Table.from_batches(waiting)


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """A batch in halves until none is too large: rows may be larger than the mean, or stored once for many."""
    half = len(batch) // 2
    if batch.nbytes <= BATCH_BYTES or not half:
        yield batch
    else:
        yield from _pieces(batch[:half])
        yield from _pieces(batch[half:])


def samples_of(batch: pa.RecordBatch | pa.Table, column: str, keys: list[str] | None = None) -> Samples:
    """The samples of a batch with their pictures in a column; keys: for those that have none (None: "")."""
    names = batch.schema.names
    keys = keys or [""] * len(batch)
    own = next((name for name in KEYS if name in names), None)
    if own is not None:
        given = batch.column(own).to_pylist()
        keys = [key if value is None else _key(value) for key, value in zip(keys, given, strict=True)]
    pictures = [_picture(value) for value in batch.column(column).to_pylist()]
    return Samples(keys, pictures, {name: batch.column(name) for name in names if name not in (column, own)})


def _key(value: object) -> str:
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)


def _picture(value: object) -> Picture:
    if isinstance(value, dict):
        if value.get("bytes") is None and value.get("path"):
            return PictureError(f"the row has no bytes of its picture, only the path {value['path']}")
        value = value.get("bytes")
    return value if isinstance(value, bytes) else PictureError("no picture in this row")


def find_column(schema: pa.Schema, column: str | None = None) -> str:
    """The column of pictures: the named one, or the only one that can be. Raises SourceError."""
    if twice := [name for name, number in Counter(schema.names).items() if number > 1]:
        raise SourceError(f"several columns have the name {twice[0]!r}")
    if column is not None:
        if schema.get_field_index(column) < 0:
            raise SourceError(f"no column {column!r}; there are: {', '.join(schema.names) or 'none'}")
        if not _holds_pictures(schema.field(column).type):
            raise SourceError(f"column {column!r} holds {schema.field(column).type}, no encoded pictures")
        return column
    found = [field.name for field in schema if _holds_pictures(field.type)]
    structs = [name for name in found if pa.types.is_struct(schema.field(name).type)]
    for names in (structs, found):
        if len(names) == 1:
            return str(names[0])
        for usual in USUAL:
            if usual in names:
                return usual
    if not found:
        raise SourceError(f"no column of encoded pictures; there are: {', '.join(schema.names) or 'none'}")
    raise SourceError(f"pictures may be in the columns {', '.join(found)}: choose one with --column")


def _holds_pictures(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _holds_pictures(kind.value_type)
    if pa.types.is_struct(kind):
        index = kind.get_field_index("bytes")
        return index >= 0 and _holds_pictures(kind.field(index).type)
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    )
