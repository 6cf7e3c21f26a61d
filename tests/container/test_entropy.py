"""The coder: round trips, prefixes, garbage, golden bytes, and agreement with a reader that knows no library."""

from __future__ import annotations

import importlib.util
import sys
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tokcodec.container.entropy import CHUNK_BYTES, decode_tokens, encode_tokens
from tokcodec.container.tables import TOTAL, FrequencyTables, join_digits

Tokens = NDArray[np.int64]
ROOT = Path(__file__).parents[2]


def load_reader() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tok_reader", ROOT / "formats" / "reader.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["tok_reader"] = module
    spec.loader.exec_module(module)
    return module


reader = load_reader()


def rounded(shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Counts that sum to TOTAL for any shares. The largest one takes the difference."""
    counts = np.maximum(1, np.floor(shares * (TOTAL - 2 * shares.shape[1]))).astype(np.int64)
    counts[np.arange(len(counts)), counts.argmax(axis=1)] += TOTAL - counts.sum(axis=1)
    return np.asarray(counts, dtype=np.int64)


def random_tables(rng: np.random.Generator, n: int, radices: Sequence[int], alpha: float) -> FrequencyTables:
    """Small alpha: few values have nearly all weight. alpha <= 0: one value has all, and the others a count of 1."""
    counts = []
    for radix in radices:
        sure = np.eye(radix)[rng.integers(0, radix, n)]
        counts.append(rounded(rng.dirichlet(np.full(radix, alpha), n) if alpha > 0 else sure))
    return FrequencyTables(radices, counts)


def likely_tokens(rng: np.random.Generator, tables: FrequencyTables, tiles: int) -> Tokens:
    digits = [
        [rng.choice(radix, tiles, p=count[rank] / TOTAL) for rank in range(tables.n_tokens)]
        for radix, count in zip(tables.radices, tables.counts, strict=True)
    ]
    return join_digits(np.array(digits).transpose(2, 1, 0), tables.radices)


def read(payload: bytes, tiles: int, n: int, tables: FrequencyTables) -> list[int]:
    """The tokens that the independent reader finds, in rank order."""
    rows, held = reader.read_payload(payload, tiles, n, [count.tolist() for count in tables.counts])
    assert held == sum(map(len, rows))
    return [row[rank] for rank in range(n) for row in rows if rank < len(row)]


radix_lists = st.sampled_from([(8, 8, 8, 8), (8, 5, 5, 5), (16,), (300,), (2,) * 12, (4, 2), (3, 7, 2), (2,)])
cases = st.tuples(
    st.integers(0, 2**32 - 1),
    radix_lists,
    st.integers(1, 16),
    st.integers(1, 5),
    st.sampled_from([0.0, 0.02, 0.3, 1.0, 100.0]),
    st.sampled_from(["likely", "any", "least likely"]),
)


def make(case: tuple[int, tuple[int, ...], int, int, float, str]) -> tuple[FrequencyTables, Tokens]:
    seed, radices, n, tiles, alpha, kind = case
    rng = np.random.default_rng(seed)
    tables = random_tables(rng, n, radices, alpha)
    if kind == "likely":
        return tables, likely_tokens(rng, tables, tiles)
    if kind == "any":
        return tables, rng.integers(0, tables.vocabulary, (tiles, n))
    least = np.stack([count.argmin(axis=1) for count in tables.counts], axis=-1)
    return tables, np.tile(join_digits(least, radices), (tiles, 1))


@settings(max_examples=150, deadline=None)
@given(cases)
def test_round_trip(case: tuple[int, tuple[int, ...], int, int, float, str]) -> None:
    tables, tokens = make(case)
    payload = encode_tokens(tokens, tables)
    decoded, held = decode_tokens(payload, tokens.shape[0], tokens.shape[1], tables)
    assert held == tokens.size
    np.testing.assert_array_equal(decoded, tokens)
    assert len(payload) - tables.bits(tokens).sum() / 8 < 1.5


@settings(max_examples=30, deadline=None)
@given(cases, st.binary(max_size=12))
def test_every_prefix_holds_right_tokens_and_agrees_with_the_reader(
    case: tuple[int, tuple[int, ...], int, int, float, str], junk: bytes
) -> None:
    tables, tokens = make(case)
    tiles, n = tokens.shape
    payload, sequence, before = encode_tokens(tokens, tables), tokens.T.ravel(), 0
    for length in range(len(payload) + 1):
        decoded, held = decode_tokens(payload[:length], tiles, n, tables)
        assert before <= held <= tokens.size
        assert decoded.shape == (tiles, -(-held // tiles))
        flat = decoded.T.ravel()
        assert (flat[:held] == sequence[:held]).all() and (flat[held:] == -1).all()
        assert read(payload[:length], tiles, n, tables) == sequence[:held].tolist()
        assert (held == tokens.size) == (length == len(payload))  # complete is recognised, and nothing shorter is
        before = held
    assert decode_tokens(payload + junk, tiles, n, tables)[1] == tokens.size


@settings(max_examples=30, deadline=None)
@given(cases)
def test_no_other_payload_of_fewer_bytes_would_do(
    case: tuple[int, tuple[int, ...], int, int, float, str],
) -> None:
    tables, tokens = make(case)
    payload = encode_tokens(tokens, tables)
    shorter = len(payload) - 1
    head = int.from_bytes(payload[:shorter], "big")
    for other in {head, head + 1, max(0, head - 1)}:
        if other < 256**shorter:
            decoded, held = decode_tokens(other.to_bytes(shorter, "big"), tokens.shape[0], tokens.shape[1], tables)
            assert held < tokens.size or (decoded != tokens).any()


@settings(max_examples=150, deadline=None)
@given(cases, st.binary(max_size=60))
def test_garbage_decodes_to_tokens_in_range(
    case: tuple[int, tuple[int, ...], int, int, float, str], payload: bytes
) -> None:
    tables, tokens = make(case)
    tiles, n = tokens.shape
    for data in (payload, b"\x00" * len(payload), b"\xff" * len(payload)):
        decoded, held = decode_tokens(data, tiles, n, tables)
        assert 0 <= held <= tiles * n and decoded.shape == (tiles, -(-held // tiles))
        flat = decoded.T.ravel()
        assert ((flat[:held] >= 0) & (flat[:held] < tables.vocabulary)).all() and (flat[held:] == -1).all()
        assert read(data, tiles, n, tables) == flat[:held].tolist()


@pytest.mark.parametrize("radices", [(8, 8, 8, 8), (8, 5, 3), (4096,)])
def test_large_batches_agree_with_small_ones(radices: tuple[int, ...]) -> None:
    """More tokens than one batch holds, compared with a reader without batches."""
    rng = np.random.default_rng(5)
    tables = random_tables(rng, 4, radices, 0.3)
    tokens = rng.integers(0, tables.vocabulary, (9000, 4))
    payload = encode_tokens(tokens, tables)
    decoded, held = decode_tokens(payload, 9000, 4, tables)
    assert held == tokens.size and (decoded == tokens).all()
    cut = payload[: len(payload) // 3]
    decoded, held = decode_tokens(cut, 9000, 4, tables)
    assert read(cut, 9000, 4, tables) == decoded.T.ravel()[:held].tolist()


def test_codes_of_no_digit_end_the_tokens() -> None:
    """constriction raises AssertionError there; the highest codes of all are such."""
    tables = FrequencyTables.uniform(256, (8, 8, 8, 8))
    assert decode_tokens(b"\xff" * 100, 40, 256, tables)[1] == 0 == len(read(b"\xff" * 100, 40, 256, tables))
    rng = np.random.default_rng(3)
    tokens = rng.integers(0, 4096, (40, 256))
    payload = encode_tokens(tokens, tables)
    for start in rng.integers(0, len(payload) // 4, 8):
        damaged = payload[:start] + b"\xff" * 40 + payload[start + 40 :]
        decoded, held = decode_tokens(damaged, 40, 256, tables)
        assert read(damaged, 40, 256, tables) == decoded.T.ravel()[:held].tolist()


def golden_tables() -> FrequencyTables:
    return FrequencyTables(
        (4, 3),
        [
            np.array([[16384, 16384, 16384, 16384], [65533, 1, 1, 1], [1, 2, 3, 65530]]),
            np.array([[21846, 21845, 21845], [1, 65534, 1], [40000, 20000, 5536]]),
        ],
    )


@pytest.mark.parametrize(
    ("tables", "tokens", "payload"),
    [
        (FrequencyTables.uniform(4, (8, 8, 8, 8)), [[42, 1000, 2024, 4095]], "02a3e87e8b9b01"),
        (FrequencyTables.uniform(4, (4096,)), [[42, 1000, 2024, 4095]], "02a3e87e8f3f51"),
        (golden_tables(), [[0, 1, 10], [11, 5, 9]], "155575039795"),
        (golden_tables(), [[0, 1], [11, 1], [6, 1]], "1472"),
    ],
)
def test_golden_bytes(tables: FrequencyTables, tokens: list[list[int]], payload: str) -> None:
    assert encode_tokens(np.array(tokens), tables).hex() == payload
    decoded, held = decode_tokens(bytes.fromhex(payload), len(tokens), len(tokens[0]), tables)
    assert decoded.tolist() == tokens and held == np.size(tokens)


def test_the_specifications_example() -> None:
    data = bytes.fromhex("F5105C03904FC0C727D302A3E87E8B9B01")
    assert data.hex(" ").upper() in (ROOT / "formats" / "tok-v1.md").read_text(encoding="utf-8")
    sets = [[[[8192] * 8] * 4] * 4]
    model_hash = bytes(range(0x5C, 0x7C))
    assert reader.read_tokens(data, sets, (), model_hash) == ([[42, 1000, 2024, 4095]], 4)
    held = [reader.read_tokens(data[: 10 + length], sets, (), model_hash)[1] for length in range(8)]
    assert held == [0, 0, 1, 1, 2, 2, 3, 4]
    with pytest.raises(ValueError, match="damaged"):
        reader.read_tokens(data[:9] + b"\x00" + data[10:], sets, (), model_hash)


def test_overhead_on_skewed_tables() -> None:
    rng = np.random.default_rng(11)
    overhead = []
    for n in (1, 4, 16, 64, 256) * 8:
        tables = random_tables(rng, n, (8, 8, 8, 8), 0.3)
        tokens = likely_tokens(rng, tables, 1)
        overhead.append(len(encode_tokens(tokens, tables)) - tables.bits(tokens).sum() / 8)
    assert np.mean(overhead) < 0.8 and max(overhead) < 1.5


@pytest.mark.parametrize("radices", [(8, 8, 8, 8), (4096,), (8, 5, 3)])
@pytest.mark.parametrize("alpha", [0.3, 0.0])
def test_millions_of_declared_tiles_cost_nothing(radices: tuple[int, ...], alpha: float) -> None:
    tables = random_tables(np.random.default_rng(0), 256, radices, alpha)
    tracemalloc.start()
    start = time.thread_time()
    decoded, held = decode_tokens(b"\x12\x34\x56\x78\x9a", 1 << 20, 256, tables)
    elapsed, peak = time.thread_time() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert held < 1 << 20 and decoded.nbytes <= 4 << 20
    assert elapsed < 1 and peak < 64 << 20


def test_a_large_picture_codes_fast() -> None:
    rng = np.random.default_rng(1)
    tables = random_tables(rng, 256, (8, 8, 8, 8), 0.3)
    tokens = rng.integers(0, 4096, (192, 256))
    start = time.thread_time()
    assert decode_tokens(encode_tokens(tokens, tables), 192, 256, tables)[1] == tokens.size
    assert time.thread_time() - start < 1  # about 0.06 s


def test_wrong_arguments_are_value_errors() -> None:
    tables = FrequencyTables.uniform(4, (8, 8))
    for tokens, message in (
        (np.array([[64]]), r"must be 0\.\.63"),
        (np.array([[-1]]), r"must be 0\.\.63"),
        (np.zeros((1, 5), dtype=int), "5 tokens per tile, but the tables know 4"),
        (np.zeros((1, 2)), "must be integers"),
        (np.zeros(3, dtype=int), "shape"),
        (np.zeros((0, 3), dtype=int), "shape"),
    ):
        with pytest.raises(ValueError, match=message):
            encode_tokens(tokens, tables)  # type: ignore[arg-type]
    for tiles, n in ((0, 1), (1, 0), (1, 5), (-1, 1)):
        with pytest.raises(ValueError, match="must be"):
            decode_tokens(b"", tiles, n, tables)
    with pytest.raises(ValueError, match="more than n_tokens"):
        FrequencyTables.fit(np.zeros((1, 3), dtype=int), (8, 8), 2)


def test_large_digits_take_no_more_memory_than_a_chunk() -> None:
    """A digit of 2^15 values: 64 tokens at a time would be 32 MB of probabilities for a file of a few bytes."""
    tables = FrequencyTables.uniform(3, (1 << 15, 2))
    data = encode_tokens(np.zeros((1, 3), np.int64), tables)
    decode_tokens(data, 1, 3, tables)
    tracemalloc.start()
    decode_tokens(data, 5000, 3, tables)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * CHUNK_BYTES


@pytest.mark.parametrize("radices", [(8, 8, 8, 8), (8, 5, 3), (3, 7, 2), (64, 64)])
@pytest.mark.parametrize("alpha", [0.3, 0.0])
def test_symbols_one_by_one_or_in_rows_are_the_same_bytes(
    radices: tuple[int, ...], alpha: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The models for long rows, tested with short ones, and the end of garbage."""
    rng = np.random.default_rng(2)
    tables = [random_tables(rng, 9, radices, alpha)]
    tables.append(FrequencyTables(radices, tables[0].counts))  # another one: coders are kept
    tokens = likely_tokens(rng, tables[0], 40)
    garbage = [rng.bytes(size) for size in (0, 1, 7, 50, 300)]
    in_rows = [encode_tokens(tokens, tables[0]), *(decode_tokens(data, 40, 9, tables[0]) for data in garbage)]
    monkeypatch.setattr("tokcodec.container.entropy.WIDE", 1)
    one_by_one = [encode_tokens(tokens, tables[1]), *(decode_tokens(data, 40, 9, tables[1]) for data in garbage)]
    assert in_rows[0] == one_by_one[0]
    assert all(np.array_equal(a[0], b[0]) and a[1] == b[1] for a, b in zip(in_rows[1:], one_by_one[1:], strict=True))


def test_a_token_of_a_large_digit_takes_little_time() -> None:
    """Found by bench.studies.fuzz: 37 kB took ten seconds."""
    tables = FrequencyTables.fit(np.random.default_rng(0).integers(0, 1 << 16, (20, 3)), (1 << 15, 2))
    data = np.random.default_rng(1).bytes(20_000)
    decode_tokens(data[:100], 100, 3, tables)
    started = time.thread_time()
    decode_tokens(data, 5000, 3, tables)
    assert time.thread_time() - started < 2  # about 0.1 s


@pytest.mark.parametrize("radices", [(1 << 16,), (1 << 15, 2), (32, 64, 32)])
def test_the_largest_vocabularies_are_as_the_reader_has_them(radices: tuple[int, ...]) -> None:
    """Of one digit of 2^16 values every count is 1: they are allowed, if nothing is gained by tables then."""
    tables = FrequencyTables.uniform(4, radices)
    tokens = np.array([[0, 1 << 15, (1 << 16) - 1, 12345], [7, 8, 9, 10]])
    data = encode_tokens(tokens, tables)
    assert len(data) in (16, 17)
    assert np.array_equal(decode_tokens(data, 2, 4, tables)[0], tokens)
    assert read(data, 2, 4, tables) == tokens.T.ravel().tolist()
