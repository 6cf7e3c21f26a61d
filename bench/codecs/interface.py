"""The interface of a codec in the bench: a file's bytes and decoded picture at several settings (`Codec.points`)."""

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

# Bytes per 256x256 tile at which codecs are compared on crops. 36, 108, 202 and 396 are typical sizes of 16, 64, 128
# and 256 tokens.
TILE_BUDGETS = (24, 32, 36, 48, 64, 96, 108, 128, 192, 202, 256, 300, 384, 396, 512, 768, 1024, 2048, 4096)
# Bits per pixel at which codecs are compared on whole pictures.
BPP_BUDGETS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True)
class Scene:
    """One picture to code."""

    pixels: Pixels
    budgets: tuple[int, ...]
    """Bytes at which codecs are compared, rising."""
    meter: Meter
    """Measures the quality of decoded pictures."""
    whole: bool = False
    """Whether it is a whole picture, not a crop."""

    @property
    def image(self) -> Image.Image:
        """A new picture without metadata, so that no codec stores a profile or EXIF."""
        return Image.fromarray(self.pixels)


@dataclass
class Point:
    """One coded picture, or a failure, which has an `error` and no picture."""

    setting: Setting
    size: int | None = None
    """Bytes of the real file with all headers."""
    decoded: Pixels | None = None
    encode_s: float | None = None
    """Seconds."""
    decode_s: float | None = None
    """Seconds."""
    peak_mb: float | None = None
    """Peak memory of the process in MB."""
    best: dict[str, list[int]] = field(default_factory=dict)
    """For a codec with a search: by metric, the byte budgets at which this point is the best."""
    known: dict[str, float] = field(default_factory=dict)
    """Metrics that were measured already, by name."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Further fields of the result row."""
    label: str | None = None
    """Label instead of the codec's own."""
    error: str | None = None
    data: bytes | None = None
    """The file, from `attempt`."""


class Codec(ABC):
    """An adapter. Its unique `label` names the codec in every table."""

    label: str

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """All settings on which the points depend, without versions, as JSON values."""

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """Versions of the libraries and the model that do the coding."""

    @abstractmethod
    def points(self, scene: Scene) -> Iterator[Point]:
        """Code the picture at every setting of the comparison. A failed setting is a point with an error."""

    @abstractmethod
    def render(self, image: Image.Image, setting: Setting) -> tuple[int, Image.Image]:
        """Code a picture at the setting of a point. Returns the bytes and the decoded RGB picture of the same size."""


def timed(call: Callable[[], T]) -> tuple[T, float]:
    """(result, seconds) of one call."""
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


def attempt(setting: Setting, encode: Callable[[], bytes], decode: Callable[[bytes], Image.Image]) -> Point:
    """A point from one timed call of `encode` and of `decode`. Any exception becomes the point's error."""
    reset_peak()
    try:
        data, encode_s = timed(encode)
        image, decode_s = timed(lambda: decode(data))
        pixels = np.asarray(image.convert("RGB"))
    except Exception as error:  # a codec's failure is a result, and the bench continues
        return Point(setting, error=f"{type(error).__name__}: {error}")
    peak = peak_mb()
    return Point(setting, len(data), pixels, encode_s, decode_s, None if peak is None else round(peak), data=data)
