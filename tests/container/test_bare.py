"""The bare container: golden bytes, aspects, every token count, base64, and what is refused."""

from __future__ import annotations

import base64
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import tokcodec
from tests.conftest import TINY_VOCABULARY
from tokcodec.codec import TokWarning
from tokcodec.container.bare import (
    BARE_SIZE,
    fits,
    from_base64,
    is_base64,
    pack_bare,
    parse_bare,
    stored_size,
    to_base64,
    url_model,
)
from tokcodec.container.header import Header
from tokcodec.contents import pack
from tokcodec.errors import HeaderCheckError, LimitError, NotTokError, TruncatedHeaderError, UnsupportedVersionError
from tokcodec.models.modelfile import Model
from tokcodec.pictures.limits import FIT, MAX_SIDE
from tokcodec.tokfile import read

sides = st.integers(1, MAX_SIDE)


def header_of(width: int, height: int, tokens: int = 4, *, flat: bool = False) -> Header:
    return Header(0x5C, tokens, FIT, width, height, flat=flat)


@pytest.mark.parametrize(
    ("size", "code", "stored"),
    [
        ((1, 1), 32, (256, 256)),
        ((3, 2), 39, (313, 209)),
        ((2, 3), 25, (209, 313)),
        ((4, 3), 37, (296, 222)),
        ((16, 9), 42, (342, 192)),
        ((2, 1), 44, (362, 181)),
        ((1, MAX_SIDE), 0, (102, 645)),
        ((MAX_SIDE, 1), 63, (627, 105)),
    ],
)
def test_golden_aspects(size: tuple[int, int], code: int, stored: tuple[int, int]) -> None:
    data = pack_bare(header_of(*size))
    assert data == bytes([3, code]) and stored_size(data) == stored
    assert pack_bare(header_of(*size, tokens=256, flat=True)) == bytes([255, 0x40 | code])


@given(sides, sides)
def test_the_stored_aspect_is_the_nearest(width: int, height: int) -> None:
    code = pack_bare(header_of(width, height))[1]
    assert not fits(width, height) or abs(np.log2(width / height) * 12 - (code - 32)) <= 0.5
    assert fits(width, height) == (2 ** (-32.5 / 12) <= width / height <= 2 ** (31.5 / 12))


@given(sides, sides, st.integers(1, 256), st.booleans(), st.binary(max_size=9))
def test_header_round_trip(width: int, height: int, tokens: int, flat: bool, payload: bytes) -> None:
    header = header_of(width, height, tokens, flat=flat)
    data = pack_bare(header) + payload
    assert parse_bare(data, 0x5C, (width, height)) == header
    stored = parse_bare(data, 0x5C)
    assert pack_bare(stored) == data[:BARE_SIZE]  # the size that is made of an aspect has this aspect
    assert 65000 < stored.width * stored.height < 66100


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, TINY_VOCABULARY - 1), min_size=1, max_size=16))
def test_every_count_of_any_tokens_comes_back(tiny: Model, row: list[int]) -> None:
    coded, tokens = np.array([row]), len(row)
    file = pack(Header(tiny.id, tokens, FIT, 40, 30), tiny, coded, container="bare")
    assert len(file) <= BARE_SIZE + -(-6 * tokens // 8) + 1
    found = read(file, "tiny", container="bare")
    assert (found.coded == coded).all() and found.held == found.declared == tokens
    for length in range(BARE_SIZE, len(file)):  # no token that is not there, in any prefix
        cut = read(file[:length], "tiny", container="bare")
        assert cut.held < tokens and (cut.coded[0] == coded[0, : cut.held]).all()
    more = tokcodec.read_tokens(file + b"\x00\xff" * 9, container="bare", model="tiny")
    assert more.tolist() == coded.tolist()


def test_it_is_the_plain_file_with_another_header(tiny: Model, picture_array: np.ndarray) -> None:
    plain = tokcodec.encode(picture_array, tokens=7, pitch="fit", model="tiny")
    bare = tokcodec.encode(picture_array, tokens=7, container="bare", model="tiny")
    assert bare[0] == 6 and bare[BARE_SIZE:] == plain[10:]
    assert tokcodec.read_tokens(bare, container="bare", model="tiny").tolist() == tokcodec.read_tokens(plain).tolist()
    sized = tokcodec.decode(bare, container="bare", size=(40, 30), model="tiny")
    assert np.array_equal(np.asarray(sized), np.asarray(tokcodec.decode(plain)))
    free = tokcodec.decode(bare, container="bare", model="tiny", tokens=3)
    assert free.size == (296, 222)


def test_its_tiles_are_of_the_first_scale_however_small_the_picture(tiny: Model) -> None:
    """The file has no size, and the size given to `decode` must not change the meaning of the tokens."""
    picture = np.random.default_rng(1).integers(0, 256, (10, 12, 3)).astype(np.uint8)
    bare = tokcodec.encode(picture, container="bare", model="tiny")
    for size in ((12, 10), None):
        assert read(bare, "tiny", container="bare", size=size).scale == 0
    large = tokcodec.decode(bare, container="bare", size=(120, 100), model="tiny")
    small = tokcodec.decode(bare, container="bare", size=(12, 10), model="tiny")
    assert np.abs(np.asarray(large.resize((12, 10), Image.Resampling.BOX), int) - np.asarray(small, int)).max() < 40
    plain = tokcodec.encode(picture, pitch="fit", model="tiny")
    assert read(plain).scale == 1 and plain[10:] != bare[BARE_SIZE:]


@pytest.fixture
def picture_array() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (30, 40, 3)).astype(np.uint8)


def test_a_cut_one_decodes_and_says_so(tiny: Model, picture_array: np.ndarray) -> None:
    data = tokcodec.encode(picture_array, container="bare", model="tiny")
    for length, held in ((BARE_SIZE, "0 of 8"), (len(data) - 1, "of 8 tokens")):
        with pytest.warns(TokWarning, match=held):
            assert tokcodec.decode(data[:length], container="bare", model="tiny").size == (296, 222)


def test_an_aspect_that_cannot_be_stored_is_said(tiny: Model) -> None:
    notes: list[str] = []
    data = tokcodec.encode(Image.new("RGB", (700, 100)), container="bare", model="tiny", warn=notes.append)
    assert len(notes) == 1 and "6:1" in notes[0]
    assert tokcodec.decode(data, container="bare", model="tiny", size=(70, 10)).size == (70, 10)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", NotTokError, "empty file"),
        (b"\x03", TruncatedHeaderError, r"1 of 2 bytes"),
        (b"\x03\xa0", UnsupportedVersionError, "newer"),
        (b"\x10\x20", HeaderCheckError, "declares 17 tokens, but model tiny has 16"),
    ],
)
def test_bad_files(tiny: Model, data: bytes, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        tokcodec.decode(data, container="bare", model="tiny")


def test_wrong_arguments(tiny: Model, picture_array: np.ndarray) -> None:
    data = tokcodec.encode(picture_array, container="bare", pitch="fit", model="tiny")
    with pytest.raises(ValueError, match="pitch must be fit, not 256"):
        tokcodec.encode(picture_array, container="bare", pitch=256, model="tiny")
    with pytest.raises(ValueError, match="container must be tok or bare, not 'zip'"):
        tokcodec.decode(data, container="zip")
    with pytest.raises(ValueError, match="container must be tok or bare, not 'zip'"):
        tokcodec.encode(picture_array, container="zip", model="tiny")
    with pytest.raises(ValueError, match="size is for the bare container"):
        tokcodec.decode(data, size=(3, 3))
    for size in ((0, 5), (5, MAX_SIDE + 1)):
        with pytest.raises(ValueError, match=r"1\.\.16383") as caught:
            tokcodec.decode(data, container="bare", model="tiny", size=size)
        assert type(caught.value) is ValueError
    with pytest.raises(LimitError, match="--max-pixels"):
        tokcodec.decode(data, container="bare", model="tiny", size=(100, 100), max_pixels=9999)
    header = replace(header_of(40, 30), pitch=256, model_id=tiny.id)
    with pytest.raises(ValueError, match="one tile"):
        pack(header, tiny, np.zeros((1, 4), int), container="bare")


@given(st.binary(max_size=50))
def test_base64(data: bytes) -> None:
    text = to_base64(data)
    assert text == base64.b64encode(data) + b"\n"
    url = base64.urlsafe_b64encode(data)
    folded = b" \t" + b"\r\n".join(url[i : i + 5] for i in range(0, len(url), 5)) + b"\n"
    for form in (text, url, url.rstrip(b"="), folded):
        assert from_base64(form) == data


@given(st.binary(min_size=1, max_size=50))
def test_base64_as_editors_and_pages_store_it(data: bytes) -> None:
    text = to_base64(data).decode()
    marked = [("\ufeff" + text).encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be")]
    plain = [text.strip().encode(encoding) for encoding in ("utf-16-le", "utf-16-be")]
    types = ("image/x-tok-bare", "IMAGE/X-TOK-BARE;charset=utf-8", "", "text/plain;a=b;c=d")
    urls = [f"data:{kind};base64,{text}".encode() for kind in types]
    escaped = f' "data:;base64,{text.strip().replace("+", "%2B").replace("/", "%2f").replace("=", "%3D")}"'.encode()
    quoted = [f'"{text.strip()}"\n'.encode(), f"'{text.strip()}'".encode()]
    for form in (*marked, *plain, *urls, escaped, *quoted):
        assert from_base64(form) == data


@pytest.mark.parametrize(
    ("text", "model"),
    [
        (b"data:image/x-tok-bare;base64,AAAA", "base-2"),
        (b" 'DATA:image/X-tok-bare;charset=utf-8;base64,AAAA'\n", "base-2"),
        (b"data:image/x-tok-bare;model=base-3;base64,AAAA", "base-3"),
        ("data:image/x-tok-bare;a=b;Model=my.own;base64 ,AAAA".encode("utf-16"), "my.own"),
        (b"data:image/x-tok-bare;model=../x;base64,AAAA", "../x"),
        (b"data:image/x-tok;model=base-3;base64,AAAA", None),
        (b"data:;base64,AAAA", None),
        (b"AAAA", None),
    ],
)
def test_the_model_in_a_data_url(text: bytes, model: str | None) -> None:
    assert url_model(text) == model


@pytest.mark.parametrize(
    "text",
    [b"a", b"ab!d", b"ab=cd", "é".encode(), b"\xff\xd8\xff", b"data:image/x-tok-bare,QUJD", b"data:;base64"],
)
def test_what_is_no_base64(text: bytes) -> None:
    with pytest.raises(NotTokError, match="not base64"):
        from_base64(text)


def test_what_is_a_text(tiny: Model, picture_array: np.ndarray) -> None:
    data = tokcodec.encode(picture_array, container="bare", model="tiny")
    text = to_base64(data)
    assert is_base64(text) and is_base64(text.strip()) and is_base64(base64.urlsafe_b64encode(data))
    assert not any(is_base64(other) for other in (data, b"", b" " * 9, text[:6], text + b"!"))
