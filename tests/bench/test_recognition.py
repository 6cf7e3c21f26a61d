"""Recognition: equal pictures agree, ruined ones do not; what is seen of a picture; the values of one photograph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from bench.metrics import Meter
from bench.recognition import FEATURES, Recogniser, Seen, classifier_input
from tokcodec.errors import MissingPackageError

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    try:
        return Recogniser()
    except MissingPackageError as error:
        pytest.skip(str(error))


def small(pixels: Pixels, factor: int) -> Pixels:
    """Averaged in blocks, and enlarged again."""
    image = Image.fromarray(pixels)
    return np.asarray(image.reduce(factor).resize(image.size, Image.Resampling.BICUBIC))


def test_equal_pictures_agree(recogniser: Recogniser, tile: Pixels) -> None:
    found = Meter(tile, recogniser=recogniser).measure(tile.copy())
    assert (found["top1"], found["top5"]) == (1, 1)
    assert found["features_lite0"] == pytest.approx(0, abs=1e-6)
    assert found["features_lite2"] == pytest.approx(0, abs=1e-6)


def test_distance_rises_as_detail_is_lost(recogniser: Recogniser, tile: Pixels) -> None:
    meter = Meter(tile, recogniser=recogniser)
    found = [meter.measure(small(tile, factor)) for factor in (2, 4, 8, 16, 64)]
    for name in FEATURES:
        distances = [metrics[name] for metrics in found]
        assert distances == sorted(distances)
        assert 0 < distances[0] < distances[-1] < 1
    assert (found[-1]["top1"], found[-1]["top5"]) == (0, 0)


def test_agreement_is_with_the_answer_to_the_original(recogniser: Recogniser) -> None:
    features = torch.ones(1, 8, 4, 4)
    original = Seen({"features_lite0": [features]}, (7, 1, 2, 3, 4))
    cases = {(7, 8, 9, 10, 11): (1, 1), (8, 9, 10, 11, 7): (0, 1), (1, 2, 3, 4, 8): (0, 0)}
    for classes, expected in cases.items():
        found = recogniser.compare(original, Seen(original.features, classes))
        assert (found["top1"], found["top5"]) == expected
    turned = recogniser.compare(original, Seen({"features_lite0": [-features]}, (7, 1, 2, 3, 4)))
    assert turned["features_lite0"] == pytest.approx(2)


@pytest.mark.parametrize("shape", [(224, 224), (90, 301), (301, 90), (512, 768)])
def test_the_centre_square_is_seen(shape: tuple[int, int]) -> None:
    height, width = shape
    pixels = np.zeros((*shape, 3), np.uint8)
    side = min(shape)
    top, left = (height - side) // 2, (width - side) // 2
    pixels[top : top + side, left : left + side] = (255, 51, 0)
    seen = classifier_input(pixels)
    assert seen.shape == (1, 3, 224, 224) and seen.dtype == torch.float32
    assert torch.allclose(seen, torch.tensor([1, 0.2, 0]).view(1, 3, 1, 1))


def test_reduction_is_antialiased() -> None:
    stripes = np.zeros((896, 896, 3), np.uint8)
    stripes[:, ::2] = 255
    inner: Any = classifier_input(stripes)[..., 8:-8, 8:-8]
    assert inner.min() > 0.45 and inner.max() < 0.55


@pytest.mark.parametrize(("side", "measured"), [(31, False), (32, True)])
def test_too_small_a_picture_is_not_asked_about(recogniser: Recogniser, side: int, measured: bool) -> None:
    pixels = np.full((side, 40, 3), 100, np.uint8)
    assert ("top1" in Meter(pixels, recogniser=recogniser).measure(pixels)) == measured


def test_golden_photograph(recogniser: Recogniser) -> None:
    data = pytest.importorskip("skimage.data")
    cat = np.asarray(data.chelsea())
    meter = Meter(cat, recogniser=recogniser)
    original = recogniser.look(cat)
    assert [len(stages) for stages in original.features.values()] == [4, 4]
    assert original.classes[:3] == (285, 282, 281)  # of ImageNet: Egyptian cat, tiger cat, tabby
    eighth, sixteenth = meter.measure(small(cat, 8)), meter.measure(small(cat, 16))
    assert (eighth["top1"], eighth["top5"]) == (1, 1)
    assert (sixteenth["top1"], sixteenth["top5"]) == (0, 0)
    assert eighth["features_lite0"] == pytest.approx(0.4671, abs=1e-3)
    assert sixteenth["features_lite0"] == pytest.approx(0.6432, abs=1e-3)
