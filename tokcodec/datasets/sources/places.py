"""Where data sets lie: folders of this machine, and what pyarrow.fs or fsspec reads (s3://, hf://), by one interface.

Files are written under a temporary name in the same folder and renamed when they are whole. A kill leaves the temporary
file (`.tokcodec-*.tmp`), which `sweep` removes.
"""

from __future__ import annotations

import os
import posixpath
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from functools import cached_property
from typing import Any

import pyarrow as pa
from pyarrow import fs

from ...errors import MissingPackageError, OutputError, SourceError, TokError, reason

TEMPORARY = ".tokcodec-*.tmp"


def reading_reason(error: Exception) -> str:
    """Why a file cannot be read, of an OSError or of one of pyarrow's, as part of a line for the user."""
    return reason(error) if isinstance(error, OSError) else " ".join(str(error).split())


class Place:
    """A file or a folder. Its name is for messages; it may be sent to processes that work in another folder."""

    def __init__(self, name: str, location: str | None = None) -> None:
        self.name = name
        self.location = location or (name if "://" in name else os.path.abspath(name))

    def __reduce__(self) -> tuple[type[Place], tuple[str, str]]:
        return Place, (self.name, self.location)

    def __truediv__(self, relative: str) -> Place:
        """A file or folder below this one, by its path with "/"."""
        return Place(posixpath.join(self.name, relative), posixpath.join(self.location, relative))

    @property
    def base(self) -> str:
        """The last part of the path."""
        return posixpath.basename(self.location.rstrip("/"))

    @property
    def stem(self) -> str:
        """The last part of the path without its suffix."""
        return posixpath.splitext(self.base)[0]

    @cached_property
    def _found(self) -> tuple[fs.FileSystem, str]:
        """The file system and the path in it. Raises SourceError, MissingPackageError."""
        if "://" not in self.location:
            return fs.LocalFileSystem(), self.location
        try:
            found, path = fs.FileSystem.from_uri(self.location)
            return found, path
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # not one of pyarrow's own
            pass
        except OSError as error:
            raise SourceError(f"{self.name}: {reason(error)}") from error
        try:
            from fsspec.core import url_to_fs

            found, path = url_to_fs(self.location)
        except ImportError as error:
            raise MissingPackageError(f"{self.name}: paths of this kind need another package: {error}") from error
        except (OSError, ValueError) as error:
            raise SourceError(f"{self.name}: {reason(error)}") from error
        return fs.PyFileSystem(fs.FSSpecHandler(found)), path

    @property
    def filesystem(self) -> fs.FileSystem:
        """Raises SourceError, MissingPackageError."""
        return self._found[0]

    @property
    def path(self) -> str:
        """In its file system. Raises SourceError, MissingPackageError."""
        return self._found[1]

    def type(self) -> fs.FileType:
        """Whether it is a file, a folder or nothing. Raises SourceError where that cannot be told."""
        with self._readable():
            return self.filesystem.get_file_info(self.path).type

    def size(self) -> int:
        """Bytes of a file. Raises SourceError."""
        with self._readable():
            return int(self.filesystem.get_file_info(self.path).size or 0)

    def open(self) -> pa.NativeFile:
        """A file for reading, anywhere in it. Raises OSError."""
        return self.filesystem.open_input_file(self.path)

    def stream(self) -> pa.NativeFile:
        """A file for reading from its beginning. Raises OSError."""
        return self.filesystem.open_input_stream(self.path, compression=None)

    def walk(self, hidden: bool = False) -> list[str]:
        """Paths of all files below a folder, in order; without hidden ones. Raises SourceError."""
        with self._readable():
            if isinstance(self.filesystem, fs.LocalFileSystem):
                found = list(_walk(self.path))
            else:
                infos = self.filesystem.get_file_info(fs.FileSelector(self.path, recursive=True))
                root = self.path.rstrip("/") + "/"
                found = [info.path.removeprefix(root) for info in infos if info.type == fs.FileType.File]
        return sorted(path for path in found if hidden or not any(part.startswith(".") for part in path.split("/")))

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except TokError:
            raise
        except Exception as error:  # fsspec's packages have errors of their own, of the network above all
            raise SourceError(f"{self.name}: {reason(error)}") from error

    # ---- writing

    def write(self, fill: Callable[[pa.NativeFile], Any]) -> None:
        """Write a file, all of it or nothing, and its folder: `fill` gets a stream.

        Raises OutputError, and what `fill` raises.
        """
        folder = posixpath.dirname(self.path)
        temporary = posixpath.join(folder, f".tokcodec-{secrets.token_hex(8)}.tmp")
        try:
            try:
                self.filesystem.create_dir(folder, recursive=True)
                with self.filesystem.open_output_stream(temporary, compression=None) as stream:
                    fill(stream)
                self.filesystem.move(temporary, self.path)
            except BaseException:
                with suppress(OSError):
                    self.filesystem.delete_file(temporary)
                raise
        except OSError as error:
            raise OutputError(f"{self.name}: {reason(error)}") from error

    def sweep(self) -> None:
        """Remove what killed runs have left below this folder; no other run may write there."""
        with suppress(OSError, SourceError):
            for path in self.walk(hidden=True):
                if fnmatch(posixpath.basename(path), TEMPORARY):
                    self.filesystem.delete_file(posixpath.join(self.path, path))


def _walk(top: str) -> Iterator[str]:
    """Links to folders are left out, which may lead in a circle. Raises OSError."""

    def fail(error: OSError) -> None:
        raise error

    for folder, _, files in os.walk(top, onerror=fail):
        relative = os.path.relpath(folder, top).replace(os.sep, "/")
        yield from (name if relative == "." else f"{relative}/{name}" for name in files)
