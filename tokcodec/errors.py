"""The one family of errors: a class for every way in which a file can be wrong.

Every error that a file, a picture or a model can cause is a `TokError`; wrong arguments stay `ValueError` and
`TypeError`.
"""

from __future__ import annotations

import errno
from importlib.util import find_spec


class TokError(ValueError):
    """Base of every error that a file can cause; the text is one line fit for a user."""


class TokWarning(UserWarning):
    """Something of a picture or a file was lost, and the rest was used."""


class NotTokError(TokError):
    """The data does not begin like a `.tok` file."""


class TruncatedHeaderError(TokError):
    """The data ends inside the header."""


class HeaderCheckError(TokError):
    """The header's check does not match: a flipped bit, or another model than the one the id suggests."""


class UnsupportedVersionError(TokError):
    """The file needs a newer tokcodec: unknown version, or a reserved flag is set."""


class UnknownModelError(TokError):
    """The file needs a model that is not installed, or the named model does not exist."""


class ModelFileError(TokError):
    """A model's folder is damaged: missing file, wrong hash, tensors or tables that do not fit."""


class LimitError(TokError):
    """A declared or actual size is beyond the limit that is set."""


class PictureError(TokError):
    """A picture cannot be read or is of a kind that cannot be converted."""


class OutputError(TokError):
    """An output cannot be written: exists already, no rights, disk full.

    errno: the system's number of the reason, None where it has none.
    """

    errno: int | None = None


class DeviceError(TokError):
    """The requested device is not there or ran out of memory."""


class MissingPackageError(TokError):
    """What is asked for needs a package that is not installed; the text names it."""


class SourceError(TokError):
    """A source of a data set, or a data set, cannot be read, or holds nothing of what is asked for."""


class EngineError(TokError):
    """Workers died, or a cluster cannot be reached."""


def need(module: str, user: str, *, extra: str | None = None) -> None:
    """Refuse work for which a package is not installed.

    Args:
        module: the package, as it is imported.
        user: who needs it, as the beginning of the line: "training".
        extra: the extra of tokcodec that brings it (None: the package is installed alone).

    Raises:
        MissingPackageError: it is not installed; the line says what to install.
    """
    try:
        installed = find_spec(module) is not None
    except ValueError:  # loaded by other means than an import
        installed = True
    if not installed:
        package = {"torch": "PyTorch", "ray": "Ray"}.get(module, module.replace("_", "-"))
        target = package if extra is None else f"'tokcodec[{extra}]'"
        raise MissingPackageError(f"{user} needs {package}: pip install {target}")


SYSTEM_REASONS = {
    errno.ENOENT: "no such file or folder",
    errno.EISDIR: "is a folder",
    errno.ENOTDIR: "a part of its path is not a folder",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EROFS: "read-only file system",
    errno.ENOSPC: "disk full",
    errno.EDQUOT: "disk quota exceeded",
    errno.EFBIG: "larger than a file may be here",
    errno.ENAMETOOLONG: "name too long",
    errno.ELOOP: "symbolic links go in a circle",
}


def reason(error: BaseException) -> str:
    """An exception as part of a line for the user, without the name of the file that it is about."""
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, OSError):
        return SYSTEM_REASONS.get(error.errno or 0) or error.strerror or str(error) or type(error).__name__
    text = " ".join(str(error).split())
    if isinstance(error, TokError) or type(error) in (ValueError, TypeError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def printable(text: str) -> str:
    """The text on one line: control characters and undecodable bytes of file names as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
