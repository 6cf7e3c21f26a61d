"""tokcodec: an image codec for the last kilobyte.

    data = tokcodec.encode(image, tokens=64)      # bytes of a `.tok` file
    image = tokcodec.decode(data)                 # PIL image

Names are loaded when they are first used, so that `import tokcodec` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "1.0.0"

if TYPE_CHECKING:
    from .codec import decode, encode
    from .errors import TokError, TokWarning
    from .tokenizers import load_tokenizer
    from .tokfile import TokInfo, info, read_tokens, truncate

_HOMES = {
    "TokError": "errors",
    "TokInfo": "tokfile",
    "TokWarning": "errors",
    "decode": "codec",
    "encode": "codec",
    "info": "tokfile",
    "load_tokenizer": "tokenizers",
    "read_tokens": "tokfile",
    "truncate": "tokfile",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


__all__ = [
    "TokError",
    "TokInfo",
    "TokWarning",
    "__version__",
    "decode",
    "encode",
    "info",
    "load_tokenizer",
    "read_tokens",
    "truncate",
]
