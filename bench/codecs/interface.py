"""What the bench asks of a codec: points of bytes against decoded pictures. One adapter a codec, all behind `Codec`."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from bench.memory import peak_mb, reset_peak
from bench.metrics import Meter, Pixels

T = TypeVar("T")
Setting = dict[str, Any]

# Bytes per 256x256 tile at which codecs are compared on crops; 36, 108, 202 and 396 are the aims of 16, 64, 128 and
# 256 tokens.
TILE_BUDGETS = (24, 32, 36, 48, 64, 96, 108, 128, 192, 202, 256, 384, 396, 512, 768, 1024, 2048, 4096)
# Bits per pixel at which codecs are compared on whole pictures.
BPP_BUDGETS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True)
class Scene:
    """One picture to code: its pixels, the byte budgets of the comparison, and the meter of its quality."""

    pixels: Pixels
    budgets: tuple[int, ...]
    meter: Meter
    whole: bool = False

    @property
    def image(self) -> Image.Image:
        """A fresh picture without metadata, so that no codec pays for a profile or EXIF."""
        return Image.fromarray(self.pixels)


@dataclass
class Point:
    """One coded picture: bytes of the real file with all headers, what it decodes to, and what it cost.

    `best`: for a searched codec, the byte budgets for which this point won, by metric. `known`: metrics measured
    already. `extra`: further facts for the result line. `label`: where it is not the codec's own. A failure has
    `error` and no picture.
    """

    setting: Setting
    size: int | None = None
    decoded: Pixels | None = None
    encode_s: float | None = None
    decode_s: float | None = None
    peak_mb: float | None = None
    best: dict[str, list[int]] = field(default_factory=dict)
    known: dict[str, float] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    label: str | None = None
    error: str | None = None


class Codec(ABC):
    """An adapter. `label` names the codec in every table; two adapters never share one."""

    label: str

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Everything besides versions on which the points depend (JSON values)."""

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """Versions of the libraries and the model that do the coding."""

    @abstractmethod
    def points(self, scene: Scene) -> Iterator[Point]:
        """Code the picture at every setting that the comparison needs; a failed setting is a point with an error."""

    @abstractmethod
    def render(self, image: Image.Image, setting: Setting) -> tuple[int, Image.Image]:
        """Code one picture at the setting of a point -> (bytes, decoded RGB picture of the same size)."""


def timed(call: Callable[[], T]) -> tuple[T, float]:
    """(result, seconds) of one call."""
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


def attempt(setting: Setting, encode: Callable[[], bytes], decode: Callable[[bytes], Image.Image]) -> Point:
    """A point made by one encoder and one decoder call, timed; any exception of a codec becomes the point's error."""
    reset_peak()
    try:
        data, encode_s = timed(encode)
        image, decode_s = timed(lambda: decode(data))
        pixels = np.asarray(image.convert("RGB"))
    except Exception as error:  # the bench survives every way in which a codec can fail, and tells
        return Point(setting, error=f"{type(error).__name__}: {error}")
    return Point(setting, len(data), pixels, encode_s, decode_s, peak_mb())
