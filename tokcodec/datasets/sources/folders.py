"""The samples of a part of a folder of pictures: the key is the path below the folder, behind the folder's name."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Any

from ...errors import SourceError
from ..limits import sample_limit
from .listing import Shard
from .places import Place, utf8
from .samples import Picture, Samples, gather

CHUNK = 1 << 20


def read(shard: Shard, column: str | None, batch_size: int, max_sample_bytes: int) -> Iterator[Samples]:
    """Yield the samples in batches. A file that cannot be read gives a sample without a picture.

    The arguments are those of `read_samples`.
    """
    title = shard.place.base
    rows: Iterator[tuple[str, Picture, dict[str, Any]]] = (
        (utf8(posixpath.join(title, name)), _content(shard.place / name, max_sample_bytes), {}) for name in shard.names
    )
    for batch in gather(rows, batch_size):
        keys, pictures, _ = zip(*batch, strict=True)
        yield Samples(list(keys), list(pictures))


def _content(file: Place, limit: int) -> Picture:
    """The bytes of a file. Reading stops at the limit, since the size of a remote file may be unknown."""
    parts: list[bytes] = []
    size = 0
    try:
        with file.stream() as stream:
            while part := stream.read(CHUNK):
                parts.append(part)
                size += len(part)
                if size > limit:
                    return sample_limit(f"the file has {max(size, file.size())} bytes", limit)
    except (OSError, SourceError) as error:
        return error
    return b"".join(parts)
