"""TIFF files of every depth and order: the right directory, the declared bits, and white that is zero."""

from __future__ import annotations

import io
import struct
import zlib
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from tests.pictures.test_images import photograph, read, saved
from tokcodec.errors import PictureError
from tokcodec.pictures import profiles, tiff
from tokcodec.pictures.images import to_rgb

COLOURS = np.asarray(photograph(48, 30))
GREY = np.asarray(photograph(48, 30).convert("L")).astype(np.int64)
Tag = dict[int, Any]


def packed(values: NDArray[Any], bits: int, order: str) -> bytes:
    """Samples as TIFF stores them: rows begin at a byte, bits at the highest."""
    rows = values.reshape(len(values), -1)
    if bits == 16:
        return rows.astype(f"{order}u2").tobytes()
    single = rows[..., None] >> np.arange(bits - 1, -1, -1) & 1
    return np.packbits(single.astype(np.uint8).reshape(len(rows), -1), axis=1).tobytes()


def page(values: NDArray[Any], bits: int, photometric: int, **more: Any) -> Tag:
    """The tags of an uncompressed picture. `data` are the parts: strips or tiles."""
    samples = values.shape[2] if values.ndim == 3 else 1
    tags = {256: values.shape[1], 257: values.shape[0], 258: [bits] * samples, 259: 1, 262: photometric, 277: samples}
    return tags | {278: values.shape[0]} | more


def file_of(*pages: tuple[Tag, list[bytes]], order: str = "<", below: bool = False, big: bool = False) -> bytes:
    """A TIFF of pages, tags with parts of data each. below: the second is a sub-directory of the first."""
    word, entry, head = ("Q", 20, 16) if big else ("I", 12, 8)
    counts, size = ("Q", 8) if big else ("H", 4)
    out = b"II" if order == "<" else b"MM"
    out += struct.pack(order + ("HHHQ" if big else "HI"), *((43, 8, 0, 0) if big else (42, 0)))
    places = []
    for _, parts in pages:
        places.append([])
        for part in parts:
            places[-1].append(len(out))
            out += part + bytes(len(part) % 2)
    start = len(out)

    def directory(at: int, tags: Tag, following: int) -> bytes:
        entries, behind = struct.pack(order + counts, len(tags)), b""
        end = at + len(entries) + entry * len(tags) + size
        for number, value in sorted(tags.items()):
            values = value if isinstance(value, list) else [value]
            data = value if isinstance(value, bytes) else struct.pack(f"{order}{len(values)}{word}", *values)
            kind, count = (7, len(value)) if isinstance(value, bytes) else (16 if big else 4, len(values))
            if len(data) > size:
                data, behind = struct.pack(order + word, end + len(behind)), behind + data
            entries += struct.pack(f"{order}HH{word}", number, kind, count) + data.ljust(size, b"\0")
        return entries + struct.pack(order + word, following) + behind

    filled = []
    for (tags, parts), at in zip(pages, places, strict=True):
        offsets, sizes = (324, 325) if 322 in tags else (273, 279)
        sub = {330: 0} if below and not filled else {}
        filled.append(tags | {offsets: at, sizes: [len(part) for part in parts]} | sub)
    ends = [start]
    for tags in filled:
        ends.append(ends[-1] + len(directory(ends[-1], tags, 0)))
    if below:
        filled[0][330] = ends[1]
    for i, tags in enumerate(filled):
        following = ends[i + 1] if not below and i + 1 < len(filled) else 0
        out += directory(ends[i], tags, following)
    return out[: head - size] + struct.pack(order + word, start) + out[head:]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", range(1, 17))
def test_every_depth(bits: int, order: str, compressed: bool) -> None:
    """All declared bits are scaled, and zero is white where the file says so."""
    most = (1 << bits) - 1
    for source, photometric in ((GREY, 0), (GREY, 1), (COLOURS, 2)):
        values = np.rint(source / 255 * most).astype(np.int64)
        right = np.rint(values * 255 / most)
        data = packed(most - values if photometric == 0 else values, bits, order)
        tags = page(source, bits, photometric) | ({259: 8} if compressed else {})
        image, said = read(file_of((tags, [zlib.compress(data) if compressed else data]), order=order))
        result = np.asarray(image, int)
        assert np.abs((result if photometric == 2 else result[..., 0]) - right).max() <= 1 and said == []


@pytest.mark.parametrize(("order", "bits", "compressed"), list(product("<>", (12, 16), (False, True))))
def test_strips_tiles_planes_and_differences(order: str, bits: int, compressed: bool) -> None:
    values = np.rint(COLOURS / 255 * ((1 << bits) - 1)).astype(np.int64)
    pack = zlib.compress if compressed else bytes
    code = {259: 8 if compressed else 1}
    strips = [pack(packed(values[top : top + 7], bits, order)) for top in range(0, 30, 7)]
    tiles = []
    padded = np.pad(values, ((0, 2), (0, 0), (0, 0)))
    for top, left in product(range(0, 32, 16), range(0, 48, 32)):
        tile = np.pad(padded[top : top + 16, left : left + 32], ((0, 0), (0, max(0, left + 32 - 48)), (0, 0)))
        tiles.append(pack(packed(tile, bits, order)))
    planes = [pack(packed(values[top : top + 8, :, i], bits, order)) for i in range(3) for top in range(0, 30, 8)]
    files = [
        file_of((page(values, bits, 2) | code | {278: 7}, strips), order=order),
        file_of((page(values, bits, 2) | code | {322: 32, 323: 16}, tiles), order=order),
        file_of((page(values, bits, 2) | code | {278: 8, 284: 2}, planes), order=order),
    ]
    if order == "<":  # Pillow does not read the other one
        files.append(file_of((page(values, bits, 2) | code | {278: 7}, strips), big=True))
    if bits == 16 and compressed:
        steps = np.diff(values, axis=1, prepend=np.zeros((30, 1, 3), np.int64)) & 65535
        files.append(file_of((page(values, 16, 2) | code | {317: 2}, [pack(packed(steps, 16, order))]), order=order))
    for data in files:
        opened = io.BytesIO(data)
        tags, stream = tiff.main_directory(opened)
        assert tiff.is_readable(tags)
        assert np.abs(tiff.read_samples(stream, tags) / 257 - COLOURS).max() <= 0.1
        assert np.abs(np.asarray(read(data)[0], int) - COLOURS).max() <= 1


def test_bits_declared_as_the_largest_sample() -> None:
    """12 bits in samples of 16; a largest value that is a mere fact of the picture changes nothing."""
    values = GREY * 4095 // 255
    image, said = read(file_of((page(GREY, 16, 1) | {281: 4095}, [packed(values, 16, "<")])))
    assert np.abs(np.asarray(image, int)[..., 0] - GREY).max() <= 1 and said == []
    image, said = read(file_of((page(GREY, 16, 1) | {281: int(values.max())}, [packed(values, 16, "<")])))
    assert np.asarray(image).max() < 20 and len(said) == 1 and "of 65535" in said[0]


def test_opened_by_the_application() -> None:
    """What Pillow opens is right too, before and after its pixels are decoded."""
    values = np.rint(GREY / 255 * 4095).astype(np.int64)
    for photometric, bits, data in ((1, 12, packed(values, 12, "<")), (0, 16, packed(65535 - GREY * 257, 16, "<"))):
        for loaded in (False, True):
            image = Image.open(io.BytesIO(file_of((page(GREY, bits, photometric), [data]))))
            if loaded:
                image.load()
            assert np.abs(np.asarray(to_rgb(image, warn=pytest.fail), int)[..., 0] - GREY).max() <= 1


def test_float_where_zero_is_white() -> None:
    tags = page(GREY, 32, 0) | {339: 3}
    image, said = read(file_of((tags, [(1 - GREY / 255).astype("<f4").tobytes()])))
    assert np.abs(np.asarray(image, int)[..., 0] - GREY).max() <= 1 and said == []


def test_alpha_of_16_bits() -> None:
    alpha = np.full((30, 48, 1), 32896)
    for extra, colours in ((2, GREY[..., None] * 257), (1, GREY[..., None] * 129)):
        values = np.concatenate([colours, alpha], axis=2)
        image, said = read(file_of((page(values, 16, 1) | {338: extra}, [packed(values, 16, ">")]), order=">"))
        assert np.abs(np.asarray(image, int)[..., 0] - (GREY + 255) / 2).max() <= 2 and len(said) == 1


# ---- directories

SMALL = page(COLOURS[:12, :16], 8, 2), [COLOURS[:12, :16].tobytes()]
LARGE = page(COLOURS, 8, 2), [COLOURS.tobytes()]


def marked(picture: tuple[Tag, list[bytes]], **tags: int) -> tuple[Tag, list[bytes]]:
    return picture[0] | {int(number[1:]): value for number, value in tags.items()}, picture[1]


@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True)])
@pytest.mark.parametrize(
    "first", [marked(SMALL, _254=1), marked(SMALL, _254=65537), marked(SMALL, _254=4), marked(SMALL, _255=2)]
)
def test_the_first_picture_that_is_not_reduced(first: tuple[Tag, list[bytes]], order: str, big: bool) -> None:
    for below in (False, True):
        data = file_of(first, marked(LARGE, _254=0), order=order, below=below, big=big)
        assert np.array_equal(np.asarray(read(data)[0]), COLOURS)
    later = file_of(LARGE, first, order=order, big=big)
    assert np.array_equal(np.asarray(read(later)[0]), COLOURS)


def test_only_reduced_pictures_give_the_first_with_a_note() -> None:
    image, said = read(file_of(marked(SMALL, _254=1)))
    assert image.size == (16, 12) and said == ["the picture is marked as a thumbnail or a mask of another one"]


def test_the_second_of_pages_is_none_of_a_thumbnail() -> None:
    image, said = read(file_of(marked(SMALL, _254=2), marked(LARGE, _254=2)))
    assert image.size == (16, 12) and said == ["only the first of several frames or pages is used"]


@pytest.mark.parametrize(
    "raw",
    [
        page(GREY, 16, 32803),  # DNG, NEF: a colour filter array
        page(COLOURS, 16, 34892),  # DNG: linear raw
        page(GREY, 16, 1) | {259: 34713},  # Nikon's compression
        page(GREY, 16, 1) | {259: 32767},  # Sony's
    ],
)
def test_a_raw_picture_is_refused_not_its_thumbnail(raw: Tag) -> None:
    data = file_of(marked(SMALL, _254=1, _50706=0x01040000), (raw | {254: 0}, [packed(GREY, 16, "<") * 3]), below=True)
    with pytest.raises(PictureError, match="camera's raw file"):
        read(data)


def test_a_raw_file_of_canon_is_refused() -> None:
    data = bytearray(file_of(LARGE))
    data = data[:8] + b"CR\2\0" + data[8:]
    struct.pack_into("<I", data, 4, struct.unpack_from("<I", data, 4)[0] + 4)
    with pytest.raises(PictureError, match="camera's raw file"):
        read(bytes(data))


def test_directories_in_a_circle_end() -> None:
    data = bytearray(file_of(marked(SMALL, _254=1)))
    struct.pack_into("<I", data, len(data) - 4 - 12, struct.unpack_from("<I", data, 4)[0])  # of the next directory
    assert read(bytes(data))[0].size == (16, 12)


# ---- colours of 16 bits


@pytest.mark.parametrize("order", ["<", ">"])
def test_linear_colours_keep_their_shadows(order: str) -> None:
    """Ten levels of black become ten different ones: 8 bits of linear light would be one."""
    ramp = np.repeat(np.arange(0, 500, 50)[None, :, None], 3, axis=2)
    profile = profiles.rgb_profile(profiles.SRGB_POINTS, profiles.gamma_curve(1))
    image, said = read(file_of((page(ramp, 16, 2) | {34675: profile}, [packed(ramp, 16, order)]), order=order))
    right = np.rint(255 * 12.92 * np.minimum(ramp[0, :, 0] / 65535, 0.0031308))
    assert np.abs(np.asarray(image, int)[0, :5, 0] - right[:5]).max() <= 1
    assert len(set(np.asarray(image)[0, :, 0])) == 10 and len(said) == 1  # of a dark picture


def test_lzw_of_pillow_with_a_profile() -> None:
    profile = profiles.rgb_profile(profiles.SRGB_POINTS, profiles.gamma_curve(1))
    light = photograph().point([round(255 * (v / 255) ** 2.2) for v in range(256)] * 3)
    data = saved(light, "TIFF", compression="tiff_lzw", icc_profile=profile)
    assert isinstance(Image.open(io.BytesIO(data)), TiffImagePlugin.TiffImageFile)
    assert np.abs(np.asarray(read(data)[0], int) - np.asarray(photograph(), int)).mean() < 6


def test_colours_of_fewer_bits_by_the_largest_sample() -> None:
    values = COLOURS.astype(np.int64) * 4095 // 255
    opaque = np.concatenate([values, np.full((30, 48, 1), 4095)], axis=2)
    for order, samples in product("<>", (values, opaque)):
        count = samples.shape[2]
        tags = page(samples, 16, 2) | {281: [4095] * count} | ({338: 2} if count == 4 else {})
        data = file_of((tags, [packed(samples, 16, order)]), order=order)
        image, said = read(data)
        assert np.abs(np.asarray(image, int) - COLOURS).max() <= 1 and said == []
        opened = to_rgb(Image.open(io.BytesIO(data)), warn=pytest.fail)
        assert np.array_equal(np.asarray(opened), np.asarray(image))


def test_a_palette_of_8_bits_in_16() -> None:
    """Some writers do not multiply the entries by 257."""
    levels = list(range(255, -1, -1))
    for factor in (1, 257):
        tags = page(GREY, 8, 3) | {320: [factor * level for level in levels] * 3}
        image, said = read(file_of((tags, [packed(GREY, 8, "<")])))
        assert np.array_equal(np.asarray(image, int)[..., 0], 255 - GREY) and said == []


def test_pages_of_a_kind_of_our_own_are_noted() -> None:
    picture = page(GREY, 12, 1), [packed(GREY * 16, 12, "<")]
    assert read(file_of(picture, picture))[1] == ["only the first of several frames or pages is used"]
    assert read(file_of(picture))[1] == []


@pytest.mark.parametrize("below", [False, True])
def test_a_thumbnail_of_raw_data_without_a_mark(below: bool) -> None:
    raw = page(GREY, 16, 32803), [packed(GREY, 16, "<")]
    with pytest.raises(PictureError, match="camera's raw file"):
        read(file_of(SMALL, raw, below=below))
    assert read(file_of(LARGE, raw, below=below))[0].size == (48, 30)  # as large as the raw data: developed


def test_big_tiff_of_the_other_order_is_named() -> None:
    with pytest.raises(PictureError, match="big-endian"):
        read(file_of(LARGE, order=">", big=True))
