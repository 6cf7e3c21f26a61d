"""Reads the page headers of a Parquet file for sizes that the file's metadata lacks or has wrong.

A page header is a small Thrift struct before each page (compact protocol), see `PageHeader` in the format's
parquet.thrift. Only headers are read here, no page is decompressed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .sizes import FIXED

HEADER_SIZES = 1 << 12, 1 << 16, 1 << 24
"""Bytes to try for a header: statistics can make it long, Arrow refuses more than the last."""
DICTIONARY_PAGE, DATA_PAGE_V2 = 2, 3
VALUES = {0: 5, DICTIONARY_PAGE: 7, DATA_PAGE_V2: 8}
"""Field of a page header that holds the number of values, by the type of the page."""
ENTRY_BYTES = 16
"""Bytes that Arrow holds for each entry of a dictionary, beside its page."""
DELTA_LENGTH_BYTE_ARRAY, DELTA_BYTE_ARRAY = 6, 7
"""Encodings for which Arrow decodes all lengths of a page at once."""
DICTIONARIES = {0, 2, 8}
"""Encodings that Arrow reads as a dictionary: plain, and the two of indices."""
DEPTH, MAX_FIELD = 8, 16
"""Structs inside structs, and numbers of fields: page headers have fewer."""


@dataclass
class Chunk:
    """The pages of one column in one row group.

    dictionary: bytes of its dictionary page, 0 without one.
    largest: bytes of its largest data page.
    total: bytes of all its data pages.
    values: values in it, nulls included; of a list each element.
    encodings: of its data pages, as numbered by the format.
    """

    dictionary: int = 0
    largest: int = 0
    total: int = 0
    values: int = 0
    encodings: frozenset[int] = frozenset()

    @property
    def open(self) -> int:
        """Bytes in memory while rows are read: a data page, and the dictionary."""
        return self.dictionary + self.largest

    @property
    def value(self) -> int:
        """Bytes of a value of variable length at most: it is inside a page."""
        return max(self.dictionary, self.largest)

    def read_by(self, physical: str, length: int, as_dictionary: bool) -> int:
        """Bytes of all its values at most, once they are read.

        Args:
            physical: the type in the file, such as "BYTE_ARRAY".
            length: bytes of a value of fixed length.
            as_dictionary: values are read as numbers of a dictionary.
        """
        if physical != "BYTE_ARRAY" or as_dictionary:
            return self.values * max(length, FIXED)
        repeats = self.dictionary or DELTA_BYTE_ARRAY in self.encodings
        return self.values * self.value if repeats else self.total + self.values * FIXED


def read_chunk(stream: Any, column: Any) -> Chunk:
    """The pages of a column in a row group.

    Args:
        stream: the file, opened for reading anywhere in it.
        column: its metadata, a `pyarrow.parquet.ColumnChunkMetaData`.

    Raises:
        OSError: the file cannot be read, or a header is damaged.
    """
    position = column.data_page_offset
    if column.has_dictionary_page and 0 < column.dictionary_page_offset < position:
        position = column.dictionary_page_offset
    end = position + column.total_compressed_size
    chunk = Chunk()
    while chunk.values < column.num_values and position < end:
        size, header = _read_header(stream, position)
        position += size + header[3]
        kind = header[1]
        inner = header.get(VALUES.get(kind, 0), {})
        values = inner.get(1, 0)
        if kind == DICTIONARY_PAGE:
            chunk.dictionary = max(chunk.dictionary, header[2], ENTRY_BYTES * values)
            continue
        encoding = inner.get(4 if kind == DATA_PAGE_V2 else 2, 0)
        lengths = FIXED * values if encoding in (DELTA_LENGTH_BYTE_ARRAY, DELTA_BYTE_ARRAY) else 0
        chunk.largest = max(chunk.largest, header[2], lengths)
        chunk.total += header[2]
        chunk.values += values
        chunk.encodings |= {encoding}
    return chunk


def _read_header(stream: Any, position: int) -> tuple[int, dict[int, Any]]:
    """Bytes and fields of the page header at a position."""
    for size in HEADER_SIZES:
        stream.seek(position)
        reader = _Thrift(stream.read(size))
        try:
            fields = reader.struct()
        except IndexError:  # longer than that
            continue
        inner = [one.get(1, 0) for one in fields.values() if isinstance(one, dict)]
        if min(fields.get(1, -1), fields.get(2, -1), fields.get(3, -1), *inner) >= 0:
            return reader.at, fields
        break
    raise OSError(f"damaged page header at byte {position}")


class _Thrift:
    """Reads Thrift's compact protocol; IndexError if the data ends too early."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """Integers and structs by the number of their field."""
        if depth > DEPTH:
            raise IndexError
        fields: dict[int, Any] = {}
        number = 0
        while kind := self._byte():
            number = number + (kind >> 4) if kind >> 4 else self._integer()
            value = self._value(kind & 15, depth)
            if 0 < number <= MAX_FIELD:
                fields[number] = value
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (1, 2):  # true and false are in the type
            return None
        if kind == 3:
            return self._byte()
        if kind in (4, 5, 6):
            return self._integer()
        if kind == 12:
            return self.struct(depth + 1)
        if kind not in (7, 8):  # no page header has lists or maps
            raise IndexError
        length = 8 if kind == 7 else self._varint()
        self.at += length
        return None

    def _byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise IndexError

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
