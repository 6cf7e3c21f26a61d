"""A Parquet file that grows by tables: row groups of a fixed length, so that the batches do not show in the file."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..columns import METADATA, Recipe

ROW_GROUP = 1000
GROUP_BYTES = 32 << 20
"""Row groups of samples that carry much are shorter."""
FIXED = 8
"""Bytes of a number."""


def write_tables(stream: Any, tables: Iterator[pa.Table], recipe: Recipe) -> None:
    """Write tables of one schema, at least one, to a stream, and how they were made. Raises OSError."""
    table = next(tables)
    with TableWriter(stream, table.schema, {METADATA: recipe.dump()}) as writer:
        writer.write(table)
        for table in tables:
            writer.write(table)


class TableWriter:
    """Writes tables of one schema to a stream; a context, at the end of which the file is whole. Raises OSError."""

    def __init__(self, stream: Any, schema: pa.Schema, metadata: dict[bytes, bytes]) -> None:
        self.schema = schema.with_metadata(metadata)
        self.file = pq.ParquetWriter(stream, self.schema, compression="zstd")
        self.waiting: list[pa.Table] = []
        self.rows = self.bytes = 0

    def write(self, table: pa.Table) -> None:
        """A row group ends with the row that fills it, wherever in a table that is."""
        sizes = row_bytes(table)
        start = 0
        while start < len(table):
            room = ROW_GROUP - self.rows
            held = self.bytes + np.cumsum(sizes[start : start + room])
            full = int(np.searchsorted(held, GROUP_BYTES))  # the first row with which there are so many
            count = min(full + 1, len(held))
            self.waiting.append(table.slice(start, count))
            self.rows, self.bytes, start = self.rows + count, int(held[count - 1]), start + count
            if self.rows == ROW_GROUP or self.bytes >= GROUP_BYTES:
                self._flush()

    def _flush(self) -> None:
        """Write what waits as one row group; one piece, since pages end where pieces do."""
        table = pa.concat_tables(self.waiting).combine_chunks()
        self.waiting, self.rows, self.bytes = [], 0, 0
        self.file.write_table(table.cast(self.schema))

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Write what is left and the file's end, unless something has failed."""
        try:
            if self.rows and error is None:
                self._flush()
            if error is None:
                self.file.close()
        finally:
            self.file.is_open = False  # else it is closed once more when it is collected, which then fails aloud


def row_bytes(table: pa.Table) -> NDArray[np.int64]:
    """About how many bytes each row takes, [rows], as its values alone tell: the same in any batch."""
    columns = (column.combine_chunks() for column in table.columns)
    return sum((_value_bytes(column) for column in columns), np.zeros(len(table), np.int64))


def _value_bytes(values: Any) -> NDArray[np.int64]:
    """Of the values of an array, [values]; of fixed types and of those without a length FIXED."""
    if isinstance(values, pa.ChunkedArray):  # of more than 2 GB
        return np.concatenate([np.empty(0, np.int64), *map(_value_bytes, values.chunks)])
    kind = values.type
    if isinstance(values, pa.ExtensionArray):
        return _value_bytes(values.storage)
    if pa.types.is_dictionary(kind):
        return _value_bytes(values.dictionary_decode())
    if pa.types.is_binary_view(kind) or pa.types.is_string_view(kind):
        return _value_bytes(values.cast(pa.large_binary()))
    if pa.types.is_struct(kind):
        return sum(map(_value_bytes, values.flatten()), np.zeros(len(values), np.int64))
    if pa.types.is_map(kind):
        return _value_bytes(values.cast(pa.list_(pa.struct([kind.key_field, kind.item_field]))))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        lengths = _filled(pc.list_value_length(values))
        ends = np.cumsum(lengths)
        sums = np.concatenate([[0], np.cumsum(_value_bytes(values.flatten()))]).astype(np.int64)
        return np.asarray(sums[ends] - sums[ends - lengths])
    if any(test(kind) for test in (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_string)) or (
        pa.types.is_large_string(kind) or pa.types.is_fixed_size_binary(kind)
    ):
        return _filled(pc.binary_length(values))
    return np.full(len(values), FIXED, np.int64)


def _filled(lengths: pa.Array) -> NDArray[np.int64]:
    return np.asarray(lengths.fill_null(0).to_numpy(zero_copy_only=False), np.int64)
