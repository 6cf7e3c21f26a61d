"""A range coder over integer frequency tables, from tokens to bytes and back.

Only integer arithmetic determines the bytes. The tables hold integer counts that sum to 2**16 in each row. constriction
gets them as float64 counts / 2**16, for which its quantisation to 24 bits is exact (every product is below 2**53), so
the bytes are the same on every machine. `formats/tok-v1.md` specifies the coder without reference to any library.

Source of the method: range coding (Martin 1979) as in constriction. A cut payload is decoded twice, padded with 0x00
and with 0xFF. Tokens on which both agree are the same for every continuation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

import constriction
import numpy as np
from numpy.typing import NDArray

from .counts import LEVELS, tile_counts, token_order
from .tables import TOTAL, FrequencyTables, IntArray, checked_tokens, join_digits, split_digits

CHUNK_BYTES = 1 << 22
"""Memory for one chunk of probability rows. A picture of any size is coded within it."""
FIRST_CHUNK = 64
"""Tokens decoded before the first check, so that a short payload costs little even if its header declares millions."""
PAD_WORDS = 3
"""Words of padding that can be read before the two paddings differ: two for 64 bits of state, one for rounding."""
WIDE = 2048
"""Symbols of digits with more values than this are coded one by one: rows of them would take most of the time."""
LEVEL_TABLES = FrequencyTables.uniform(1, (LEVELS,))
"""A tile's level is coded like a token of these tables."""
_PIECE = 1 << 16
"""Positions passed on at a time."""

# constriction loads NumPy's C interface at its first use, and panics if a signal handler raises just then: load it now.
constriction.stream.queue.RangeEncoder().get_compressed()

# perfect=False is part of the format: the other setting gives other bytes
_FAMILY = constriction.stream.model.Categorical(perfect=False)


def encode_tokens(tokens: IntArray, tables: FrequencyTables, levels: IntArray | None = None) -> bytes:
    """Payload for tokens: the shortest bytes that determine all of them, for any bytes that follow.

    Args:
        tokens: int [tiles, n] in 0..vocabulary-1.
        tables: Frequencies of the model.
        levels: int [tiles] for an adaptive payload, see `counts`. Tokens of a tile beyond its count are ignored.
            None (the default): the payload is not adaptive.

    Raises:
        ValueError: The tokens do not fit the tables, or the levels do not fit the tokens.
    """
    tokens = np.asarray(tokens)
    if levels is not None and tokens.ndim == 2:
        counts = tile_counts(tokens.shape[1], levels)
        if len(counts) != len(tokens):
            raise ValueError(f"{len(counts)} levels for {len(tokens)} tiles")
        tokens = np.where(np.arange(tokens.shape[1]) < counts[:, None], tokens, 0)
    tokens = checked_tokens(tokens, tables.vocabulary, tables.n_tokens)
    encoder = constriction.stream.queue.RangeEncoder()
    if levels is None:
        values, ranks = tokens.T.ravel(), np.repeat(np.arange(tokens.shape[1]), len(tokens))
    else:
        _coder(LEVEL_TABLES).encode(encoder, np.asarray(levels), np.zeros(len(tokens), dtype=np.int64))
        tiles, ranks = (np.concatenate(parts) for parts in zip(*token_order(counts), strict=True))
        values = tokens[tiles, ranks]
    _coder(tables).encode(encoder, values, ranks)
    return _shortest_payload(encoder)


def decode_levels(payload: bytes, tiles: int) -> NDArray[np.int64] | None:
    """Levels at the beginning of an adaptive payload, int64 [tiles], or None if it does not hold all of them.

    Time and memory grow with the length of the payload, not with tiles. Raises ValueError for less than one tile.
    """
    if tiles < 1:
        raise ValueError(f"tiles must be at least 1, not {tiles}")
    zeros = (part // tiles for part in _positions(tiles))
    levels = np.concatenate(list(_Agreement(payload).read(_coder(LEVEL_TABLES), zeros)))
    return levels if len(levels) == tiles else None


def decode_tokens(
    payload: bytes, tiles: int, n: int, tables: FrequencyTables, levels: IntArray | None = None
) -> tuple[NDArray[np.int32], int]:
    """Tokens that a payload, or the beginning of one, holds.

    Any bytes are accepted. Time and memory grow with the length of the payload, not with tiles * n.

    Args:
        payload: The bytes behind the header.
        tiles: Number of tiles, at least 1.
        n: Largest number of tokens of a tile, in 1..tables.n_tokens.
        tables: Frequencies of the model.
        levels: int [tiles] from `decode_levels` for an adaptive payload; None (the default) for another.

    Returns:
        The tokens, int32 [tiles, r], and the number of tokens held. These are the first in the order of the payload
        (see `counts`). r is the number of ranks held at least in part. Tokens that are not held are -1.

    Raises:
        ValueError: tiles or n is out of range, or the levels are not those of the payload.
    """
    if tiles < 1:
        raise ValueError(f"tiles must be at least 1, not {tiles}")
    if not 1 <= n <= tables.n_tokens:
        raise ValueError(f"n must be 1..{tables.n_tokens}, not {n}")
    both = _Agreement(payload)
    if levels is None:
        groups = (part // tiles for part in _positions(tiles * n))
        values = np.concatenate([piece.astype(np.int32) for piece in both.read(_coder(tables), groups)])
        ranks = -(-len(values) // tiles)
        tokens = np.full(ranks * tiles, -1, dtype=np.int32)
        tokens[: len(values)] = values
        return np.ascontiguousarray(tokens.reshape(ranks, tiles).T), len(values)
    counts = tile_counts(n, levels)
    if len(counts) != tiles or not np.array_equal(both.take(_coder(LEVEL_TABLES), np.zeros_like(counts)), levels):
        raise ValueError("the levels are not those of the payload")
    groups = (ranks for _, ranks in token_order(counts))
    values = np.concatenate([piece.astype(np.int32) for piece in both.read(_coder(tables), groups)])
    return _placed(values, counts), len(values)


def _positions(number: int) -> Iterator[NDArray[np.int64]]:
    """0 .. number-1 in pieces."""
    for start in range(0, number, _PIECE):
        yield np.arange(start, min(start + _PIECE, number))


def _placed(values: NDArray[np.int32], counts: NDArray[np.int64]) -> NDArray[np.int32]:
    """Tokens in the order of the payload as an array [tiles, ranks held at least in part], -1 for the others."""
    tiles, ranks, left = [np.zeros(0, dtype=np.int32)], [np.zeros(0, dtype=np.int16)], len(values)
    for at, rank in token_order(counts):
        if left <= 0:
            break
        tiles.append(at[:left].astype(np.int32))
        ranks.append(rank[:left].astype(np.int16))
        left -= len(at)
    columns = np.concatenate(ranks)
    tokens = np.full((len(counts), int(columns.max(initial=-1)) + 1), -1, dtype=np.int32)
    tokens[np.concatenate(tiles), columns] = values
    return tokens


class _Agreement:
    """A payload decoded twice, continued with 0x00 and with 0xFF: what both agree on is in every continuation."""

    def __init__(self, payload: bytes) -> None:
        self.low, self.high = _decoder(payload, b"\x00"), _decoder(payload, b"\xff")

    def read(self, coder: _Coder, groups: Iterable[NDArray[np.int64]]) -> Iterator[NDArray[np.int64]]:
        """Tokens of the ranks in `groups`, as far as they are held: at least one piece, and pieces grow.

        The last piece may be shorter than asked for. Nothing can be read after such a piece.
        """
        size = min(FIRST_CHUNK, coder.largest)
        waiting = np.zeros(0, dtype=np.int64)
        source = iter(groups)
        while True:
            parts, number = [waiting], len(waiting)
            while number < size and (group := next(source, None)) is not None:
                parts.append(group)
                number += len(group)
            waiting = np.concatenate(parts) if len(parts) > 1 else waiting
            ranks, waiting = waiting[:size], waiting[size:]
            piece = self.take(coder, ranks)
            yield piece
            if len(piece) < len(ranks) or not len(ranks):
                return
            size = min(2 * size, coder.largest)

    def take(self, coder: _Coder, ranks: NDArray[np.int64]) -> NDArray[np.int64]:
        """The first of the tokens with these ranks on which both decoders agree, int64 [at most len(ranks)]."""
        if not len(ranks):
            return ranks
        before = self.low.clone(), self.high.clone()
        try:
            digits, other = coder.decode(self.low, ranks), coder.decode(self.high, ranks)
        except AssertionError:  # constriction's sign for a code that no encoder makes: nothing is held from there on
            self.low, self.high = before
            half = len(ranks) // 2
            first = self.take(coder, ranks[:half])
            return first if len(first) < half or not half else np.append(first, self.take(coder, ranks[half:]))
        good = ((digits == other) & (digits < coder.radices)).all(axis=1)
        agreed = len(good) if good.all() else int(good.argmin())
        return join_digits(digits[:agreed], coder.radices.tolist())


def _decoder(payload: bytes, padding: bytes) -> Any:
    padded = bytes(payload) + padding * (-len(payload) % 4 + 4 * PAD_WORDS)
    return constriction.stream.queue.RangeDecoder(np.frombuffer(padded, dtype=">u4").astype(np.uint32))


class _Coder:
    """Codes tokens of given ranks by the tables.

    With one digit per token, all tokens of a run of equal ranks share one model, so that a large vocabulary is not
    repeated for every token. With several digits, each symbol has a row as long as the largest radix, and symbols
    beyond a digit's own radix get count 0. If these rows are longer than WIDE, models replace them and symbols are
    coded one by one.
    """

    def __init__(self, tables: FrequencyTables) -> None:
        self.radices = np.array(tables.radices)
        self.width, self.digits = max(tables.radices), len(tables.radices)
        self.rows = self.digits > 1 and self.width <= WIDE
        each = 8 if self.digits == 1 else 8 * self.width * self.digits if self.rows else 64 * self.digits
        self.largest = max(1, CHUNK_BYTES // each)
        self.counts = tables.counts
        self.flat = all(bool((count == count[0]).all()) for count in self.counts)
        self.models: dict[tuple[int, int], Any] = {}  # at most 256 a digit, each of 4 bytes for every value
        self.table = np.zeros((0, 0, 0))
        if self.rows:
            self.table = np.zeros((tables.n_tokens, self.digits, self.width))
            for digit, count in enumerate(tables.counts):
                self.table[:, digit, : count.shape[1]] = count / TOTAL

    def encode(self, encoder: Any, values: IntArray, ranks: NDArray[np.int64]) -> None:
        """Append tokens, int [m], of these ranks, int64 [m]."""
        symbols = split_digits(values, self.radices.tolist()).astype(np.int32)
        if self.digits == 1:
            for start, stop in self._runs(ranks):
                encoder.encode(symbols[start:stop, 0], self._model(int(ranks[start])))
        elif not self.rows:
            for values_of, rank in zip(symbols.tolist(), ranks.tolist(), strict=True):
                for digit, value in enumerate(values_of):
                    encoder.encode(value, self._model(rank, digit))
        else:
            for start in range(0, len(ranks), self.largest):
                part = slice(start, start + self.largest)
                encoder.encode(symbols[part].ravel(), _FAMILY, self._rows(ranks[part]))

    def decode(self, decoder: Any, ranks: NDArray[np.int64]) -> NDArray[np.int32]:
        """Digits of tokens of these ranks, int32 [m, digits]; raises AssertionError for a code that no symbol has."""
        if self.digits == 1:
            runs = [decoder.decode(self._model(int(ranks[start])), stop - start) for start, stop in self._runs(ranks)]
            return np.asarray(np.concatenate(runs), dtype=np.int32)[:, None]
        if not self.rows:
            every = range(self.digits)
            found = [[decoder.decode(self._model(rank, digit)) for digit in every] for rank in ranks.tolist()]
            return np.array(found, dtype=np.int32)
        return np.asarray(decoder.decode(_FAMILY, self._rows(ranks)), dtype=np.int32).reshape(-1, self.digits)

    def _runs(self, ranks: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
        """Start and stop of every run of ranks that share a model."""
        edges = [] if self.flat else (np.flatnonzero(np.diff(ranks)) + 1).tolist()
        return pairwise([0, *edges, len(ranks)])

    def _model(self, rank: int, digit: int = 0) -> Any:
        key = (0 if self.flat else rank), digit
        if key not in self.models:
            shares = np.zeros(self.width)
            counts = self.counts[digit][key[0]]
            shares[: len(counts)] = counts / TOTAL
            self.models[key] = constriction.stream.model.Categorical(shares, perfect=False)
        return self.models[key]

    def _rows(self, ranks: NDArray[np.int64]) -> NDArray[np.float64]:
        return self.table[ranks].reshape(-1, self.width)


_CODERS: WeakKeyDictionary[FrequencyTables, _Coder] = WeakKeyDictionary()


def _coder(tables: FrequencyTables) -> _Coder:
    """The coder of these tables. It is kept, since making its models takes longer than coding a small file."""
    if tables not in _CODERS:
        _CODERS[tables] = _Coder(tables)
    return _CODERS[tables]


def _shortest_payload(encoder: Any) -> bytes:
    """The shortest bytes that decode to the encoded tokens with any continuation.

    The tokens correspond to the code values low <= v < low + width. constriction's flush gives one of them. low
    follows from it, since the encoder states low modulo 2**64.
    """
    position, (lower, width) = encoder.pos()
    scale = 32 * (position + 2)  # the state's 64 bits end here
    flushed = encoder.get_compressed().astype(">u4").tobytes().ljust(scale // 8, b"\x00")
    value = int.from_bytes(flushed, "big") >> 8 * len(flushed) - scale
    low = value - (value - lower) % (1 << 64)
    shift = (width.bit_length() - 1) // 8 * 8
    while ((head := -(-low >> shift)) + 1) << shift > low + width:  # head: low / 2**shift, rounded up
        shift -= 8
    return int(head).to_bytes((scale - shift) // 8, "big")
