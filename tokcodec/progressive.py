"""The stages of a picture as its tokens arrive: their numbers of tokens, and an animation of them."""

from __future__ import annotations

import io
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .contents import Contents

if TYPE_CHECKING:
    from PIL import Image

STAGE_MS, LAST_MS = 700, 2500
"""Milliseconds that an animation shows a stage, and the finished picture before it starts again."""
ANIMATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    ".gif": ("GIF", {}),
    ".webp": ("WEBP", {"quality": 90}),
    ".png": ("PNG", {}),
}
"""Formats of animations: Pillow's name and options, by suffix."""


def stages(contents: Contents, tokens: int | None = None) -> list[int]:
    """Numbers of tokens per tile to show: 1, 2, 4, ... and the smallest number that shows everything.

    There is a single stage if the file holds no token, or if the model's tokens are not ordered.

    Args:
        contents: the contents of the file.
        tokens: the largest number to show, at least 1. Default: all.
    """
    everything = contents.counts(tokens)
    numbers = range(1, contents.header.tokens + 1)
    last = numbers[bisect_left(numbers, True, key=lambda k: bool((contents.counts(k) >= everything).all()))]
    if not contents.model.ordered:
        return [last]
    return [1 << power for power in range(last.bit_length()) if 1 << power < last] + [last]


def is_animation(path: str) -> bool:
    """Whether the suffix of a path is that of an animation. Otherwise the path names a folder."""
    return Path(path).suffix.lower() in ANIMATIONS


def animation(pictures: Sequence[Image.Image], suffix: str) -> bytes:
    """Make an endless animation, as the bytes of a file. The last picture is shown longest.

    Args:
        pictures: RGB pictures of one size.
        suffix: a key of ANIMATIONS, in upper or lower case.
    """
    name, options = ANIMATIONS[suffix.lower()]
    durations = [STAGE_MS] * (len(pictures) - 1) + [LAST_MS]
    stream = io.BytesIO()
    pictures[0].save(stream, name, save_all=True, append_images=pictures[1:], duration=durations, loop=0, **options)
    return stream.getvalue()
