"""Where error counts more: regions, maps, their weights over pixels and tiles, and what they do to files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

import tokcodec
from tokcodec.errors import PictureError
from tokcodec.models.modelfile import Model
from tokcodec.pictures.tiling import Grid
from tokcodec.ratecontrol import quality
from tokcodec.ratecontrol.curves import shares
from tokcodec.ratecontrol.focus import DEFAULT_WEIGHT, STRIP, Region, Weights, find_region

# ---- regions


@pytest.mark.parametrize(
    ("given", "box", "weight"),
    [
        ("10,20,30,40", (10, 20, 40, 60), DEFAULT_WEIGHT),
        ("10,20,30,40:8", (10, 20, 40, 60), 8),
        ("25%,10%,50%,40%:0.5", (100, 20, 300, 100), 0.5),
        (" 10 , 10% , 20.5% , 5.5 : 2 ", (10, 20, 92, 26), 2),
        ((10, 20, 30, 40), (10, 20, 40, 60), DEFAULT_WEIGHT),
        ([10, 20, 1000, 1000, 3], (10, 20, 400, 200), 3),
        ("0,0,100%,100%", (0, 0, 400, 200), DEFAULT_WEIGHT),
        ("0.5,0.5,1,1", (0, 0, 2, 2), DEFAULT_WEIGHT),
    ],
)
def test_regions(given: str | tuple[float, ...], box: tuple[int, ...], weight: float) -> None:
    found = find_region(given)
    assert (found.box(400, 200), found.weight) == (box, weight)


@pytest.mark.parametrize(
    "given",
    ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "1,2,3,4:", "1,2,3,4:x", "1,2,3,4:1.2.3", "-1,2,3,4", (1, 2, 3), "1;2;3;4"],
)
def test_what_is_no_region(given: str | tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="focus must be X"):
        find_region(given)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("1,2,0,4", "focus 1,2,0,4 must have a width and a height"),
        ("1,2,3,0%", "must have a width"),
        ((-1, 2, 3, 4), "no negative"),
        ((0, 0, float("nan"), 4), "must have a width"),
        ("1,2,3,4:0", "a weight must be 0.001 to 1000, not 0"),
        ("1,2,3,4:1001", "a weight must be"),
    ],
)
def test_regions_that_cannot_be(given: str | tuple[float, ...], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        find_region(given)


def test_a_region_outside_of_the_picture() -> None:
    for given in ("400,0,10,10", "0,100%,10,10"):
        with pytest.raises(ValueError, match="is outside of the picture of 400x200 pixels"):
            find_region(given).box(400, 200)


# ---- weights


def whole(weights: Weights) -> np.ndarray:
    return np.concatenate([weights.rows(y, min(y + 7, weights.height)) for y in range(0, weights.height, 7)])


def test_weights_are_one_on_average_and_the_last_region_holds() -> None:
    regions = [Region((10, 20, 30, 40)), Region((20, 30, 100, 10), weight=16)]
    found = whole(Weights(90, 80, regions))
    expected = np.ones((80, 90))
    expected[20:60, 10:40] = 4
    expected[30:40, 20:90] = 16
    assert found.dtype == np.float32 and found.mean() == pytest.approx(1)
    np.testing.assert_allclose(found, expected / expected.mean(), rtol=1e-5)


def test_a_map_of_any_size_is_stretched() -> None:
    mask = Image.new("L", (2, 1))
    mask.putpixel((1, 0), 255)
    found = whole(Weights(200, 600, [Region((0, 0, 10, 10), weight=2)], mask))
    assert found[300, 190] / found[300, 5] == pytest.approx(4)
    assert found[3, 3] / found[300, 5] == pytest.approx(2)
    assert found.mean() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("pitch", [16, 100, 256, 0])
def test_tiles_have_the_mean_of_their_pixels(pitch: int) -> None:
    weights = Weights(300, 2 * STRIP + 30, [Region((100, 100, 57, 300), weight=9)])
    grid = Grid.for_picture(300, 2 * STRIP + 30, pitch)
    found, pixels = weights.of_tiles(grid), whole(weights)
    assert found.shape == (grid.tiles,) and found.dtype == np.float32
    for tile in range(0, grid.tiles, 5):
        left, top, right, bottom = (round(edge) for edge in grid.rect(tile))
        assert found[tile] == pytest.approx(pixels[top:bottom, left:right].mean(), rel=0.15)
    assert (shares(grid) * found).sum() == pytest.approx(1, rel=0.03)


def test_weighted_error() -> None:
    rng = np.random.default_rng(0)
    a, b = (Image.fromarray(rng.integers(0, 256, (300, 90, 3), np.uint8)) for _ in range(2))
    weights = Weights(90, 300, [Region((10, 200, 50, 90), weight=7)])
    squares = ((np.asarray(a, float) - np.asarray(b, float)) / 255) ** 2
    expected = (squares.mean(2) * whole(weights)).mean()
    assert quality.mean_squared_error(a, b, weights) == pytest.approx(expected, rel=1e-6)
    assert quality.mean_squared_error(a, b, Weights(90, 300, [])) == pytest.approx(quality.mean_squared_error(a, b))


# ---- files


@pytest.fixture
def noise() -> Image.Image:
    """256x256 pixels, equally busy everywhere."""
    rng = np.random.default_rng(5)
    pixels = rng.normal(128, 40, (64, 64, 3)).repeat(4, 0).repeat(4, 1)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


FOCUS = ["0,0,25%,25%:16"]


@pytest.mark.parametrize("options", [{"target_size": 400, "pitch": 64}, {"adaptive": True, "tokens": 16, "pitch": 64}])
def test_tokens_are_spent_inside(noise: Image.Image, options: dict[str, int]) -> None:
    plain, focused = tokcodec.encode(noise, **options), tokcodec.encode(noise, focus=FOCUS, **options)
    assert len(focused) <= max(len(plain), 400 if "target_size" in options else len(plain))
    before, after = ((tokcodec.read_tokens(data) >= 0).sum(1) for data in (plain, focused))
    assert after[0] > 2 * before[0] and after[1:].mean() < before[1:].mean()
    inside = (0, 0, 60, 60)
    crops = [tokcodec.decode(data, look="fidelity").crop(inside) for data in (plain, focused)]
    gain = np.diff([quality.psnr(crop, noise.crop(inside)) for crop in crops])[0]
    assert gain > 0.5


def test_a_map_does_what_a_region_does(noise: Image.Image) -> None:
    mask = Image.new("L", (4, 4))
    mask.putpixel((0, 0), 255)
    large = mask.resize((256, 256), Image.Resampling.NEAREST)
    by_map = tokcodec.encode(noise, target_size=400, pitch=64, focus_map=large)
    assert by_map == tokcodec.encode(noise, target_size=400, pitch=64, focus=[(0, 0, 64, 64)])


def test_a_quality_is_that_of_the_weighted_error(noise: Image.Image) -> None:
    data = tokcodec.encode(noise, target_psnr=19, focus=FOCUS)
    weights = Weights(256, 256, [find_region(FOCUS[0])])
    decoded = tokcodec.decode(data, look="fidelity")
    assert 19 <= quality.psnr(noise, decoded, weights) < 19.3
    assert quality.psnr(noise, decoded) < 19


def test_equal_weights_change_nothing(tiny: Model, noise: Image.Image) -> None:
    plain = tokcodec.encode(noise, target_size=200, pitch=64, model="tiny")
    assert tokcodec.encode(noise, target_size=200, pitch=64, model="tiny", focus=["0,0,100%,100%:8"]) == plain


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"focus": ["0,0,9,9"]}, "give a target or adaptive with it"),
        ({"focus_map": Image.new("L", (1, 1)), "tokens": 3}, "give a target or adaptive with it"),
        ({"focus": ["0,0,9"], "target_size": 99}, "focus must be X,Y,W,H"),
        ({"focus": ["0,0,9,9"], "target_size": 99, "pitch": "fit"}, "there is only one"),
        ({"focus": ["0,0,9,9"], "target_size": 99, "container": "bare"}, "there is only one"),
        ({"focus": ["300,0,9,9"], "target_size": 99}, "focus 300,0,9,9 is outside of the picture of 256x256"),
    ],
)
def test_refusals(tiny: Model, noise: Image.Image, options: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        tokcodec.encode(noise, model="tiny", **options)  # type: ignore[arg-type]


# ---- maps of every kind


def test_a_map_of_any_kind_is_read_as_a_picture_is(noise: Image.Image, tmp_path: Path) -> None:
    """The same in the library and in the command."""
    grey = np.zeros((4, 4), np.uint8)
    grey[0, 2:] = 255
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    unit = Image.fromarray(grey.astype(np.float32) / 255)
    layer = Image.merge("LA", [Image.new("L", (4, 4), "white"), Image.fromarray(grey)])
    turned = Image.fromarray(np.rot90(grey).copy())
    exif = turned.getexif()
    exif[ExifTags.Base.Orientation] = 6
    turned.save(tmp_path / "turned.png", exif=exif)
    want = tokcodec.encode(noise, target_size=400, pitch=64, focus_map=Image.fromarray(grey))
    assert want != tokcodec.encode(noise, target_size=400, pitch=64)
    notes: list[str] = []
    for mask in (deep, unit, layer, Image.open(tmp_path / "turned.png")):
        data = tokcodec.encode(noise, target_size=400, pitch=64, focus_map=mask, warn=notes.append)
        assert data == want
    assert notes == ["focus map: transparency is composited on black"]


def test_what_is_no_map(tiny: Model, noise: Image.Image, picture: bytes) -> None:
    for mask in ("mask.png", np.zeros((4, 4), np.uint8)):
        with pytest.raises(TypeError, match="focus_map must be a PIL image, not "):
            tokcodec.encode(noise, adaptive=True, model="tiny", focus_map=mask)  # type: ignore[arg-type]
    cut = Image.open(io.BytesIO(picture[:70]))
    with pytest.raises(PictureError, match="focus map: damaged or unsupported PNG"):
        tokcodec.encode(noise, adaptive=True, model="tiny", focus_map=cut)
