"""The contents of a file, header and tokens, to its bytes and back. Does not import torch."""

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
"""The shorter of two codings is certain if their ideal costs differ by more bits than this.

A real cost is within 12 bits of the ideal one, plus less than 0.01 bits per token for probabilities of 24 bits.
"""
CONTAINERS = ("tok", "bare")
"""`tok` has a header that names the model. `bare` has two bytes, for readers that know the model."""


@dataclass(frozen=True)
class Contents:
    """The contents of a file, or of a prefix of one."""

    header: Header
    """The header."""
    model: Model
    """The model that the file was made with."""
    scale: int
    """The scale of the tiles, see `scale_of`."""
    coded: NDArray[np.int32]
    """int32 [tiles, ranks with at least one token]. -1 for a token that a cut file lacks."""
    held: int
    """Number of tokens in the bytes, all tiles together."""
    levels: NDArray[np.int64] | None
    """int64 [tiles]. None for a file that is not adaptive, or one cut before its last level."""

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return len(self.coded)

    @property
    def declared(self) -> int | None:
        """Number of tokens of the whole file. None for an adaptive file cut before its last level."""
        return declared_tokens(self.header, self.tiles, self.levels)

    def counts(self, tokens: int | None = None) -> NDArray[np.int64]:
        """Tokens of every tile in the bytes, int64 [tiles].

        Args:
            tokens: count those of the file cut to this many per tile. Default: all.
        """
        held: NDArray[np.int64] = (self.coded >= 0).sum(1, dtype=np.int64)
        if tokens is None or tokens >= self.header.tokens:
            return held
        wanted = np.int64(tokens) if self.levels is None else tile_counts(tokens, self.levels)
        return np.minimum(held, wanted, dtype=np.int64)

    def most(self) -> int:
        """The largest number of tokens per tile that the file can be cut to. 0 if a tile has none."""
        levels = np.zeros(self.tiles, np.int64) if self.levels is None else self.levels
        return most_tokens(self.counts(), levels, self.header.tokens)

    def shortfall(self) -> str:
        """A note on a cut file: how many of its tokens it holds."""
        if self.declared is None:
            return "the file is cut before its first token"
        text = f"the file is cut: it holds {self.held} of {self.declared} tokens"
        if self.tiles == 1:
            return text
        return f"{text} ({self.held / self.tiles:.1f} of {self.declared / self.tiles:.4g} per tile)"


def scale_of(header: Header, model: Model, container: str = "tok") -> int:
    """Index of the model's tables and codewords for the tiles of a file. 0 for bare files.

    Args:
        header: the header, with width, height and pitch.
        model: the model, with the bounds of its scales.
        container: "tok" or "bare". Default: "tok".
    """
    if container == "bare":
        return 0
    return Grid.for_picture(header.width, header.height, header.pitch).scale(model.scales)


def check_container(container: str) -> None:
    """Raise ValueError unless `container` is one of CONTAINERS."""
    if container not in CONTAINERS:
        raise ValueError(f"container must be {' or '.join(CONTAINERS)}, not {container!r}")


def declared_tokens(header: Header, tiles: int, levels: IntArray | None) -> int | None:
    """Number of tokens of a whole file. None for an adaptive file of unknown levels.

    Args:
        header: the header.
        tiles: number of tiles.
        levels: int64 [tiles] of an adaptive file. None if unknown, or for another file.
    """
    if not header.adaptive:
        return header.tokens * tiles
    return None if levels is None else int(tile_counts(header.tokens, levels).sum())


def pack(
    header: Header, model: Model, coded: IntArray, levels: IntArray | None = None, *, container: str = "tok"
) -> bytes:
    """Pack tokens into the shortest file, coded by the model's tables or flat. A tie goes to the tables.

    Args:
        header: the header. `flat` and `adaptive` are set here.
        model: the model of the tokens.
        coded: int [tiles, at least the largest count]. Tokens beyond the count of a tile are ignored.
        levels: int [tiles] for different counts, see `container.counts`. If all counts are the same, the file is not
            adaptive. Default: all tiles have `header.tokens` tokens.
        container: "tok" or "bare". Default: "tok".

    Raises:
        ValueError: the arguments do not fit together.
    """
    check_container(container)
    if container == "bare" and header.pitch != FIT:
        raise ValueError("the bare container holds one tile: pitch must be fit")
    count = largest = header.tokens
    if levels is not None:
        counts = tile_counts(count, levels)
        largest = int(counts.max())
        if largest == counts.min():
            levels, count = None, largest
    tiles = Grid.for_picture(header.width, header.height, header.pitch).tiles
    if coded.ndim != 2 or len(coded) != tiles or coded.shape[1] < largest:
        raise ValueError(f"coded must be [{tiles} tiles, at least {largest} tokens], not {list(coded.shape)}")
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
    """The values of `flat` to try. One only if its ideal cost is certainly the lower one."""
    used = np.ones(coded.shape, np.bool_)
    if levels is not None:
        used = np.arange(coded.shape[1]) < tile_counts(coded.shape[1], levels)[:, None]
    tokens = checked_tokens(np.where(used, coded, 0), tables.vocabulary, tables.n_tokens)
    saved = np.log2(tables.vocabulary) * used.sum() - tables.bits(tokens)[used].sum()
    if abs(saved) < SURE_BITS + SURE_BITS_PER_TOKEN * used.sum():
        return False, True
    return (bool(saved < 0),)


def unpack(payload: bytes, header: Header, model: Model, container: str = "tok") -> Contents:
    """Decode the tokens of a payload, or of a prefix of one.

    Args:
        payload: the bytes after the header.
        header: the header.
        model: the model that the file was made with.
        container: "tok" or "bare". Default: "tok".

    Raises:
        TokError: the payload is damaged.
    """
    scale = scale_of(header, model, container)
    tiles = Grid.for_picture(header.width, header.height, header.pitch).tiles
    levels = decode_levels(payload, tiles) if header.adaptive else None
    if header.adaptive and levels is None:
        return Contents(header, model, scale, np.empty((tiles, 0), np.int32), 0, None)
    coded, held = decode_tokens(payload, tiles, header.tokens, model.tables_of(header, scale), levels)
    return Contents(header, model, scale, coded, held, levels)
