"""Encoding many pictures: the same files as one by one, in order, with any threads and any failures."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tokcodec import codec, tokfile
from tokcodec.datasets import bulk
from tokcodec.datasets.bulk import AHEAD, Encoded, encode_many
from tokcodec.errors import DeviceError, PictureError
from tokcodec.models.modelfile import Model
from tokcodec.options import EncodeOptions
from tokcodec.pictures import images
from tokcodec.tokenizers.tiles import BATCH, tokenise

Setup = Callable[..., list[str]]


@pytest.fixture
def pictures(tiny: Model, tmp_path: Path) -> list[str]:
    """Pictures of one and of many tiles (at pitch 16), of every unusual kind, and two that cannot be read."""
    rng = np.random.default_rng(0)

    def noise(*shape: int) -> Image.Image:
        return Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))

    exif = Image.Exif()
    exif[0x0112] = 6
    saved: dict[str, tuple[Image.Image, dict[str, Any]]] = {
        "a.png": (noise(30, 40, 3), {}),
        "b.png": (noise(160, 208, 3), {}),  # 13 x 10 tiles: more than wait for the tokenizer
        "d.png": (noise(20, 20, 4), {}),
        "e.jpg": (noise(50, 90, 3), {"exif": exif}),
        "f.png": (noise(40, 40, 3).quantize(16), {}),
        "g.png": (Image.fromarray(rng.integers(0, 65536, (33, 17), dtype=np.uint16)), {}),
        "i.png": (noise(256, 256, 3), {}),
    }
    for name, (picture, options) in saved.items():
        picture.save(tmp_path / name, **options)
    (tmp_path / "c.png").write_bytes(b"\x89PNG\r\n\x1a\n and then no picture")
    return [str(tmp_path / f"{name}") for name in sorted([*saved, "c.png", "h.png"])]


def one_by_one(source: str, **options: Any) -> tuple[bytes, tuple[str, ...]]:
    notes: list[str] = []
    picture = images.read_picture(source, warn=notes.append)
    return codec.encode(picture, model="tiny", warn=notes.append, **options), tuple(notes)


@pytest.mark.parametrize("jobs", [0, 1, 2, 7])
@pytest.mark.parametrize("options", [{}, {"pitch": 16, "tokens": 3}, {"pitch": "fit", "tokens": 16}], ids=str)
def test_the_files_are_those_of_one_by_one(pictures: list[str], jobs: int, options: dict[str, Any]) -> None:
    found = list(encode_many(pictures, EncodeOptions(model="tiny", **options), jobs=jobs))
    assert [encoded.source for encoded in found] == pictures
    for encoded in found:
        if Path(str(encoded.source)).stem in "ch":
            assert isinstance(encoded.error, PictureError) and not encoded.data
        else:
            assert encoded.error is None
            assert (encoded.data, encoded.notes) == one_by_one(str(encoded.source), **options)
            facts = tokfile.info(encoded.data)
            assert (encoded.width, encoded.height, encoded.tiles) == (facts.width, facts.height, facts.tiles)
    assert any(encoded.notes for encoded in found)


def test_a_tile_has_the_tokens_alone_that_it_has_in_company(tiny: Model) -> None:
    from tokcodec.tokenizers import load_tokenizer

    tokenizer = load_tokenizer(tiny, "cpu")
    tiles = np.random.default_rng(0).integers(0, 256, (5, 256, 256, 3), dtype=np.uint8)
    together = tokenise(tokenizer, tiles, tiny.n_tokens)
    assert together.shape == (5, tiny.n_tokens)
    alone = [tokenise(tokenizer, tiles[i : i + 1], tiny.n_tokens) for i in range(5)]
    assert np.array_equal(together, np.concatenate(alone))


def test_what_is_read_ahead_is_bounded(pictures: list[str]) -> None:
    taken = 0

    def sources() -> Iterator[str]:
        nonlocal taken
        for _ in range(5 * AHEAD):
            taken += 1
            yield pictures[0]

    outcomes = encode_many(sources(), EncodeOptions(model="tiny"))
    assert isinstance(next(outcomes), Encoded)
    assert taken <= AHEAD + BATCH
    outcomes.close()  # type: ignore[attr-defined]
    assert taken <= AHEAD + BATCH


def test_tiles_of_a_large_picture_wait(pictures: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    held = []
    put = bulk._Desk.put

    def spy(desk: bulk._Desk, turn: int, chunk: bulk._Chunk) -> None:
        put(desk, turn, chunk)
        held.append(desk.held)

    monkeypatch.setattr(bulk._Desk, "put", spy)
    list(encode_many([pictures[1]] * 3, EncodeOptions(model="tiny", pitch=16), jobs=3))
    assert max(held) <= AHEAD + BATCH


def test_no_thread_is_left_when_the_caller_stops(pictures: list[str]) -> None:
    outcomes = encode_many(pictures * 50, EncodeOptions(model="tiny", pitch=16), jobs=3)
    next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("tokcodec-read")]


def test_a_batch_that_fails_fails_its_pictures_alone(pictures: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def fail_once(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise DeviceError("the device's memory is full")
        return tokenise(*arguments)

    monkeypatch.setattr(bulk, "tokenise", fail_once)
    small, large = pictures[0], pictures[1]
    found = list(encode_many([small, large, *[small] * 40], EncodeOptions(model="tiny", pitch=16)))
    errors = [encoded.error for encoded in found]
    assert isinstance(errors[0], DeviceError) and isinstance(errors[1], DeviceError)
    assert errors[2:] == [None] * 40
    assert {encoded.data for encoded in found[2:]} == {one_by_one(small, pitch=16)[0]}


def test_cutting_that_fails_half_way(pictures: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_late(picture: Image.Image, grid: Any, indices: range, *, side: int) -> Any:
        if indices.start >= 2 * BATCH:
            raise MemoryError
        return cut(picture, grid, indices, side=side)

    cut = bulk.cut
    monkeypatch.setattr(bulk, "cut", fail_late)
    small, large = pictures[0], pictures[1]
    found = list(encode_many([small, large, small, large, small], EncodeOptions(model="tiny", pitch=16), jobs=2))
    assert [type(encoded.error) for encoded in found] == [type(None), MemoryError] * 2 + [type(None)]
    assert {encoded.data for encoded in found[::2]} == {one_by_one(small, pitch=16)[0]}


def test_nothing_to_do_loads_nothing(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokcodec.datasets.bulk.load_tokenizer", None)
    assert list(encode_many([], EncodeOptions(model="tiny"))) == []


@pytest.mark.parametrize("options", [{"tokens": 17}, {"pitch": 100}], ids=str)
def test_wrong_options(tiny: Model, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        next(encode_many(["x.png"], EncodeOptions(model="tiny", **options)))


@pytest.mark.parametrize("jobs", [-1, 65])
def test_wrong_numbers_of_threads(tiny: Model, jobs: int) -> None:
    with pytest.raises(ValueError, match="jobs"):
        next(encode_many(["x.png"], EncodeOptions(model="tiny"), jobs=jobs))


def test_the_limit_of_pixels(tiny: Model, tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (40, 30)).save(stream, "PNG")
    (tmp_path / "a.png").write_bytes(stream.getvalue())
    (encoded,) = encode_many([tmp_path / "a.png"], EncodeOptions(model="tiny"), max_pixels=1199)
    assert "1199" in str(encoded.error)
