"""The codec with the shipped model: round trips, prefixes, minimum quality, no torch for work on bytes."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import skimage.data
from PIL import Image

import tokcodec
from tokcodec.codec import TokWarning
from tokcodec.container.header import HEADER_SIZE, PITCHES, parse_header
from tokcodec.errors import HeaderCheckError, LimitError, NotTokError, UnknownModelError
from tokcodec.models.modelfile import Model
from tokcodec.models.registry import find_model

HEADER_AND_ROUNDING = HEADER_SIZE + 2


@pytest.fixture(scope="module")
def astronaut() -> Image.Image:
    return Image.fromarray(skimage.data.astronaut()).crop((96, 0, 352, 256))


@pytest.fixture(scope="module")
def whole(astronaut: Image.Image) -> bytes:
    return tokcodec.encode(astronaut, tokens=256)


def psnr(a: Image.Image | np.ndarray, b: Image.Image | np.ndarray) -> float:
    error = np.mean((np.asarray(a, float) - np.asarray(b, float)) ** 2)
    return float(10 * np.log10(255**2 / error))


def smooth(width: int, height: int) -> Image.Image:
    """A gradient with a different slope in each channel."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    return Image.fromarray(np.uint8(255 * np.stack([x, y, (x + y) / 2], 2)))


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 300), (300, 1), (17, 31), (255, 257), (256, 256), (384, 256), (385, 255), (700, 500)]
)
def test_sizes_come_back(size: tuple[int, int]) -> None:
    picture = smooth(*size)
    decoded = tokcodec.decode(tokcodec.encode(picture, tokens=16))
    assert decoded.size == size and decoded.mode == "RGB"
    assert psnr(picture, decoded) > 20


@pytest.mark.parametrize("pitch", [*PITCHES[1:], "fit"])
def test_every_pitch(pitch: int | str) -> None:
    picture = smooth(70, 50)
    data = tokcodec.encode(picture, tokens=8, pitch=pitch)
    info = tokcodec.info(data)
    assert info.pitch == (0 if pitch == "fit" else pitch) and info.complete
    assert tokcodec.decode(data).size == (70, 50)


@pytest.mark.parametrize(("tokens", "most"), [(1, 13), (16, 36), (64, 108), (128, 203), (256, 396)])
def test_bytes_of_a_photograph(astronaut: Image.Image, tokens: int, most: int) -> None:
    """A detailed picture, which takes nearly 12 bits per token."""
    data = tokcodec.encode(astronaut, tokens=tokens)
    assert len(data) <= most
    model = find_model()
    ideal = min(tables.bits(tokcodec.read_tokens(data)).sum() / 8 for tables in (model.tables[0], model.flat_tables))
    assert ideal <= len(data) - HEADER_SIZE < ideal + 2


def test_an_unusual_picture_costs_no_more_than_plain_bits() -> None:
    """A detailed picture would cost more than 12 bits per token by the tables, so it is coded flat."""
    data = tokcodec.encode(skimage.data.astronaut(), tokens=256, pitch="fit")
    assert parse_header(data).flat and len(data) <= HEADER_SIZE + 256 * 12 // 8 + 1
    assert tokcodec.info(data).complete and tokcodec.decode(data).size == (512, 512)


@pytest.mark.parametrize(
    ("name", "floors"),
    [("astronaut", (15.2, 18.1)), ("coffee", (18.0, 21.0)), ("chelsea", (21.8, 24.6)), ("rocket", (23.6, 26.0))],
)
def test_quality_floor_on_photographs(name: str, floors: tuple[float, float]) -> None:
    picture = Image.fromarray(getattr(skimage.data, name)())
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    picture = picture.crop((left, top, left + side, top + side)).resize((256, 256), Image.Resampling.LANCZOS)
    data = tokcodec.encode(picture, tokens=256)
    figures = [psnr(picture, tokcodec.decode(data, tokens=k, look="fidelity")) for k in (1, 4, 16, 64, 256)]
    assert figures == sorted(figures), "more tokens must look better"
    assert figures[3] >= floors[0] and figures[4] >= floors[1], figures


def test_arrays_and_pictures_are_the_same(astronaut: Image.Image, whole: bytes) -> None:
    assert tokcodec.encode(np.asarray(astronaut), tokens=256) == whole


@pytest.mark.parametrize(
    ("size", "pitch", "noted"), [((900, 40), 256, True), ((40, 30), 256, False), ((90, 10), "fit", True)]
)
def test_stretched_tiles_are_noted(size: tuple[int, int], pitch: int | str, noted: bool) -> None:
    notes: list[str] = []
    tokcodec.encode(Image.new("RGB", size), tokens=1, pitch=pitch, warn=notes.append)
    assert [note.startswith("a tile covers") for note in notes] == [True] * noted


def test_every_prefix_decodes(astronaut: Image.Image, whole: bytes) -> None:
    tokens = tokcodec.read_tokens(whole)
    before = 0
    for length in range(HEADER_SIZE, len(whole)):
        held = tokcodec.info(whole[:length]).held
        assert held is not None and before <= held <= 256
        assert np.array_equal(tokcodec.read_tokens(whole[:length])[:, :held], tokens[:, :held])
        before = held
    assert tokcodec.info(whole).complete
    for length, expected in ((HEADER_SIZE, "0 of 256"), (len(whole) // 2, "of 256 tokens")):
        with pytest.warns(TokWarning, match=expected):
            assert tokcodec.decode(whole[:length]).size == (256, 256)


def test_a_prefix_shows_what_fewer_tokens_show(whole: bytes) -> None:
    prefix = whole[: len(whole) // 3]
    held = tokcodec.info(prefix).held
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cut = np.asarray(tokcodec.decode(prefix), int)
    assert np.abs(cut - np.asarray(tokcodec.decode(whole, tokens=held), int)).max() <= 1


def test_a_cut_lowers_all_tiles_evenly() -> None:
    data = tokcodec.encode(skimage.data.astronaut(), tokens=32)
    held = (tokcodec.read_tokens(data[: len(data) // 2]) >= 0).sum(1)
    assert len(held) == 4 and held.max() - held.min() <= 1 and 10 < held.min() < 22


def test_truncate_by_tokens_equals_encoding_fewer(astronaut: Image.Image, whole: bytes) -> None:
    for count in (1, 2, 63, 255, 256):
        assert tokcodec.truncate(whole, tokens=count) == tokcodec.encode(astronaut, tokens=count)


def test_truncate_by_size_takes_what_fits(whole: bytes) -> None:
    for size in (13, 36, 120, 333):
        cut = tokcodec.truncate(whole, size=size)
        tokens = tokcodec.info(cut).tokens
        assert len(cut) <= size < len(tokcodec.truncate(whole, tokens=tokens + 1))
    assert tokcodec.truncate(whole, size=10**6) == whole


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either"),
        ({"tokens": 3, "size": 40}, "either"),
        ({"tokens": 0}, r"1\.\.256"),
        ({"tokens": 257}, r"1\.\.256"),
        ({"size": 11}, "at least 1[12] bytes"),
    ],
)
def test_truncate_refuses(whole: bytes, arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tokcodec.truncate(whole, **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"), [({"tokens": 0}, "1..256"), ({"tokens": 257}, "1..256"), ({"pitch": 100}, "fit or")]
)
def test_wrong_arguments_are_refused(astronaut: Image.Image, arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tokcodec.encode(astronaut, **arguments)  # type: ignore[arg-type]


def test_a_flipped_header_bit_is_noticed(whole: bytes) -> None:
    for bit in range(8 * HEADER_SIZE):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 0x80 >> bit % 8
        with pytest.raises(tokcodec.TokError):
            tokcodec.decode(bytes(damaged))


def test_bad_files_name_their_fault(whole: bytes) -> None:
    with pytest.raises(NotTokError, match="empty"):
        tokcodec.info(b"")
    with pytest.raises(HeaderCheckError):
        tokcodec.info(whole[:3] + bytes([whole[3] ^ 1]) + whole[4:])
    with pytest.raises(UnknownModelError, match="not installed"):
        tokcodec.decode(whole[:2] + bytes([whole[2] ^ 0xFF]) + whole[3:])
    unknown = tokcodec.info(whole[:2] + bytes([whole[2] ^ 0xFF]) + whole[3:])
    assert unknown.model is None and unknown.held is None and unknown.complete is None


def test_declared_pixels_are_limited(whole: bytes) -> None:
    with pytest.raises(LimitError, match="--max-pixels"):
        tokcodec.decode(whole, max_pixels=256 * 256 - 1)


def test_bytes_need_no_torch(whole: bytes) -> None:
    code = (
        "import sys, tokcodec; data = bytes.fromhex(sys.argv[1]); tokcodec.info(data); tokcodec.read_tokens(data);"
        "tokcodec.truncate(data, tokens=5); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, whole.hex()], check=False).returncode == 0


def test_the_sky_has_no_seam() -> None:
    """The step across tile borders of a decoded gradient is no larger than inside the tiles."""
    picture = smooth(768, 512)
    decoded = np.asarray(tokcodec.decode(tokcodec.encode(picture, tokens=64)), float)
    steps = np.abs(np.diff(decoded, axis=1)).mean((0, 2))
    borders = np.concatenate([steps[240:272], steps[496:528]])
    assert borders.mean() <= 1.25 * steps.mean()


def test_any_kind_of_bytes_and_nothing_else(astronaut: Image.Image) -> None:
    data = tokcodec.encode(astronaut, tokens=2)
    for same in (bytearray(data), memoryview(data)):
        assert np.array_equal(np.asarray(tokcodec.decode(same)), np.asarray(tokcodec.decode(data)))
        assert tokcodec.info(same) == tokcodec.info(data)
        assert np.array_equal(tokcodec.read_tokens(same), tokcodec.read_tokens(data))
        assert tokcodec.truncate(same, tokens=1) == tokcodec.truncate(data, tokens=1)
    for wrong in ("photo.tok", None, [245]):
        for call in (tokcodec.decode, tokcodec.info, tokcodec.read_tokens, lambda x: tokcodec.truncate(x, tokens=1)):
            with pytest.raises(TypeError, match=rf"^data must be bytes, not {type(wrong).__name__}$"):
                call(wrong)  # type: ignore[operator]


def test_no_device(astronaut: Image.Image) -> None:
    with pytest.raises(TypeError, match=r"^device must be auto, cpu or cuda, not None$"):
        tokcodec.encode(astronaut, device=None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^device must be auto, cpu or cuda, not None$"):
        tokcodec.load_tokenizer(device=None)  # type: ignore[arg-type]


def test_a_warning_is_about_the_line_that_called(astronaut: Image.Image) -> None:
    layer = Image.new("LA", (300, 300), (9, 9))
    data = tokcodec.encode(astronaut, tokens=2, adaptive=True, pitch=64)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tokcodec.encode(layer, tokens=1)
        tokcodec.encode(Image.new("RGB", (8, 300)), tokens=1)
        tokcodec.encode(astronaut, focus_map=layer, target_size=90)
        tokcodec.encode(astronaut, target_psnr=90, pitch="fit")
        tokcodec.decode(data[:-3])
    assert [one.filename for one in caught] == [__file__] * 5


# ---- limits on tiles


def test_more_tiles_than_the_limit_are_refused_but_described(make_tok: Callable[..., bytes]) -> None:
    data = make_tok(width=40, height=30, pitch=16)
    tiles = tokcodec.info(data).tiles
    assert tiles > 1
    with pytest.raises(LimitError, match=rf"^{tiles} tiles exceed the limit of {tiles - 1} \(--max-tiles raises it\)$"):
        tokcodec.decode(data, max_tiles=tiles - 1)
    assert tokcodec.decode(data, max_tiles=tiles).size == (40, 30)


def test_the_encoder_says_what_decoding_will_need(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokcodec.codec.DEFAULT_MAX_TILES", 23)
    notes: list[str] = []
    image = Image.new("RGB", (16 * 6, 16 * 4))
    options: dict[str, Any]
    for options in ({"tokens": 1}, {"tokens": 1, "adaptive": True}):
        data = tokcodec.encode(image, pitch=16, model="tiny", warn=notes.append, **options)
        assert tokcodec.info(data).tiles == 24
    assert notes == ["24 tiles: decoding needs --max-tiles 24, in the library max_tiles=24"] * 2
    tokcodec.encode(image.crop((0, 0, 16 * 5, 16 * 4)), pitch=16, model="tiny", tokens=1, warn=notes.append)
    assert len(notes) == 2


def test_a_file_without_tokens_is_grey_and_draws_no_tile(
    make_tok: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tokcodec.tokenizers.tiles.Canvas", None)
    data = make_tok(width=40, height=30, pitch=16)[:HEADER_SIZE]
    assert (np.asarray(tokcodec.decode(data, warn=lambda text: None)) == 128).all()


def test_a_target_of_a_high_rate_is_noted(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a picture that is large enough for another codec, and of targets alone."""
    monkeypatch.setattr("tokcodec.codec.HIGH_RATE", 0.2)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    cases: list[tuple[Any, dict[str, Any], bool]] = [
        (noise, {"target_psnr": 90}, True),
        (noise, {"target_bpp": 0.1}, False),
        (noise[:40, :40], {"target_psnr": 90}, False),
        (noise, {"pitch": 16}, False),
    ]
    for picture, options, noted in cases:
        said: list[str] = []
        tokcodec.encode(picture, model="tiny", warn=said.append, **options)
        assert any("above 0.2 a JPEG or WebP file of that quality" in line for line in said) == noted
