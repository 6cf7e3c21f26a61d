"""The picture files that a training reads: in folders, tar archives and Parquet files."""

from __future__ import annotations

import logging
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import PictureError, need
from ..filetree import walk
from ..pictures.limits import DEFAULT_MAX_PICTURE_BYTES
from ..pictures.suffixes import PICTURE_SUFFIXES
from ..regularfile import read_regular
from ..tarmembers import DAMAGE, BoundedMember, members

log = logging.getLogger(__name__)

TOO_MANY_BYTES = "too many bytes"
"""Why a file above the limit is skipped."""
PARQUET = ".parquet"


def picture_files(sources: Sequence[Path], most: int = DEFAULT_MAX_PICTURE_BYTES) -> Iterator[bytes | str]:
    """Read every picture file in folders (recursively), and in tar archives and Parquet files, also those in folders.

    Hidden files and linked folders are left out.

    Args:
        sources: folders, tar archives and Parquet files. The files of a folder are read in sorted order.
        most: bytes of a file at most; a larger one is not read. Default: 256 MiB.

    Returns:
        The bytes of each file, or the reason why it is skipped.

    Raises:
        FileNotFoundError: a source is none of these.
        PictureError: a tar archive is damaged.
        SourceError: a Parquet file is damaged, or has no column of pictures.
        MissingPackageError: there are Parquet files, and pyarrow is not installed.
    """
    for source in sources:
        if source.is_dir():
            linked: list[str] = []
            found = [Path(entry.path) for _, entry in walk(str(source), linked=linked)]
            if linked:
                log.warning("%s: %d linked folders are left out", source, len(linked))
            files = sorted(path for path in found if path.is_file())
            for path in (path for path in files if path.suffix.lower() in PICTURE_SUFFIXES):
                try:
                    yield read_regular(path, most)
                except ValueError:
                    yield TOO_MANY_BYTES
            yield from picture_files([path for path in files if path.suffix.lower() == ".tar"], most)
            if any(path.suffix.lower() == PARQUET for path in files):
                yield from _parquet(source, most)
        elif source.suffix.lower() == PARQUET and source.is_file():
            yield from _parquet(source, most)
        elif source.is_file() and tarfile.is_tarfile(source):
            try:
                with tarfile.open(source, tarinfo=BoundedMember) as archive:
                    yield from _members(archive, most)
            except DAMAGE as error:
                raise PictureError(f"{source}: not a tar archive, or a damaged one ({error})") from error
        else:
            raise FileNotFoundError(f"{source}: not a folder, a tar archive or a Parquet file")


def _members(archive: tarfile.TarFile, most: int) -> Iterator[bytes | str]:
    for member in members(archive):
        if Path(member.name).suffix.lower() not in PICTURE_SUFFIXES or member.isdir():
            continue
        if not member.isfile():
            yield "link or device"
        elif member.issparse() or member.size > most:
            yield TOO_MANY_BYTES
        else:
            stream = archive.extractfile(member)
            assert stream is not None  # it is a file
            yield stream.read()


def _parquet(source: Path, most: int) -> Iterator[bytes | str]:
    """The pictures of a Parquet file, or of those in a folder, by the readers of data sets."""
    need("pyarrow", "reading Parquet files", extra="data")
    from ..datasets.sources.listing import find_shards
    from ..datasets.sources.reader import read_samples

    for shard in find_shards([str(source)]):
        if shard.kind != PARQUET.removeprefix("."):
            continue
        for samples in read_samples(shard, max_sample_bytes=most):
            for picture in samples.pictures:
                yield picture if isinstance(picture, bytes) else type(picture).__name__
