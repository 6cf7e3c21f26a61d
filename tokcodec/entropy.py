"""Tokens to bytes and back: a range coder over integer frequency tables.

Between tokens and bytes there is integer arithmetic only. The tables hold integer counts that sum to 2**16 in each
row; constriction gets them as float64 counts / 2**16, for which its quantisation to 24 bits is exact (every product
stays below 2**53), so that the bytes are the same on every machine. `formats/tok-v1.md` states the coder without
reference to any library.

Source of the method: range coding (Martin 1979) as in constriction; a cut payload is decoded twice, padded with 0x00
and with 0xFF, and the tokens on which both agree are those that every continuation shares.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import constriction
import numpy as np
import numpy.typing as npt

from .tables import TOTAL, FrequencyTables, IntArray, checked_tokens, join_digits, split_digits

CHUNK_BYTES = 1 << 22  # memory for one batch of probability rows: a picture of any size is coded within it
FIRST_CHUNK = (
    64  # tokens decoded before the first check: a short payload under a header that declares millions costs little
)
PAD_WORDS = (
    3  # words of padding that can still be read before the two paddings differ: 64 bits of state, one for rounding
)

# perfect=False is part of the format: the other setting gives other bytes
_FAMILY = constriction.stream.model.Categorical(perfect=False)


def encode_tokens(tokens: IntArray, tables: FrequencyTables) -> bytes:
    """Payload for tokens, int [tiles, n] in 0..vocabulary-1.

    It is the shortest string of bytes that holds all of the tokens whatever bytes follow.
    Raises ValueError when the tokens do not fit the tables.
    """
    tokens = checked_tokens(tokens, tables.vocabulary, tables.n_tokens)
    tiles, n = tokens.shape
    encoder = constriction.stream.queue.RangeEncoder()
    sequence = tokens.T.ravel()  # rank order: every tile's token 0, then every tile's token 1, ...
    batches = _Batches(tables, tiles, n)
    start = 0
    while start < tiles * n:
        stop = batches.stop(start, batches.largest)
        symbols = split_digits(sequence[start:stop], tables.radices).astype(np.int32).ravel()
        model = batches.model(start, stop)
        encoder.encode(symbols, model.model, *model.rows)
        start = stop
    return _shortest_payload(encoder)


def decode_tokens(payload: bytes, tiles: int, n: int, tables: FrequencyTables) -> tuple[npt.NDArray[np.int32], int]:
    """Tokens that a payload, or the beginning of one, holds: int32 [tiles, r], and their number `held` in rank order.

    r = ceil(held / tiles) is the number of ranks held at least in part; tokens not held are -1. Any bytes are
    accepted. Time and memory follow what the payload holds, not tiles * n. Raises ValueError when tiles or n do not
    fit the tables.
    """
    if tiles < 1:
        raise ValueError(f"tiles must be at least 1, not {tiles}")
    if not 1 <= n <= tables.n_tokens:
        raise ValueError(f"n must be 1..{tables.n_tokens}, not {n}")
    low, high = _decoder(payload, b"\x00"), _decoder(payload, b"\xff")
    batches = _Batches(tables, tiles, n)
    pieces: list[npt.NDArray[np.int32]] = []
    held, size = 0, FIRST_CHUNK
    while held < tiles * n:
        stop = batches.stop(held, size)
        model = batches.model(held, stop)
        before = low.clone(), high.clone()
        try:
            digits = low.decode(model.model, *model.decode)
            other = high.decode(model.model, *model.decode)
        except AssertionError:  # constriction's sign for a code that no encoder makes: nothing is held from there on
            if stop - held == 1:
                break
            (low, high), size = before, (stop - held) // 2
            continue
        agreed = _first((digits != other) | batches.impossible(digits)) // len(tables.radices)
        pieces.append(join_digits(digits.reshape(-1, len(tables.radices))[:agreed], tables.radices).astype(np.int32))
        held += agreed
        if held < stop:
            break
        size = min(2 * size, batches.largest)
    ranks = -(-held // tiles)
    tokens = np.full(ranks * tiles, -1, dtype=np.int32)
    if held:
        tokens[:held] = np.concatenate(pieces)
    return np.ascontiguousarray(tokens.reshape(ranks, tiles).T), held


def _decoder(payload: bytes, padding: bytes) -> Any:
    padded = bytes(payload) + padding * (-len(payload) % 4 + 4 * PAD_WORDS)
    return constriction.stream.queue.RangeDecoder(np.frombuffer(padded, dtype=">u4").astype(np.uint32))


class _BatchModel(NamedTuple):
    """Arguments for constriction: a concrete model and a number of symbols, or the family and a row for each symbol."""

    model: Any
    rows: tuple[npt.NDArray[np.float64], ...]
    decode: tuple[Any, ...]


class _Batches:
    """Cuts the sequence of tiles * n tokens into batches and makes their models.

    With one digit per token a batch stays within a rank, where all tokens share one model, so that no large
    vocabulary is repeated for every token. With several digits each symbol has its row, as long as the largest radix;
    symbols beyond a digit's own radix get count 0.
    """

    def __init__(self, tables: FrequencyTables, tiles: int, n: int) -> None:
        self.tiles, self.end = tiles, tiles * n
        self.single = len(tables.radices) == 1
        self.width = max(tables.radices)
        self.largest = max(1, CHUNK_BYTES // (8 if self.single else 8 * self.width * len(tables.radices)))
        self.counts = tables.counts
        self.radices = np.array(tables.radices)
        self.uneven = len(set(tables.radices)) > 1
        self.table = np.zeros((0, 0, 0))
        if not self.single:
            self.table = np.zeros((n, len(tables.radices), self.width))
            for digit, count in enumerate(tables.counts):
                self.table[:, digit, : count.shape[1]] = count[:n] / TOTAL

    def stop(self, start: int, size: int) -> int:
        stop = min(start + size, self.end)
        return min(stop, (start // self.tiles + 1) * self.tiles) if self.single else stop

    def model(self, start: int, stop: int) -> _BatchModel:
        if self.single:
            row = self.counts[0][start // self.tiles] / TOTAL
            model = constriction.stream.model.Categorical(row, perfect=False)
            return _BatchModel(model, (), (stop - start,))
        rows = self.table[np.arange(start, stop) // self.tiles].reshape(-1, self.width)
        return _BatchModel(_FAMILY, (rows,), (rows,))

    def impossible(self, digits: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """Where a digit is beyond its own radix (only damaged data decodes to that)."""
        if not self.uneven:
            return np.zeros(len(digits), dtype=np.bool_)
        return digits >= np.resize(self.radices, len(digits))


def _shortest_payload(encoder: Any) -> bytes:
    """The shortest bytes all of whose continuations decode to what was encoded.

    The tokens own the code values low <= v < low + width. constriction's flush gives one of them; low follows from it
    since the encoder states low modulo 2**64.
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


def _first(flags: npt.NDArray[np.bool_]) -> int:
    """Index of the first True, or the length."""
    return int(flags.argmax()) if flags.any() else len(flags)
