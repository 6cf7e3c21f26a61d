"""Files and folders of data sets, on this machine or wherever pyarrow.fs or fsspec reads (s3://, hf://).

Files are written under a temporary name in the same folder and renamed when they are complete. A killed run leaves the
temporary file (`.tokcodec-*.tmp`), which `sweep` removes.
"""

from __future__ import annotations

import errno
import hashlib
import os
import posixpath
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from functools import lru_cache
from typing import Any

import pyarrow as pa
from pyarrow import fs

from ...errors import MissingPackageError, OutputError, SourceError, TokError, reason, system_reason
from ...filetree import walk

MARK_BYTES = 64 << 10
"""Bytes at each end of a file that identify its content: they differ in tars of one size, and hold Parquet's footer."""
TEMPORARY = ".tokcodec-*.tmp"


def reading_reason(error: Exception) -> str:
    """An OSError or an error of pyarrow as part of a line for the user."""
    return reason(error) if isinstance(error, OSError) else " ".join(str(error).split())


def utf8(name: str) -> str:
    """A file name with bytes that are not UTF-8 as escapes, for everything that is written."""
    return name.encode(errors="backslashreplace").decode()


class Place:
    """A file or a folder. It can be sent to processes with another working folder.

    Args:
        root: a path or a URI, as the user gives it.
        relative: the path below the root, with "/"; it is never part of a URI.
        location: the root as an absolute path or a URI (None: from the root).

    Attributes:
        name: the file or folder in messages.
    """

    def __init__(self, root: str, relative: str = "", location: str | None = None) -> None:
        self.root, self.relative = root, relative
        self.name = posixpath.join(root, relative) if relative else root
        self.location = location or (root if "://" in root else os.path.abspath(root))  # of the root

    def __reduce__(self) -> tuple[type[Place], tuple[str, str, str]]:
        return Place, (self.root, self.relative, self.location)

    def __truediv__(self, relative: str) -> Place:
        """A file or folder below this one, by its path with "/"."""
        return Place(self.root, posixpath.join(self.relative, relative), self.location)

    @property
    def base(self) -> str:
        """The last part of the path, "" for the root of a file system. Raises SourceError, MissingPackageError."""
        return posixpath.basename(self.path.rstrip("/"))

    @property
    def stem(self) -> str:
        """The last part of the path without its suffix. Raises SourceError, MissingPackageError."""
        return posixpath.splitext(self.base)[0]

    @property
    def _found(self) -> tuple[fs.FileSystem, str]:
        """The file system and the path in it."""
        try:
            filesystem, path = _resolve(self.location)
        except ImportError as error:
            raise MissingPackageError(f"{self.root}: paths of this kind need another package: {error}") from error
        except (OSError, ValueError) as error:
            raise SourceError(f"{self.root}: {reason(error)}") from error
        return filesystem, posixpath.join(path, self.relative) if self.relative else path

    @property
    def filesystem(self) -> fs.FileSystem:
        """Raises SourceError, MissingPackageError."""
        return self._found[0]

    @property
    def path(self) -> str:
        """In its file system. Raises SourceError, MissingPackageError."""
        return self._found[1]

    @property
    def _raw(self) -> tuple[fs.FileSystem, str | bytes]:
        """The file system and the path as it takes it: names on this machine need not be UTF-8."""
        filesystem, path = self._found
        return filesystem, _raw(filesystem, path)

    def type(self) -> fs.FileType:
        """Whether it is a file, a folder or not there. Raises SourceError if that cannot be found out."""
        with self._readable():
            filesystem, path = self._raw
            return filesystem.get_file_info(path).type

    def size(self) -> int:
        """Bytes of a file. Raises SourceError."""
        with self._readable():
            filesystem, path = self._raw
            return int(filesystem.get_file_info(path).size or 0)

    def mark(self) -> str:
        """Identifies the content of a file: its size and a digest of its ends. Raises SourceError."""
        with self._readable(), self.open() as stream:
            size = stream.size()
            digest = hashlib.sha256(stream.read(MARK_BYTES))
            stream.seek(max(size - MARK_BYTES, 0))
            digest.update(stream.read(MARK_BYTES))
            return f"{size} bytes {digest.hexdigest()[:32]}"

    def below(self, folder: Place) -> str | None:
        """Its path below a folder, "" for the folder itself; None if it is not inside. Raises as `path`."""
        if self.filesystem != folder.filesystem:
            return None
        mine, other = (_real(place).rstrip("/") + "/" for place in (self, folder))
        return mine.removeprefix(other).rstrip("/") if mine.startswith(other) else None

    def open(self) -> pa.NativeFile:
        """A file for reading, anywhere in it. Raises OSError."""
        filesystem, path = self._raw
        return filesystem.open_input_file(path)

    def stream(self) -> pa.NativeFile:
        """A file for reading from its beginning. Raises OSError."""
        filesystem, path = self._raw
        return filesystem.open_input_stream(path, compression=None)

    def walk(self, hidden: bool = False) -> list[str]:
        """Paths of all files below a folder, in order; without hidden ones. Raises SourceError."""
        return [path for path, _ in self.walk_sizes(hidden)]

    def walk_sizes(
        self, hidden: bool = False, *, follow_links: bool = False, linked: list[str] | None = None
    ) -> list[tuple[str, int]]:
        """As `walk`, with the bytes of each.

        Args:
            hidden: whether hidden files are found. Default: False.
            follow_links: whether linked folders of this machine are searched, each folder once. Default: False.
            linked: gets the paths of the linked folders that are not searched.

        Raises:
            SourceError: a sub-folder cannot be read. The error names it.
        """
        with self._readable():
            filesystem, top = self._found
            if isinstance(filesystem, fs.LocalFileSystem):
                try:
                    entries = walk(top, hidden=hidden, follow_links=follow_links, linked=linked)
                    return sorted((path, size) for path, entry in entries if (size := _size(entry)) is not None)
                except OSError as error:
                    inside = os.path.relpath(str(error.filename or top), top)
                    name = self.name if inside == "." else posixpath.join(self.name, inside)
                    raise SourceError(f"{name}: {reason(error)}") from error
            infos = filesystem.get_file_info(fs.FileSelector(top, recursive=True))
            root = top.rstrip("/") + "/"
            files = [(info.path.removeprefix(root), info.size or 0) for info in infos if info.is_file]
        return sorted(one for one in files if hidden or not any(part.startswith(".") for part in one[0].split("/")))

    def times(self, prefix: str) -> dict[str, float | None]:
        """Files directly in a folder by their names, with the time of their last change in seconds, None if unknown.

        prefix: beginning of the names. Raises SourceError.
        """
        with self._readable():
            filesystem, top = self._found
            if isinstance(filesystem, fs.LocalFileSystem):
                found: dict[str, float | None] = {}
                with os.scandir(top) as entries:
                    for entry in entries:
                        if entry.name.startswith(prefix):
                            with suppress(FileNotFoundError):  # deleted meanwhile
                                found[entry.name] = entry.stat().st_mtime
                return found
            if isinstance(filesystem, fs.PyFileSystem):  # fsspec remembers what it has listed
                filesystem.handler.fs.invalidate_cache()
            infos = filesystem.get_file_info(fs.FileSelector(top))
            files = {info.base_name: info.mtime for info in infos if info.is_file}
            return {
                name: None if at is None else at.timestamp() for name, at in files.items() if name.startswith(prefix)
            }

    def missing_folders(self) -> list[str]:
        """The folders that writing into this one would make on this machine, the deepest first."""
        found: list[str] = []
        if isinstance(self.filesystem, fs.LocalFileSystem):
            path = self.path
            while not os.path.exists(path):
                found.append(path)
                path = os.path.dirname(path)
        return found

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except TokError:
            raise
        except Exception as error:  # the packages of fsspec raise errors of their own, above all of the network
            raise SourceError(f"{self.name}: {reason(error)}") from error

    # ---- writing

    def write(self, fill: Callable[[pa.NativeFile], Any]) -> None:
        """Write a file completely or not at all; its folder is made.

        Args:
            fill: writes the content to the stream that it is given.

        Raises:
            OutputError: the file cannot be written. Errors of `fill` are raised too.
        """
        filesystem, path = self._found
        folder = posixpath.dirname(path)
        temporary = _raw(filesystem, posixpath.join(folder, f".tokcodec-{os.urandom(8).hex()}.tmp"))
        try:
            try:
                if folder:
                    filesystem.create_dir(_raw(filesystem, folder), recursive=True)
                with filesystem.open_output_stream(temporary, compression=None) as stream:
                    fill(stream)
                filesystem.move(temporary, _raw(filesystem, path))
            except BaseException:
                with suppress(OSError):
                    filesystem.delete_file(temporary)
                raise
        except OSError as error:
            # Arrow says "exists" of a folder whose name a file has
            why = reason(error) if error.errno != errno.EEXIST else system_reason(errno.ENOTDIR)
            failure = OutputError(f"{self.name}: {why}")
            failure.errno = error.errno
            raise failure from error

    def delete(self) -> None:
        """Delete a file if it is there and can be deleted."""
        with suppress(OSError):
            filesystem, path = self._raw
            filesystem.delete_file(path)

    def sweep(self) -> None:
        """Remove temporary files of killed runs below this folder; no other run may write there."""
        with suppress(OSError, SourceError):
            for path in self.walk(hidden=True):
                if fnmatch(posixpath.basename(path), TEMPORARY):
                    (self / path).delete()


@lru_cache(64)
def _resolve(location: str) -> tuple[fs.FileSystem, str]:
    """The file system and the path in it of an absolute path or a URI. Raises OSError, ValueError, ImportError."""
    if "://" not in location:
        return fs.LocalFileSystem(), location
    with suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):  # not one of pyarrow's own
        filesystem, path = fs.FileSystem.from_uri(location)
        return filesystem, path
    from fsspec.core import url_to_fs

    filesystem, path = url_to_fs(location)
    return fs.PyFileSystem(fs.FSSpecHandler(filesystem)), path


def _raw(filesystem: fs.FileSystem, path: str) -> str | bytes:
    return os.fsencode(path) if isinstance(filesystem, fs.LocalFileSystem) and os.name == "posix" else path


def _real(place: Place) -> str:
    return os.path.realpath(place.path) if isinstance(place.filesystem, fs.LocalFileSystem) else place.path


def _size(entry: os.DirEntry[str]) -> int | None:
    """Bytes of a regular file or of one that a link points to; None for everything else."""
    try:
        return entry.stat().st_size if entry.is_file() else None
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP):  # deleted meanwhile, or a link to itself
            return None
        raise
