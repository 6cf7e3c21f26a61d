"""Targets in the library, with a model of random codewords: files meet their targets."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import tokcodec
from tokcodec.models.modelfile import Model
from tokcodec.models.registry import find_model
from tokcodec.options import TUNES
from tokcodec.pictures.limits import DEFAULT_MAX_TILES, FIT
from tokcodec.pictures.tiling import Grid
from tokcodec.ratecontrol import estimate, quality
from tokcodec.ratecontrol.allocation import Allocation
from tokcodec.ratecontrol.lpips import WEIGHTS_ENV
from tokcodec.ratecontrol.plans import Plan, Planner, automatic_pitches, distinct_pitches
from tokcodec.ratecontrol.search import Goal, QualitySearch
from tokcodec.ratecontrol.settings import PLAIN_TILES_RATIO, PSNR_WINDOW, SEARCH
from tokcodec.tokenizers import load_tokenizer
from tokcodec.tokenizers.base import Tokenizer


@pytest.fixture
def photograph() -> Image.Image:
    """300 x 200 pixels, smooth on the left, busy on the right."""
    rng = np.random.default_rng(3)
    pixels = np.full((200, 300, 3), 120.0) + np.linspace(-60, 60, 300)[None, :, None]
    pixels[:, 150:] += rng.normal(0, 40, (50, 38, 3)).repeat(4, 0).repeat(4, 1)[:, :150]
    return Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8))


def counts(data: bytes) -> np.ndarray:
    return (tokcodec.read_tokens(data) >= 0).sum(1)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(12, 1500))
def test_a_size_is_never_exceeded_and_well_used(photograph: Image.Image, size: int) -> None:
    data = tokcodec.encode(photograph, target_size=size)
    assert len(data) <= size
    assert len(data) >= min(0.95 * size, size - 2)  # a token of 12 bits is the finest step


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(12, 300))
def test_of_a_poor_model_all_tokens_may_be_too_few(tiny: Model, photograph: Image.Image, size: int) -> None:
    notes: list[str] = []
    data = tokcodec.encode(photograph, target_size=size, model="tiny", warn=notes.append)
    assert len(data) <= size
    assert tokcodec.info(data, model="tiny").complete
    if notes:
        assert counts(data).min() == 16
        assert notes[0].endswith(f"take {len(data)} of {size} bytes")


def test_bits_per_pixel_are_a_size(tiny: Model, photograph: Image.Image) -> None:
    by_bpp = tokcodec.encode(photograph, target_bpp=0.05, model="tiny")
    assert by_bpp == tokcodec.encode(photograph, target_size=int(0.05 * 300 * 200 / 8), model="tiny")


@pytest.mark.parametrize("pitch", ["fit", 48, 128])
def test_a_pitch_that_is_given_is_kept(tiny: Model, photograph: Image.Image, pitch: int | str) -> None:
    for target in ({"target_size": 150}, {"target_psnr": 12.0}):
        data = tokcodec.encode(photograph, pitch=pitch, model="tiny", warn=print, **target)  # type: ignore[arg-type]
        assert tokcodec.info(data).pitch == (FIT if pitch == "fit" else pitch)


def test_more_bytes_make_a_smaller_pitch(photograph: Image.Image) -> None:
    tiles = [tokcodec.info(tokcodec.encode(photograph, target_size=size)).tiles for size in (30, 400, 1600)]
    assert tiles == sorted(tiles)
    assert tiles[0] == 1 and tiles[2] > 4


@pytest.mark.parametrize(("size", "perceptual", "fidelity"), [(300, 192, 192), (500, 192, 128), (1400, 96, 64)])
def test_a_perceptual_look_gets_larger_pitches(
    photograph: Image.Image, size: int, perceptual: int, fidelity: int
) -> None:
    files = {tune: tokcodec.encode(photograph, target_size=size, tune=tune) for tune in TUNES}
    pitches = {tune: tokcodec.info(data).pitch for tune, data in files.items()}
    assert pitches == {"perceptual": perceptual, "light": perceptual, "fidelity": fidelity}
    assert files["perceptual"] == tokcodec.encode(photograph, target_size=size)
    assert all(0.95 * size <= len(data) <= size for data in files.values())
    errors = {tune: -quality.psnr(photograph, tokcodec.decode(data, look="fidelity")) for tune, data in files.items()}
    assert errors["fidelity"] <= errors["perceptual"] + 0.1


@pytest.mark.parametrize("size", [300, 500])
def test_a_focus_has_the_least_error_for_every_look(photograph: Image.Image, size: int) -> None:
    files = {tokcodec.encode(photograph, target_size=size, focus=["0,0,60,60"], tune=tune) for tune in TUNES}
    assert len(files) == 1


def test_detail_gets_more_tokens(photograph: Image.Image) -> None:
    data = tokcodec.encode(photograph, target_size=700, pitch=48)
    grid = Grid.for_picture(300, 200, 48)
    found = counts(data).reshape(grid.rows, grid.columns)
    assert found[:, -2:].mean() > 2 * found[:, :2].mean()
    equal = tokcodec.encode(photograph, tokens=int(found.mean()), pitch=48)
    errors = [quality.psnr(photograph, tokcodec.decode(each, look="fidelity")) for each in (data, equal)]
    assert errors[0] > errors[1] + 0.3


def test_adaptive_takes_no_more_bytes_than_equal_counts(photograph: Image.Image) -> None:
    equal = tokcodec.encode(photograph, tokens=12, pitch=64)
    data = tokcodec.encode(photograph, tokens=12, pitch=64, adaptive=True)
    assert 0.95 * len(equal) <= len(data) <= len(equal)
    assert len(set(counts(data))) > 1


@pytest.mark.parametrize("more", [0.0, 1.3])
def test_a_psnr_is_reached_and_hardly_exceeded(photograph: Image.Image, more: float) -> None:
    start = tokcodec.decode(tokcodec.encode(photograph, tokens=60, pitch="fit"), look="fidelity")
    target = quality.psnr(photograph, start) + more
    data = tokcodec.encode(photograph, target_psnr=target)
    assert target <= quality.psnr(photograph, tokcodec.decode(data, look="fidelity")) <= target + 0.1


def test_a_psnr_with_few_tokens_is_reached_as_closely_as_they_allow(photograph: Image.Image) -> None:
    """One more token changes the quality by more than the tolerance."""
    reached = [
        quality.psnr(photograph, tokcodec.decode(tokcodec.encode(photograph, tokens=n, pitch="fit"), look="fidelity"))
        for n in range(1, 7)
    ]
    gains = np.diff(reached)
    most = int(gains.argmax())
    data = tokcodec.encode(photograph, target_psnr=reached[most] + 0.9 * gains[most], pitch="fit")
    assert gains[most] > 0.1 and tokcodec.info(data).tokens == most + 2


def test_the_smallest_file_reaches_a_low_target(photograph: Image.Image) -> None:
    data = tokcodec.encode(photograph, target_psnr=1.0)
    assert (tokcodec.info(data).tiles, tokcodec.info(data).tokens) == (1, 1)


def test_a_psnr_out_of_reach_gives_the_best_file_and_a_warning(photograph: Image.Image) -> None:
    notes: list[str] = []
    data = tokcodec.encode(photograph, target_psnr=60.0, pitch=256, warn=notes.append)
    assert counts(data).min() == 256
    assert notes == ["no PSNR of 60 dB with this model at this pitch: this is the best file"]


def test_a_quality_that_grows_slowly_is_reached_all_the_same(photograph: Image.Image) -> None:
    """On graphics many predicted dB are one real dB, and a wider pitch may be better than the smallest."""
    notes: list[str] = []
    model = find_model()
    planner = Planner(photograph.crop((160, 0, 208, 48)), model, load_tokenizer(model, "cpu"))
    wide = planner.pitches[-2]
    complete = quality.to_psnr(planner.plan(wide, planner.allocator(wide).all()).error)

    def margin(plan: Plan) -> float:
        worse = 0.2 if plan.pitch == planner.pitches[-1] else 0.0
        return 0.1 * (quality.to_psnr(plan.error) - complete) + 0.02 - worse

    search = QualitySearch(planner, PSNR_WINDOW, notes.append)
    data = search.run(Goal("quality", complete - 4, margin, 0.01, 1.0))
    assert tokcodec.info(data).pitch == wide and not notes

    data = search.run(Goal("quality", complete - 4, lambda plan: margin(plan) - 1, 0.01, 1.0))
    assert notes == ["no quality with this model: this is the best file"]


@pytest.mark.parametrize("target", [{"target_psnr": 25.0}, {"target_psnr": 70.0}])
def test_a_picture_of_one_colour_ends_at_once(
    tiny: Model, target: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """This holds for any number of tiles at a small pitch, and if the target is not reached."""
    tokenizer, coded, drawn = load_tokenizer(tiny, "cpu"), [], []
    kind = type(tokenizer)
    encode, decode = kind.encode_curves, kind.decode

    def counted_encode(self: Tokenizer, x: np.ndarray, *rest: object) -> object:
        coded.append(len(x))
        return encode(self, x, *rest)  # type: ignore[arg-type]

    def counted_decode(self: Tokenizer, tokens: np.ndarray, *rest: object) -> object:
        drawn.append(len(tokens))
        return decode(self, tokens, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(kind, "encode_curves", counted_encode)
    monkeypatch.setattr(kind, "decode", counted_decode)
    data = tokcodec.encode(Image.new("RGB", (640, 640), (200, 30, 40)), model="tiny", warn=str, **target)  # type: ignore[arg-type]
    assert tokcodec.info(data, model="tiny").tiles <= SEARCH.flat_tiles
    assert 0 < sum(coded) <= 3 * SEARCH.flat_tiles
    assert 0 < sum(drawn) <= (2 * SEARCH.attempts + SEARCH.complete_pitches) * SEARCH.flat_tiles


def test_the_number_of_drawn_pictures_is_bounded(tiny: Model, photograph: Image.Image) -> None:
    """Where every plan fails, and where every plan succeeds."""
    for better in (-1.0, 1.0):
        planner, drawn = Planner(photograph, tiny, load_tokenizer(tiny, "cpu"), pitch=96), []

        def margin(plan: Plan, better: float = better, drawn: list[Plan] = drawn) -> float:
            drawn.append(plan)
            return better

        QualitySearch(planner, PSNR_WINDOW, str).run(Goal("quality", 14.0, margin, 0.1, 1.0))
        assert 0 < len(drawn) <= 2 * SEARCH.attempts + SEARCH.complete_pitches


def test_bare_files_have_targets_too(photograph: Image.Image) -> None:
    data = tokcodec.encode(photograph, target_size=24, container="bare")
    assert 22 <= len(data) <= 24
    data = tokcodec.encode(photograph, target_psnr=18.5, container="bare")
    decoded = tokcodec.decode(data, look="fidelity", container="bare", size=photograph.size)
    assert quality.psnr(photograph, decoded) >= 18.5


def test_a_tokenizer_without_curves_is_measured(
    tiny: Model, photograph: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tokcodec.tokenizers.cascade import CascadeTokenizer

    monkeypatch.setattr(CascadeTokenizer, "encode_curves", Tokenizer.encode_curves)
    data = tokcodec.encode(photograph, target_size=200, model="tiny")
    assert 190 <= len(data) <= 200


def test_too_small_for_the_pitch(tiny: Model, photograph: Image.Image) -> None:
    with pytest.raises(ValueError, match=r"needs at least \d+ bytes at this pitch .*, not 12"):
        tokcodec.encode(photograph, target_size=12, pitch=16, model="tiny")
    with pytest.raises(ValueError, match="needs at least 11 bytes"):
        tokcodec.encode(photograph, target_bpp=1e-9, model="tiny")


def test_distinct_pitches_go_from_one_tile_to_the_most() -> None:
    pitches = distinct_pitches(768, 512)
    tiles = [Grid.for_picture(768, 512, pitch).tiles for pitch in pitches]
    assert pitches[0] == FIT and pitches[-1] == 16
    assert tiles == sorted(set(tiles))


@pytest.mark.parametrize(
    ("size", "smallest"), [((768, 512), 16), ((16383, 1), 16), ((4000, 3000), 96), ((9459, 9459), 128)]
)
def test_automatic_pitches_bound_the_tiles(size: tuple[int, int], smallest: int) -> None:
    """A target costs at most a multiple of a plain encode, and small pictures may use every pitch."""
    pitches = automatic_pitches(*size)
    assert pitches[0] == FIT and pitches[-1] == smallest
    plain = Grid.for_picture(*size, 256).tiles
    assert Grid.for_picture(*size, smallest).tiles <= max(DEFAULT_MAX_TILES, PLAIN_TILES_RATIO * plain)


def test_progress_covers_every_pitch_that_is_tried(tiny: Model, photograph: Image.Image) -> None:
    seen: list[tuple[int, int]] = []
    tokcodec.encode(photograph, target_size=300, model="tiny", progress=lambda *step: seen.append(step))
    assert seen and all(0 < done <= tiles for done, tiles in seen)


def test_curves_are_found_once_for_a_pitch(tiny: Model, photograph: Image.Image) -> None:
    planner = Planner(photograph, tiny, load_tokenizer(tiny, "cpu"))
    assert planner.coded(64) is planner.coded(64)


def test_only_tiles_that_changed_are_drawn_again(
    tiny: Model, photograph: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture of drawn and kept tiles equals one that is drawn completely."""
    tokenizer, drawn, asked = load_tokenizer(tiny, "cpu"), [], []
    decode = type(tokenizer).decode

    def counted(self: Tokenizer, tokens: np.ndarray, *rest: object) -> np.ndarray:
        drawn.append(len(tokens))
        return decode(self, tokens, *rest)  # type: ignore[arg-type]

    def drawer(tiles: int) -> Tokenizer:
        asked.append(tiles)
        return tokenizer

    monkeypatch.setattr(type(tokenizer), "decode", counted)
    planner = Planner(photograph, tiny, tokenizer, drawer=drawer)
    curves = planner.curves(64)
    levels = np.zeros(curves.tiles, np.int64)
    levels[3:5] = 2
    first, second = (
        Plan(curves, Allocation(12, each, 0.0, 0.0), tiny) for each in (np.zeros(curves.tiles, np.int64), levels)
    )
    pictures = [planner.draw(each, look) for each, look in ((first, None), (second, None), (second, "fidelity"))]
    numbers = [curves.tiles, 2, curves.tiles]
    assert np.cumsum(numbers)[-1] == sum(drawn) and asked == [curves.tiles] * 3
    anew = Planner(photograph, tiny, tokenizer)
    for each, look, picture in ((second, None, pictures[1]), (second, "fidelity", pictures[2])):
        assert np.array_equal(np.asarray(picture), np.asarray(anew.draw(each, look)))


def test_lpips_without_weights_is_estimated_and_said_so(
    photograph: Image.Image, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(WEIGHTS_ENV, raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    notes: list[str] = []
    sizes = [len(tokcodec.encode(photograph, target_lpips=value, warn=notes.append)) for value in (0.4, 0.3)]
    assert sizes[0] < sizes[1]
    start = f"LPIPS is estimated, with an error of about {estimate.ERROR:g} (no LPIPS weights"
    assert all(note.startswith(start) for note in notes)
    assert len(notes) == 2


def test_lpips_is_reached_where_weights_are_at_hand(photograph: Image.Image) -> None:
    if not os.environ.get(WEIGHTS_ENV):
        pytest.skip(f"${WEIGHTS_ENV} names no LPIPS weights")
    data = tokcodec.encode(photograph, target_lpips=0.35)
    found = quality.Distance(photograph, "cpu")(tokcodec.decode(data))
    assert 0.34 <= found <= 0.35


def test_pictures_too_small_for_lpips_are_estimated() -> None:
    notes: list[str] = []
    picture = Image.effect_noise((31, 60), 40).convert("RGB")
    assert tokcodec.encode(picture, target_lpips=0.4, warn=notes.append)
    assert "LPIPS needs 32 pixels a side" in notes[0]
