"""The adapters with byte budgets as targets, on the default model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.codecs.interface import Scene
from bench.codecs.registry import make_codecs
from bench.codecs.tok_adaptive import AdaptiveTokCodec, BareTokCodec, EffortTokCodec
from bench.metrics import Meter

Pixels = np.ndarray[Any, Any]


def scene(pixels: Pixels, budgets: tuple[int, ...], whole: bool) -> Scene:
    return Scene(pixels, budgets, Meter(pixels), whole)


def test_adaptive_files_keep_every_budget(tile: Pixels) -> None:
    codec = AdaptiveTokCodec(device="cpu")
    points = list(codec.points(scene(tile, (5, 60, 300), True)))
    assert [point.setting["target"] for point in points] == [budget for budget in (60, 300) for _ in codec.facts.looks]
    for point in points:
        assert point.error is None
        assert point.size is not None and point.decoded is not None
        assert 0.95 * point.setting["target"] <= point.size <= point.setting["target"]
        assert point.decoded.shape == tile.shape
        assert point.extra["chosen"]["tokens"] >= 1
    size, decoded = codec.render(Image.fromarray(tile), points[0].setting)
    assert (size, np.asarray(decoded).tolist()) == (points[0].size, points[0].decoded.tolist())  # type: ignore[union-attr]


def test_crops_have_nothing_to_distribute(tile: Pixels) -> None:
    assert list(AdaptiveTokCodec(device="cpu").points(scene(tile, (60, 300), False))) == []


def test_bare_previews_have_the_sizes_of_their_rivals(tile: Pixels) -> None:
    codec = BareTokCodec(device="cpu")
    points = list(codec.points(scene(tile, (32, 4096), False)))
    looks = codec.facts.looks
    assert [point.setting["target"] for point in points] == [budget for budget in (24, 28, 32, 36) for _ in looks]
    for point in points:
        assert point.size is not None and point.size <= point.setting["target"]
        assert point.decoded is not None and point.decoded.shape == tile.shape
    fidelity = [point for point in points if point.setting["look"] == "fidelity"]
    psnr = [Meter(tile).psnr(point.decoded) for point in fidelity]  # type: ignore[arg-type]
    assert psnr == sorted(psnr)


def test_an_effort_makes_better_files_of_crops(tile: Pixels) -> None:
    pytest.importorskip("torch")
    codec = EffortTokCodec(2, device="cpu")
    assert codec.label == "tokcodec-effort2"
    assert list(codec.points(scene(tile, (36, 108), True))) == [], "whole pictures take too long"
    points = list(codec.points(scene(tile, (32, 108, 4096), False)))
    assert [point.setting["look"] for point in points] == list(codec.facts.looks)
    for point in points:
        assert point.error is None and point.setting["target"] == 108
        assert point.size is not None and point.size <= 108
        plain = codec.decode(codec.encode_to(Image.fromarray(tile), 108), point.setting["look"])
        if point.setting["look"] == "fidelity":
            assert point.decoded is not None
            assert Meter(tile).psnr(point.decoded) > Meter(tile).psnr(np.asarray(plain))
    size, decoded = codec.render(Image.fromarray(tile), points[0].setting)
    assert size == points[0].size and (np.asarray(decoded) == points[0].decoded).all()


@pytest.mark.parametrize("kind", [AdaptiveTokCodec, BareTokCodec])
def test_labels_name_the_model(kind: type[AdaptiveTokCodec]) -> None:
    suffix = kind(device="cpu").label.removeprefix("tokcodec-")
    assert suffix in ("adaptive", "bare")
    assert kind("base-2", device="cpu").label == f"tokcodec-{suffix}:base-2"


def test_the_bench_knows_them() -> None:
    found = make_codecs({"codecs": ("tokcodec-adaptive", "tokcodec-bare"), "device": "cpu"})
    assert list(found) == ["tokcodec-adaptive", "tokcodec-bare"]
    assert list(make_codecs({"codecs": ("tokcodec-effort3",), "effort": 3})) == ["tokcodec-effort3"]
