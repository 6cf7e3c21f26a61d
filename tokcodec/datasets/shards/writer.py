"""A Parquet file that grows by tables: row groups of a fixed length, so that the batches do not show in the file."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..columns import METADATA, Recipe

ROW_GROUP = 1000
GROUP_BYTES = 32 << 20
"""Row groups of samples that carry much are shorter."""


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
        self._keep(table)
        while self.rows >= ROW_GROUP or self.bytes >= GROUP_BYTES:
            self._flush()

    def _keep(self, table: pa.Table) -> None:
        self.waiting.append(table)
        self.rows += len(table)
        self.bytes += table.nbytes

    def _flush(self) -> None:
        table = pa.concat_tables(self.waiting)
        self.waiting, self.rows, self.bytes = [], 0, 0
        self.file.write_table(table.slice(0, ROW_GROUP).cast(self.schema))
        if len(table) > ROW_GROUP:
            self._keep(table.slice(ROW_GROUP))

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Write what is left and the file's end, unless something has failed."""
        try:
            while self.rows and error is None:
                self._flush()
            if error is None:
                self.file.close()
        finally:
            self.file.is_open = False  # else it is closed once more when it is collected, which then fails aloud
