"""The suffixes of pictures. Does not import Pillow."""

from __future__ import annotations

PICTURE_SUFFIXES = frozenset(
    (
        *(".avif", ".bmp", ".gif", ".j2k", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm"),
        *(".ppm", ".psd", ".qoi", ".sgi", ".tif", ".tiff", ".webp"),
    )
)
"""Files with these suffixes count as pictures in folders and archives. A file given by name may have any suffix."""
