"""The search below a kilobyte: what it guarantees against the same format at full size."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from bench.codecs.classical import Classical
from bench.codecs.downscale import Downscaled
from bench.codecs.formats import SCALES
from bench.codecs.interface import Scene
from bench.metrics import Meter
from tests.bench.codecs.test_classical import PLAIN, Pixels, measured, scene


def test_the_search_holds_every_plain_quality() -> None:
    for codec in PLAIN.values():
        for search in (codec.form.search, codec.form.whole or codec.form.search):
            assert set(codec.form.plain) <= set(search)
            assert list(search) == sorted(search)
    assert SCALES[0] == 1


@pytest.mark.parametrize("label", [name for name in ("jpeg", "webp") if name in PLAIN])
def test_downscaled_is_never_worse_than_plain_at_the_same_bytes(label: str, tile: Pixels) -> None:
    small = np.ascontiguousarray(tile[:128, :128])
    plain = measured(list(PLAIN[label].points(scene(small))), small)
    budgets = tuple(sorted(size for size, _ in plain))
    down = measured(list(Downscaled(PLAIN[label]).points(scene(small, budgets))), small)
    for size, quality in plain:
        assert max(q for s, q in down if s <= size) >= quality - 1e-9


def webp(*ups: str) -> Downscaled:
    """WebP with few qualities and scales, since each pair takes its time."""
    form = PLAIN["webp"].form
    return Downscaled(Classical(replace(form, search=form.plain, scales=SCALES[::3])), *ups)


@pytest.mark.skipif("webp" not in PLAIN, reason="this Pillow has no WebP")
def test_downscaled_reaches_where_plain_does_not(tile: Pixels) -> None:
    found = list(webp().points(scene(tile, (64, 128, 256, 1024))))
    assert min(size for size, _ in measured(found, tile)) <= 128
    assert min(size for size, _ in measured(list(PLAIN["webp"].points(scene(tile))), tile)) > 512
    winners = {budget: p for p in found for budget in p.best["psnr"]}
    assert all(p.size is not None and p.size <= budget for budget, p in winners.items())
    qualities = [Meter(tile).psnr(winners[b].decoded) for b in sorted(winners)]  # type: ignore[arg-type]
    assert qualities == sorted(qualities)
    again = webp().render(Image.fromarray(tile), found[0].setting)
    assert again[0] == found[0].size
    assert (np.asarray(again[1]) == found[0].decoded).all()


@pytest.mark.skipif("webp" not in PLAIN, reason="this Pillow has no WebP")
def test_whole_pictures_may_have_qualities_of_their_own(tile: Pixels) -> None:
    form = replace(PLAIN["webp"].form, search=(0, 20), whole=(0, 50), scales=(0.25,))
    codec = Downscaled(Classical(form))
    used = {
        whole: {p.setting["quality"] for p in codec.points(scene(tile, (200, 2000), whole))} for whole in (False, True)
    }
    assert used == {False: {0, 20}, True: {0, 50}}


@pytest.mark.skipif("webp" not in PLAIN, reason="this Pillow has no WebP")
def test_lpips_chooses_among_the_same_files(tile: Pixels) -> None:
    class ByBrightness(Meter):
        lpips_name = "lpips_fake"  # type: ignore[assignment]

        def lpips(self, decoded: NDArray[Any], suffix: str = "") -> float:
            return float(np.asarray(decoded, np.float64).std())  # the flattest picture wins

    budgets = (128, 256)
    found = list(webp().points(Scene(tile, budgets, ByBrightness(tile))))
    by_metric = {metric: {b: p for p in found for b in p.best.get(metric, [])} for metric in ("psnr", "lpips_fake")}
    assert by_metric["psnr"].keys() == by_metric["lpips_fake"].keys() == set(budgets)
    for budget in budgets:
        flat, sharp = by_metric["lpips_fake"][budget], by_metric["psnr"][budget]
        assert flat.decoded is not None
        assert sharp.decoded is not None
        assert flat.decoded.std() <= sharp.decoded.std()
        assert flat.known["lpips_fake"] == pytest.approx(flat.decoded.astype(np.float64).std())


@pytest.mark.skipif("webp" not in PLAIN, reason="this Pillow has no WebP")
def test_one_search_serves_both_ways_of_enlarging(tile: Pixels) -> None:
    small = np.ascontiguousarray(tile[:64, :64])
    both = webp("bicubic", "nearest")
    found = list(both.points(scene(small, (64, 128))))
    for up, label in (("bicubic", "webp-down"), ("nearest", "webp-nearest")):
        own = [p for p in found if p.label == label]
        alone = list(webp(up).points(scene(small, (64, 128))))
        assert [(p.size, p.best) for p in own] == [(p.size, p.best) for p in alone]
        for p in own:
            assert (np.asarray(both.render(Image.fromarray(small), p.setting)[1]) == p.decoded).all()


def test_nearest_upscaling_has_square_pixels(tile: Pixels) -> None:
    codec = webp("nearest")
    assert codec.label == "webp-nearest"
    _, image = codec.render(Image.fromarray(tile), {"scale": 0.125, "quality": 20})
    blocks = np.asarray(image).reshape(32, 8, 32, 8, 3)
    assert (blocks == blocks[:, :1, :, :1]).all()
