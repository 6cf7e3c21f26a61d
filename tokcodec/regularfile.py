"""Opens files from other people: only regular files of a limited size, and without waiting.

A pipe could block forever, and a device such as /dev/zero never ends. A link may point to either.
"""

from __future__ import annotations

import io
import os
import stat

# Without O_NONBLOCK, opening a pipe waits for a writer. Windows has neither this flag nor these pipes.
_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


def open_regular(path: str | os.PathLike[str], most: int) -> io.BufferedReader:
    """Open a regular file for reading, or the one that a symbolic link points to.

    Args:
        path: The file.
        most: Largest size in bytes.

    Raises:
        OSError: The system cannot open it.
        ValueError: It is not a regular file, or larger than `most`.
    """
    descriptor = os.open(path, _FLAGS)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("not a regular file")
        if status.st_size > most:
            raise ValueError(f"{status.st_size} bytes, and at most {most} are read")
        return open(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: str | os.PathLike[str], most: int) -> bytes:
    """Read a whole regular file of at most `most` bytes. Raises as `open_regular`."""
    with open_regular(path, most) as file:
        data = file.read(most + 1)
    if len(data) > most:  # it has grown since
        raise ValueError(f"more than {most} bytes")
    return data
