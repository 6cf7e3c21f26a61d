"""Bad, huge, tiny and unusual pictures, through the command."""

from __future__ import annotations

import binascii
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.robustness.inputs import Call, Fails, MakeTok, Put, photograph, saved


def png(width: int, height: int, rows: bytes = b"") -> bytes:
    """An 8-bit grey PNG that declares a size."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", binascii.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_not_a_picture(fails: Fails, put: Put, make_tok: MakeTok) -> None:
    for data in (make_tok(), b"photo,bytes\n", bytes(100)):
        put("in.png", data)
        fails("encode", "--model", "tiny", "in.png", name="in.png", words="not a picture")


def test_picture_bomb(fails: Fails, call: Call, put: Put) -> None:
    put("in.png", png(50_000, 50_000))
    fails("encode", "--model", "tiny", "in.png", name="in.png", words="50000x50000")
    put("in.png", png(15_000, 15_000))
    line = fails("encode", "--model", "tiny", "in.png", name="in.png", words="15000x15000 = 225000000 pixels")
    assert "--max-pixels raises it" in line
    put("in.png", png(20, 10, bytes(21 * 10)))
    fails("encode", "--model", "tiny", "--max-pixels", "199", "in.png", name="in.png", words="limit of 199 ")
    assert call("encode", "--model", "tiny", "--max-pixels", "200", "in.png").exit_code == 0


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_cut_picture(fails: Fails, put: Put, kind: str) -> None:
    """Never encoded with its grey remainder."""
    data = saved(photograph(64, 64), kind)
    for length in (8, len(data) // 3, len(data) // 2, 3 * len(data) // 4):
        put("in", data[:length])
        fails("encode", "--model", "tiny", "in", name="in")


@pytest.mark.parametrize("size", [(1, 1), (1, 10_000), (10_000, 1), (257, 3), (33, 511)])
@pytest.mark.parametrize("pitch", ["256", "fit", "2048"])
def test_extreme_sizes_come_back(call: Call, put: Put, size: tuple[int, int], pitch: str) -> None:
    put("in.png", saved(photograph(*size)))
    assert call("encode", "--model", "tiny", "--tokens", "2", "--pitch", pitch, "in.png").exit_code == 0
    assert call("decode", "in.tok", "-o", "out.png").exit_code == 0
    with Image.open("out.png") as decoded:
        assert decoded.size == size


GREY_16 = Image.fromarray((np.arange(64, dtype=np.uint16) * 1000).reshape(8, 8))
FLOAT = Image.fromarray(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8))
PALETTE = photograph(8, 8).convert("P")
LAB = ImageCms.applyTransform(
    photograph(8, 8),
    ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"),
)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
FRAMES = [photograph(8, 8), photograph(8, 8).transpose(Image.Transpose.ROTATE_90)]


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (saved(photograph(8, 8).convert("RGBA")), ""),  # opaque all over: nothing is lost
        (saved(Image.new("RGBA", (8, 8), (200, 0, 0, 9))), "transparency is composited on white"),
        (saved(Image.new("LA", (8, 8), (200, 9))), "transparency is composited on white"),
        (saved(PALETTE, transparency=PALETTE.getpixel((0, 0))), "transparency is composited on white"),
        (saved(GREY_16), ""),
        (saved(FLOAT, "TIFF"), ""),
        (saved(photograph(8, 8).convert("CMYK"), "TIFF"), "CMYK without a usable colour profile"),
        (saved(LAB, "TIFF"), ""),
        (saved(photograph(8, 8), icc_profile=SRGB), ""),
        (saved(photograph(8, 8), icc_profile=b"no profile"), "the colour profile is damaged and is ignored"),
        (saved(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:]), "only the first of several frames"),
    ],
    ids=["RGBA opaque", "RGBA", "LA", "P", "16 bit", "float", "CMYK", "Lab", "ICC", "bad ICC", "animated"],
)
def test_unusual_pictures_with_at_most_one_note(call: Call, put: Put, data: bytes, note: str) -> None:
    put("in", data)
    result = call("encode", "--model", "tiny", "in")
    assert result.exit_code == 0, result.output
    *notes, done = result.stderr.splitlines()
    assert done.startswith("in -> in.tok (") and len(notes) == bool(note)
    assert not note or notes[0].startswith(f"tokcodec: in: note: {note}")


def test_a_picture_that_has_no_meaning(fails: Fails, put: Put) -> None:
    put("in", saved(Image.fromarray(np.full((8, 8), 1e6, np.float32)), "TIFF"))
    fails("encode", "--model", "tiny", "in", name="in", words="float picture with values outside [0, 1]")


def test_orientation_is_applied_once(call: Call, put: Put) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    put("turned.jpg", saved(photograph(40, 24), "JPEG", exif=exif))
    assert call("encode", "--model", "tiny", "turned.jpg").exit_code == 0
    assert "24x40 pixels" in call("info", "turned.tok").stdout
    assert call("decode", "turned.tok").exit_code == 0
    with Image.open("turned.png") as decoded:
        assert decoded.size == (24, 40) and not decoded.getexif()
