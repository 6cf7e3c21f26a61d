"""Measures of quality: PSNR by hand, LPIPS in blocks and against one reference."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from tests.ratecontrol.test_lpips import random_weights
from tokcodec.ratecontrol import quality
from tokcodec.ratecontrol.lpips import LPIPS, WEIGHTS_ENV, WeightsMissingError

CPU = "cpu"


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "lpips.safetensors"
    save_file(random_weights("squeeze"), path)
    monkeypatch.setenv(WEIGHTS_ENV, str(path))
    quality._net.cache_clear()
    yield path
    quality._net.cache_clear()


def test_psnr_by_hand() -> None:
    black, grey = Image.new("RGB", (5, 400), (0, 0, 0)), Image.new("RGB", (5, 400), (51, 51, 51))
    assert quality.psnr(black, grey) == pytest.approx(20 * math.log10(5))
    assert quality.psnr(grey, grey) == math.inf


def test_psnr_and_error_are_inverse() -> None:
    for db in (0.0, 17.5, 60.0):
        assert quality.to_psnr(quality.to_error(db)) == pytest.approx(db)


@pytest.mark.parametrize("size", [(1, 1), (1024, 1024), (1025, 3000), (4000, 33)])
def test_blocks_cover_the_picture_once(size: tuple[int, int]) -> None:
    covered = np.zeros(size[::-1], np.int64)
    for left, top, right, bottom in quality._boxes(*size):
        assert right - left <= quality.BLOCK and bottom - top <= quality.BLOCK
        covered[top:bottom, left:right] += 1
    assert (covered == 1).all()


def test_distance_is_lpips(weights: Path) -> None:
    reference, other = noise(64, 48), noise(64, 48, 1)
    tensors = [torch.from_numpy(np.asarray(p).copy()).permute(2, 0, 1)[None].float() / 255 for p in (reference, other)]
    with torch.inference_mode():
        expected = float(LPIPS("squeeze")(*tensors))
    distance = quality.Distance(reference, CPU)
    assert distance(other) == pytest.approx(expected, rel=1e-4)
    assert distance(reference) == pytest.approx(0, abs=1e-6)


def test_distance_of_a_large_picture_is_the_mean_over_its_blocks(weights: Path) -> None:
    reference, other = noise(1100, 64), noise(1100, 64, 1)
    parts = [(0, 0, 550, 64), (550, 0, 1100, 64)]
    halves = [quality.Distance(reference.crop(part), CPU)(other.crop(part)) for part in parts]
    assert quality.Distance(reference, CPU)(other) == pytest.approx(sum(halves) / 2, rel=1e-5)


def test_small_pictures_and_missing_weights_are_refused(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="32 pixels a side"):
        quality.Distance(noise(64, 31), CPU)
    quality._net.cache_clear()
    monkeypatch.delenv(WEIGHTS_ENV)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "none"))
    with pytest.raises(WeightsMissingError):
        quality.Distance(noise(64, 64), CPU)
