"""Files that the Pillow plug-in cannot read: errors of Pillow's kinds, and warnings."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable

import pytest
from PIL import Image, UnidentifiedImageError

import tokcodec
from tests.pillow.check import same
from tokcodec.container.header import HEADER_SIZE
from tokcodec.errors import HeaderCheckError, TokError, UnknownModelError
from tokcodec.pillow import TokImageError, TokImageFile

Make = Callable[..., bytes]
pytestmark = pytest.mark.usefixtures("pillow_plugin")


@pytest.mark.parametrize("length", range(1, HEADER_SIZE))
def test_a_cut_header_is_not_identified_and_the_reason_is_told(length: int, make_tok: Make) -> None:
    with (
        pytest.warns(UserWarning, match=f"TOK: header truncated \\({length} of 10 bytes\\)"),
        pytest.raises(UnidentifiedImageError),
    ):
        Image.open(io.BytesIO(make_tok()[:length]))


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [
        (1, 0x20, "needs a newer tokcodec .format version 2"),
        (1, 0x18, "needs a newer tokcodec .unknown flags 1000"),
        (7, None, "declares 40 x 16384 pixels"),
    ],
)
def test_what_this_version_cannot_read(at: int, value: int | None, reason: str, make_tok: Make) -> None:
    data = bytearray(make_tok())
    if value is None:
        data[6:8] = bytes([data[6] | 0x3F, 0xFF])
    else:
        data[at] = value
    with pytest.warns(UserWarning, match=f"TOK: {reason}"), pytest.raises(UnidentifiedImageError):
        Image.open(io.BytesIO(data))


@pytest.mark.parametrize("data", [b"", b"\xf4\x10 no picture at all", b"some text that is no picture"])
def test_other_files_are_not_ours(data: bytes) -> None:
    with warnings.catch_warnings(), pytest.raises(UnidentifiedImageError):
        warnings.simplefilter("error")
        Image.open(io.BytesIO(data))
    with pytest.raises(SyntaxError):
        TokImageFile(io.BytesIO(data))


def test_other_pictures_open_as_before(sample: Image.Image) -> None:
    stream = io.BytesIO()
    sample.save(stream, "PNG")
    with Image.open(stream) as image:
        assert image.format == "PNG" and same(image, sample)


@pytest.mark.parametrize("bit", [16, 31, 33, 50, 63, 64, 79])
def test_a_damaged_header_fails_verify_and_load(bit: int, make_tok: Make) -> None:
    data = bytearray(make_tok())
    data[bit // 8] ^= 0x80 >> bit % 8
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        for method in ("verify", "load"):
            try:
                image = Image.open(io.BytesIO(data))
            except Image.DecompressionBombError:  # the damage made it that large
                continue
            with pytest.raises(OSError) as caught:
                getattr(image, method)()
            assert isinstance(caught.value, TokError) and isinstance(caught.value, TokImageError)
            assert isinstance(caught.value.__cause__, (HeaderCheckError, UnknownModelError))
            assert str(caught.value) == str(caught.value.__cause__) != ""


def test_verify_passes_a_good_header_and_needs_no_payload(make_tok: Make) -> None:
    for length in (HEADER_SIZE, len(make_tok())):
        Image.open(io.BytesIO(make_tok()[:length])).verify()


def test_a_cut_file_loads_with_a_warning(make_tok: Make) -> None:
    data = make_tok()[: HEADER_SIZE + 2]
    image = Image.open(io.BytesIO(data))
    with pytest.warns(tokcodec.TokWarning, match="the file is cut: it holds . of 8 tokens") as caught:
        image.load()
    assert caught[0].filename == __file__
    assert same(image, tokcodec.decode(data, warn=lambda text: None))


def test_pillows_pixel_limit_holds(make_tok: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_tok()  # 1200 pixels
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 599)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(data))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1199)
    with pytest.warns(Image.DecompressionBombWarning):
        Image.open(io.BytesIO(data)).load()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1200)
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        Image.open(io.BytesIO(data)).load()


def test_the_largest_picture_is_refused_by_default(make_tok: Make) -> None:
    data = bytearray(make_tok())[:20]
    data[4:8] = (9 << 28 | 16382 << 14 | 16382).to_bytes(4, "big")
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(data))


def test_errors_of_the_codec_are_both_kinds() -> None:
    assert issubclass(TokImageError, OSError) and issubclass(TokImageError, TokError)
    assert str(TokImageError("a reason")) == "a reason"
