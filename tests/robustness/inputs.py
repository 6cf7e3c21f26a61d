"""Inputs of the tests in this folder, what encoding makes of them, and what a command may have changed."""

from __future__ import annotations

import binascii
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import Result
from PIL import Image

import tokcodec
from tokcodec.container.header import HEADER_SIZE
from tokcodec.models.modelfile import Model

Call = Callable[..., Result]
Fails = Callable[..., str]
MakeTok = Callable[..., bytes]
Put = Callable[[str, bytes], None]
ROOT = Path(__file__).parents[2]
READERS = (["info"], ["decode"], ["truncate", "--tokens", "1", "-o", "out.tok"])
"""The commands that read a `.tok`."""


def listing(folder: Path) -> dict[str, int]:
    """Everything below a folder, and when it was last changed."""
    return {str(path.relative_to(folder)): path.lstat().st_mtime_ns for path in sorted(folder.rglob("*"))}


def sealed(data: bytes, model: Model) -> bytes:
    """The file with a check that is right, whatever its header says."""
    return data[:8] + binascii.crc_hqx(data[:8] + model.hash, 0xFFFF).to_bytes(2, "big") + data[HEADER_SIZE:]


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The bytes of a picture's file."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def photograph(width: int, height: int) -> Image.Image:
    """A smooth RGB picture."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, 255 - x], -1).astype(np.uint8))


def noise(seed: int, width: int = 300, height: int = 200) -> bytes:
    """A PNG of coarse noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).resize((width, height)).save(stream, "PNG")
    return stream.getvalue()


def expected_outputs() -> list[bytes]:
    """What `encode --pitch 64` makes of the pictures of the fixture `place`."""
    pictures = [Image.open(io.BytesIO(noise(i))) for i in range(4)]
    return [tokcodec.encode(picture, model="tiny", pitch=64) for picture in pictures]
