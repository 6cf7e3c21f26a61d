"""The errors of tokcodec, with a class for every way in which a file can be wrong.

Every error that a file, a picture or a model can cause is a `TokError`. Wrong arguments are ValueError or TypeError.
"""

from __future__ import annotations

import errno
import os
from importlib.util import find_spec


class TokError(ValueError):
    """Base of every error that a file can cause. The text is one line for the user."""


class TokWarning(UserWarning):
    """A part of a picture or a file was dropped, and the rest was used."""


class NotTokError(TokError):
    """The data does not begin like a `.tok` file."""


class TruncatedHeaderError(TokError):
    """The data ends inside the header."""


class HeaderCheckError(TokError):
    """The check of the header fails: a bit is flipped, or the file is of another model with the same id."""


class UnsupportedVersionError(TokError):
    """The file needs a newer tokcodec: its version is unknown, or a reserved flag is set."""


class UnknownModelError(TokError):
    """The file needs a model that is not installed, or the named model does not exist."""


class ModelFileError(TokError):
    """The folder of a model is damaged: a file is missing, a hash is wrong, or tensors or tables do not fit."""


class LimitError(TokError):
    """A declared or actual size exceeds a limit."""


class PictureError(TokError):
    """A picture cannot be read, or its kind cannot be converted."""


class OutputError(TokError):
    """An output cannot be written: it exists already, permission is denied, or the disk is full."""

    errno: int | None = None
    """The system's number of the reason. None if the reason has no number."""


class DeviceError(TokError):
    """The requested device is missing or ran out of memory."""


class MissingPackageError(TokError):
    """The work needs a package that is not installed. The text names it."""


class SourceError(TokError):
    """A source of a data set, or a data set, cannot be read, or has no samples of the requested kind."""


class TrainingError(TokError):
    """A training cannot go on: its codebook has collapsed."""


class EngineError(TokError):
    """Workers died, or a cluster cannot be reached."""


def need(module: str, user: str, *, extra: str | None = None) -> None:
    """Raise an error if a package is not installed.

    Args:
        module: the name of the package in an import statement.
        user: the work that needs it, which begins the error line: "training".
        extra: the extra of tokcodec that installs it. None: the package is installed alone.

    Raises:
        MissingPackageError: the package is not installed. The line says how to install it.
    """
    try:
        installed = find_spec(module) is not None
    except ValueError:  # a loaded module without a specification
        installed = True
    if not installed:
        package = {"torch": "PyTorch", "ray": "Ray"}.get(module, module.replace("_", "-"))
        target = package if extra is None else f"'tokcodec[{extra}]'"
        raise MissingPackageError(f"{user} needs {package}: pip install {target}")


_COMMON_REASONS = {
    errno.ENOENT: "no such file or folder",
    errno.EISDIR: "is a folder",
    errno.ENOTDIR: "a part of its path is not a folder",
    errno.ENOSPC: "disk full",
}


def system_reason(number: int) -> str:
    """The text of a system error, from its number."""
    text = _COMMON_REASONS.get(number) or os.strerror(number)
    return text[:1].lower() + text[1:]


def reason(error: BaseException) -> str:
    """The text of an exception for a line to the user, without the name of the file."""
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, OSError):
        return system_reason(error.errno) if error.errno else error.strerror or str(error) or type(error).__name__
    text = " ".join(str(error).split())
    if isinstance(error, TokError) or type(error) in (ValueError, TypeError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def printable(text: str) -> str:
    """The text on one line, with control characters and undecodable bytes of file names as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
