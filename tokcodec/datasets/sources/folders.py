"""The samples of a part of a folder of pictures: the key is the path below the folder, behind the folder's name."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Any

from .listing import Shard
from .places import utf8
from .samples import Picture, Samples, gather


def read(shard: Shard, column: str | None, batch_size: int) -> Iterator[Samples]:
    """The samples in batches; a file that cannot be read is one without a picture."""
    title = shard.place.base

    def picture(name: str) -> Picture:
        try:
            with (shard.place / name).stream() as stream:
                return bytes(stream.read())
        except OSError as error:
            return error

    rows: Iterator[tuple[str, Picture, dict[str, Any]]] = (
        (utf8(posixpath.join(title, name)), picture(name), {}) for name in shard.names
    )
    for batch in gather(rows, batch_size):
        keys, pictures, _ = zip(*batch, strict=True)
        yield Samples(list(keys), list(pictures))
