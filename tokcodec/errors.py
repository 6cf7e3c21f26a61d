"""The one family of errors: a class for every way in which a file can be wrong.

Every error that a file, a picture or a model can cause is a `TokError`; wrong arguments stay `ValueError` and
`TypeError`.
"""

from __future__ import annotations


class TokError(ValueError):
    """Base of every error that a file can cause; the text is one line fit for a user."""


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
    """An output cannot be written: exists already, no rights, disk full."""


class DeviceError(TokError):
    """The requested device is not there or ran out of memory."""


class MissingPackageError(TokError):
    """What is asked for needs a package that is not installed; the text names it."""
