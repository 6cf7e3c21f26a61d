"""Reads the pictures of a folder, whole or as centre crops. `python -m bench.pictures DIR` writes sample pictures."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from bench.metrics import Pixels
from tokcodec.errors import TokError
from tokcodec.pictures.images import read_picture
from tokcodec.pictures.suffixes import PICTURE_SUFFIXES
from tokcodec.pictures.tiling import centre_square

SAMPLES = ("astronaut", "coffee", "chelsea", "rocket")


@dataclass(frozen=True)
class Picture:
    """A picture of the bench."""

    path: Path
    name: str
    """Name in the results."""
    crop: int | None
    """Side of the centre crop in pixels; None: the whole picture."""
    sha256: str
    """SHA-256 of the RGB pixels."""
    width: int
    height: int

    @property
    def subset(self) -> str:
        """Name of the part of the results it belongs to: "whole" or e.g. "crop256"."""
        return "whole" if self.crop is None else f"crop{self.crop}"


def read(path: Path, crop: int | None = None) -> Pixels:
    """The pixels as the codec reads them, uint8 RGB HxWx3. With `crop`, the centre square resized to crop x crop.

    Raises TokError if the file is not a picture.
    """
    image = read_picture(path, warn=lambda note: None)
    return np.asarray(image if crop is None else centre_square(image, crop))


def describe(path: Path, name: str, crop: int | None) -> Picture:
    """The picture of a file, read once for its size and hash. Raises TokError like `read`."""
    pixels = read(path, crop)
    digest = hashlib.sha256(pixels.tobytes()).hexdigest()
    return Picture(path, name, crop, digest, pixels.shape[1], pixels.shape[0])


def find(folder: Path, crops: Iterable[int | None], limit: int | None = None) -> tuple[list[Picture], dict[str, str]]:
    """The pictures of a folder, and the reasons by file name for those that cannot be read.

    Args:
        folder: Its files with a suffix of a picture are read.
        crops: Every picture is returned once for each of these (None: whole).
        limit: Use only the first `limit` files; None: all.

    Raises:
        ValueError: The folder has no file with a suffix of a picture.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix.lower() in PICTURE_SUFFIXES)
    if not files:
        raise ValueError(f"no pictures in {folder}")
    pictures: list[Picture] = []
    bad: dict[str, str] = {}
    stems = [path.stem for path in files]
    for path in files[:limit]:
        name = path.stem if stems.count(path.stem) == 1 else path.name
        try:
            for crop in crops:
                pictures.append(describe(path, name, crop))
        except TokError as error:
            bad[path.name] = f"{type(error).__name__}: {error}"
    return pictures, bad


def write_samples(folder: Path) -> None:
    """Write photographs of the package scikit-image as PNG files."""
    import skimage.data

    folder.mkdir(parents=True, exist_ok=True)
    for name in SAMPLES:
        Image.fromarray(getattr(skimage.data, name)()).save(folder / f"{name}.png")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m bench.pictures DIR")
    write_samples(Path(sys.argv[1]))
