"""Batches of samples in bounded memory: keys, encoded pictures, and the other columns that they carry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

BATCH_BYTES = 64 << 20
"""Bytes of a batch of samples at most; large samples make shorter batches."""
Picture = bytes | Exception
"""The bytes of a picture file, or the error that replaces them."""


@dataclass
class Samples:
    """A batch of samples; all parts have the same length.

    keys: their names ("" for none).
    pictures: their picture files, or errors.
    carried: their other columns by name.
    notes: lines for the user about the shard; only on its first batch.
    """

    keys: list[str]
    pictures: list[Picture]
    carried: Mapping[str, pa.Array | pa.ChunkedArray] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.keys)


def gather(rows: Iterable[tuple[str, Picture, dict[str, Any]]], batch_size: int) -> Iterator[list[Any]]:
    """Lists of rows: key, picture and fields by name.

    Args:
        rows: the rows of a shard.
        batch_size: rows of a list at most; it also ends with the row that makes it BATCH_BYTES or more.
    """
    batch: list[Any] = []
    held = 0
    for row in rows:
        batch.append(row)
        held += sum(len(part) for part in (*row[:2], *row[2].values()) if isinstance(part, (bytes, str)))
        if len(batch) == batch_size or held >= BATCH_BYTES:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch
