"""Checks by its header whether the output of an earlier run is complete. A resumed run makes others again."""

from __future__ import annotations

from ..container.bare import from_base64, parse_bare
from ..container.header import parse_header
from ..errors import PictureError, TokError, UnsupportedVersionError
from ..pictures.limits import DEFAULT_MAX_PIXELS

HEAD_BYTES = 4096


def is_whole_tok(path: str, *, bare: bool = False, base64: bool = False) -> bool:
    """Whether a file begins with a valid header. An unreadable file counts as complete: writing reports the reason.

    Args:
        path: path of the file.
        bare: whether it is a bare file, whose header has little to check. Default: False.
        base64: whether it is base64 text. Default: False.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD_BYTES)
        data = from_base64(head[: len(head) // 4 * 4] if len(head) == HEAD_BYTES else head) if base64 else head
        if bare:
            parse_bare(data, 0)
        else:
            parse_header(data)
    except OSError:
        return True
    except UnsupportedVersionError:  # of a newer tokcodec. In a bare file there is no more to tell that by than one bit
        return not bare
    except TokError:
        return False
    return True


def is_whole_picture(path: str) -> bool:
    """Whether a file has a picture's header. An unreadable file counts as complete: writing reports the reason."""
    from ..pictures.opening import open_picture

    try:
        with open(path, "rb") as file:
            open_picture(file, DEFAULT_MAX_PIXELS)
    except PictureError:
        return False
    except (OSError, TokError):
        return True
    return True
