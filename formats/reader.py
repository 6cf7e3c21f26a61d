"""Reads the tokens of a `.tok` file: plain Python, written from tok-v1.md alone, as a check that the text is complete.

    tokens, held = read_tokens(data, tables)

tables[d][k][v] is the count of value v for digit d of a tile's token k, as in the model's tables. Slow, and checks
little: it is for those who port the format to another language. The header's check needs the model's hash; pass it as
`model_hash` to have it compared.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator, Sequence

HEADER_SIZE = 10
PITCHES = (0, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)

Tables = Sequence[Sequence[Sequence[int]]]


def tiles_along(side: int, pitch: int) -> int:
    """Number of tiles along a side of the picture."""
    return max(1, (2 * side + pitch) // (2 * pitch)) if pitch else 1


def read_header(data: bytes, model_hash: bytes | None = None) -> tuple[int, int, int, int]:
    """Width, height, pitch and tokens per tile. Raises ValueError for anything but a version 1 header."""
    if len(data) < HEADER_SIZE or data[0] != 0xF5 or data[1] not in (0x10, 0x11):
        raise ValueError("not a version 1 .tok file")
    if model_hash is not None and data[8:10] != binascii.crc_hqx(data[:8] + model_hash, 0xFFFF).to_bytes(2, "big"):
        raise ValueError("the header is damaged or belongs to another model")
    shape = int.from_bytes(data[4:8], "big")
    return (shape >> 14 & 0x3FFF) + 1, (shape & 0x3FFF) + 1, PITCHES[shape >> 28], data[3] + 1


def flat(tables: Tables) -> Tables:
    """Equal counts of the same shape that sum to 2**16; what is left over goes to the lowest values."""
    equal = []
    for digit in tables:
        each, rest = divmod(1 << 16, len(digit[0]))
        equal.append([[each + (value < rest) for value in range(len(digit[0]))]] * len(digit))
    return equal


def boundaries(counts: Sequence[int], width: int) -> list[int]:
    """Left edges of the values on the scale of 2**24, then 2**24; rows shorter than width get counts of 0."""
    edges, below = [], 0
    for value in range(width):
        edges.append(below * ((1 << 24) - width) // (1 << 16) + value)
        below += counts[value] if value < len(counts) else 0
    return [*edges, 1 << 24]


class Decoder:
    """A range decoder over a payload that is continued for ever with one byte value."""

    def __init__(self, payload: bytes, padding: int) -> None:
        self.words = self._words(payload, padding)
        self.range = (1 << 64) - 1
        self.point = next(self.words) << 32 | next(self.words)  # the code, relative to the lower end of the range

    @staticmethod
    def _words(payload: bytes, padding: int) -> Iterator[int]:
        start = 0
        while True:
            yield int.from_bytes(payload[start : start + 4].ljust(4, bytes([padding])), "big")
            start += 4

    def decode(self, edges: Sequence[int]) -> int | None:
        """The next value, or None where no value has this code."""
        step = self.range >> 24
        quantile = self.point // step
        if quantile >= 1 << 24:
            return None
        low, high = 0, len(edges) - 1  # the last edge that is not above the quantile
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if edges[middle] <= quantile else (low, middle)
        self.point -= step * edges[low]
        self.range = step * (edges[low + 1] - edges[low])
        if self.range < 1 << 32:
            self.range <<= 32
            self.point = self.point << 32 | next(self.words)
        return low


def read_sequence(payload: bytes, tiles: int, n: int, tables: Tables) -> list[int]:
    """The tokens that the payload holds, in rank order: every tile's token 0, then every tile's token 1, ..."""
    width = max(len(digit[0]) for digit in tables)
    low, high = Decoder(payload, 0x00), Decoder(payload, 0xFF)
    tokens: list[int] = []
    for rank in range(n):
        digits = [(len(digit[rank]), boundaries(digit[rank], width)) for digit in tables]
        for _ in range(tiles):
            token = 0
            for radix, edges in digits:
                value = low.decode(edges)
                if value is None or value >= radix or high.decode(edges) != value:
                    return tokens
                token = token * radix + value
            tokens.append(token)
    return tokens


def read_tokens(data: bytes, tables: Tables, model_hash: bytes | None = None) -> tuple[list[list[int]], int]:
    """Tokens of every tile (row by row; a cut file may give the last tiles one token fewer) and their total number."""
    width, height, pitch, n = read_header(data, model_hash)
    tiles = tiles_along(width, pitch) * tiles_along(height, pitch)
    if data[1] & 1:
        tables = flat(tables)
    sequence = read_sequence(data[HEADER_SIZE:], tiles, n, tables)
    ranks = -(-len(sequence) // tiles)
    rows = [sequence[rank * tiles : (rank + 1) * tiles] for rank in range(ranks)]
    return [[row[tile] for row in rows if tile < len(row)] for tile in range(tiles)], len(sequence)
