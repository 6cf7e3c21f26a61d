"""Defaults of the options that bound a run over a data set. Imports little, so that `--help` needs no pyarrow."""

from __future__ import annotations

from ..errors import LimitError
from ..pictures.limits import DEFAULT_MAX_PICTURE_BYTES

DEFAULT_SHARD_SIZE = 10_000
"""Pictures of a folder in one output file."""
DEFAULT_BATCH = 128
"""Samples held in memory at a time."""
DEFAULT_MAX_SAMPLE_BYTES = DEFAULT_MAX_PICTURE_BYTES
"""Bytes of one sample: its picture file and its other columns."""


def sample_limit(size: str, limit: int) -> LimitError:
    """The error of a sample above the limit.

    Args:
        size: what is too large and by how much, as the beginning of the line: "the row has 300 bytes".
        limit: bytes that a sample may have.
    """
    return LimitError(f"{size}, more than the limit of {limit} (--max-sample-bytes raises it)")
