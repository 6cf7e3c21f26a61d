"""Some samples at a time: keys, encoded pictures, and whatever else they carry, as much as fits in a bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

BATCH_BYTES = 64 << 20
"""Of encoded pictures in a batch: large ones make shorter batches."""
Picture = bytes | Exception
"""The bytes of a picture file, or why there are none."""


@dataclass
class Samples:
    """Some samples: their keys ("" for none), their pictures, and the carried columns by name, all as long.

    notes: what the user should know of their shard, one line each; those of its first batch have them.
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
