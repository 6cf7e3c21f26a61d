"""Writing files safely: the whole new file or the old one, never a part; an existing file only when asked.

The data goes to a temporary file in the same folder and takes its name by one atomic step. Only a kill that cannot be
caught can leave the temporary file (`.tokcodec-*.tmp`) behind.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from ..errors import SYSTEM_REASONS, OutputError, reason

_EXISTS = "exists already; use -f to overwrite"
# What file systems that lack link() or fsync() answer to it: FAT and exFAT, some network and FUSE ones.
_UNSUPPORTED = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES, errno.EINVAL}


def check_output(path: str | Path, *, force: bool) -> None:
    """Refuse early what `write_atomic` would refuse later: raises OutputError, writes nothing."""
    try:
        _target(Path(path), force)
    except OSError as error:
        raise OutputError(reason(error)) from error


def write_atomic(path: str | Path, data: bytes | Callable[[BinaryIO], object], *, force: bool) -> None:
    """Write bytes, or what a function writes to a binary stream, as the file `path`: completely or not at all.

    An existing file is replaced only with `force`, and keeps its permissions; a symbolic link stays and the file it
    points to is replaced, as if written through the link; a hard link is parted from its other names. A device or pipe
    is written directly. Raises OutputError (exists already, no permission, disk full, ...), and whatever the function
    raises; then an existing file is as it was and nothing new is left.
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
    """The file behind symbolic links and its status, None if it is new."""
    try:
        old = path.stat()
    except FileNotFoundError:
        old = None
    if old is None:
        path = Path(os.path.realpath(path))  # a dangling link: create what it points to
        folder = path.parent
        if not folder.exists():
            raise OutputError("its folder does not exist")
    else:
        if stat.S_ISDIR(old.st_mode):
            raise OutputError("is a folder")
        if not force and (stat.S_ISREG(old.st_mode) or stat.S_ISBLK(old.st_mode)):  # a disk is worth the question too
            raise OutputError(_EXISTS)
        if not stat.S_ISREG(old.st_mode):
            return path, old
        path = Path(os.path.realpath(path))
        folder = path.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(SYSTEM_REASONS[errno.EROFS] if _read_only(folder) else "no permission to write in its folder")
    return path, old


def _read_only(folder: Path) -> bool:
    """Whether the file system takes no writing from anyone: then rights are not what to look at."""
    return hasattr(os, "statvfs") and bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def _write_regular(
    target: Path, old: os.stat_result | None, data: bytes | Callable[[BinaryIO], object], force: bool
) -> None:
    temporary = target.parent / f".tokcodec-{secrets.token_hex(8)}.tmp"  # short: the target's name may be at its limit
    try:
        # Mode 0666 less the umask, as any new file; O_EXCL follows no link that somebody has planted.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        with open(os.open(temporary, flags, 0o666), "wb") as stream:
            if old is not None:
                _take_over(stream.fileno(), old)
            _fill(stream, data)
            stream.flush()
            _sync(stream.fileno())
        _publish(temporary, target, force)
    finally:
        with contextlib.suppress(OSError):  # gone after a replace; left after a link or any failure
            temporary.unlink()


def _fill(stream: BinaryIO, data: bytes | Callable[[BinaryIO], object]) -> None:
    if callable(data):
        data(stream)
    else:
        stream.write(data)


def _sync(descriptor: int) -> None:
    """On the disk before the old file goes: otherwise a power cut may leave an empty one."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise


def _take_over(descriptor: int, old: os.stat_result) -> None:
    """Owner (as far as allowed) and permissions of the file to be replaced."""
    if hasattr(os, "fchown"):
        with contextlib.suppress(OSError):
            os.fchown(descriptor, old.st_uid, old.st_gid)
        with contextlib.suppress(OSError):
            os.fchmod(descriptor, old.st_mode & 0o777)


def _publish(temporary: Path, target: Path, force: bool) -> None:
    """Give the finished file its name; without `force` fail if the name has been taken meanwhile."""
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
        try:  # claim the name by an empty file, then replace that
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        except FileExistsError as taken:
            raise OutputError(_EXISTS) from taken
        try:
            os.replace(temporary, target)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
