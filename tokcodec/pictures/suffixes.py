"""The suffixes of pictures. Does not import Pillow."""

from __future__ import annotations

from importlib.util import find_spec

OPTIONAL_SUFFIXES = {
    "pillow_heif": (".heic", ".heics", ".heif", ".heifs", ".hif"),
    "pillow_jxl": (".jxl",),
}
"""Suffixes of the kinds that another package reads, by the name of the package."""

PICTURE_SUFFIXES = frozenset(
    (
        *(".avif", ".avifs"),
        *(".bmp",),
        *(".gif",),
        *(".j2c", ".j2k", ".jp2", ".jpc", ".jpf", ".jpx"),
        *(".jfi", ".jfif", ".jif", ".jpe", ".jpeg", ".jpg", ".mpo", ".pjp", ".pjpeg"),
        *(".apng", ".png"),
        *(".pbm", ".pfm", ".pgm", ".pnm", ".ppm"),
        *(".psd",),
        *(".qoi",),
        *(".bw", ".rgb", ".rgba", ".sgi"),
        *(".btf", ".tf8", ".tif", ".tiff"),
        *(".webp",),
        *(suffix for module, names in OPTIONAL_SUFFIXES.items() if find_spec(module) for suffix in names),
    )
)
"""Files with these suffixes count as pictures in folders and archives. A file given by name may have any suffix."""
