"""Pictures that are damaged, too large or not pictures, and writing them: every fault is one clear error."""

from __future__ import annotations

import io
import os
import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.pictures.test_images import photograph, png, read, saved
from tokcodec.errors import LimitError, OutputError, PictureError, TokError
from tokcodec.pictures import images
from tokcodec.pictures.images import picture_format, process_limit, read_picture, to_rgb, write_picture
from tokcodec.pictures.limits import check_size

# ---- bad files

FORMATS: dict[str, dict[str, Any]] = {
    "JPEG": {},
    "PNG": {},
    "WEBP": {},
    "AVIF": {},
    "TIFF": {"compression": "tiff_lzw"},
    "GIF": {},
    "BMP": {},
    "PPM": {},
    "JPEG2000": {},
    "QOI": {},
    "SGI": {},
}


@pytest.mark.parametrize("format", FORMATS)
def test_formats_are_read(format: str) -> None:
    image, said = read(saved(photograph(), format, **FORMATS[format]))
    assert image.size == (64, 48) and said == []
    assert np.abs(np.asarray(image, int) - np.asarray(photograph(), int)).mean() < 12


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("format", FORMATS)
def test_truncated_picture_is_refused(format: str) -> None:
    """Never the grey remainder, wherever the file ends."""
    data = saved(photograph(), format, **FORMATS[format])
    for end in {1, 4, 12, 20, 30, *(len(data) * k // 16 for k in range(1, 16))}:
        with pytest.raises(PictureError) as caught:
            read(data[:end])
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("format", FORMATS)
def test_flipped_bits_give_a_picture_or_an_error_of_ours(format: str) -> None:
    data = saved(photograph(24, 16), format, **FORMATS[format])
    rng = random.Random(format)
    for _ in range(60):
        broken = bytearray(data)
        for _ in range(rng.choice((1, 1, 3, 10))):
            broken[rng.randrange(min(len(broken), rng.choice((32, 200, 10**6))))] ^= 1 << rng.randrange(8)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                image, _ = read(bytes(broken), max_pixels=10**6)
        except TokError as error:
            assert "\n" not in str(error)
        else:
            assert image.mode == "RGB"


def test_damaged_pixels_of_a_png_are_refused() -> None:
    data = bytearray(saved(photograph(), "PNG"))
    data[len(data) // 2] ^= 0x10
    with pytest.raises(PictureError, match=r"damaged .* PNG"):
        read(bytes(data))


def test_library_image_that_is_truncated() -> None:
    data = saved(photograph(256, 256), "JPEG")
    with pytest.raises(PictureError, match=r"damaged .* JPEG"):
        to_rgb(Image.open(io.BytesIO(data[: len(data) // 2])), warn=pytest.fail)


@pytest.mark.parametrize("data", [b"hello, world", bytes(1000), b"\xff"])
def test_no_picture(data: bytes) -> None:
    with pytest.raises(PictureError, match="not a picture that Pillow can read"):
        read(data)


def test_empty_missing_folder(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    for name, text in (("empty.png", "empty"), ("missing.png", "no such file"), ("", "is a folder")):
        with pytest.raises(PictureError, match=text) as caught:
            read_picture(tmp_path / name, warn=pytest.fail)
        assert str(tmp_path) not in str(caught.value)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_no_right_to_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.touch(0o000)
    with pytest.raises(PictureError, match="permission"):
        read_picture(path, warn=pytest.fail)


def test_no_right_to_read_by_any_user(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "a.png")

    monkeypatch.setattr(images, "open", refuse, raising=False)
    with pytest.raises(PictureError, match=r"^permission denied$"):
        read_picture("a.png", warn=pytest.fail)


def test_path_string_and_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    photograph().save(path)
    with path.open("rb") as stream:
        for source in (path, str(path), stream):
            assert np.array_equal(np.asarray(read_picture(source, warn=pytest.fail)), np.asarray(photograph()))
        assert not stream.closed


class Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False


def test_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved(photograph(), "TIFF")
    assert read_picture(Pipe(data), warn=pytest.fail).size == (64, 48)
    monkeypatch.setattr(images, "MAX_STREAM_BYTES", len(data) - 1)
    with pytest.raises(LimitError):
        read_picture(Pipe(data), warn=pytest.fail)


# ---- limits


def test_bomb_is_refused_by_its_header() -> None:
    for size in ((16000, 16000), (9460, 9460)):  # above Pillow's error and just above its warning
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(LimitError, match=rf"{size[0]}x{size[1]} .*--max-pixels"):
                read(png(*size, 8, 2, b""))


def test_side_limit() -> None:
    with pytest.raises(LimitError, match="16383"):
        read(png(16384, 1, 8, 0, bytes(16385)))
    assert read(png(16383, 1, 8, 0, bytes(16384)))[0].size == (16383, 1)


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF", "GIF", "JPEG"])
def test_users_limit(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that owns the process raises Pillow's limit. A smaller limit is kept."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    data = saved(photograph(64, 48), format)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with process_limit(64 * 48):
            assert read(data, max_pixels=64 * 48)[0].size == (64, 48)
            for limit in (64 * 48 - 1, 99, 1):
                with pytest.raises(LimitError, match="--max-pixels"):
                    read(data, max_pixels=limit)
    assert Image.MAX_IMAGE_PIXELS == 100


@pytest.mark.parametrize("limit", [100, 2000])
def test_the_limit_of_an_application_is_never_raised(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow refuses more than twice its limit, and warns above it; either is one error if warnings are."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    data = saved(photograph(64, 48), "TIFF")
    seen: list[int | None] = []
    load = images._load
    monkeypatch.setattr(images, "_load", lambda image: (seen.append(Image.MAX_IMAGE_PIXELS), load(image)))
    assert read(saved(photograph(64, 48), "PNG"), max_pixels=10_000)[0].size == (64, 48)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(LimitError, match=r"Image\.MAX_IMAGE_PIXELS"):
            read(data, max_pixels=10_000)
    assert set(seen) == {limit}


def test_a_limit_that_is_higher_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for before in (None, 100):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", before)
        with process_limit(10):
            assert before == Image.MAX_IMAGE_PIXELS
        assert before == Image.MAX_IMAGE_PIXELS


def test_default_limit_is_pillows() -> None:
    assert images.DEFAULT_MAX_PIXELS == Image.MAX_IMAGE_PIXELS
    check_size(9459, 9459)
    for size in ((9460, 9460), (16384, 1), (1, 16384)):
        with pytest.raises(LimitError):
            check_size(*size)


def test_limit_must_be_positive() -> None:
    with pytest.raises(ValueError, match="max_pixels"):
        read(b"", max_pixels=0)


# ---- writing


@pytest.mark.parametrize("suffix", images.WRITE_FORMATS)
def test_written_picture_is_read_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix.upper()}"
    write_picture(photograph(), path)
    error = np.abs(np.asarray(read_picture(path, warn=pytest.fail), int) - np.asarray(photograph(), int))
    assert error.max() == 0 if suffix not in (".jpg", ".jpeg") else error.mean() < 3
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_stream_gets_png_unless_told() -> None:
    stream = io.BytesIO()
    write_picture(photograph(), stream)
    assert stream.getvalue().startswith(b"\x89PNG")
    stream = io.BytesIO()
    write_picture(photograph(), stream, "webp")
    assert stream.getvalue()[8:12] == b"WEBP"


def test_format_goes_before_suffix() -> None:
    assert picture_format("a.png", "TIFF") == ".tiff"
    assert picture_format("a.JPG") == ".jpg"
    assert picture_format("a") == picture_format(None) == picture_format("-") == ".png"


@pytest.mark.parametrize(("target", "format"), [("a.gif", None), ("a.png", "heic"), ("a.tok", None)])
def test_unknown_format_lists_the_known(target: str, format: str | None) -> None:
    with pytest.raises(ValueError, match="png, webp, tif") as caught:
        write_picture(photograph(), target, format)
    assert not isinstance(caught.value, TokError)


def test_existing_picture_is_kept_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    path.write_bytes(b"old")
    with pytest.raises(OutputError, match="exists already"):
        write_picture(photograph(), path)
    assert path.read_bytes() == b"old"
    write_picture(photograph(), path, force=True)
    assert path.read_bytes().startswith(b"\x89PNG")


class NoteError(OSError):
    """An exception that the application raises for a note."""


def test_an_exception_of_warn_comes_through() -> None:
    def refuse(text: str) -> None:
        raise NoteError(text)

    transparent = Image.new("RGBA", (4, 3), (1, 2, 3, 4))
    with pytest.raises(NoteError, match="transparency"):
        to_rgb(transparent, warn=refuse)
    with pytest.raises(NoteError, match="transparency"):
        read_picture(io.BytesIO(saved(transparent, "PNG")), warn=refuse)
