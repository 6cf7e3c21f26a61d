"""The adapters: real bytes, sizes kept, and the guarantees of the search below a kilobyte."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from bench import codecs
from bench.classical import Classical, classical_codecs
from bench.codecs import TILE_BUDGETS, Codec, Point, Scene
from bench.downscale import SCALES, Downscaled
from bench.metrics import Meter
from bench.previews import preview_codecs
from bench.tok import HEADER_BYTES, ModelFacts, TokCodec

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
    wide = np.ascontiguousarray(tile[:97, :201])
    found = list(codec.points(scene(wide)))
    assert [p.setting["quality"] for p in found] == list(codec.form.plain)
    for p in found:
        assert p.error is None
        assert p.decoded is not None
        assert p.decoded.shape == wide.shape
    data = codec.encode(Image.fromarray(wide), codec.form.plain[2])
    assert len(data) == found[2].size
    assert Image.open(io.BytesIO(data)).size == (201, 97)
    sizes, qualities = zip(*measured(found, wide), strict=True)
    assert sizes[-1] > sizes[0]
    assert qualities[-1] > qualities[0]


def test_the_search_holds_every_plain_quality() -> None:
    for codec in PLAIN.values():
        assert set(codec.form.plain) <= set(codec.form.search)
        assert list(codec.form.search) == sorted(codec.form.search)
    assert SCALES[0] == 1


@pytest.mark.parametrize("label", [name for name in ("jpeg", "webp") if name in PLAIN])
def test_downscaled_is_never_worse_than_plain_at_the_same_bytes(label: str, tile: Pixels) -> None:
    small = np.ascontiguousarray(tile[:128, :128])
    plain = measured(list(PLAIN[label].points(scene(small))), small)
    budgets = tuple(sorted(size for size, _ in plain))
    down = measured(list(Downscaled(PLAIN[label]).points(scene(small, budgets))), small)
    for size, quality in plain:
        assert max(q for s, q in down if s <= size) >= quality - 1e-9


@pytest.mark.skipif("webp" not in PLAIN, reason="this Pillow has no WebP")
def test_downscaled_reaches_where_plain_does_not(tile: Pixels) -> None:
    found = list(Downscaled(PLAIN["webp"]).points(scene(tile, (64, 128, 256, 1024))))
    assert min(size for size, _ in measured(found, tile)) <= 128
    assert min(size for size, _ in measured(list(PLAIN["webp"].points(scene(tile))), tile)) > 512
    winners = {budget: p for p in found for budget in p.best["psnr"]}
    assert all(p.size is not None and p.size <= budget for budget, p in winners.items())
    qualities = [Meter(tile).psnr(winners[b].decoded) for b in sorted(winners)]  # type: ignore[arg-type]
    assert qualities == sorted(qualities)
    again = Downscaled(PLAIN["webp"]).render(Image.fromarray(tile), found[0].setting)
    assert again[0] == found[0].size
    assert np.array_equal(np.asarray(again[1]), found[0].decoded)


@pytest.mark.skipif("webp" not in PLAIN, reason="this Pillow has no WebP")
def test_lpips_chooses_among_the_same_files(tile: Pixels) -> None:
    class ByBrightness(Meter):
        lpips_name = "lpips_fake"  # type: ignore[assignment]

        def lpips(self, decoded: NDArray[Any], suffix: str = "") -> float:
            return float(np.asarray(decoded, np.float64).std())  # the flattest picture wins

    budgets = (128, 256)
    found = list(Downscaled(PLAIN["webp"]).points(Scene(tile, budgets, ByBrightness(tile))))
    by_metric = {metric: {b: p for p in found for b in p.best.get(metric, [])} for metric in ("psnr", "lpips_fake")}
    assert by_metric["psnr"].keys() == by_metric["lpips_fake"].keys() == set(budgets)
    for budget in budgets:
        flat, sharp = by_metric["lpips_fake"][budget], by_metric["psnr"][budget]
        assert flat.decoded is not None
        assert sharp.decoded is not None
        assert flat.decoded.std() <= sharp.decoded.std()
        assert flat.known["lpips_fake"] == pytest.approx(flat.decoded.astype(np.float64).std())


def test_nearest_upscaling_has_square_pixels(tile: Pixels) -> None:
    codec = Downscaled(PLAIN["webp"], "nearest")
    assert codec.label == "webp-nearest"
    _, image = codec.render(Image.fromarray(tile), {"scale": 0.125, "quality": 20})
    blocks = np.asarray(image).reshape(32, 8, 32, 8, 3)
    assert (blocks == blocks[:, :1, :, :1]).all()


@pytest.mark.parametrize("codec", preview_codecs(), ids=lambda codec: codec.label)
def test_previews(codec: Codec, tile: Pixels) -> None:
    wide = np.ascontiguousarray(tile[:100, :200])
    (point,) = codec.points(scene(wide))
    assert point.error is None
    assert point.decoded is not None
    assert point.decoded.shape == wide.shape
    assert point.size is not None
    assert 15 <= point.size <= 25 if codec.label == "thumbhash" else point.size == 36
    assert Meter(wide).psnr(point.decoded) > 10
    size, image = codec.render(Image.fromarray(wide), point.setting)
    assert size == point.size
    assert image.size == (200, 100)


def test_a_failing_codec_is_a_point_with_an_error(tile: Pixels) -> None:
    class Broken(Classical):
        def encode(self, image: Image.Image, quality: int) -> bytes:
            raise OSError("no encoder")

    codec = Broken(dataclasses.replace(PLAIN["jpeg"].form))
    assert [p.error for p in codec.points(scene(tile))] == ["OSError: no encoder"] * len(codec.form.plain)
    (point,) = Downscaled(codec).points(scene(tile))
    assert point.error == "OSError: no encoder"
    assert point.size is None


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
            assert twin.size == HEADER_BYTES + (3 * p.setting["tokens"] + 1) // 2
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


def test_tokcodec_failure_is_reported(fake: Callable[..., TokCodec], tile: Pixels) -> None:
    codec = fake(pitches=(256, 128))

    class Failing(codec.api):  # type: ignore[misc, name-defined]
        @staticmethod
        def encode(*_: Any, **__: Any) -> bytes:
            raise ValueError("x")

    codec.api = Failing
    assert [p.error for p in codec.points(scene(tile))] == ["ValueError: x"] * 2


def test_codecs_by_name() -> None:
    found = codecs.make_codecs({"codecs": ("webp", "jpeg-down")})
    assert list(found) == ["webp", "jpeg-down", "webp-down", "webp-nearest"]
    with pytest.raises(ValueError, match="no codec 'gif'"):
        codecs.make_codecs({"codecs": ("gif",)})


def test_peak_memory_of_one_step() -> None:
    codecs.reset_peak()
    before = codecs.peak_mb()
    if before is None:
        pytest.skip("peak memory is not known on this system")
    block = np.ones(64 << 20, np.uint8)
    after = codecs.peak_mb()
    assert after is not None
    assert after - before > 32
    assert block[-1] == 1
