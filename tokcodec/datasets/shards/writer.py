"""Writes tables to a Parquet file in row groups that do not depend on how the rows are divided into tables."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..columns import METADATA, Recipe
from ..sources.sizes import row_bytes
from .encodings import writer_options

ROW_GROUP = 20_000
"""Largest number of rows of a row group. With 1,000 rows the dictionaries of tokens take 9 % of the file."""
GROUP_BYTES = 32 << 20
"""Bytes at which a row group ends before ROW_GROUP rows, so that large samples need bounded memory."""


def write_tables(stream: Any, tables: Iterator[pa.Table], recipe: Recipe) -> None:
    """Write a Parquet file.

    Args:
        stream: the file.
        tables: tables of one schema, at least one.
        recipe: how they were made, for the metadata.

    Raises:
        OSError: the file cannot be written.
    """
    table = next(tables)
    with TableWriter(stream, table.schema, {METADATA: recipe.dump()}) as writer:
        writer.write(table)
        for table in tables:
            writer.write(table)


class TableWriter:
    """Writes tables of one schema to a stream; when the context ends the file is complete. Raises OSError."""

    def __init__(self, stream: Any, schema: pa.Schema, metadata: dict[bytes, bytes]) -> None:
        self.schema = schema.with_metadata(metadata)
        self.stream = stream
        self.file: Any = None  # opened with the first row group, which determines the encodings
        self.waiting: list[pa.Table] = []
        self.rows = self.bytes = 0

    def write(self, table: pa.Table) -> None:
        """A row group ends with the row that fills it, wherever in a table that is."""
        sizes = row_bytes(table)
        start = 0
        while start < len(table):
            room = ROW_GROUP - self.rows
            held = self.bytes + np.cumsum(sizes[start : start + room])
            full = int(np.searchsorted(held, GROUP_BYTES))  # the first row that reaches GROUP_BYTES
            count = min(full + 1, len(held))
            self.waiting.append(table.slice(start, count))
            self.rows, self.bytes, start = self.rows + count, int(held[count - 1]), start + count
            if self.rows == ROW_GROUP or self.bytes >= GROUP_BYTES:
                self._flush()

    def _flush(self) -> None:
        """Write the waiting rows as one row group, in one chunk, since a page ends at the end of a chunk."""
        table = pa.concat_tables([self.schema.empty_table(), *self.waiting]).combine_chunks()
        self.waiting, self.rows, self.bytes = [], 0, 0
        if self.file is None:
            self.file = pq.ParquetWriter(self.stream, self.schema, **writer_options(table))
        if len(table):
            self.file.write_table(table)

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Write the waiting rows and the footer, unless an error ends the context."""
        try:
            if error is None and (self.rows or self.file is None):
                self._flush()
            if error is None:
                self.file.close()
        finally:
            if self.file is not None:
                self.file.is_open = False  # the garbage collector would close it again, and print the error
