"""The rows of a Parquet file in batches that are bounded before they are read.

A small file may repeat one large value many times, or hold a long run of numbers in a few bytes. So the page headers of
a row group are read first. They bound the bytes of a row, and so how many rows are read at a time. The lists of a row
have no such bound, only those of the whole row group. Strings in lists are therefore read as indices into a dictionary,
and decoded once the size of their row is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ...errors import LimitError, SourceError
from ..limits import sample_limit
from .pages import DICTIONARIES, read_chunk
from .samples import BATCH_BYTES
from .sizes import FIXED, row_bytes

READ_AHEAD = 1 << 20
"""Bytes of a column's chunk that are read at a time. Without a buffer all of it is read, which may be gigabytes."""
OPEN_PAGES = 2
"""Bytes of open pages at most, as a multiple of the limit of a sample: writers put many rows in a page."""
LIST_RATIO = 16
"""Bytes of lists in a row group that are read even above the limit, as a multiple of their bytes in the file."""

ROWS = 100_000
"""Number of rows that any file may have."""
ROWS_PER_BYTE = 16
"""Further rows for each byte of the file. A run of equal rows takes a few bytes, however long it is."""


@dataclass
class Rows:
    """Some rows of a Parquet file.

    table: the rows. A row above the limit is null, except for short columns that are to be kept.
    errors: the errors of rows above the limit, by their number in the table.
    """

    table: pa.Table
    errors: dict[int, LimitError] = field(default_factory=dict)


def read_rows(
    stream: Any, batch_size: int, max_sample_bytes: int, columns: list[str] | None = None, keep: Sequence[str] = ()
) -> Iterator[Rows]:
    """All rows of a Parquet file in order, in batches of at most about BATCH_BYTES. Without rows there is an empty one.

    Args:
        stream: the file, opened for reading anywhere in it.
        batch_size: rows of a batch at most.
        max_sample_bytes: bytes of a row at most; a larger one is an error.
        columns: names of the columns to read (None: all).
        keep: columns that a row with an error keeps.

    Raises:
        SourceError: the file has more rows than its bytes allow, or reading a row group would take too much memory.
        OSError, pyarrow.ArrowException: the file cannot be read, or is damaged.
    """
    with pq.ParquetFile(stream, pre_buffer=False) as file:
        stream.seek(0, 2)
        size = stream.tell()
        if file.metadata.num_rows > ROWS + ROWS_PER_BYTE * size:
            allowed = f"at most {ROWS} and {ROWS_PER_BYTE} for each byte are read; split the file"
            raise SourceError(f"{file.metadata.num_rows} rows in {size} bytes: {allowed}")
        waiting: list[Rows] = []
        rows = held = 0
        for piece, size in _pieces(stream, file, columns, batch_size, max_sample_bytes, keep):
            if rows and (rows + len(piece.table) > batch_size or held + size > BATCH_BYTES):
                yield _joined(waiting)
                waiting, rows, held = [], 0, 0
            waiting.append(piece)
            rows, held = rows + len(piece.table), held + size
        if rows:
            yield _joined(waiting)
        elif not file.metadata.num_rows:
            names = file.schema_arrow.names if columns is None else columns
            yield Rows(file.schema_arrow.empty_table().select(names))


def _joined(parts: list[Rows]) -> Rows:
    errors: dict[int, LimitError] = {}
    start = 0
    for part in parts:
        errors |= {start + row: error for row, error in part.errors.items()}
        start += len(part.table)
    return Rows(pa.concat_tables([part.table for part in parts]), errors)


def _pieces(
    stream: Any, file: Any, columns: list[str] | None, batch_size: int, limit: int, keep: Sequence[str]
) -> Iterator[tuple[Rows, int]]:
    """The rows in pieces, each with its bytes."""
    schema = pa.schema([field for field in file.schema_arrow if columns is None or field.name in columns])
    for number in range(file.metadata.num_row_groups):
        plan = _plan(stream, file, schema, number, limit)
        step = max(1, min(batch_size, BATCH_BYTES // max(plan.row, 1)))
        group = pq.ParquetFile(
            stream,
            metadata=file.metadata,
            buffer_size=READ_AHEAD,
            pre_buffer=False,
            read_dictionary=plan.dictionaries,
        )
        repeats = any(_repeats(field.type) for field in group.schema_arrow)
        for batch in group.iter_batches(step, row_groups=[number], columns=columns, use_threads=False):
            if not repeats and (size := batch.nbytes) <= min(limit, BATCH_BYTES):  # the usual case, at once
                yield Rows(_typed(pa.Table.from_batches([batch]), schema)), size
            else:
                yield from _cut(pa.Table.from_batches([batch]), schema, limit, keep)


def _cut(table: pa.Table, schema: pa.Schema, limit: int, keep: Sequence[str]) -> Iterator[tuple[Rows, int]]:
    """A table in pieces of BATCH_BYTES at most, or one row; indices are decoded to the types of the schema."""
    sizes = row_bytes(table)
    start = 0
    while start < len(table):
        held = np.cumsum(sizes[start:])
        large = np.flatnonzero(sizes[start:] > limit)
        count = max(1, int(np.searchsorted(held, BATCH_BYTES, "right")))
        if len(large):
            count = min(count, max(1, int(large[0])))
        part = table.slice(start, count)
        if sizes[start] > limit:
            error = sample_limit(f"the row has {sizes[start]} bytes", limit)
            yield Rows(_nulls(part, schema, keep), {0: error}), 0
        else:
            yield Rows(_typed(part, schema)), int(held[count - 1])
        start += count


def _typed(table: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = [
        column if column.type == field.type else column.cast(field.type)
        for column, field in zip(table.columns, schema, strict=True)
    ]
    return pa.Table.from_arrays(columns, names=schema.names)


def _nulls(row: pa.Table, schema: pa.Schema, keep: Sequence[str]) -> pa.Table:
    """A row of nulls, but for short columns to be kept."""
    columns = [
        column
        if field.name in keep and row_bytes(pa.table([column], names=[""]))[0] <= READ_AHEAD
        else pa.nulls(1, field.type)
        for column, field in zip(row.columns, schema, strict=True)
    ]
    return _typed(pa.Table.from_arrays(columns, names=schema.names), schema)


@dataclass(frozen=True)
class _Plan:
    """How to read a row group: bytes of a row at most, lists aside, and the columns to read as dictionaries."""

    row: int
    dictionaries: list[str]


def _plan(stream: Any, file: Any, schema: pa.Schema, number: int, limit: int) -> _Plan:
    """Raises SourceError if the row group cannot be read within the limit."""
    group = file.metadata.row_group(number)
    fixed = sum(_width(field.type) for field in schema)
    row = fixed
    opened = lists = stored = 0
    dictionaries = []
    for i in range(file.metadata.num_columns):
        leaf, column = file.schema.column(i), group.column(i)
        if not any(leaf.path == name or leaf.path.startswith(f"{name}.") for name in schema.names):
            continue
        chunk = read_chunk(stream, column)
        opened += chunk.open
        if not leaf.max_repetition_level:
            row += chunk.value if leaf.physical_type == "BYTE_ARRAY" else 0
            continue
        numbered = leaf.physical_type == "BYTE_ARRAY" and chunk.dictionary > 0 and chunk.encodings <= DICTIONARIES
        if numbered:
            dictionaries.append(leaf.path)
        lists += chunk.read_by(leaf.physical_type, leaf.length, as_dictionary=numbered)
        stored += column.total_compressed_size
    for what, size, most in (
        ("open pages", opened, OPEN_PAGES * limit),
        ("lists", lists, max(limit, LIST_RATIO * stored)),
        ("values of fixed length in a row", fixed, limit),
    ):
        if size > most:
            raise SourceError(str(sample_limit(f"row group {number}: its {what} take {size} bytes", most)))
    return _Plan(row, dictionaries)


def _repeats(kind: pa.DataType) -> bool:
    """Whether values may be indices into a dictionary."""
    return pa.types.is_dictionary(kind) or any(_repeats(kind.field(i).type) for i in range(kind.num_fields))


def _width(kind: pa.DataType) -> int:
    """Bytes of a value of fixed length, which a null takes too."""
    if pa.types.is_fixed_size_list(kind):
        return int(kind.list_size) * _width(kind.value_type)
    if pa.types.is_struct(kind):
        return sum(_width(field.type) for field in kind)
    return int(kind.byte_width) if pa.types.is_fixed_size_binary(kind) else FIXED
