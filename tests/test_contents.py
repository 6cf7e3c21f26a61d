"""Packing and reading tokens with different counts, as whole files and any prefix."""

from __future__ import annotations

import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import TINY_VOCABULARY
from tokcodec.container.bare import BARE_SIZE
from tokcodec.container.counts import LEVELS, tile_counts, token_order
from tokcodec.container.entropy import encode_tokens
from tokcodec.container.header import HEADER_SIZE, Header, pack_header, parse_header
from tokcodec.container.tables import FrequencyTables
from tokcodec.contents import pack, scale_of
from tokcodec.errors import TokError
from tokcodec.models.modelfile import Model, write_model
from tokcodec.models.registry import find_model
from tokcodec.pictures.limits import FIT
from tokcodec.pictures.tiling import Grid
from tokcodec.tokfile import read

quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def allocation(
    seed: int, n: int, columns: int, least: int = 0, most: int = LEVELS - 1
) -> tuple[Header, np.ndarray, np.ndarray]:
    """Header of a picture of 2 * columns tiles, random tokens and levels of the model `tiny`."""
    rng = np.random.default_rng(seed)
    header = Header(find_model("tiny").id, n, 16, 16 * columns, 32)
    return header, rng.integers(0, TINY_VOCABULARY, (2 * columns, 16)), rng.integers(least, most + 1, 2 * columns)


allocations = st.builds(allocation, st.integers(0, 10**6), st.integers(1, 16), st.integers(1, 8))


@pytest.fixture
def cases(tiny: Model) -> st.SearchStrategy[tuple[Header, np.ndarray, np.ndarray]]:
    """Where the model is installed."""
    return allocations


@quick
@given(data=st.data())
def test_what_is_packed_is_read(
    cases: st.SearchStrategy[tuple[Header, np.ndarray, np.ndarray]], tiny: Model, data: st.DataObject
) -> None:
    header, coded, levels = data.draw(cases)
    file = pack(header, tiny, coded, levels)
    counts = tile_counts(header.tokens, levels)
    found = read(file)
    assert found.declared == found.held == counts.sum() and (found.counts() == counts).all()
    for row, tokens, count in zip(found.coded, coded, counts, strict=True):
        assert (row[:count] == tokens[:count]).all() and (row[count:] == -1).all()
    if (counts == counts[0]).all():  # plain: nothing to say of the tiles
        assert not found.header.adaptive and file == pack(replace(header, tokens=counts[0]), tiny, coded)
        assert found.most() == counts[0]
    else:
        assert found.levels is not None and (found.levels == levels).all() and found.most() == header.tokens
        assert pack(found.header, tiny, found.coded, found.levels) == file


@quick
@given(data=st.data())
def test_any_prefix_is_read(
    cases: st.SearchStrategy[tuple[Header, np.ndarray, np.ndarray]], tiny: Model, data: st.DataObject
) -> None:
    header, coded, levels = data.draw(cases)
    file = pack(header, tiny, coded, levels)
    counts, before = tile_counts(header.tokens, levels), 0
    order = [(t, k) for at, ranks in token_order(counts) for t, k in zip(at, ranks, strict=True)]
    for length in range(HEADER_SIZE, len(file)):
        found = read(file[:length])
        assert before <= found.held < len(order)
        expected = np.full((len(counts), 16), -1)
        for at in order[: found.held]:
            expected[at] = coded[at]
        assert np.array_equal(found.coded, expected[:, : found.coded.shape[1]])
        assert (found.counts() == (expected >= 0).sum(1)).all()
        most = found.most()
        assert most == 0 or (tile_counts(most, levels) <= found.counts()).all()
        assert "is cut" in found.shortfall()
        before = found.held


@quick
@given(data=st.data())
def test_counts_fall_evenly_with_the_tokens_asked_for(
    cases: st.SearchStrategy[tuple[Header, np.ndarray, np.ndarray]], tiny: Model, data: st.DataObject
) -> None:
    header, coded, levels = data.draw(cases)
    found = read(pack(header, tiny, coded, levels))
    for tokens in range(1, 17):
        expected = tile_counts(min(tokens, found.header.tokens), levels if found.levels is not None else 0 * levels)
        assert (found.counts(tokens) == expected).all()


def test_the_shorter_of_tables_and_flat(tiny: Model) -> None:
    """The tables of `tiny` are flat: ties go to the tables."""
    header, coded, levels = allocation(1, 16, 4)
    assert not parse_header(pack(header, tiny, coded, levels)).flat
    assert pack(header, tiny, coded, levels) == pack(replace(header, flat=True, adaptive=True), tiny, coded, levels)


SKEWED = (0, 21, 42)


@pytest.fixture
def scaled(tmp_path: Path) -> Model:
    """A model of three scales, each of whose tables expects another token."""
    return write_model(
        tmp_path / "scaled",
        name="scaled",
        family="cascade",
        tables=[FrequencyTables.fit(np.full((50, 16), token), (8, 8)) for token in SKEWED],
        tensors={"decoder.x": np.zeros(1)},
        hashed=["decoder."],
        scales=[128, 64],
        ordered=True,
        default_tokens=8,
        licence="none",
        description="test",
    )


@pytest.mark.parametrize(
    ("width", "height", "pitch", "scale"),
    [
        (600, 400, 256, 0), (128, 128, FIT, 0), (128, 127, FIT, 1), (255, 64, FIT, 1), (600, 400, 96, 1),
        (64, 64, FIT, 1), (63, 64, FIT, 2), (1, 1, FIT, 2), (600, 400, 16, 2),
    ],
)  # fmt: skip
def test_a_files_tables_are_those_of_its_tiles_scale(
    scaled: Model, width: int, height: int, pitch: int, scale: int
) -> None:
    header = Header(scaled.id, 16, pitch, width, height)
    tiles = Grid.for_picture(width, height, pitch).tiles
    coded = np.full((tiles, 16), SKEWED[scale])
    levels = np.arange(tiles) % LEVELS
    assert scale_of(header, scaled) == scale
    for chosen in (None, levels) if tiles > 1 else (None,):
        file = pack(header, scaled, coded, chosen)
        masked = coded if chosen is None else np.where(np.arange(16) < tile_counts(16, levels)[:, None], coded, -1)
        assert not parse_header(file).flat
        assert file[HEADER_SIZE:] == encode_tokens(masked, scaled.tables[scale], chosen)
        found = read(file, scaled)
        assert found.scale == scale and (found.coded == masked[:, : found.coded.shape[1]]).all()
    # The tokens that another scale expects are cheaper flat.
    assert parse_header(pack(header, scaled, np.full((tiles, 16), SKEWED[scale - 1]))).flat


def test_bare_files_are_of_the_first_scale(scaled: Model) -> None:
    header = Header(scaled.id, 16, FIT, 20, 10)
    assert (scale_of(header, scaled), scale_of(header, scaled, "bare")) == (2, 0)
    coded = np.full((1, 16), SKEWED[0])
    file = pack(header, scaled, coded, container="bare")
    assert file[BARE_SIZE:] == encode_tokens(coded, scaled.tables[0])
    found = read(file, scaled, container="bare", size=(20, 10))
    assert found.scale == 0 and (found.coded == coded).all()


def test_flat_and_adaptive_together(tiny: Model) -> None:
    header, coded, levels = allocation(2, 16, 4)
    header = replace(header, flat=True, adaptive=True)
    coded = np.where(np.arange(16) < tile_counts(16, levels)[:, None], coded, -1)
    file = pack_header(header, tiny.hash) + encode_tokens(coded, tiny.flat_tables, levels)
    assert file[1] == 0x13 and np.array_equal(
        read(file).coded, coded[:, : levels.size and tile_counts(16, levels).max()]
    )


def test_every_flipped_header_bit_is_noticed(tiny: Model) -> None:
    header, coded, levels = allocation(3, 16, 2)
    file = pack(header, tiny, coded, levels)
    assert read(file).header.adaptive
    for bit in range(8 * HEADER_SIZE):
        damaged = bytearray(file)
        damaged[bit // 8] ^= 0x80 >> bit % 8
        with pytest.raises(TokError):
            read(bytes(damaged))


def test_flipped_payload_bits_give_some_tokens(tiny: Model) -> None:
    header, coded, levels = allocation(4, 16, 2)
    file = pack(header, tiny, coded, levels)
    for bit in range(8 * HEADER_SIZE, 8 * len(file)):
        damaged = bytearray(file)
        damaged[bit // 8] ^= 0x80 >> bit % 8
        found = read(bytes(damaged))
        assert found.coded.max(initial=-1) < TINY_VOCABULARY
        assert found.declared is None or found.held <= found.declared


@pytest.mark.parametrize("payload", [0, 12, 400_000])
def test_a_hostile_header_costs_little(tiny: Model, payload: int) -> None:
    """Declares 1023 x 1023 tiles; as an array of all their tokens 67 MB, and their order 270 MB."""
    head = pack_header(Header(tiny.id, 16, 16, 16383, 16383, adaptive=True), tiny.hash)
    data = head + np.random.default_rng(0).bytes(payload)
    read(head)  # loads the tables
    tracemalloc.start()
    start = time.thread_time()
    found = read(data)
    elapsed, peak = time.thread_time() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.held < 20000 and found.tiles == 1024 * 1024
    assert elapsed < 5 and peak < (8 << 20 if payload < 100 else 192 << 20)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"levels": np.array([0, 8])}, r"must be 0\.\.7"),
        ({"levels": np.array([0, 1, 2])}, "3 levels for 2 tiles"),
        ({"coded": np.zeros((2, 7), int)}, "at least 8 tokens"),
        ({"coded": np.zeros((3, 8), int), "levels": None}, "2 tiles, at least 8 tokens"),
        ({"coded": np.full((2, 8), TINY_VOCABULARY)}, r"must be 0\.\.63"),
        ({"container": "zip"}, "tok or bare"),
    ],
)
def test_what_does_not_fit_is_a_value_error(tiny: Model, arguments: dict[str, object], message: str) -> None:
    header = Header(tiny.id, 8, 16, 32, 16)
    given = {"coded": np.zeros((2, 8), int), "levels": np.array([0, 3])} | arguments
    with pytest.raises(ValueError, match=message):
        pack(header, tiny, **given)  # type: ignore[arg-type]
