"""Reads the tokens of a `.tok` file: plain Python, written from tok-v1.md alone, as a check that the text is complete.

    tokens, held = read_tokens(data, sets, bounds)
    tokens, held = read_bare(data, sets)

sets[s][d][k][v] is the count of value v for digit d of a tile's token k at scale s, as in the model's tables; bounds
are those of its scales. Slow, and checks little: it is for those who port the format to another language. The header's
check needs the model's hash; pass it as `model_hash` to have it compared.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator, Sequence

HEADER_SIZE = 10
FACTORS = (256, 181, 128, 91, 64, 45, 32, 23)
PITCHES = (0, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)

Tables = Sequence[Sequence[Sequence[int]]]


def tiles_along(side: int, pitch: int) -> int:
    """Number of tiles along a side of the picture."""
    return max(1, (2 * side + pitch) // (2 * pitch)) if pitch else 1


def read_header(data: bytes, model_hash: bytes | None = None) -> tuple[int, int, int, int]:
    """Width, height, pitch and tokens per tile. Raises ValueError for anything but a version 1 header."""
    if len(data) < HEADER_SIZE or data[0] != 0xF5 or data[1] not in (0x10, 0x11, 0x12, 0x13):
        raise ValueError("not a version 1 .tok file")
    if model_hash is not None and data[8:10] != binascii.crc_hqx(data[:8] + model_hash, 0xFFFF).to_bytes(2, "big"):
        raise ValueError("the header is damaged or belongs to another model")
    shape = int.from_bytes(data[4:8], "big")
    if shape >> 14 & 0x3FFF == 0x3FFF or shape & 0x3FFF == 0x3FFF:
        raise ValueError("a side of 16384 pixels")
    return (shape >> 14 & 0x3FFF) + 1, (shape & 0x3FFF) + 1, PITCHES[shape >> 28], data[3] + 1


def scale_of(width: int, height: int, pitch: int, bounds: Sequence[int]) -> int:
    """Number of the set of tables for tiles of these pixels."""
    units = (15 * tiles_along(width, pitch) + 1) * (15 * tiles_along(height, pitch) + 1)
    return sum(256 * width * height < bound * bound * units for bound in bounds)


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


class Both:
    """A payload continued with 00 and with FF: where the two differ, or no value has the code, nothing is held."""

    def __init__(self, payload: bytes) -> None:
        self.low, self.high = Decoder(payload, 0x00), Decoder(payload, 0xFF)

    def decode(self, radix: int, edges: Sequence[int]) -> int | None:
        """The next digit, or None."""
        value = self.low.decode(edges)
        return value if value is not None and value < radix and self.high.decode(edges) == value else None


def read_payload(
    payload: bytes, tiles: int, n: int, tables: Tables, adaptive: bool = False
) -> tuple[list[list[int]], int]:
    """Tokens of every tile that the payload holds, and their number."""
    rows: list[list[int]] = [[] for _ in range(tiles)]
    both, counts, held = Both(payload), [n] * tiles, 0
    if adaptive:
        for tile in range(tiles):
            level = both.decode(8, boundaries([8192] * 8, 8))
            if level is None:
                return rows, 0
            counts[tile] = max(1, (n * FACTORS[level] + 128) // 256)
    width = max(len(digit[0]) for digit in tables)
    edges = [[boundaries(digit[rank], width) for digit in tables] for rank in range(n)]
    order = sorted(((rank << 24) // count, tile) for tile, count in enumerate(counts) for rank in range(count))
    for _, tile in order:
        token = 0
        for digit, row in zip(tables, edges[len(rows[tile])], strict=True):
            radix = len(digit[0])
            value = both.decode(radix, row)
            if value is None:
                return rows, held
            token = token * radix + value
        rows[tile].append(token)
        held += 1
    return rows, held


def read_tokens(
    data: bytes, sets: Sequence[Tables], bounds: Sequence[int] = (), model_hash: bytes | None = None
) -> tuple[list[list[int]], int]:
    """Tokens of every tile, row by row, and their total number."""
    width, height, pitch, n = read_header(data, model_hash)
    tiles = tiles_along(width, pitch) * tiles_along(height, pitch)
    tables = sets[scale_of(width, height, pitch, bounds)]
    return read_payload(data[HEADER_SIZE:], tiles, n, flat(tables) if data[1] & 1 else tables, bool(data[1] & 2))


def read_bare(data: bytes, sets: Sequence[Tables]) -> tuple[list[list[int]], int]:
    """The same for the bare container; its picture is 2 ** (((data[1] & 63) - 32) / 12) times as wide as high."""
    if len(data) < 2 or data[1] & 0x80:
        raise ValueError("not a bare file")
    return read_payload(data[2:], 1, data[0] + 1, flat(sets[0]) if data[1] & 0x40 else sets[0])
