"""The samples of a Parquet file with a column of encoded pictures: binary, or Hugging Face's struct of bytes and path.

The key is the column `key` or `__key__`; without one it is the path of the shard in the output and the row's number.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from ...errors import PictureError
from ..limits import sample_limit
from .listing import Shard
from .picture_column import find_column
from .samples import Picture, Samples
from .tables import read_rows

KEYS = ("key", "__key__")


def read(shard: Shard, column: str | None, batch_size: int, max_sample_bytes: int) -> Iterator[Samples]:
    """The samples in batches; the arguments are those of `read_samples`. Raises SourceError for an unknown column."""
    with shard.place.open() as stream:
        with pq.ParquetFile(stream, pre_buffer=False) as file:
            name = find_column(file.schema_arrow, column)
        start, stem = 0, posixpath.splitext(shard.output)[0]
        for rows in read_rows(stream, batch_size, max_sample_bytes, keep=KEYS):
            keys = [f"{stem}-{start + i:08d}" for i in range(len(rows.table))]
            samples = samples_of(rows.table, name, keys)
            for row, error in rows.errors.items():
                samples.pictures[row] = error
            start += len(samples)
            del rows
            yield samples


def samples_of(
    batch: pa.RecordBatch | pa.Table,
    column: str,
    keys: list[str] | None = None,
    max_sample_bytes: int | None = None,
) -> Samples:
    """The samples of a batch.

    Args:
        batch: a pyarrow table.
        column: the column of its pictures.
        keys: keys for samples that have none in the batch (None: "").
        max_sample_bytes: bytes of a picture file at most; a larger one becomes a LimitError (None: any).
    """
    names = batch.schema.names
    keys = keys or [""] * len(batch)
    own = next((name for name in KEYS if name in names), None)
    if own is not None:
        given = batch.column(own).to_pylist()
        keys = [key if value is None else _key(value) for key, value in zip(keys, given, strict=True)]
    pictures = [_picture(value, max_sample_bytes) for value in _values(batch.column(column))]
    return Samples(keys, pictures, {name: batch.column(name) for name in names if name not in (column, own)})


def _values(column: pa.Array | pa.ChunkedArray) -> list[object]:
    """The values of a column; rows that have one value of a dictionary share its bytes."""
    if not pa.types.is_dictionary(column.type):
        return list(column.to_pylist())
    found: list[object] = []
    for part in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
        values = part.dictionary.to_pylist()
        found += [None if number is None else values[number] for number in part.indices.to_pylist()]
    return found


def _key(value: object) -> str:
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)


def _picture(value: object, limit: int | None) -> Picture:
    if isinstance(value, dict):
        if value.get("bytes") is None and value.get("path"):
            return PictureError(f"the row has no bytes of its picture, only the path {value['path']}")
        value = value.get("bytes")
    if not isinstance(value, bytes):
        return PictureError("no picture in this row")
    if limit is not None and len(value) > limit:
        return sample_limit(f"the picture has {len(value)} bytes", limit)
    return value
