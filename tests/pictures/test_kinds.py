"""Files that are not read are named, with what to do."""

from __future__ import annotations

import io
import struct
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.pictures.test_images import photograph, read, saved
from tokcodec.errors import LimitError, MissingPackageError, PictureError
from tokcodec.pictures.kinds import HEAD_BYTES, describe, is_heif, is_jpeg_xl
from tokcodec.pictures.optional import jpeg_xl_size


def brands(*names: bytes) -> bytes:
    box = b"ftyp" + names[0] + bytes(4) + b"".join(names[1:])
    return struct.pack(">I", 4 + len(box)) + box + bytes(64)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xf5\x10" + bytes(20), ".tok file: decode reads it"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- drawn -->\n<svg>", "SVG"),
        (b"<!-- drawn --><SVG>", "SVG"),
        ("\ufeff<svg>".encode("utf-16-le"), "SVG"),
        (b"\n<!DOCTYPE html><html>", "HTML"),
        (b"<html>", "HTML"),
        (b"<?xml version='1.0'?><rss>", "XML"),
        (b"%PDF-1.7", "PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
        (brands(b"isom", b"mp42"), "video"),
        (brands(b"qt  "), "video"),
        (b"\x1aE\xdf\xa3" + bytes(30), "video"),
        (b"RIFF\0\0\0\0AVI LIST", "video"),
        (b"RIFF\0\0\0\0WAVEfmt ", "sound"),
        (b"PK\x03\x04" + bytes(30), "ZIP"),
        (b"\x1f\x8b\x08" + bytes(30), "gzip"),
        (b"a.jpg".ljust(257, b"\0") + b"ustar\0", "dataset encode"),
        (b"PAR1" + bytes(30), "dataset encode"),
        (b"FUJIFILMCCD-RAW 0201", "camera's raw file"),
        (b"IIU\0" + bytes(30), "camera's raw file"),
        (brands(b"crx "), "camera's raw file"),
        (b"\0\0\1\0\1\0" + bytes(30), "ICO"),
        (b"\x0a\5\1\1" + bytes(124), "PCX"),
        (b"P7\nWIDTH 1\n", "PAM"),
        (b"PF\n1 1\n-1.0\n", "PFM"),
        (b"\x76\x2f\x31\x01\2\0\0\0", "OpenEXR"),
        (b"#?RADIANCE\n", "Radiance"),
        (b"8BPS\0\2" + bytes(20), "PSB"),
        (b"gimp xcf v011\0", "GIMP"),
        (b"/* XPM */\nstatic char", "XPM"),
        (b"II\xbc\1" + bytes(20), "JPEG XR"),
        (b"\xff\xd8\xff\xf7\0\x0b", "JPEG-LS"),
        (bytes(128) + b"DICM", "DICOM"),
        (bytes(2) + b"\2" + bytes(9) + struct.pack("<HHBB", 8, 8, 24, 0) + bytes(192), "TGA"),
        (b"\0\0\2\0\1\0\x20\x20" + bytes(20), "CUR"),
        (b"data:image/png;base64,iVBORw0KGgo=", "base64"),
        (b"/9j/4AAQSkZJRg==", "base64"),
        (b'{"error": "not found"}', "JSON"),
        (b"DDS \x7c\0\0\0" + bytes(120), "DDS"),
    ],
)
def test_what_is_not_read_is_named(data: bytes, words: str) -> None:
    with pytest.raises(PictureError) as caught:
        read(data)
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"hello", b"<3 hearts", bytes(600), b"RIFF", b"\xff\xfe"])
def test_an_unknown_kind_has_no_name(data: bytes) -> None:
    assert describe(data[:HEAD_BYTES]) is None


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF", "GIF", "BMP", "PPM", "JPEG2000", "QOI"])
def test_pictures_are_no_other_kind(format: str) -> None:
    head = saved(photograph(), format)[:HEAD_BYTES]
    assert not is_heif(head) and not is_jpeg_xl(head)


# ---- HEIF and JPEG XL

HEIF = [brands(b"heic", b"mif1", b"heic"), brands(b"mif1", b"heic"), brands(b"msf1"), brands(b"hevc"), brands(b"heix")]
JPEG_XL = [b"\xff\x0a" + bytes(40), b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40)]


@pytest.mark.parametrize("data", HEIF + JPEG_XL)
def test_the_package_is_named_if_it_is_missing(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pillow_heif", "pillow_jxl"):
        monkeypatch.setitem(sys.modules, name, None)
    extra, name = ("heif", "HEIC (HEIF)") if data in HEIF else ("jxl", "JPEG XL")
    with pytest.raises(MissingPackageError, match=rf"{extra}\]'") as caught:
        read(data)
    assert name in str(caught.value)


@pytest.mark.parametrize("data", HEIF + JPEG_XL)
def test_damaged_files(data: bytes) -> None:
    pytest.importorskip("pillow_heif" if data in HEIF else "pillow_jxl")
    with pytest.raises(PictureError, match=r"HEIF|JPEG XL"):
        read(data)


def heif(image: Image.Image, **options: Any) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    stream = io.BytesIO()
    pillow_heif.from_pillow(image).save(stream, quality=90, **options)
    return stream.getvalue()


def jpeg_xl(image: Image.Image, **options: Any) -> bytes:
    pytest.importorskip("pillow_jxl")
    return saved(image, "JXL", quality=95, **options)


@pytest.mark.parametrize("make", [heif, jpeg_xl])
def test_they_are_read_with_the_package(make: Any) -> None:
    smooth = photograph().resize((8, 6)).resize((64, 48), Image.Resampling.BICUBIC)
    image, said = read(make(smooth))
    assert image.size == (64, 48) and said == []
    assert np.abs(np.asarray(image, int) - np.asarray(smooth, int)).mean() < 8


@pytest.mark.parametrize("make", [heif, jpeg_xl])
def test_their_size_is_checked_before_they_are_decoded(make: Any) -> None:
    with pytest.raises(LimitError, match="64x48"):
        read(make(photograph()), max_pixels=64 * 48 - 1)


@pytest.mark.parametrize("size", [(8, 8), (256, 256), (64, 48), (1, 1), (300, 7), (1000, 2100), (96, 80), (511, 513)])
def test_the_size_of_jpeg_xl(size: tuple[int, int]) -> None:
    for options in ({}, {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}):
        assert jpeg_xl_size(io.BytesIO(jpeg_xl(Image.new("RGB", size), **options))) == size
