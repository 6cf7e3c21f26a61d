"""tokcodec's adapter, on a stand-in for tokcodec: which settings it codes, and that sizes are kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from bench.codecs.interface import TILE_BUDGETS
from bench.codecs.tok import ModelFacts, TokCodec
from tests.bench.codecs.test_classical import Pixels, scene
from tokcodec.container.header import HEADER_SIZE


def test_tokcodec_points(fake: Callable[..., TokCodec], tile: Pixels) -> None:
    codec = fake()
    found = list(codec.points(scene(tile)))
    ours = [p for p in found if p.label is None]
    assert not [p.error for p in found if p.error]
    assert {p.setting["look"] for p in ours} == {"fidelity", "perceptual"}
    # Pitch 512 makes the same single tile of a 256x256 picture as 256 does.
    assert {p.setting["pitch"] for p in ours} == {256, 128, 64}
    base = [p for p in ours if p.setting["pitch"] == 256 and p.setting["look"] == "fidelity"]
    assert [p.setting["tokens"] for p in base if "tokens" in p.setting] == [
        1,
        2,
        4,
        8,
        16,
        32,
        48,
        64,
        96,
        128,
        192,
        256,
    ]
    cut = {p.setting["size"]: p.size for p in base if "size" in p.setting}
    assert set(cut) == {b for b in TILE_BUDGETS if b < 394}
    assert all(size is not None and size <= budget for budget, size in cut.items())
    packed = {p.setting["tokens"]: p for p in found if p.label == "tokcodec-packed" and p.setting["pitch"] == 256}
    for p in base:
        if "tokens" in p.setting:
            twin = packed[p.setting["tokens"]]
            assert twin.decoded is p.decoded
            assert twin.size == HEADER_SIZE + (3 * p.setting["tokens"] + 1) // 2
    (full,) = [p for p in base if p.setting.get("tokens") == 256]
    assert full.extra["sizes"][-1] == [256, full.size]
    assert full.extra["sizes"][0] == [8, 22]
    assert full.encode_s is not None
    assert full.decode_s is not None


def test_tokcodec_serves_whole_pictures_by_pitch(fake: Callable[..., TokCodec], tile: Pixels) -> None:
    wide = np.tile(tile, (1, 2, 1))
    found = [p for p in fake().points(scene(wide, (200, 500, 3000), whole=True)) if p.label is None]
    sizes = {(p.setting["pitch"], p.setting["size"]) for p in found if "size" in p.setting}
    # Pitch 256 makes 2 tiles (778 bytes), 128 makes 8 (3082 bytes), 64 makes 32.
    assert sizes == {(512, 200), (256, 200), (256, 500), (128, 3000)}


def test_tokcodec_renders_what_it_measured(fake: Callable[..., TokCodec], tile: Pixels) -> None:
    codec = fake(pitches=(256,))
    for p in codec.points(scene(tile)):
        if p.label is None and p.decoded is not None:
            size, image = codec.render(Image.fromarray(tile), p.setting)
            assert size == p.size
            assert np.array_equal(np.asarray(image), p.decoded)


def test_unordered_models_are_only_coded_whole(fake: Callable[..., TokCodec], tile: Pixels) -> None:
    codec = fake(facts=ModelFacts("titok", "00", 256, False, (None,)), model="titok", pitches=(256,))
    found = list(codec.points(scene(tile)))
    assert codec.label == "tokcodec:titok"
    assert [(p.label, p.setting) for p in found] == [
        (None, {"pitch": 256, "tokens": 256}),
        ("tokcodec:titok-packed", {"pitch": 256, "tokens": 256}),
    ]
    assert found[0].extra["model"] == {"tile": 256, "parameters": 0}


def test_a_model_is_cut_at_the_pitch_of_its_own_size(fake: Callable[..., TokCodec], tile: Pixels) -> None:
    facts = ModelFacts("wide", "00", 256, True, (None,), tile=128)
    found = [p for p in fake(facts=facts, model="wide", pitches=(256, 128)).points(scene(tile)) if p.label is None]
    assert {p.setting["pitch"] for p in found if p.setting.get("tokens") == 8} == {128}
    assert [p.setting for p in found if "model" in p.extra] == [{"pitch": 128, "tokens": 256}]
    found = list(fake(facts=facts, model="wide", pitches=(512, 256)).points(scene(tile)))
    assert [p.setting for p in found if "model" in p.extra] == [{"pitch": 256, "tokens": 256}]


def test_tokcodec_failure_is_reported(fake: Callable[..., TokCodec], tile: Pixels) -> None:
    codec = fake(pitches=(256, 128))

    class Failing(codec.api):  # type: ignore[misc, name-defined]
        @staticmethod
        def encode(*_: Any, **__: Any) -> bytes:
            raise ValueError("x")

    codec.api = Failing
    assert [p.error for p in codec.points(scene(tile))] == ["ValueError: x"] * 2
