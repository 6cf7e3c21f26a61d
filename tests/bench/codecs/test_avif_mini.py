"""AVIF with the small header: the same picture, in Pillow and in Chromium."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from bench.codecs.avif_mini import TEMPORAL_DELIMITER, grow_header, shrink_header
from bench.metrics import psnr
from tests.bench.codecs.test_classical import Pixels
from tests.bench.report.test_page import Browser, needs_browser

pytestmark = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")

SHOWN = """(async (uri) => {
  const image = new Image();
  image.src = uri;
  await image.decode();
  const [width, height] = [image.naturalWidth, image.naturalHeight];
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(image, 0, 0);
  return [width, height, ...context.getImageData(0, 0, width, height).data];
})"""


def coded(pixels: Pixels, size: tuple[int, int] = (40, 30), **options: Any) -> bytes:
    """An AVIF file by Pillow of the picture at this size."""
    stream = io.BytesIO()
    Image.fromarray(pixels).resize(size).save(stream, "AVIF", **{"quality": 30, "speed": 10, **options})
    return stream.getvalue()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    made = Browser(tmp_path_factory.mktemp("profile"))
    yield made
    made.close()


def shown(browser: Browser, data: bytes) -> np.ndarray[Any, Any]:
    """The pixels that Chromium shows, int H x W x 4."""
    uri = f"data:image/avif;base64,{base64.b64encode(data).decode()}"
    width, height, *values = browser.run(f"{SHOWN}({uri!r})")
    return np.asarray(values).reshape(height, width, 4)


@pytest.mark.parametrize("subsampling", ["4:0:0", "4:2:0", "4:2:2", "4:4:4"])
@pytest.mark.parametrize("size", [(1, 1), (40, 30), (128, 128), (129, 20)])
def test_the_header_comes_back(tile: Pixels, size: tuple[int, int], subsampling: str) -> None:
    whole = coded(tile, size, subsampling=subsampling)
    small = shrink_header(whole)
    boxes = 35 if max(size) <= 128 else 37
    assert small[boxes:] == whole[whole.index(b"mdat") + 4 :].removeprefix(TEMPORAL_DELIMITER)
    again = grow_header(small)
    one, other = (np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for data in (whole, again))
    assert one.shape[:2] == size[::-1] and np.array_equal(one, other)
    assert shrink_header(again) == small


def test_much_data_has_its_own_length(tile: Pixels) -> None:
    small = shrink_header(coded(tile, (256, 256), quality=100, subsampling="4:4:4"))
    assert len(small) > 1 << 15 and shrink_header(grow_header(small)) == small


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"subsampling": "4:4:4"},
        {"subsampling": "4:0:0"},
        {"range": "limited"},
        {"size": (140, 50)},
        {"size": (3, 1)},
    ],
)
def test_chromium_shows_the_same_pixels(browser: Browser, tile: Pixels, options: dict[str, Any]) -> None:
    whole = coded(tile, **options)
    small = shown(browser, shrink_header(whole))
    assert np.array_equal(small, shown(browser, whole))
    assert psnr(np.asarray(Image.open(io.BytesIO(whole)).convert("RGB")), small[..., :3]) > 35, "Pillow's picture"


def test_what_the_small_header_cannot_hold_is_refused(tile: Pixels) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    alpha = np.dstack([tile, tile[..., :1]])
    refused = ((alpha, {}), (tile, {"exif": exif}), (tile, {"icc_profile": b"profile"}), (tile, {"size": (32769, 1)}))
    for pixels, options in refused:
        with pytest.raises(ValueError, match="small header"):
            shrink_header(coded(pixels, **options))
