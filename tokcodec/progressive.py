"""The stages of a picture as its tokens arrive: which they are, and an animation of them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .contents import Contents

if TYPE_CHECKING:
    from PIL import Image

STAGE_MS, LAST_MS = 700, 2500
"""How long an animation shows a stage, and the finished picture before it starts again."""
ANIMATIONS: dict[str, tuple[str, dict[str, Any]]] = {  # suffix -> Pillow's name and options
    ".gif": ("GIF", {}),
    ".webp": ("WEBP", {"quality": 90}),
    ".png": ("PNG", {}),
}


def stages(contents: Contents, tokens: int | None = None) -> list[int]:
    """Numbers of tokens to show: 1, 2, 4, ... and the least that shows all there is, of at most `tokens`.

    One stage where nothing is held, and where the model needs all of its tokens.
    """
    everything = contents.counts(tokens)
    last = next(k for k in range(1, contents.header.tokens + 1) if np.array_equal(contents.counts(k), everything))
    if not contents.model.ordered:
        return [last]
    return [1 << power for power in range(last.bit_length()) if 1 << power < last] + [last]


def is_animation(path: str) -> bool:
    """Whether a path names an animation, by its suffix, rather than a folder."""
    return Path(path).suffix.lower() in ANIMATIONS


def animation(pictures: Sequence[Image.Image], suffix: str) -> bytes:
    """An endless animation of RGB pictures of one size, as GIF, WebP or PNG by the suffix; the last stays longest."""
    name, options = ANIMATIONS[suffix.lower()]
    durations = [STAGE_MS] * (len(pictures) - 1) + [LAST_MS]
    stream = io.BytesIO()
    pictures[0].save(stream, name, save_all=True, append_images=pictures[1:], duration=durations, loop=0, **options)
    return stream.getvalue()
