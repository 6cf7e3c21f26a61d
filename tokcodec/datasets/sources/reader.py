"""The samples of any shard in batches of bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from ...errors import LimitError, SourceError, TokError, reason
from ..limits import DEFAULT_BATCH, DEFAULT_MAX_SAMPLE_BYTES
from . import folders, parquet, tars
from .listing import FOLDER, TAR, Shard
from .places import reading_reason
from .samples import Samples


def read_samples(
    shard: Shard,
    column: str | None = None,
    batch_size: int = DEFAULT_BATCH,
    max_sample_bytes: int = DEFAULT_MAX_SAMPLE_BYTES,
) -> Iterator[Samples]:
    """The samples of a shard in order, in batches of at most about BATCH_BYTES. There is at least one, perhaps empty.

    Args:
        shard: from `find_shards`.
        column: column of the pictures in a Parquet file, or their suffix in a tar. None: found automatically.
        batch_size: samples of a batch at most.
        max_sample_bytes: bytes of one sample at most, its picture and what it carries. A larger one is read as a
            LimitError instead of its picture, and its bytes never are.

    Raises:
        SourceError: the shard cannot be read, or has samples and no pictures. It may come between two batches.
    """
    reader = {FOLDER: folders, TAR: tars}.get(shard.kind, parquet)
    pictures = rows = 0
    try:
        for samples in reader.read(shard, column, batch_size, max_sample_bytes):
            rows += len(samples)
            pictures += sum(isinstance(picture, (bytes, LimitError)) for picture in samples.pictures)
            yield samples
            del samples  # while the next one is read
    except TokError as error:
        raise SourceError(f"{shard.name}: {reason(error)}") from error
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"{shard.name}: cannot be read: {reading_reason(error)}") from error
    if rows and not pictures and shard.kind != FOLDER:  # the files of a folder exist, even if damaged
        raise SourceError(f"{shard.name}: no pictures in it")
