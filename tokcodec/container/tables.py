"""Integer frequency tables, the range coder's static model of the tokens. Imports neither torch nor constriction.

A token is coded as digits of a mixed radix. Each digit has a row of counts for its position in the tile. The counts of
a row sum to 2**16, so that their conversion to the coder's 24 bits is exact on every machine.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelFileError, reason
from ..tensorfile import load_tensors, save_tensors

IntArray = NDArray[np.integer[Any]]

TOTAL = 1 << 16
"""Sum of every row. It is small enough for exact quantisation to 24 bits in float64."""
MAX_TOKEN = 1 << 31
"""Tokens are below this number, since they are returned as int32."""
MAX_BYTES = 128 << 20
"""Largest size of a file of tables. Those of our own models have 0.3 MB."""


class FrequencyTables:
    """Integer frequencies of every digit at every token position.

    Args:
        radices: Number of values of each of D digits, at least 2.
        counts: D uint32 arrays. counts[d] is [n_tokens, radices[d]] with entries of at least 1, and its rows sum to
            TOTAL.

    Raises:
        ValueError: The counts do not fit.
    """

    def __init__(self, radices: Sequence[int], counts: Sequence[IntArray]) -> None:
        self.radices = _checked_radices(radices)
        if len(counts) != len(self.radices):
            raise ValueError(f"{len(self.radices)} radices but {len(counts)} count arrays")
        rows = {len(c) if c.ndim == 2 else -1 for c in counts}
        if len(rows) != 1 or min(rows) < 1:
            raise ValueError(
                "counts must be two-dimensional with the same number of rows (at least one) for every digit"
            )
        self.n_tokens: int = rows.pop()
        kept = []
        for digit, (radix, count) in enumerate(zip(self.radices, counts, strict=True)):
            if not np.issubdtype(count.dtype, np.integer):
                raise ValueError(f"counts of digit {digit} must be integers, not {count.dtype}")
            if count.shape[1] != radix:
                raise ValueError(f"counts of digit {digit} have {count.shape[1]} columns, the radix is {radix}")
            if count.min() < 1 or count.max() > TOTAL or (count.sum(axis=1, dtype=np.uint64) != TOTAL).any():
                raise ValueError(f"counts of digit {digit} must be at least 1 and sum to {TOTAL} in every row")
            array = np.ascontiguousarray(count, dtype=np.uint32)
            array.flags.writeable = False
            kept.append(array)
        self.counts: tuple[NDArray[np.uint32], ...] = tuple(kept)

    @property
    def vocabulary(self) -> int:
        """Number of different tokens: the product of the radices."""
        return int(np.prod(self.radices, dtype=np.int64))

    @classmethod
    def uniform(cls, n_tokens: int, radices: Sequence[int]) -> FrequencyTables:
        """Tables in which all values of a digit are equally likely, up to rounding to integers."""
        rows = [_normalised(np.ones((1, radix), dtype=np.int64)) for radix in _checked_radices(radices)]
        return cls(radices, [np.repeat(row, n_tokens, axis=0) for row in rows])

    @classmethod
    def fit(cls, tokens: IntArray, radices: Sequence[int], n_tokens: int | None = None) -> FrequencyTables:
        """Tables from example tokens, with half a count added to every value.

        Source: Krichevsky and Trofimov 1981 (add one half), largest remainder rounding.

        Args:
            tokens: int [tiles, n] in 0..vocabulary-1.
            radices: Number of values of every digit, most significant first.
            n_tokens: Positions of the tables, at least n; those from n on are uniform. Default: n.

        Raises:
            ValueError: An argument is out of range.
        """
        radices = _checked_radices(radices)
        tokens = checked_tokens(tokens, int(np.prod(radices, dtype=np.int64)))
        n = tokens.shape[1]
        rows = n if n_tokens is None else n_tokens
        if rows < n:
            raise ValueError(f"tokens have {n} positions, more than n_tokens = {n_tokens}")
        digits = split_digits(tokens, radices)  # [tiles, n, D]
        counts = []
        for digit, radix in enumerate(radices):
            flat = digits[:, :, digit] + np.arange(n) * radix
            seen = np.bincount(flat.ravel(), minlength=rows * radix).reshape(rows, radix)
            counts.append(_normalised(2 * seen.astype(np.int64) + 1))
        return cls(radices, counts)

    def bits(self, tokens: IntArray) -> NDArray[np.float64]:
        """Ideal cost in bits of every token, float64 [tiles, n], for tokens int [tiles, n]."""
        tokens = checked_tokens(tokens, self.vocabulary, self.n_tokens)
        ranks = np.arange(tokens.shape[1])
        digits = split_digits(tokens, self.radices)
        cost = np.zeros(tokens.shape, dtype=np.float64)
        for digit, count in enumerate(self.counts):
            cost -= np.log2(count[ranks, digits[:, :, digit]] / TOTAL)
        return cost

    def to_bytes(self) -> bytes:
        """Canonical serialisation for hashing: D, n_tokens, radices, then all counts, as little-endian uint32."""
        head = np.array([len(self.radices), self.n_tokens, *self.radices], dtype="<u4").tobytes()
        return head + b"".join(count.astype("<u4").tobytes() for count in self.counts)


def pack_tables(tables: Sequence[FrequencyTables]) -> bytes:
    """The tables of all scales as a safetensors file with `counts.0`, `counts.1`, ... for the digits.

    Each is uint16 [scales, n_tokens, radix], since no count can reach 2**16.
    """
    digits = zip(*(table.counts for table in tables), strict=True)
    return save_tensors({f"counts.{digit}": np.stack(counts).astype(np.uint16) for digit, counts in enumerate(digits)})


def load_tables(path: str | os.PathLike[str]) -> tuple[FrequencyTables, ...]:
    """Read a file with the bytes of `pack_tables`. Returns the tables of each scale.

    Raises ModelFileError if the file is missing, damaged, or larger than MAX_BYTES, or if its counts are not valid.
    """
    try:
        tensors = load_tensors(path, MAX_BYTES)
        digits = [tensors[f"counts.{digit}"] for digit in range(len(tensors))]
        if any(counts.ndim != 3 for counts in digits):
            raise ValueError("counts must have three dimensions: scales, tokens and values")
        scales = list(zip(*digits, strict=True))
        if not scales:
            raise ValueError("no counts")
        return tuple(FrequencyTables([count.shape[-1] for count in counts], counts) for counts in scales)
    except (OSError, ValueError, LookupError) as error:
        text = f"missing {error}" if isinstance(error, LookupError) else reason(error)
        raise ModelFileError(f"{os.fspath(path)}: not usable as frequency tables ({text})") from error


def split_digits(tokens: IntArray, radices: Sequence[int]) -> NDArray[np.int64]:
    """Digits of tokens, int64 of shape tokens.shape + (D,), most significant first: token = (d0 * r1 + d1) * r2 + d2"""
    rest = np.asarray(tokens, dtype=np.int64)
    digits = np.empty((*rest.shape, len(radices)), dtype=np.int64)
    for place in range(len(radices) - 1, 0, -1):
        rest, digits[..., place] = np.divmod(rest, radices[place])
    digits[..., 0] = rest
    return digits


def join_digits(digits: IntArray, radices: Sequence[int]) -> NDArray[np.int64]:
    """Tokens from digits of shape [..., D], the inverse of `split_digits`."""
    tokens = np.zeros(digits.shape[:-1], dtype=np.int64)
    for place, radix in enumerate(radices):
        tokens = tokens * radix + digits[..., place]
    return tokens


def _normalised(weights: NDArray[np.int64]) -> NDArray[np.int64]:
    """Counts of at least 1 that sum to TOTAL in each row, in proportion to positive weights. Lower values win ties."""
    free = TOTAL - weights.shape[1]
    sums = weights.sum(axis=1, keepdims=True)
    shares, remainders = np.divmod(weights * free, sums)
    missing = free - shares.sum(axis=1, keepdims=True)
    order = np.argsort(-remainders, axis=1, kind="stable")
    places = np.argsort(order, axis=1, kind="stable")
    return np.asarray(1 + shares + (places < missing), dtype=np.int64)


def _checked_radices(radices: Sequence[int]) -> tuple[int, ...]:
    checked = tuple(int(radix) for radix in radices)
    if not checked or min(checked) < 2 or max(checked) > TOTAL:
        raise ValueError(f"radices must be 2..{TOTAL}, not {checked}")
    vocabulary = 1
    for radix in checked:
        vocabulary *= radix
        if vocabulary > MAX_TOKEN:
            raise ValueError(f"radices {checked} make more than {MAX_TOKEN} tokens")
    return checked


def checked_tokens(tokens: IntArray, vocabulary: int, most: int | None = None) -> IntArray:
    """Tokens as an array, checked.

    Args:
        tokens: int [tiles, n], neither of them 0.
        vocabulary: Tokens must be below this number.
        most: Largest n; None (the default): any.

    Raises:
        ValueError: The tokens have another shape or type, or are out of range.
    """
    tokens = np.asarray(tokens)
    if tokens.ndim != 2 or 0 in tokens.shape or not np.issubdtype(tokens.dtype, np.integer):
        raise ValueError(f"tokens must be integers of shape [tiles, n], not {tokens.dtype} {list(tokens.shape)}")
    if most is not None and tokens.shape[1] > most:
        raise ValueError(f"{tokens.shape[1]} tokens per tile, but the tables know {most}")
    if tokens.min() < 0 or tokens.max() >= vocabulary:
        raise ValueError(f"tokens must be 0..{vocabulary - 1}, found {tokens.min()}..{tokens.max()}")
    return tokens
