"""Colours are judged by what a file describes: profiles by their curves and primaries, and the other fields."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from tests.pictures.test_images import photograph, png, read, saved, srgb
from tokcodec.pictures import colour
from tokcodec.pictures.images import to_rgb
from tokcodec.pictures.profiles import (
    SRGB_POINTS,
    gamma_curve,
    grey_profile,
    profile_tags,
    rgb_profile,
    rgb_to_xyz,
    srgb_curve,
)

P3 = ((0.3127, 0.329), (0.68, 0.32), (0.265, 0.69), (0.15, 0.06))
SMOOTH = photograph().resize((16, 12)).resize((64, 48), Image.Resampling.BICUBIC)
DRAWN = np.asarray(SMOOTH, int)


def light(values: NDArray[Any]) -> NDArray[np.float64]:
    """The light of samples of sRGB, 0 to 1."""
    v = values / 255
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def with_gamma(gamma: float) -> Image.Image:
    """The picture as drawn, stored with another curve."""
    return Image.fromarray(np.rint(255 * light(DRAWN) ** (1 / gamma)).astype(np.uint8))


def named(profile: bytes, name: str) -> bytes:
    """A profile with a description, as version 2 has it."""
    text = name.encode() + b"\0"
    value = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78)
    tags = profile_tags(profile) | {b"desc": value}
    at, table, data = 132 + 12 * len(tags), b"", b""
    for tag, part in tags.items():
        table += tag + struct.pack(">II", at + len(data), len(part))
        data += part + bytes(-len(part) % 4)
    head = struct.pack(">I", at + len(data)) + profile[4:8] + b"\2\x40\0\0" + profile[12:128]
    return head + struct.pack(">I", len(tags)) + table + data


def far(image: Image.Image) -> float:
    """The mean distance to the picture as drawn, of 255."""
    return float(np.abs(np.asarray(image, int) - DRAWN).mean())


# ---- profiles


@pytest.mark.parametrize("gamma", [1.0, 1.8])
@pytest.mark.parametrize("format", ["PNG", "TIFF", "JPEG", "WEBP", "AVIF"])
def test_a_profile_is_judged_by_what_it_does(format: str, gamma: float) -> None:
    profile = named(rgb_profile(SRGB_POINTS, gamma_curve(gamma)), "sRGB primaries, another gamma")
    data = saved(with_gamma(gamma), format, icc_profile=profile, quality=95)
    image, said = read(data)
    assert far(image) < 6 and said == []
    assert far(to_rgb(Image.open(io.BytesIO(data)), warn=pytest.fail)) < 6


def test_srgb_of_any_name_changes_nothing() -> None:
    for profile in (named(rgb_profile(SRGB_POINTS, srgb_curve()), "my display"), srgb()):
        assert colour.is_srgb(profile)
        image, said = read(saved(SMOOTH, "PNG", icc_profile=profile))
        assert np.array_equal(np.asarray(image), DRAWN) and said == []


def test_what_is_not_srgb() -> None:
    other_curve = rgb_profile(SRGB_POINTS, gamma_curve(1.9))
    for profile in (rgb_profile(P3, srgb_curve()), other_curve, grey_profile(srgb_curve())):
        assert not colour.is_srgb(profile)


def test_profiles_of_primaries() -> None:
    """White stays white, and littleCMS finds the matrix of sRGB."""
    assert np.abs(rgb_to_xyz(SRGB_POINTS).sum(axis=1) - [0.9642, 1, 0.8249]).max() < 1e-6
    opened = ImageCms.ImageCmsProfile(io.BytesIO(rgb_profile(SRGB_POINTS, srgb_curve())))
    usual = ImageCms.ImageCmsProfile(io.BytesIO(srgb()))
    for name in ("red_colorant", "green_colorant", "blue_colorant"):
        ours, theirs = (getattr(one.profile, name)[0] for one in (opened, usual))
        assert np.abs(np.subtract(ours, theirs)).max() < 1e-3
    for points in ([(0.3, 0.3)] * 4, [(0.3127, 0)] * 4):
        with pytest.raises(ValueError, match="no colour space"):
            rgb_profile(points, srgb_curve())


@pytest.mark.parametrize("points", [SRGB_POINTS, P3])
@pytest.mark.parametrize("curve", [gamma_curve(1), gamma_curve(1.8), srgb_curve()])
def test_16_bits_agree_with_8(points: Any, curve: bytes) -> None:
    """Where 8 bits are enough, littleCMS and the conversion of 16-bit samples give the same."""
    profile = rgb_profile(points, curve)
    values = np.random.default_rng(0).integers(40, 256, (40, 50, 3)).astype(np.uint8)
    narrow = colour.to_srgb(Image.fromarray(values), profile, pytest.fail)
    wide = colour.samples_to_srgb(values.astype(np.uint16) * 257, profile, pytest.fail)
    assert np.abs(np.asarray(narrow, int) - np.asarray(wide, int)).max() <= 2


@pytest.mark.parametrize("kind", [2, 6, 0])
def test_linear_png_of_16_bits_keeps_its_shadows(kind: int) -> None:
    """Levels that 8 bits of linear light cannot tell apart."""
    levels = np.arange(0, 240, 24)
    channels = {0: 1, 2: 3, 6: 4}[kind]
    row = np.repeat(levels[:, None], channels, axis=1)
    if kind == 6:
        row[:, 3] = 65535
    data = png(10, 1, 16, kind, b"\0" + row.astype(">u2").tobytes(), (b"gAMA", struct.pack(">I", 100000)))
    pixels = np.asarray(read(data)[0], int)[0]
    right = 255 * 12.92 * np.minimum(levels / 65535, 0.0031308)
    assert np.abs(pixels[:8, 0] - right[:8]).max() <= 1 and len(set(pixels[:, 0])) == 10


# ---- other fields of PNG


def with_chunks(image: Image.Image, *chunks: tuple[bytes, bytes]) -> bytes:
    rows = b"".join(b"\0" + row.tobytes() for row in np.asarray(image))
    return png(*image.size, 8, 2 if image.mode == "RGB" else 0, rows, *chunks)


GAMMA_1 = (b"gAMA", struct.pack(">I", 100000))
SRGB_CHUNK = (b"sRGB", b"\0")


def chromaticities(points: Any) -> tuple[bytes, bytes]:
    return b"cHRM", struct.pack(">8I", *(round(100000 * value) for point in points for value in point))


@pytest.mark.parametrize(
    ("gamma", "chunks"),
    [
        (1, [GAMMA_1]),
        (1, [GAMMA_1, chromaticities(SRGB_POINTS)]),
        (1.8, [(b"gAMA", struct.pack(">I", 55556))]),
        (1, [(b"cICP", bytes((1, 8, 0, 1)))]),
        (2.8, [(b"cICP", bytes((1, 5, 0, 1))), GAMMA_1]),
    ],
)
def test_curves_of_png(gamma: float, chunks: list[tuple[bytes, bytes]]) -> None:
    image, said = read(with_chunks(with_gamma(gamma), *chunks))
    assert far(image) < 3 and said == []
    grey = with_gamma(gamma).getchannel("R")
    image, said = read(with_chunks(grey, *chunks))
    assert np.abs(np.asarray(image, int)[..., 0] - DRAWN[..., 0]).mean() < 3 and said == []


def test_primaries_of_png() -> None:
    """Display P3 by three descriptions: profile, cHRM, cICP."""
    by_profile, _ = read(saved(SMOOTH, "PNG", icc_profile=rgb_profile(P3, srgb_curve())))
    assert far(by_profile) > 1
    for chunks in ([chromaticities(P3)], [(b"cICP", bytes((12, 13, 0, 1)))]):
        image, said = read(with_chunks(SMOOTH, *chunks))
        assert np.abs(np.asarray(image, int) - np.asarray(by_profile, int)).max() <= 2 and said == []


@pytest.mark.parametrize(
    "chunks",
    [
        [(b"gAMA", struct.pack(">I", 45455))],
        [(b"gAMA", struct.pack(">I", 45455)), chromaticities(SRGB_POINTS)],
        [SRGB_CHUNK, GAMMA_1],
        [(b"cICP", bytes((1, 13, 0, 1))), GAMMA_1],
        [(b"cICP", bytes((1, 1, 0, 1)))],
    ],
)
def test_srgb_by_other_fields_changes_nothing(chunks: list[tuple[bytes, bytes]]) -> None:
    image, said = read(with_chunks(SMOOTH, *chunks))
    assert np.array_equal(np.asarray(image), DRAWN) and said == []


@pytest.mark.parametrize(
    ("chunk", "words"),
    [
        ((b"cICP", bytes((9, 16, 0, 1))), "PQ"),
        ((b"cICP", bytes((9, 18, 0, 1))), "HLG"),
        ((b"cICP", bytes((77, 13, 0, 1))), "primaries 77"),
        ((b"gAMA", bytes(4)), "gAMA 0"),
        ((b"cHRM", bytes(32)), "cHRM"),
    ],
)
def test_what_cannot_be_applied_is_noted(chunk: tuple[bytes, bytes], words: str) -> None:
    image, said = read(with_chunks(SMOOTH, chunk))
    assert np.array_equal(np.asarray(image), DRAWN) and len(said) == 1 and words in said[0]


# ---- other formats


def test_adobe_rgb_of_a_camera() -> None:
    """Without a profile, only the index of EXIF says it."""
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA005] = {1: "R03"}
    data = saved(SMOOTH, "JPEG", quality=95, exif=exif)
    plain, _ = read(saved(SMOOTH, "JPEG", quality=95))
    image, said = read(data)
    assert 1 < np.abs(np.asarray(image, int) - np.asarray(plain, int)).mean() < 40 and said == []
    red = read(saved(Image.new("RGB", (8, 8), (180, 60, 60)), "JPEG", exif=exif))[0].getpixel((4, 4))
    assert red[0] > 190  # the same number is a stronger red in Adobe RGB


def test_avif_by_its_numbers() -> None:
    """`colr` of the kind nclx, whose numbers are those of cICP."""
    data = bytearray(saved(with_gamma(1), "AVIF", quality=95))
    at = data.find(b"colrnclx")
    struct.pack_into(">HH", data, at + 8, 1, 8)
    image, said = read(bytes(data))
    assert far(image) < 8 and said == []


def test_jpeg_2000_with_a_profile() -> None:
    profile = rgb_profile(SRGB_POINTS, gamma_curve(1))
    data = saved(with_gamma(1), "JPEG2000", irreversible=False)
    start, header = data.find(b"colr") - 4, data.find(b"jp2h") - 4
    size = int.from_bytes(data[start : start + 4], "big")
    box = struct.pack(">I4s3B", 11 + len(profile), b"colr", 2, 0, 0) + profile
    longer = int.from_bytes(data[header : header + 4], "big") - size + len(box)
    data = data[:header] + struct.pack(">I", longer) + data[header + 4 : start] + box + data[start + size :]
    image, said = read(data)
    assert far(image) < 3 and said == []


@pytest.mark.parametrize("bits", range(1, 8))
def test_jpeg_2000_of_few_bits_reaches_white(bits: int) -> None:
    """Made from a file of 8 bits: only the declared bits and the level in the middle, 2^(bits - 1), differ."""
    levels = np.arange(64) * ((1 << bits) - 1) // 63
    stored = np.repeat((levels + 128 - (1 << bits - 1)).astype(np.uint8)[None], 64, axis=0)
    data = bytearray(saved(Image.fromarray(stored), "JPEG2000", irreversible=False, no_jp2=True))
    data[data.find(b"\xff\x4f\xff\x51") + 42] = bits - 1
    image, said = read(bytes(data))
    right = np.rint(levels * 255 / ((1 << bits) - 1))
    assert np.abs(np.asarray(image, int)[:, :, 0] - right).max() <= 1 and said == []


@pytest.mark.parametrize("opaque", [True, False])
def test_linear_grey_with_opacity_of_16_bits(opaque: bool) -> None:
    grey = DRAWN[..., :1]
    alpha = np.full(grey.shape, 65535 if opaque else 32768)
    samples = np.concatenate([np.rint(65535 * light(grey)), alpha], axis=2).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in samples)
    image, said = read(png(64, 48, 16, 4, rows, (b"gAMA", struct.pack(">I", 100000))))
    right = grey if opaque else (grey + 255) / 2
    assert np.abs(np.asarray(image, int) - right).max() <= 2 and len(said) == (not opaque)


def test_cicp_behind_a_long_text() -> None:
    long = (b"tEXt", b"Comment\0" + b"x" * (1 << 17))
    image, said = read(with_chunks(with_gamma(1), long, (b"cICP", b"\1\x08\0\1")))
    assert far(image) < 2 and said == []


def test_colour_space_2_of_exif_is_adobe_rgb() -> None:
    results = []
    for space in (1, 2, 65535):
        exif = Image.Exif()
        exif[0x8769] = {0xA001: space}
        results.append(np.asarray(read(saved(SMOOTH, "JPEG", quality=95, exif=exif))[0], int))
    assert np.array_equal(results[0], results[2]) and np.abs(results[0] - results[1]).mean() > 2
