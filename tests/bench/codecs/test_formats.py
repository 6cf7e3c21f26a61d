"""Formats as an expert writes them: less than by Pillow's defaults, and what the settings promise."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from bench.codecs.classical import Classical
from bench.codecs.formats import FORMATS
from bench.metrics import psnr
from tests.bench.codecs.test_classical import Pixels

CODECS = {form.name: Classical(form) for form in FORMATS if form.available()}


def small(tile: Pixels, side: int = 32) -> Image.Image:
    return Image.fromarray(tile).resize((side, side), Image.Resampling.LANCZOS)


@pytest.mark.parametrize(("name", "least"), [("jpeg", 200), ("webp", 5), ("avif", 200)])
def test_files_are_smaller_than_by_default(name: str, least: int, tile: Pixels) -> None:
    if name not in CODECS or f"{name}-pillow" not in CODECS:
        pytest.skip(f"{name} cannot be written here")
    picture = small(tile)
    both = [CODECS[label] for label in (name, f"{name}-pillow")]
    expert, default = (codec.encode(picture, 20) for codec in both)
    assert len(default) - len(expert) >= least
    pictures = [np.asarray(codec.decode(data)) for codec, data in zip(both, (expert, default), strict=True)]
    expected, found = (psnr(np.asarray(picture), pixels) for pixels in reversed(pictures))
    assert found > expected - 1.5


def test_jpeg_has_one_table_and_one_scan(tile: Pixels) -> None:
    data = CODECS["jpeg"].encode(small(tile), 10)
    assert data.count(b"\xff\xdb") == data.count(b"\xff\xda") == 1
    assert data[data.index(b"\xff\xdb") + 2 :][:3] == b"\0\x43\0", "64 values"
    tables = Image.open(io.BytesIO(data)).quantization
    assert list(tables) == [0] and tables[0][0] == 80


@pytest.mark.skipif("avif" not in CODECS, reason="this Pillow has no AVIF")
def test_avif_keeps_all_chroma_samples(tile: Pixels) -> None:
    """Reduced pictures have no colour to spare."""
    codec, picture = CODECS["avif"], small(tile, 64)
    data = codec.encode(picture, 30)
    assert data[20:24] == b"mini" and data[25] >> 3 & 0b11 == 3, "4:4:4"


def test_lossless_webp_has_few_values_in_few_bytes(tile: Pixels) -> None:
    codec, picture = CODECS["webp-lossless"], small(tile, 4)
    data = codec.encode(picture, 4)
    assert 30 <= len(data) <= 64
    decoded = np.asarray(codec.decode(data))
    assert set(decoded.ravel().tolist()) <= {32, 96, 160, 224}
    assert abs(decoded.astype(int) - np.asarray(picture, int)).max() <= 32


@pytest.mark.skipif("jpeg2000" not in CODECS, reason="this Pillow has no JPEG 2000")
def test_jpeg_2000_takes_a_ratio_or_decibels(tile: Pixels) -> None:
    codec, picture = CODECS["jpeg2000"], small(tile, 64)
    raw = 3 * 64 * 64
    sizes = [len(codec.encode(picture, -ratio)) for ratio in (50, 12)]
    assert all(0.8 * raw / ratio <= size <= 1.1 * raw / ratio for ratio, size in zip((50, 12), sizes, strict=True))
    data = codec.encode(picture, 30)
    assert psnr(np.asarray(picture), np.asarray(codec.decode(data))) == pytest.approx(30, abs=3)
    assert b"Created by" not in data


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (3, 50), (129, 7)])
def test_every_format_takes_small_and_odd_pictures(name: str, size: tuple[int, int], tile: Pixels) -> None:
    codec, picture = CODECS[name], Image.fromarray(tile).resize(size)
    for quality in (codec.form.search[0], codec.form.search[-1]):
        assert codec.decode(codec.encode(picture, quality)).size == size
