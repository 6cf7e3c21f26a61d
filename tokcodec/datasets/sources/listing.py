"""Which shards the sources of a data set make: tar and Parquet files as they are, pictures of folders cut into some."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pyarrow.fs import FileType

from ...errors import SourceError
from ...pictures.suffixes import PICTURE_SUFFIXES
from .places import Place

FOLDER, TAR, PARQUET = "folder", "tar", "parquet"
SUFFIXES = {".tar": TAR, ".parquet": PARQUET}
DEFAULT_SHARD_SIZE = 10_000


@dataclass(frozen=True)
class Shard:
    """A part of the sources that becomes one output file.

    place: the tar or Parquet file, or the folder of pictures; output: path of its Parquet file in the output; names: of
    a folder's pictures, relative to it; mark: what tells it from another of the same output, for runs that go on.
    """

    kind: str
    place: Place
    output: str
    mark: str
    names: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """For messages."""
        return self.place.name if self.kind != FOLDER else f"{self.place.name} ({self.names[0]}, ...)"


def find_shards(sources: Sequence[str], shard_size: int = DEFAULT_SHARD_SIZE) -> list[Shard]:
    """The shards of folders, tar and Parquet files.

    Folders are searched for all three. Raises SourceError for a source that is none or holds no pictures, and for two
    that would have the same output.
    """
    shards: dict[str, Shard] = {}
    for source in sources:
        found = 0
        for found, shard in enumerate(_shards(Place(source), shard_size), 1):  # noqa: B007 (the count is used below)
            other = shards.setdefault(shard.output, shard)
            if other is not shard:
                names = f"{other.place.name} and {shard.place.name}"
                raise SourceError(f"{names}: both would be written to {shard.output}; encode them apart")
        if not found:
            raise SourceError(f"{source}: no pictures, .tar or .parquet files in this folder")
    return list(shards.values())


def _shards(place: Place, shard_size: int) -> Iterator[Shard]:
    kind = place.type()
    if kind == FileType.NotFound:
        raise SourceError(f"{place.name}: no such file or folder")
    if kind != FileType.Directory:
        suffix = posixpath.splitext(place.base)[1].lower()
        if suffix not in SUFFIXES:
            raise SourceError(f"{place.name}: is neither a folder nor a .tar or .parquet file")
        yield _of_file(place, SUFFIXES[suffix], place.base)
        return
    pictures = []
    for path in place.walk():
        suffix = posixpath.splitext(path)[1].lower()
        if suffix in SUFFIXES:
            yield _of_file(place / path, SUFFIXES[suffix], path)
        elif suffix in PICTURE_SUFFIXES:
            pictures.append(path)
    title = place.base or "pictures"
    for number, start in enumerate(range(0, len(pictures), shard_size)):
        names = tuple(pictures[start : start + shard_size])
        mark = hashlib.sha256("\0".join(names).encode(errors="surrogateescape")).hexdigest()
        yield Shard(FOLDER, place, f"{title}-{number:05d}.parquet", f"pictures {mark}", names)


def _of_file(place: Place, kind: str, path: str) -> Shard:
    return Shard(kind, place, posixpath.splitext(path)[0] + ".parquet", f"{place.size()} bytes")
