"""Pictures of every kind become upright 8-bit sRGB with one note per loss, and broken ones give one-line errors."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from tokcodec.errors import PictureError, TokError
from tokcodec.pictures.images import read_picture, to_rgb

Pixel = list[int]


def read(data: bytes, **options: Any) -> tuple[Image.Image, list[str]]:
    said: list[str] = []
    image = read_picture(io.BytesIO(data), warn=said.append, **options)
    assert image.mode == "RGB"
    return image, said


def convert(image: Image.Image) -> tuple[list[Pixel], list[str]]:
    """The pixels of the first row, and the warnings."""
    said: list[str] = []
    result = to_rgb(image, warn=said.append)
    assert result.mode == "RGB" and result.size == image.size
    return np.asarray(result)[0].tolist(), said


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def photograph(width: int = 64, height: int = 48) -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    return Image.fromarray(noise).resize((width, height))


def png(width: int, height: int, depth: int, kind: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of hand-made parts; kind: 0 grey, 2 RGB, 4 grey with alpha, 6 RGBA."""
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    body = [struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in parts]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


# ---- colour profiles made by hand


def icc(space: bytes, pcs: bytes, kind: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A version 2 profile (ICC.1:2001-04): header, table of tags, data."""
    offset, table, data = 132 + 12 * len(tags), b"", b""
    for name, value in tags.items():
        table += name + struct.pack(">II", offset + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    head = struct.pack(">I4sI4s4s4s", 0, b"none", 0x02400000, kind, space, pcs) + bytes(12) + b"acsp"
    head += bytes(28) + struct.pack(">3I", 0xF6D6, 0x10000, 0xD32D)
    head = struct.pack(">I", 132 + len(table) + len(data)) + head[4:].ljust(124, b"\0")
    return head + struct.pack(">I", len(tags)) + table + data


def linear_grey() -> bytes:
    white = b"XYZ \0\0\0\0" + struct.pack(">3I", 0xF6D6, 0x10000, 0xD32D)
    return icc(b"GRAY", b"XYZ ", b"mntr", {b"wtpt": white, b"kTRC": b"curv\0\0\0\0\0\0\0\0"})


def odd_cmyk() -> bytes:
    """White paper on which full cyan prints red, and any black is black: unlike every plain conversion."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3I", 0xF6D6, 0x10000, 0xD32D)
    red, paper, black = (136, 208, 195), (255, 128, 128), (0, 128, 128)
    grid = bytes(v for i in range(16) for v in (black if i & 1 else red if i & 8 else paper))
    ramp = bytes(range(256))
    unit = struct.pack(">9I", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    table = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + unit + ramp * 4 + grid + ramp * 3
    return icc(b"CMYK", b"Lab ", b"prtr", {b"wtpt": white, b"A2B0": table})


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped_rgb() -> bytes:
    """sRGB whose red and green primaries are exchanged."""
    data = srgb().replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))
    return data.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")


# ---- orientation

UNTURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(format: str, orientation: int) -> None:
    upright = photograph(40, 24)
    stored = upright.transpose(UNTURN[orientation]) if orientation in UNTURN else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(stored, format, exif=exif, **({"lossless": True} if format == "WEBP" else {}))
    image, said = read(data)
    assert np.array_equal(np.asarray(image), np.asarray(upright)) and said == []
    assert np.array_equal(np.asarray(to_rgb(image, warn=said.append)), np.asarray(upright))
    library = to_rgb(Image.open(io.BytesIO(data)), warn=said.append)
    assert np.array_equal(np.asarray(library), np.asarray(upright))
    assert np.array_equal(np.asarray(ImageOps.exif_transpose(library)), np.asarray(upright))


def test_to_rgb_leaves_the_callers_image_alone() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.open(io.BytesIO(saved(photograph(40, 24), "PNG", exif=exif)))
    to_rgb(image, warn=lambda _: None)
    assert image.size == (40, 24) and image.getexif()[0x0112] == 6


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("exif", [b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0XY", b"Exif\0\0"])
def test_damaged_exif_does_not_cost_the_picture(exif: bytes) -> None:
    image, said = read(saved(photograph(), "JPEG", exif=exif))
    assert image.size == (64, 48) and len(said) <= 1


# ---- modes


@pytest.mark.parametrize(
    ("image", "pixels"),
    [
        (Image.frombytes("1", (2, 1), b"\x40"), [[0] * 3, [255] * 3]),
        (Image.frombytes("L", (2, 1), b"\x07\xc8"), [[7] * 3, [200] * 3]),
        (Image.frombytes("RGB", (1, 1), b"\1\2\3"), [[1, 2, 3]]),
        (Image.frombytes("RGBX", (1, 1), b"\1\2\3\0"), [[1, 2, 3]]),
        (Image.frombytes("HSV", (2, 1), b"\0\xff\xff\x55\xff\xff"), [[255, 0, 0], [0, 255, 0]]),
        (Image.frombytes("YCbCr", (1, 1), b"\x80\x80\x80"), [[128, 128, 128]]),
        (Image.new("RGB", (1, 1), (9, 99, 199)).quantize(2), [[9, 99, 199]]),
    ],
    ids=lambda value: value.mode if isinstance(value, Image.Image) else "",
)
def test_modes_without_loss(image: Image.Image, pixels: list[Pixel]) -> None:
    assert convert(image) == (pixels, [])


def test_lab() -> None:
    image = Image.frombytes("LAB", (3, 1), bytes((255, 0, 0, 0, 0, 0, 136, 80, 67)))  # white, black, red
    for result, said in (convert(image), (np.asarray(read(saved(image, "TIFF"))[0])[0].tolist(), [])):
        assert np.abs(np.array(result) - [[255] * 3, [0] * 3, [254, 0, 0]]).max() <= 12 and said == []


WIDE = np.array([[0, 128, 129, 1000, 30000, 32896, 65535]])
NARROW = [[v] * 3 for v in (0, 0, 1, 4, 117, 128, 255)]  # v / 257, rounded


@pytest.mark.parametrize("dtype", ["<u2", ">u2", "<i4"])
def test_16_bit_is_scaled_not_clipped(dtype: str) -> None:
    assert convert(Image.fromarray(WIDE.astype(dtype))) == (NARROW, [])


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_16_bit_files(format: str) -> None:
    image, said = read(saved(Image.fromarray(WIDE.astype(np.uint16)), format))
    assert np.asarray(image)[0].tolist() == NARROW and said == []


def test_16_bit_pgm() -> None:
    image, said = read(b"P5 7 1 65535\n" + WIDE.astype(">u2").tobytes())
    assert np.asarray(image)[0].tolist() == NARROW and said == []


def test_16_bit_colour_png() -> None:
    image, said = read(png(2, 1, 16, 2, b"\0" + struct.pack(">6H", 0, 257, 30000, 65535, 32896, 1000)))
    assert np.abs(np.asarray(image, int)[0] - [[0, 1, 117], [255, 128, 4]]).max() <= 1 and said == []


def test_16_bit_grey_with_a_transparent_value() -> None:
    rows = b"\0" + struct.pack(">3H", 0, 30000, 30001)
    image, said = read(png(3, 1, 16, 0, rows, (b"tRNS", struct.pack(">H", 30000))))
    assert np.asarray(image)[0, :, 0].tolist() == [0, 255, 117] and len(said) == 1


def test_float_in_unit_range_is_scaled() -> None:
    values = np.array([[0, 0.25, 0.5, 1]], np.float32)
    assert convert(Image.fromarray(values)) == ([[v] * 3 for v in (0, 64, 128, 255)], [])


@pytest.mark.parametrize("value", [1.5, -0.01, np.nan, np.inf])
def test_other_floats_are_refused(value: float) -> None:
    with pytest.raises(PictureError, match=r"outside \[0, 1\]"):
        convert(Image.fromarray(np.array([[0.5, value]], np.float32)))


@pytest.mark.parametrize("value", [-1, 65536, 2**31 - 1])
def test_integers_beyond_16_bit_are_refused(value: int) -> None:
    with pytest.raises(PictureError, match=r"0\.\.65535"):
        convert(Image.fromarray(np.array([[5, value]], np.int32)))


def test_8_bit_values_in_32_bit_are_pointed_out() -> None:
    _, said = convert(Image.fromarray(np.array([[5, 255]], np.int32)))
    assert len(said) == 1 and "255" in said[0]


# ---- alpha

RED_HALF = [[255, 127, 127], [255, 255, 255]]


def test_alpha_is_composited_on_white_with_one_warning() -> None:
    rgba = Image.frombytes("RGBA", (2, 1), b"\xff\0\0\x80\0\xff\0\0")
    for image in (rgba, rgba.convert("RGBa")):
        assert convert(image) == (RED_HALF, ["transparency is composited on white"])


def test_grey_alpha() -> None:
    data = b"\0\x80\x40\0"
    la, pa = (Image.frombytes(mode, (2, 1), data) for mode in ("LA", "PA"))
    for image in (la, la.convert("La"), pa):
        assert convert(image) == ([[127] * 3, [255] * 3], ["transparency is composited on white"])


def test_palette_with_transparency() -> None:
    palette = Image.frombytes("P", (2, 1), b"\0\1")
    palette.putpalette([200, 0, 0, 0, 90, 0])
    image, said = read(saved(palette, "PNG", transparency=1))
    assert np.asarray(image)[0].tolist() == [[200, 0, 0], [255] * 3] and len(said) == 1


@pytest.mark.parametrize(
    ("kind", "depth", "row", "key", "expected"),
    [
        (2, 8, bytes((1, 2, 3, 4, 5, 6)), b"\0\1\0\2\0\3", [[255] * 3, [4, 5, 6]]),
        (0, 8, bytes((7, 9)), b"\0\7", [[255] * 3, [9] * 3]),
        (0, 1, b"\x40", b"\0\0", [[255] * 3, [255] * 3]),  # the black one is the transparent one
    ],
    ids=["RGB", "grey", "one bit"],
)
def test_png_with_a_transparent_colour(kind: int, depth: int, row: bytes, key: bytes, expected: list[Pixel]) -> None:
    image, said = read(png(2, 1, depth, kind, b"\0" + row, (b"tRNS", key)))
    assert np.asarray(image)[0].tolist() == expected and len(said) == 1


def test_opaque_alpha_is_no_loss() -> None:
    assert convert(Image.frombytes("RGBA", (1, 1), b"\1\2\3\xff")) == ([[1, 2, 3]], [])


# ---- colour profiles


def test_rgb_profile_is_converted() -> None:
    image = Image.frombytes("RGB", (3, 1), b"\xff\0\0\0\xff\0\x80\x80\x80")
    for format in ("PNG", "TIFF"):
        result, said = read(saved(image, format, icc_profile=swapped_rgb()))
        expected = [[0, 255, 0], [255, 0, 0], [128] * 3]
        assert np.abs(np.asarray(result, int)[0] - expected).max() <= 2 and said == []


def test_srgb_profile_changes_nothing() -> None:
    image, said = read(saved(photograph(), "PNG", icc_profile=srgb()))
    assert np.array_equal(np.asarray(image), np.asarray(photograph())) and said == []


def test_profile_of_palette_and_alpha_pictures() -> None:
    image = Image.new("RGB", (1, 1), (255, 0, 0)).quantize(2)
    result, said = read(saved(image, "PNG", icc_profile=swapped_rgb()))
    assert np.abs(np.asarray(result, int)[0, 0] - [0, 255, 0]).max() <= 2 and said == []
    image = Image.new("RGBA", (1, 1), (255, 0, 0, 128))
    result, said = read(saved(image, "PNG", icc_profile=swapped_rgb()))
    assert np.abs(np.asarray(result, int)[0, 0] - [127, 255, 127]).max() <= 2 and len(said) == 1


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_grey_profile_is_converted(mode: str) -> None:
    image = Image.fromarray(np.array([[32896]], np.uint16)) if mode == "I;16" else Image.new("L", (1, 1), 128)
    if mode == "LA":
        image.putalpha(255)
    result, said = read(saved(image, "PNG", icc_profile=linear_grey()))
    assert np.abs(np.asarray(result, int)[0, 0] - 188).max() <= 1 and said == []  # linear 0.5 is 188 in sRGB


def test_cmyk_by_its_profile() -> None:
    image = Image.frombytes("CMYK", (3, 1), b"\0\0\0\0\xff\0\0\0\0\0\0\xff")
    result, said = read(saved(image, "TIFF", icc_profile=odd_cmyk()))
    pixels = np.asarray(result, int)[0]
    assert pixels[0].min() >= 250 and pixels[2].max() <= 5 and said == []
    assert pixels[1][0] > 200 and pixels[1][1:].max() < 60  # full cyan prints red by this profile


def test_cmyk_without_profile_is_a_guess() -> None:
    pixels, said = convert(Image.frombytes("CMYK", (2, 1), b"\0\0\0\0\xff\0\0\0"))
    assert pixels == [[255] * 3, [0, 255, 255]] and len(said) == 1 and "CMYK" in said[0]


@pytest.mark.parametrize(
    "profile",
    [b"junk", srgb()[:100], srgb()[:-2000] if len(srgb()) > 2200 else srgb()[:200]],
    ids=["junk", "head", "cut"],  # a profile holds the time at which it was made
)
def test_damaged_profile_is_ignored_with_a_warning(profile: bytes) -> None:
    image, said = read(saved(photograph(), "PNG", icc_profile=profile))
    assert np.array_equal(np.asarray(image), np.asarray(photograph()))
    assert len(said) == 1 and "profile" in said[0]


def test_profile_of_another_kind_is_ignored_with_a_warning() -> None:
    for profile in (odd_cmyk(), linear_grey()):
        image, said = read(saved(photograph(), "PNG", icc_profile=profile))
        assert np.array_equal(np.asarray(image), np.asarray(photograph()))
        assert len(said) == 1 and "does not fit" in said[0]


def test_grey_picture_with_a_colour_profile() -> None:
    image, said = read(saved(Image.new("L", (1, 1), 90), "JPEG", icc_profile=srgb()))
    assert np.asarray(image)[0, 0].tolist() == [90] * 3 and said == []


# ---- animations


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_first_frame_with_one_warning(format: str) -> None:
    first, second = Image.new("RGB", (20, 10), (200, 30, 30)), Image.new("RGB", (20, 10), (30, 30, 200))
    image, said = read(saved(first, format, save_all=True, append_images=[second]))
    assert np.abs(np.asarray(image, int) - [200, 30, 30]).max() <= 5  # lossy WebP
    assert said == ["only the first of several frames or pages is used"]


def test_several_pictures_of_a_phone_are_no_animation() -> None:
    _, said = read(saved(photograph(), "MPO", save_all=True, append_images=[photograph(32, 24)]))
    assert said == []


# ---- arrays


def test_array() -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    for view in (array, array[:, ::-1], np.asfortranarray(array)):
        assert np.array_equal(np.asarray(to_rgb(view, warn=pytest.fail)), view)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 1), (4, 4, 4), (3, 4, 4), (1, 4, 4, 3), (0, 4, 3), (4, 0, 3)])
def test_array_of_a_wrong_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="HxWx3") as caught:
        to_rgb(np.zeros(shape, np.uint8), warn=pytest.fail)
    assert not isinstance(caught.value, TokError)


@pytest.mark.parametrize("thing", [np.zeros((4, 4, 3), np.float32), np.zeros((4, 4, 3), np.int64), [[1]], None, b"x"])
def test_thing_of_a_wrong_type(thing: Any) -> None:
    with pytest.raises(TypeError):
        to_rgb(thing, warn=pytest.fail)
