"""The header: golden bytes, extremes, damage, messages."""

from __future__ import annotations

import binascii
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokcodec.container.header import HEADER_SIZE, MAX_TOKENS, PITCHES, Header, check_header, pack_header, parse_header
from tokcodec.errors import LimitError, NotTokError, TokError, TruncatedHeaderError, UnsupportedVersionError
from tokcodec.pictures.limits import FIT, MAX_SIDE

HASH = bytes(range(0x5C, 0x5C + 32))
GOLDEN = Header(model_id=0x5C, tokens=4, pitch=256, width=320, height=200)
GOLDEN_BYTES = bytes.fromhex("f5105c03904fc0c727d3")

headers = st.builds(
    Header,
    model_id=st.integers(0, 255),
    tokens=st.integers(1, MAX_TOKENS),
    pitch=st.sampled_from(PITCHES),
    width=st.integers(1, MAX_SIDE),
    height=st.integers(1, MAX_SIDE),
    flat=st.booleans(),
    adaptive=st.booleans(),
)


def hash_of(header: Header) -> bytes:
    return bytes([header.model_id]) + HASH[1:]


def test_golden_bytes() -> None:
    assert pack_header(GOLDEN, HASH) == GOLDEN_BYTES
    assert parse_header(GOLDEN_BYTES) == GOLDEN
    assert check_header(GOLDEN_BYTES, HASH)


def test_the_specification_shows_the_golden_bytes_and_all_pitches() -> None:
    text = (Path(__file__).parents[2] / "formats" / "tok-v1.md").read_text(encoding="utf-8")
    assert GOLDEN_BYTES.hex(" ").upper() in text
    assert ", ".join(map(str, PITCHES[1:])) in text


@given(headers, st.binary(max_size=20))
def test_round_trip(header: Header, payload: bytes) -> None:
    data = pack_header(header, hash_of(header))
    assert len(data) == HEADER_SIZE
    assert parse_header(data + payload) == header
    assert check_header(data + payload, hash_of(header))


@pytest.mark.parametrize("tokens", [1, MAX_TOKENS])
@pytest.mark.parametrize("pitch", PITCHES)
@pytest.mark.parametrize("size", [(1, 1), (1, MAX_SIDE), (MAX_SIDE, 1), (MAX_SIDE, MAX_SIDE)])
def test_extremes(tokens: int, pitch: int, size: tuple[int, int]) -> None:
    header = Header(model_id=0x5C, tokens=tokens, pitch=pitch, width=size[0], height=size[1])
    assert parse_header(pack_header(header, HASH)) == header


@pytest.mark.parametrize(
    "header",
    [
        GOLDEN,
        Header(0x5C, 256, FIT, MAX_SIDE, MAX_SIDE, flat=True),
        Header(0x5C, 1, 16, 1, 1),
        Header(0x5C, 64, 128, 768, 512),
        Header(0x5C, 64, 128, 768, 512, adaptive=True),
    ],
)
@pytest.mark.parametrize("bit", range(8 * HEADER_SIZE))
def test_every_flipped_bit_is_noticed(header: Header, bit: int) -> None:
    data = bytearray(pack_header(header, HASH))
    data[bit // 8] ^= 1 << bit % 8
    assert not check_header(bytes(data), HASH)
    if bit < 16 and bit not in (8, 9):  # the flags flat and adaptive, which may have either value
        with pytest.raises((NotTokError, UnsupportedVersionError)):
            parse_header(bytes(data))


def test_another_model_of_the_same_id_is_noticed() -> None:
    assert not check_header(GOLDEN_BYTES, HASH[:-1] + b"\x00")


@given(st.binary(max_size=40), st.booleans())
def test_any_bytes_give_a_header_or_a_tok_error(data: bytes, likely: bool) -> None:
    data = b"\xf5\x10" + data if likely else data
    try:
        header = parse_header(data)
    except TokError as error:
        assert str(error) and "\n" not in str(error)
    else:
        assert 1 <= header.width <= MAX_SIDE and 1 <= header.tokens <= MAX_TOKENS and header.pitch in PITCHES
        again = pack_header(header, hash_of(header))
        assert again[:8] == data[:8]


@pytest.mark.parametrize("length", range(1, HEADER_SIZE))
def test_truncated(length: int) -> None:
    with pytest.raises(TruncatedHeaderError, match=rf"^header truncated \({length} of 10 bytes\)$"):
        parse_header(GOLDEN_BYTES[:length])
    assert not check_header(GOLDEN_BYTES[:length], HASH)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty file"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "not a .tok file (starts with FF D8: a JPEG)"),
        (b"\x89PNG\r\n\x1a\n", "not a .tok file (starts with 89 50: a PNG)"),
        (b"GIF89a", "not a .tok file (starts with 47 49: a GIF)"),
        (b"RIFF\x00\x01\x02\x03WEBPVP8 ", "not a .tok file (starts with 52 49: a WebP)"),
        (b"\x00\x00\x00\x1cftypavif", "not a .tok file (starts with 00 00: an AVIF)"),
        (b"\x00\x00\x00\x1cftypheic", "not a .tok file (starts with 00 00: an ISO media file such as HEIC or MP4)"),
        (b"II*\x00\x08", "not a .tok file (starts with 49 49: a TIFF)"),
        (b"BM\x9a\x00", "not a .tok file (starts with 42 4D: a BMP)"),
        (b"PK\x03\x04", "not a .tok file (starts with 50 4B: a ZIP archive)"),
        (b"\x1f\x8b\x08", "not a .tok file (starts with 1F 8B: gzip data)"),
        (b"(\xb5/\xfd", "not a .tok file (starts with 28 B5: zstd data)"),
        (b"%PDF-1.7", "not a .tok file (starts with 25 50: a PDF)"),
        (b"hello\n", "not a .tok file (starts with 68 65: text)"),
        ("é".encode() * 40, "not a .tok file (starts with C3 A9: text)"),
        (b"a" + "é".encode() * 40, "not a .tok file (starts with 61 C3: text)"),  # a character across the window's end
        (b"a\xc3", "not a .tok file (starts with 61 C3)"),
        (b"\x00\x01\x02", "not a .tok file (starts with 00 01)"),
        (b"\xf6", "not a .tok file (starts with F6)"),
    ],
)
def test_other_files_are_named(data: bytes, message: str) -> None:
    with pytest.raises(NotTokError) as caught:
        parse_header(data)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (0x20, "needs a newer tokcodec (format version 2; this one reads version 1)"),
        (0x14, "needs a newer tokcodec (unknown flags 0100 are set)"),
        (0x18, "needs a newer tokcodec (unknown flags 1000 are set)"),
    ],
)
@pytest.mark.parametrize("length", [2, 5, HEADER_SIZE])
def test_newer_versions_are_refused_even_when_short(second: int, message: str, length: int) -> None:
    data = bytes([0xF5, second]) + GOLDEN_BYTES[2:]
    with pytest.raises(UnsupportedVersionError) as caught:
        parse_header(data[:length])
    assert str(caught.value) == message


@pytest.mark.parametrize("shape", [0x90000000 | MAX_SIDE << 14, 0x90000000 | MAX_SIDE])
def test_a_side_of_16384_is_refused(shape: int) -> None:
    head = b"\xf5\x10\x5c\x03" + shape.to_bytes(4, "big")
    data = head + binascii.crc_hqx(head + HASH, 0xFFFF).to_bytes(2, "big")
    assert check_header(data, HASH)  # intact, and yet beyond the limit
    with pytest.raises(LimitError, match=r"16384.* no side may exceed 16383"):
        parse_header(data)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model_id": 256}, "model id"),
        ({"tokens": 0}, "tokens must be 1..256"),
        ({"tokens": 257}, "tokens must be 1..256"),
        ({"pitch": 100}, "pitch must be one of"),
        ({"width": 0}, "width and height"),
        ({"height": 16384}, "width and height"),
        ({"version": 2}, "version must be 1"),
    ],
)
def test_wrong_fields_are_value_errors(fields: dict[str, int], message: str) -> None:
    values = {"model_id": 0x5C, "tokens": 4, "pitch": 256, "width": 320, "height": 200} | fields
    with pytest.raises(ValueError, match=message) as caught:
        Header(**values)
    assert not isinstance(caught.value, TokError)


def test_a_header_is_not_packed_with_a_hash_that_is_not_its_models() -> None:
    with pytest.raises(ValueError, match="32 bytes, not 31"):
        pack_header(GOLDEN, HASH[:31])
    with pytest.raises(ValueError, match="model id 5c does not begin"):
        pack_header(GOLDEN, HASH[::-1])


def test_the_byte_side_loads_no_torch() -> None:
    code = "import sys, tokcodec.container.entropy, tokcodec.models.registry; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_registry_alone_loads_no_numpy() -> None:
    code = "import sys, tokcodec.container.header, tokcodec.models.registry; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
