"""Compares pictures."""

from __future__ import annotations

from PIL import Image


def same(a: Image.Image, b: Image.Image) -> bool:
    return a.mode == b.mode and a.size == b.size and a.tobytes() == b.tobytes()
