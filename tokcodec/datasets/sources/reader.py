"""The samples of any shard in batches; the memory is bounded by the batch."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from ...errors import SourceError, TokError, reason
from . import folders, parquet, tars
from .listing import FOLDER, TAR, Shard
from .places import reading_reason
from .samples import DEFAULT_BATCH, Samples


def read_samples(shard: Shard, column: str | None = None, batch_size: int = DEFAULT_BATCH) -> Iterator[Samples]:
    """The samples of a shard in their order, at most `batch_size` of them and about BATCH_BYTES at a time.

    column: of the pictures in a Parquet file, suffix of theirs in a tar (None: found). Raises SourceError, before or
    between batches, for a shard that cannot be read or holds no pictures.
    """
    reader = {FOLDER: folders, TAR: tars}.get(shard.kind, parquet)
    pictures = 0
    try:
        for samples in reader.read(shard, column, batch_size):
            pictures += sum(isinstance(picture, bytes) for picture in samples.pictures)
            yield samples
            del samples  # while the next one is read
    except TokError as error:
        raise SourceError(f"{shard.name}: {reason(error)}") from error
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"{shard.name}: cannot be read: {reading_reason(error)}") from error
    if not pictures and shard.kind != FOLDER:  # of a folder the files may be damaged, but they are there
        raise SourceError(f"{shard.name}: no pictures in it")
