"""The samples of a tar in WebDataset's layout: consecutive members whose names are equal up to the first dot.

The name up to the dot is the key, the suffix after it names the member: `train/0017.jpg` and `train/0017.cls` are the
picture and the class of `train/0017`. The tar is read twice: first to find the suffixes, which become the columns, and
to see that it is complete. Zeros follow the last member. Some writers omit them, so a tar that was cut between two
members gives a note instead of an error. Members after the zeros, of a second tar, are not read and give a note too.
A sample is an error if it has two members of one suffix, a link or a sparse member, whose bytes are not all in the tar,
or more bytes than the limit. A tar without members gives one batch without samples.
"""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Collection, Iterator
from itertools import groupby
from typing import Any, Literal

import pyarrow as pa
from pyarrow.fs import LocalFileSystem

from ...errors import LimitError, PictureError, SourceError, TokError
from ...pictures.suffixes import PICTURE_SUFFIXES
from ...tarmembers import DAMAGE, BoundedMember, members
from ..limits import sample_limit
from .listing import Shard
from .places import utf8
from .samples import Picture, Samples, gather

TEXT = {"caption", "cls", "cls2", "class", "count", "id", "index", "inx", "json", "text", "transcript", "txt"}
"""Suffixes of members that are text; the others become binary columns."""

Row = tuple[str, Picture, dict[str, bytes | str]]
CHUNK = 1 << 20
SUFFIXES_SHOWN = 5
MAX_SUFFIXES = 64 << 10
"""Bytes of all different suffixes together: each becomes a column, which every row has."""


def read(shard: Shard, column: str | None, batch_size: int, max_sample_bytes: int) -> Iterator[Samples]:
    """The samples in batches; the arguments are those of `read_samples`.

    Raises SourceError for a file that is not a tar, or ends too early.
    """
    try:
        carried, end = _find_columns(shard, column)
        notes: tuple[str, ...] | None = _check_end(shard, end)
        with shard.place.stream() as stream, _open(stream, "r|") as archive:
            for batch in gather(_rows(archive, column, max_sample_bytes), batch_size):
                yield _samples(batch, carried, notes or ())
                notes = None
        if notes is not None:
            yield _samples([], carried, notes)
    except TokError:
        raise
    except DAMAGE as error:
        raise SourceError(f"not a tar file, or a damaged one ({error})") from error


def _open(stream: Any, mode: Literal["r:", "r|"]) -> tarfile.TarFile:
    return tarfile.open(fileobj=stream, mode=mode, tarinfo=BoundedMember)


def _find_columns(shard: Shard, column: str | None) -> tuple[list[str], int]:
    """Suffixes of the members that samples carry, and the byte where the members end.

    Raises SourceError if there are samples and none has a picture, or the suffixes are too many.
    """
    local = isinstance(shard.place.filesystem, LocalFileSystem)  # on other file systems each seek is a request
    opened = shard.place.open() if local else shard.place.stream()
    found: dict[str, None] = {}
    pictures = 0
    with opened as stream, _open(stream, "r:" if local else "r|") as archive:
        for _, sample in groupby(_names(archive, column), lambda member: member[0]):
            suffixes = dict.fromkeys(suffix for _, suffix, _ in sample)
            chosen = next((suffix for suffix in suffixes if _is_picture(suffix, column)), None)
            pictures += chosen is not None
            found |= dict.fromkeys(suffix for suffix in suffixes if suffix != chosen)
            if sum(map(len, found)) > MAX_SUFFIXES:
                raise SourceError(f"{len(found)} different suffixes of members: each would become a column")
    if found and not pictures:
        rule = "a suffix begins at the first dot of a name"
        raise SourceError(f"no pictures in it: {rule}, and here they are {_shown(found)}")
    return sorted(found), archive.offset


def _shown(suffixes: Collection[str]) -> str:
    names = [f".{suffix}" for suffix in suffixes]
    return ", ".join(names[:SUFFIXES_SHOWN]) + ", ..." * (len(names) > SUFFIXES_SHOWN)


def _check_end(shard: Shard, end: int) -> tuple[str, ...]:
    """Notes about the end of a tar. Raises tarfile.ReadError for a bad header, where tarfile stops silently."""
    with shard.place.open() as stream:
        stream.seek(end)
        block = stream.read(tarfile.BLOCKSIZE)
        if any(block):
            raise tarfile.ReadError(f"bad header at byte {end}")
        if not block:
            return ("ends without the zeros that end a tar: it may have been cut",)
        while chunk := stream.read(CHUNK):
            if any(chunk):
                return ("goes on behind the zeros that end a tar, another tar perhaps: that is not read",)
    return ()


def _rows(archive: tarfile.TarFile, column: str | None, max_sample_bytes: int) -> Iterator[Row]:
    for key, sample in groupby(_names(archive, column), lambda member: member[0]):
        parts: dict[str, bytes] = {}
        fault: TokError | None = None
        size = 0
        for _, suffix, member in sample:
            problem = _problem(suffix, member, suffix in parts)
            if problem is None and (size := size + member.size) > max_sample_bytes:
                problem = sample_limit(f"with its member .{suffix} the sample has {size} bytes", max_sample_bytes)
            fault = fault or problem
            if problem is None:
                parts[suffix] = _content(archive, member)
            else:
                parts.setdefault(suffix, b"")
        chosen = next((suffix for suffix in parts if _is_picture(suffix, column)), None)
        found = f": its members are {_shown(parts)}" if parts else ""
        missing = f"no member .{column} in this sample" if column else f"no picture in this sample{found}"
        picture: Picture = PictureError(missing) if chosen is None else parts.pop(chosen)
        yield key, fault or picture, {suffix: _text(suffix, data) for suffix, data in parts.items()}


def _problem(suffix: str, member: tarfile.TarInfo, twice: bool) -> TokError | None:
    """Why the bytes of a member are not read, None if they can be."""
    if twice:
        return PictureError(f"several members .{suffix} in this sample")
    if not member.isfile():
        return PictureError(f"its member .{suffix} is a link to {member.linkname}, without bytes")
    if member.issparse():
        return LimitError(f"its member .{suffix} is a sparse file of {member.size} bytes: store it whole")
    return None


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member)
    assert stream is not None  # it is a file
    return stream.read()


def _names(archive: tarfile.TarFile, column: str | None) -> Iterator[tuple[str, str, tarfile.TarInfo]]:
    """(key, suffix without its dot, member) of every file, and of links that may be to files."""
    for member in members(archive):
        folder, name = posixpath.split(utf8(member.name))
        stem, _, suffix = name.partition(".")
        suffix = suffix.lower()
        # hard links are always to files, others may be to folders
        link = member.islnk() or (member.issym() and _is_picture(suffix, column))
        if (member.isfile() or link) and stem and suffix:
            yield posixpath.join(folder, stem), suffix, member


def _is_picture(suffix: str, column: str | None) -> bool:
    return suffix == column.lower().lstrip(".") if column else f".{suffix}" in PICTURE_SUFFIXES


def _text(suffix: str, data: bytes) -> bytes | str:
    return data.decode(errors="backslashreplace") if _is_text(suffix) else data


def _is_text(suffix: str) -> bool:
    return suffix.split(".")[-1] in TEXT


def _samples(batch: list[Row], carried: list[str], notes: tuple[str, ...]) -> Samples:
    columns = {
        name: pa.array([fields.get(name) for *_, fields in batch], pa.string() if _is_text(name) else pa.binary())
        for name in carried
    }
    return Samples([key for key, *_ in batch], [picture for _, picture, _ in batch], columns, notes)
