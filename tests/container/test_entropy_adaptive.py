"""Payloads with different counts of the tiles: prefixes, garbage, hostile sizes, agreement with the plain reader."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.container.test_entropy import ROOT, Tokens, cases, make, random_tables, reader
from tokcodec.container.counts import LEVELS, tile_counts, token_order
from tokcodec.container.entropy import CHUNK_BYTES, decode_levels, decode_tokens, encode_tokens
from tokcodec.container.tables import FrequencyTables


def test_the_specifications_adaptive_example() -> None:
    data = bytes.fromhex("F5125C03907FC0C75E3D100A801CF7A11C16C0")
    assert data.hex(" ").upper() in (ROOT / "formats" / "tok-v1.md").read_text(encoding="utf-8")
    tables, levels = FrequencyTables.uniform(4, (8, 8, 8, 8)), np.array([0, 4])
    tokens = np.array([[42, 1000, 2024, 4095], [7, -1, -1, -1]])
    assert encode_tokens(tokens, tables, levels) == data[10:]
    assert decode_levels(data[10:], 2).tolist() == [0, 4]  # type: ignore[union-attr]
    decoded, held = decode_tokens(data[10:], 2, 4, tables, levels)
    assert held == 5 and (decoded == tokens).all()
    assert reader.read_tokens(data, [[[[8192] * 8] * 4] * 4]) == ([[42, 1000, 2024, 4095], [7]], 5)


@st.composite
def adaptive_cases(draw: st.DrawFn) -> tuple[FrequencyTables, Tokens, Tokens]:
    """Tables, tokens with -1 where a tile has none, and levels."""
    tables, tokens = make(draw(cases))
    levels = np.array(draw(st.lists(st.integers(0, LEVELS - 1), min_size=len(tokens), max_size=len(tokens))))
    unused = np.arange(tokens.shape[1]) >= tile_counts(tokens.shape[1], levels)[:, None]
    return tables, np.where(unused, -1, tokens), levels


def read_adaptive(payload: bytes, tiles: int, n: int, tables: FrequencyTables) -> tuple[list[list[int]], int]:
    rows, held = reader.read_payload(payload, tiles, n, [count.tolist() for count in tables.counts], adaptive=True)
    return rows, held


@settings(max_examples=60, deadline=None)
@given(adaptive_cases(), st.binary(max_size=12))
def test_every_prefix_of_an_adaptive_payload_holds_a_prefix_of_the_order(
    case: tuple[FrequencyTables, Tokens, Tokens], junk: bytes
) -> None:
    tables, tokens, levels = case
    tiles, n = tokens.shape
    order = [(t, k) for at, ranks in token_order(tile_counts(n, levels)) for t, k in zip(at, ranks, strict=True)]
    payload, before = encode_tokens(tokens, tables, levels), 0
    for data in [payload[:length] for length in range(len(payload) + 1)] + [payload + junk]:
        found = decode_levels(data, tiles)
        rows, held_by_reader = read_adaptive(data, tiles, n, tables)
        if found is None:
            assert before == 0 == held_by_reader and len(data) < len(payload)
            continue
        assert (found == levels).all()
        decoded, held = decode_tokens(data, tiles, n, tables, found)
        assert before <= held <= len(order)
        expected = np.full_like(tokens, -1)
        for tile, rank in order[:held]:
            expected[tile, rank] = tokens[tile, rank]
        ranks = decoded.shape[1]
        assert (decoded == expected[:, :ranks]).all() and (expected[:, ranks:] == -1).all()
        assert ranks == 0 or (decoded[:, -1] >= 0).any()
        assert held == held_by_reader and rows == [[token for token in row if token >= 0] for row in decoded.tolist()]
        assert (held == len(order)) == (len(data) >= len(payload))
        before = held


@settings(max_examples=60, deadline=None)
@given(adaptive_cases())
def test_equal_levels_add_only_themselves(case: tuple[FrequencyTables, Tokens, Tokens]) -> None:
    tables, tokens, _ = case
    levels = np.zeros(len(tokens), np.int64)
    extra = len(encode_tokens(abs(tokens), tables, levels)) - len(encode_tokens(abs(tokens), tables))
    assert 3 * len(tokens) // 8 <= extra + 1 and extra <= -(-3 * len(tokens) // 8) + 1


@settings(max_examples=60, deadline=None)
@given(adaptive_cases(), st.binary(max_size=60))
def test_garbage_decodes_to_levels_and_tokens_in_range(
    case: tuple[FrequencyTables, Tokens, Tokens], payload: bytes
) -> None:
    tables, tokens, _ = case
    tiles, n = tokens.shape
    for data in (payload, b"\x00" * len(payload), b"\xff" * len(payload)):
        levels = decode_levels(data, tiles)
        if levels is None:
            assert read_adaptive(data, tiles, n, tables)[1] == 0
            continue
        assert levels.min() >= 0 and levels.max() < LEVELS
        decoded, held = decode_tokens(data, tiles, n, tables, levels)
        assert (
            held == (decoded >= 0).sum() <= tile_counts(n, levels).sum() and decoded.max(initial=0) < tables.vocabulary
        )
        assert read_adaptive(data, tiles, n, tables)[1] == held


@pytest.mark.parametrize("radices", [(8, 8, 8, 8), (4096,)])
def test_large_adaptive_payloads_agree_with_the_reader(radices: tuple[int, ...]) -> None:
    """More tokens than one chunk holds, and runs of equal ranks of any length."""
    rng = np.random.default_rng(6)
    tables = random_tables(rng, 12, radices, 0.3)
    levels = rng.integers(0, LEVELS, 4000)
    tokens = rng.integers(0, 4096, (4000, 12))
    payload = encode_tokens(tokens, tables, levels)
    for data in (payload, payload[: len(payload) // 2]):
        decoded, held = decode_tokens(data, 4000, 12, tables, levels)
        assert read_adaptive(data, 4000, 12, tables) == ([[t for t in row if t >= 0] for row in decoded.tolist()], held)
    assert len(radices) == 1 or tile_counts(12, levels).sum() > CHUNK_BYTES // (8 * 8 * 4)


@pytest.mark.parametrize("radices", [(8, 8, 8, 8), (4096,)])
@pytest.mark.parametrize("size", [0, 9, 393217, 393230])
def test_a_hostile_adaptive_payload_costs_little(radices: tuple[int, ...], size: int) -> None:
    """A million declared tiles of 256 tokens: 1 GB as an array. 393217 bytes are all their levels and no token."""
    tables = random_tables(np.random.default_rng(0), 256, radices, 0.3)
    payload = np.random.default_rng(1).bytes(size)
    tracemalloc.start()
    start = time.thread_time()
    levels = decode_levels(payload, 1 << 20)
    held = 0 if levels is None else decode_tokens(payload, 1 << 20, 256, tables, levels)[1]
    elapsed, peak = time.thread_time() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (levels is None) == (size < 393217) and held < 20
    assert elapsed < 5 and peak < (4 << 20 if levels is None else 192 << 20)  # about 0.3 s and 90 MB


def test_levels_that_do_not_fit_are_value_errors() -> None:
    tables, tokens = FrequencyTables.uniform(4, (8, 8)), np.zeros((2, 4), int)
    for levels, message in (
        ([0], "1 levels for 2 tiles"),
        ([0, 8], r"must be 0\.\.7"),
        ([0.0, 1.0], "must be integers"),
    ):
        with pytest.raises(ValueError, match=message):
            encode_tokens(tokens, tables, np.array(levels))
    with pytest.raises(ValueError, match=r"must be 0\.\.63"):
        encode_tokens(tokens - 1, tables, np.array([0, 4]))
    payload = encode_tokens(tokens, tables, np.array([0, 4]))
    with pytest.raises(ValueError, match="not those of the payload"):
        decode_tokens(payload, 2, 4, tables, np.array([0, 3]))
    with pytest.raises(ValueError, match="at least 1"):
        decode_levels(payload, 0)
