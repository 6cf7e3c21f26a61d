"""Which files are taken for pictures by their names; no Pillow."""

from __future__ import annotations

PICTURE_SUFFIXES = frozenset(
    (
        *(".avif", ".bmp", ".gif", ".j2k", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm"),
        *(".ppm", ".psd", ".qoi", ".sgi", ".tif", ".tiff", ".webp"),
    )
)
"""What is taken for a picture inside a folder or an archive; a file given by name may be called anything."""
