"""Writing files safely: always the whole new file or the old one, and an existing file only with `force`.

The data is written to a temporary file in the same folder, which is then renamed atomically. Only a kill that cannot
be caught can leave the temporary file (`.tokcodec-*.tmp`) behind.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from ..errors import OutputError, reason, system_reason

_EXISTS = "exists already; use -f to overwrite"
# Errors of file systems that lack link() or fsync(): FAT and exFAT, some network and FUSE ones.
_UNSUPPORTED = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES, errno.EINVAL}


def check_output(path: str | Path, *, force: bool) -> None:
    """Raise OutputError if `write_atomic` would refuse the path. Writes nothing."""
    try:
        _target(Path(path), force)
    except OSError as error:
        raise OutputError(reason(error)) from error


def write_atomic(path: str | Path, data: bytes | Callable[[BinaryIO], object], *, force: bool) -> None:
    """Write a file completely or not at all.

    The new file keeps the permissions of the one that it replaces. If the path is a symbolic link, the file that it
    points to is replaced. A hard link is separated from its other names. A device or pipe is written directly.

    Args:
        path: path of the file.
        data: the bytes, or a function that writes them to a binary stream.
        force: replace an existing file.

    Raises:
        OutputError: the file exists already, permission is denied, the disk is full, ... An exception of the function
            is raised too. In both cases an existing file is unchanged and no new one is left.
    """
    try:
        target, old = _target(Path(path), force)
        if old is not None and not stat.S_ISREG(old.st_mode):
            with open(target, "wb") as stream:
                _fill(stream, data)
        else:
            _write_regular(target, old, data, force)
    except OSError as error:
        raise OutputError(reason(error)) from error


def _target(path: Path, force: bool) -> tuple[Path, os.stat_result | None]:
    """The file behind symbolic links, and its status. None if the file is new."""
    try:
        old = path.stat()
    except FileNotFoundError:
        old = None
    if old is None:
        path = Path(os.path.realpath(path))  # a dangling link: create the file that it points to
        folder = path.parent
        if not folder.exists():
            raise OutputError("its folder does not exist")
    else:
        if stat.S_ISDIR(old.st_mode):
            raise OutputError("is a folder")
        if not force and (stat.S_ISREG(old.st_mode) or stat.S_ISBLK(old.st_mode)):  # a disk needs `force` too
            raise OutputError(_EXISTS)
        if not stat.S_ISREG(old.st_mode):
            return path, old
        path = Path(os.path.realpath(path))
        folder = path.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(system_reason(errno.EROFS) if _read_only(folder) else "no permission to write in its folder")
    return path, old


def _read_only(folder: Path) -> bool:
    """Whether the file system is read-only, so that permissions are not the reason."""
    return hasattr(os, "statvfs") and bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def _write_regular(
    target: Path, old: os.stat_result | None, data: bytes | Callable[[BinaryIO], object], force: bool
) -> None:
    temporary = target.parent / f".tokcodec-{os.urandom(8).hex()}.tmp"  # short: the target's name may be at its limit
    try:
        # Mode 0666 less the umask, as for any new file. O_EXCL does not follow a link that somebody has planted.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        with open(os.open(temporary, flags, 0o666), "wb") as stream:
            if old is not None:
                _copy_owner(stream.fileno(), old)
            _fill(stream, data)
            stream.flush()
            _sync(stream.fileno())
        _publish(temporary, target, force)
    finally:
        with contextlib.suppress(OSError):  # missing after a replace, left after a link or an error
            temporary.unlink()


def _fill(stream: BinaryIO, data: bytes | Callable[[BinaryIO], object]) -> None:
    if callable(data):
        data(stream)
    else:
        stream.write(data)


def _sync(descriptor: int) -> None:
    """Flush to the disk before the old file is replaced: otherwise a power cut may leave an empty file."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise


def _copy_owner(descriptor: int, old: os.stat_result) -> None:
    """Set the owner (as far as allowed) and the permissions of the file to be replaced."""
    if hasattr(os, "fchown"):
        with contextlib.suppress(OSError):
            os.fchown(descriptor, old.st_uid, old.st_gid)
        with contextlib.suppress(OSError):
            os.fchmod(descriptor, old.st_mode & 0o777)


def _publish(temporary: Path, target: Path, force: bool) -> None:
    """Rename the finished file. Without `force` raise OutputError if the name exists by now."""
    if force:
        os.replace(temporary, target)
        return
    try:
        os.link(temporary, target)
    except FileExistsError as error:
        raise OutputError(_EXISTS) from error
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        try:  # create an empty file under the name, then replace it
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        except FileExistsError as taken:
            raise OutputError(_EXISTS) from taken
        try:
            os.replace(temporary, target)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
