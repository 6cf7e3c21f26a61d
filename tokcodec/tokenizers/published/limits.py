"""Published tokenizers that the file format cannot hold, and the limit that each of them breaks."""

from __future__ import annotations

from ...container.header import MAX_TOKENS
from ...models.manifest import MAX_VOCABULARY

_CONTINUOUS = "its tokens are real numbers, and the format holds whole ones"
_VALUES = f"and a token of the format has at most {MAX_VOCABULARY.bit_length() - 1} bits"

LIMITS = {
    "semanticist": ("Semanticist", _CONTINUOUS),
    "gpstoken": ("GPSToken", _CONTINUOUS),
    "vibetoken": ("VibeToken", f"its tokens have eight codes of 4096 values, 96 bits, {_VALUES}"),
    "selftok": ("SelfTok", f"a tile has 512 or 1024 tokens, and the format has at most {MAX_TOKENS}"),
    "bitdance": ("BitDance", f"its tokens have 32 to 256 bits, {_VALUES}"),
}
"""A word in the names of repositories and files -> name of the tokenizer, and what does not fit."""


def limit(source: str) -> str:
    """Why a tokenizer cannot become a model, if its name says that it is one that breaks a limit. Otherwise empty.

    Args:
        source: path or repository of a checkpoint.
    """
    for word, (title, reason) in LIMITS.items():
        if word in source.lower():
            return f"{title} does not fit into .tok files: {reason}"
    return ""
