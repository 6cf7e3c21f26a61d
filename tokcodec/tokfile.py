"""Work on files without their pixels: reads tokens, describes and cuts files. Needs neither weights nor torch."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .container.bare import BARE_SIZE, parse_bare
from .container.entropy import decode_levels
from .container.header import HEADER_SIZE, parse_header
from .contents import Contents, check_container, declared_tokens, pack, unpack
from .errors import HeaderCheckError, TokError
from .models.modelfile import Model
from .models.registry import candidates, find_model, resolve
from .pictures.limits import DEFAULT_MAX_PIXELS, DEFAULT_MAX_TILES, check_size, check_tiles
from .pictures.tiling import Grid

Data: TypeAlias = bytes | bytearray | memoryview
"""The types of a file's bytes."""


@dataclass(frozen=True)
class TokInfo:
    """Description of a `.tok` file, from `info`."""

    width: int
    """Pixels of the picture along its horizontal side."""
    height: int
    """Pixels of the picture along its vertical side."""
    pitch: int
    """Source pixels from tile to tile. 0: the whole picture is one tile."""
    columns: int
    """Number of columns of tiles."""
    rows: int
    """Number of rows of tiles."""
    tokens: int
    """Declared tokens per tile. For an adaptive file the largest number."""
    adaptive: bool
    """Whether tiles have different numbers of tokens."""
    declared: int | None
    """Declared tokens of all tiles together. None for an adaptive file that is cut before its last level."""
    held: int | None
    """Tokens in the bytes, all tiles together. None if the model is not installed."""
    model: str | None
    """Name of the model. None if it is not installed."""
    model_id: int
    """Id of the model in the header, 0 to 255."""
    bytes: int
    """Size of the file."""
    header_bytes: int
    """Size of its header."""

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return self.columns * self.rows

    @property
    def payload_bytes(self) -> int:
        """Bytes after the header."""
        return self.bytes - self.header_bytes

    @property
    def bpp(self) -> float:
        """Bits of the whole file per pixel."""
        return 8 * self.bytes / (self.width * self.height)

    @property
    def complete(self) -> bool | None:
        """Whether the bytes hold every declared token. None if the model is not installed."""
        return None if self.held is None else self.held == self.declared


def as_bytes(data: Data) -> bytes:
    """Convert to bytes. Raises TypeError for another type, such as a path."""
    if not isinstance(data, Data):
        raise TypeError(f"data must be bytes, not {type(data).__name__}")
    return bytes(data)


def read(
    data: Data,
    model: str | Path | Model | None = None,
    *,
    container: str = "tok",
    size: tuple[int, int] | None = None,
    max_pixels: int | None = None,
    max_tiles: int | None = None,
) -> Contents:
    """Read a file, or a prefix that holds the header: header, model and tokens.

    Args:
        data: bytes, bytearray or memoryview.
        model: name or folder of the model to use, or a model. Default: the installed one that the header names, or
            base-3 for a bare file.
        container: "tok" or "bare". Default: "tok".
        size: width and height in pixels of a bare file's picture. Default: about 256x256, in the stored aspect.
        max_pixels: refuse pictures of more pixels. Default: no limit.
        max_tiles: refuse files of more tiles. Default: no limit.

    Raises:
        TokError: the file is damaged, or its model is not installed.
        LimitError: the picture has more pixels than `max_pixels`, or the file more tiles than `max_tiles`.
        ValueError: an argument is out of range.
        TypeError: data is not bytes.
    """
    check_container(container)
    data = as_bytes(data)
    if model is not None and not isinstance(model, Model):
        model = find_model(model)
    if container == "bare":
        model = model or find_model()
        header, payload = parse_bare(data, model.id, size), data[BARE_SIZE:]
        if header.tokens > model.n_tokens:
            raise HeaderCheckError(f"declares {header.tokens} tokens, but model {model.name} has {model.n_tokens}")
    elif size is not None:
        raise ValueError("size is for the bare container: the header of other files holds it")
    else:
        header, model = resolve(data, model)
        payload = data[HEADER_SIZE:]
    if max_pixels is not None:
        check_size(header.width, header.height, max_pixels)
    if max_tiles is not None:
        check_tiles(Grid.for_picture(header.width, header.height, header.pitch).tiles, max_tiles)
    return unpack(payload, header, model, container)


def info(data: Data, *, model: str | Path | None = None) -> TokInfo:
    """Describe a `.tok` file from its bytes. Needs neither weights nor torch.

    It has no limits on pixels or tiles: check `TokInfo.tiles` before you decode an unknown file.

    Args:
        data: bytes, bytearray or memoryview of a file, or of a prefix that holds its header.
        model: name or folder of the model. Default: the installed one that the header names.

    Raises:
        TokError: the header is damaged.
        TypeError: data is not bytes.
    """
    data = as_bytes(data)
    header = parse_header(data)
    grid = Grid.for_picture(header.width, header.height, header.pitch)
    if model is not None or candidates(header.model_id):
        contents = read(data, model)
        name, held, declared = contents.model.name, contents.held, contents.declared
    else:
        levels = decode_levels(data[HEADER_SIZE:], grid.tiles) if header.adaptive else None
        name, held, declared = None, None, declared_tokens(header, grid.tiles, levels)
    return TokInfo(
        width=header.width,
        height=header.height,
        pitch=header.pitch,
        columns=grid.columns,
        rows=grid.rows,
        tokens=header.tokens,
        adaptive=header.adaptive,
        declared=declared,
        held=held,
        model=name,
        model_id=header.model_id,
        bytes=len(data),
        header_bytes=HEADER_SIZE,
    )


def read_tokens(
    data: Data,
    *,
    container: str = "tok",
    model: str | Path | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    max_tiles: int = DEFAULT_MAX_TILES,
) -> NDArray[np.int32]:
    """Read the tokens of a file.

    Args:
        data: bytes, bytearray or memoryview of a file, or of a prefix that holds its header.
        container: "tok" or "bare". Default: "tok".
        model: name or folder of the model. Default: the installed one that the header names, or base-3 for a bare
            file.
        max_pixels: refuse pictures of more pixels. Default: 89,478,485.
        max_tiles: refuse files of more tiles. Default: 2,000.

    Returns:
        int32 [tiles, declared tokens per tile]. -1 beyond the tokens of a tile and for tokens that a cut file lacks.

    Raises:
        TokError: the file is damaged, or its model is not installed.
        LimitError: the picture has more pixels than `max_pixels`, or the file more tiles than `max_tiles`.
    """
    contents = read(data, model, container=container, max_pixels=max_pixels, max_tiles=max_tiles)
    missing = contents.header.tokens - contents.coded.shape[1]
    return np.pad(contents.coded, ((0, 0), (0, missing)), constant_values=-1)


def truncate(
    data: Data, *, tokens: int | None = None, size: int | None = None, model: str | Path | None = None
) -> bytes:
    """Cut a file to fewer tokens per tile, or to the most that fit into `size` bytes, without decoding pixels.

    Give exactly one of `tokens` and `size`. In an adaptive file every tile keeps its share of the tokens.

    Args:
        data: bytes, bytearray or memoryview of a file.
        tokens: tokens per tile of the new file, 1 to the number that the file holds for every tile.
        size: make a file of at most this many bytes.
        model: name or folder of the model. Default: the installed one that the header names.

    Raises:
        ValueError: the file holds fewer tokens, or no file is as small as `size`.
        TokError: the file is damaged, or cannot be cut.
    """
    if (tokens is None) == (size is None):
        raise ValueError("give either tokens or size")
    contents = read(data, model)
    if (most := contents.most()) < 1:
        raise TokError(f"nothing to cut: {contents.shortfall()}")
    if not contents.model.ordered:
        raise TokError(f"model {contents.model.name} is not ordered: its files cannot be cut")

    def cut_to(count: int) -> bytes:
        header = replace(contents.header, tokens=count)
        return pack(header, contents.model, contents.coded, contents.levels)

    if tokens is not None:
        if not 1 <= tokens <= most:
            raise ValueError(f"tokens must be 1..{most} for this file, not {tokens}")
        return cut_to(tokens)
    assert size is not None
    # More tokens never make fewer bytes, so bisection finds the largest count that fits.
    fitting = bisect_right(range(1, most + 1), size, key=lambda count: len(cut_to(count)))
    if fitting == 0:
        raise ValueError(f"size must be at least {len(cut_to(1))} bytes for this file, not {size}")
    return cut_to(fitting)
