"""Pillow's formats: the points are real files, and what fails is a point too."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from bench.codecs.classical import Classical, classical_codecs
from bench.codecs.downscale import Downscaled
from bench.codecs.interface import TILE_BUDGETS, Point, Scene
from bench.metrics import Meter

Pixels = NDArray[np.uint8]
PLAIN = {codec.label: codec for codec in classical_codecs()}


def scene(pixels: Pixels, budgets: tuple[int, ...] = TILE_BUDGETS, whole: bool = False) -> Scene:
    return Scene(pixels, budgets, Meter(pixels), whole)


def measured(found: list[Point], pixels: Pixels) -> list[tuple[int, float]]:
    meter = Meter(pixels)
    assert not [p.error for p in found if p.error]
    return [(p.size, meter.psnr(p.decoded)) for p in found if p.size is not None and p.decoded is not None]


@pytest.mark.parametrize("label", PLAIN)
def test_plain_points_are_real_files(label: str, tile: Pixels) -> None:
    codec = PLAIN[label]
    wide = np.ascontiguousarray(tile[:49, :101])
    found = list(codec.points(scene(wide)))
    assert [p.setting["quality"] for p in found] == list(codec.form.plain)
    for p in found:
        assert p.error is None
        assert p.decoded is not None
        assert p.decoded.shape == wide.shape
    data = codec.encode(Image.fromarray(wide), codec.form.plain[2])
    assert len(data) == found[2].size
    assert codec.decode(data).size == (101, 49)
    sizes, qualities = zip(*measured(found, wide), strict=True)
    assert sizes[-1] > sizes[0]
    assert qualities[-1] > qualities[0]


def test_a_failing_codec_is_a_point_with_an_error(tile: Pixels) -> None:
    class Broken(Classical):
        def encode(self, image: Image.Image, quality: int) -> bytes:
            raise OSError("no encoder")

    codec = Broken(dataclasses.replace(PLAIN["jpeg"].form))
    assert [p.error for p in codec.points(scene(tile))] == ["OSError: no encoder"] * len(codec.form.plain)
    (point,) = Downscaled(codec).points(scene(tile))
    assert point.error == "OSError: no encoder"
    assert point.size is None
