"""Finds the shards of sources: each tar and Parquet file is one, the pictures of a folder are divided into several."""

from __future__ import annotations

import hashlib
import posixpath
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import FileType

from ...errors import SourceError
from ...pictures.suffixes import PICTURE_SUFFIXES
from ..columns import UNREAD, Recipe
from ..limits import DEFAULT_SHARD_SIZE
from .picture_column import can_hold_pictures, recognised
from .places import Place, utf8

FOLDER, TAR, PARQUET = "folder", "tar", "parquet"
COLUMNS_SHOWN = 6
SUFFIXES = {".tar": TAR, ".parquet": PARQUET}


@dataclass(frozen=True)
class Shard:
    """A part of the sources that becomes one output file.

    kind: FOLDER, TAR or PARQUET.
    place: the tar or Parquet file, or the folder of pictures.
    output: path of its Parquet file in the output.
    mark: identifies its content when a run is resumed: `Place.mark` of a file, a digest of the names and sizes of
        pictures.
    names: paths of a folder's pictures, relative to it.
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


@dataclass
class LeftOut:
    """What is left out of the folders of a data set."""

    suffixes: Counter[str] = field(default_factory=Counter)
    """Number of files by their suffix."""
    notes: list[tuple[str, str]] = field(default_factory=list)
    """Name of each Parquet file without pictures, and a line about it."""
    linked: Counter[str] = field(default_factory=Counter)
    """Number of linked folders that were not searched, by the source."""


def find_shards(
    sources: Sequence[str],
    shard_size: int = DEFAULT_SHARD_SIZE,
    output: Place | None = None,
    left_out: LeftOut | None = None,
    follow_links: bool = False,
    column: str | None = None,
) -> list[Shard]:
    """The shards of folders, tar and Parquet files.

    Folders are searched recursively for pictures, tar and Parquet files. The output of earlier runs is skipped: an
    output inside the folder, and Parquet files of tokens. Parquet files that hold no pictures are left out. Beside tars
    or pictures, a Parquet file needs a column that is recognised as one of pictures.

    Args:
        sources: folders, .tar and .parquet files, as paths or URIs.
        shard_size: pictures of a folder in a shard.
        output: the output of the run (None: it is not inside a source).
        left_out: gets what is left out of folders.
        follow_links: whether linked folders of this machine are searched too. Default: False.
        column: column of the pictures in Parquet files (None: found automatically).

    Raises:
        SourceError: a source is of another kind or holds no pictures, or two shards would have the same output.
    """
    shards: dict[str, Shard] = {}
    left_out = LeftOut() if left_out is None else left_out
    for source in sources:
        found, parts = 0, _shards(Place(source), shard_size, output, left_out, follow_links, column)
        for found, shard in enumerate(parts, 1):  # noqa: B007 (used below)
            other = shards.setdefault(shard.output, shard)
            if other is not shard:
                names = f"{other.place.name} and {shard.place.name}"
                raise SourceError(f"{names}: both would be written to {shard.output}; encode them apart")
        if not found:
            unfit = f"; {len(left_out.notes)} .parquet files hold no pictures" if left_out.notes else ""
            if linked := left_out.linked[Place(source).name]:
                unfit += f"; {linked} linked, which --follow-links searches"
            raise SourceError(f"{source}: no pictures, .tar or .parquet files in this folder{unfit}")
    return list(shards.values())


def _shards(
    place: Place, shard_size: int, output: Place | None, left_out: LeftOut, follow_links: bool, column: str | None
) -> Iterator[Shard]:
    kind = place.type()
    if kind == FileType.NotFound:
        raise SourceError(f"{place.name}: no such file or folder")
    if kind != FileType.Directory:
        suffix = posixpath.splitext(place.base)[1].lower()
        if suffix not in SUFFIXES or kind != FileType.File:
            raise SourceError(f"{place.name}: is neither a folder nor a .tar or .parquet file")
        yield _of_file(place, SUFFIXES[suffix], place.base)
        return
    inside = output.below(place) if output is not None else None
    pictures = []
    linked: list[str] = []
    files = place.walk_sizes(follow_links=follow_links, linked=linked)
    if linked:
        left_out.linked[place.name] += len(linked)
    files = [(path, size) for path, size in files if not (inside and path.startswith(f"{inside}/"))]
    tars = {posixpath.splitext(path)[0] for path, _ in files if path.lower().endswith(".tar")}
    alone = not tars and not any(posixpath.splitext(path)[1].lower() in PICTURE_SUFFIXES for path, _ in files)
    for path, size in files:
        suffix = posixpath.splitext(path)[1].lower()
        if suffix in SUFFIXES:
            beside_tar = posixpath.splitext(path)[0] in tars
            if SUFFIXES[suffix] != PARQUET or _is_source(place / path, left_out, alone, beside_tar, column):
                yield _of_file(place / path, SUFFIXES[suffix], path)
        elif suffix in PICTURE_SUFFIXES:
            pictures.append((path, size))
        else:
            left_out.suffixes[suffix] += 1
    title = utf8(place.base or "pictures")
    for number, start in enumerate(range(0, len(pictures), shard_size)):
        part = pictures[start : start + shard_size]
        facts = "".join(f"{path}\0{size}\0" for path, size in part).encode(errors="surrogateescape")
        mark = f"pictures {hashlib.sha256(facts).hexdigest()[:32]}"
        yield Shard(FOLDER, place, f"{title}-{number:05d}.parquet", mark, tuple(path for path, _ in part))


def _of_file(place: Place, kind: str, path: str) -> Shard:
    try:
        mark = place.mark()
    except SourceError:  # reported when the shard is read, so that the others are encoded
        mark = UNREAD
    return Shard(kind, place, posixpath.splitext(utf8(path))[0] + ".parquet", mark)


def _is_source(place: Place, left_out: LeftOut, alone: bool, beside_tar: bool, column: str | None) -> bool:
    """Whether a Parquet file in a folder may hold pictures and is none that `tokcodec dataset encode` wrote.

    Args:
        place: the file.
        left_out: gets a note if it is left out.
        alone: whether the folder has neither tars nor pictures. Otherwise the file may be their metadata, with hashes
            or vectors in a binary column.
        beside_tar: whether a tar has the same name. The file is its metadata, even if it cannot be read.
        column: the column of the pictures (None: found automatically).
    """
    try:
        with place.open() as stream:
            schema = pq.read_schema(stream)
    except (OSError, pa.ArrowException):
        if beside_tar:
            left_out.notes.append((place.name, "left out: it is damaged, and a tar has the same name"))
        return not beside_tar  # reported when the shard is read
    recipe = Recipe.load(schema.metadata)
    if recipe is not None and recipe.work == "encode":
        return False
    possible = any(can_hold_pictures(field.type) for field in schema)
    if possible and (alone or recognised(schema, column)):
        return True
    names = ", ".join(schema.names[:COLUMNS_SHOWN]) + ", ..." * (len(schema.names) > COLUMNS_SHOWN)
    cure = "; --column names one" if possible and column is None else ""
    left_out.notes.append((place.name, f"left out: it has no column of pictures, only {names or 'none at all'}{cure}"))
    return False
