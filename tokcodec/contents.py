"""Tokens to the bytes of a file and back: header and payload together, plain or adaptive; no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .container.bare import pack_bare
from .container.counts import IntArray, most_tokens, tile_counts
from .container.entropy import decode_levels, decode_tokens, encode_tokens
from .container.header import Header, pack_header
from .container.tables import FrequencyTables, checked_tokens
from .models.modelfile import Model
from .pictures.limits import FIT
from .pictures.tiling import Grid

SURE_BITS, SURE_BITS_PER_TOKEN = 32, 1 / 32
"""How many bits the ideal costs of two codings must differ by to tell which is shorter: a real one is within 12 bits of
it, and less than 0.01 bits per token for probabilities of 24 bits."""
CONTAINERS = ("tok", "bare")
"""`tok`: the file that says what it is; `bare`: two bytes and the payload, for those who know the model."""


@dataclass(frozen=True)
class Contents:
    """What a file, or the beginning of one, holds.

    scale: of its tiles, see `scale_of`; coded: int32 [tiles, ranks held at least in part], -1 for a token that is not
    held; held: their number; levels: int64 [tiles] of an adaptive file, None of another and of one that ends within its
    levels.
    """

    header: Header
    model: Model
    scale: int
    coded: NDArray[np.int32]
    held: int
    levels: NDArray[np.int64] | None

    @property
    def tiles(self) -> int:
        return len(self.coded)

    @property
    def declared(self) -> int | None:
        """Tokens that the whole file has; None where an adaptive one ends within its levels."""
        return declared_tokens(self.header, self.tiles, self.levels)

    def counts(self, tokens: int | None = None) -> NDArray[np.int64]:
        """Tokens of every tile, int64 [tiles], that are held; with `tokens` those of a file cut to so many."""
        held: NDArray[np.int64] = (self.coded >= 0).sum(1, dtype=np.int64)
        if tokens is None or tokens >= self.header.tokens:
            return held
        wanted = np.int64(tokens) if self.levels is None else tile_counts(tokens, self.levels)
        return np.minimum(held, wanted, dtype=np.int64)

    def most(self) -> int:
        """The largest number of tokens that the file can be cut to; 0 where a tile holds none."""
        levels = np.zeros(self.tiles, np.int64) if self.levels is None else self.levels
        return most_tokens(self.counts(), levels, self.header.tokens)

    def shortfall(self) -> str:
        """What a cut file has left, for a note."""
        if self.declared is None:
            return "the file is cut before its first token"
        text = f"the file is cut: it holds {self.held} of {self.declared} tokens"
        if self.tiles == 1:
            return text
        return f"{text} ({self.held / self.tiles:.1f} of {self.declared / self.tiles:.4g} per tile)"


def scale_of(header: Header, model: Model, container: str = "tok") -> int:
    """Which of the model's sets of tables and codewords a file's tiles have; of bare files always the first."""
    if container == "bare":
        return 0
    return Grid.for_picture(header.width, header.height, header.pitch).scale(model.scales)


def check_container(container: str) -> None:
    """Raise ValueError for one that is none of CONTAINERS."""
    if container not in CONTAINERS:
        raise ValueError(f"container must be {' or '.join(CONTAINERS)}, not {container!r}")


def declared_tokens(header: Header, tiles: int, levels: IntArray | None) -> int | None:
    """Tokens of all tiles that a file has when it is whole; None for an adaptive one of unknown levels."""
    if not header.adaptive:
        return header.tokens * tiles
    return None if levels is None else int(tile_counts(header.tokens, levels).sum())


def pack(
    header: Header, model: Model, coded: IntArray, levels: IntArray | None = None, *, container: str = "tok"
) -> bytes:
    """The shortest file that holds the tokens: by the model's tables or flat, ties to the tables.

    coded: int [tiles, at least the largest count], whatever is beyond a tile's count is ignored; levels: int [tiles]
    for different counts, see `counts`; where they give every tile the same count the file is plain. `flat` and
    `adaptive` of the header are set here. Raises ValueError where the arguments do not fit together.
    """
    check_container(container)
    if container == "bare" and header.pitch != FIT:
        raise ValueError("the bare container holds one tile: pitch must be fit")
    count = most = header.tokens
    if levels is not None:
        counts = tile_counts(count, levels)
        most = int(counts.max())
        if most == counts.min():
            levels, count = None, most
    tiles = Grid.for_picture(header.width, header.height, header.pitch).tiles
    if coded.ndim != 2 or len(coded) != tiles or coded.shape[1] < most:
        raise ValueError(f"coded must be [{tiles} tiles, at least {most} tokens], not {list(coded.shape)}")
    if levels is not None and len(levels) != tiles:
        raise ValueError(f"{len(levels)} levels for {tiles} tiles")
    coded = np.pad(coded[:, :count], ((0, 0), (0, max(0, count - coded.shape[1]))))
    header = replace(header, tokens=count, adaptive=levels is not None)
    files, scale = [], scale_of(header, model, container)
    for flat in _worth_trying(coded, model.tables[scale], levels):
        header = replace(header, flat=flat)
        head = pack_bare(header) if container == "bare" else pack_header(header, model.hash)
        files.append(head + encode_tokens(coded, model.tables_of(header, scale), levels))
    return min(files, key=len)


def _worth_trying(coded: IntArray, tables: FrequencyTables, levels: IntArray | None) -> tuple[bool, ...]:
    """With the model's tables, flat, or both: one alone where its ideal cost is less by more than any rounding."""
    used = np.ones(coded.shape, np.bool_)
    if levels is not None:
        used = np.arange(coded.shape[1]) < tile_counts(coded.shape[1], levels)[:, None]
    tokens = checked_tokens(np.where(used, coded, 0), tables.vocabulary, tables.n_tokens)
    saved = np.log2(tables.vocabulary) * used.sum() - tables.bits(tokens)[used].sum()
    if abs(saved) < SURE_BITS + SURE_BITS_PER_TOKEN * used.sum():
        return False, True
    return (bool(saved < 0),)


def unpack(payload: bytes, header: Header, model: Model, container: str = "tok") -> Contents:
    """Tokens of a payload or of its beginning, by its header and the model that it was made with."""
    scale = scale_of(header, model, container)
    tiles = Grid.for_picture(header.width, header.height, header.pitch).tiles
    levels = decode_levels(payload, tiles) if header.adaptive else None
    if header.adaptive and levels is None:
        return Contents(header, model, scale, np.empty((tiles, 0), np.int32), 0, None)
    coded, held = decode_tokens(payload, tiles, header.tokens, model.tables_of(header, scale), levels)
    return Contents(header, model, scale, coded, held, levels)
