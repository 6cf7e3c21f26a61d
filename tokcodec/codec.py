"""The codec end to end: the only module that knows every stage.

    encode   picture -> tiles -> tokens -> payload -> file
    decode   file -> header and tokens -> tiles -> picture

torch is imported only where pixels are coded: `info`, `truncate` and `read_tokens` do without.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .bitstream import FIT, HEADER_SIZE, PITCHES, Header, pack_header, parse_header
from .entropy import decode_tokens, encode_tokens
from .errors import DeviceError, TokError
from .images import DEFAULT_MAX_PIXELS, check_size, to_rgb
from .modelfile import Model
from .models import candidates, find_model, resolve
from .tiling import TILE, Canvas, Grid, cut

if TYPE_CHECKING:
    from pathlib import Path

    from .tokenizers.base import Tokenizer

BATCH = 32
"""Tiles coded at a time: bounds the memory for large pictures (32 tiles are 25 MB in float32)."""
BLANK = 128
"""Grey level of a tile of which a cut file holds no token."""

Warn = Callable[[str], None]
Progress = Callable[[int, int], None]


class TokWarning(UserWarning):
    """Something of a picture or a file was lost, and the rest was used."""


@dataclass(frozen=True)
class TokInfo:
    """What a `.tok` file says of itself.

    width, height, pitch in pixels (pitch 0: the whole picture is one tile); tokens: declared per tile; held: tokens
    that the bytes hold, all tiles together, or None where the model is not installed; bpp: bits of the whole file per
    pixel.
    """

    width: int
    height: int
    pitch: int
    columns: int
    rows: int
    tokens: int
    held: int | None
    model: str | None
    model_id: int
    bytes: int
    header_bytes: int

    @property
    def tiles(self) -> int:
        return self.columns * self.rows

    @property
    def payload_bytes(self) -> int:
        return self.bytes - self.header_bytes

    @property
    def bpp(self) -> float:
        return 8 * self.bytes / (self.width * self.height)

    @property
    def complete(self) -> bool | None:
        """Whether every declared token is held; None where the model is not installed."""
        return None if self.held is None else self.held == self.tokens * self.tiles


def encode(
    image: Image.Image | NDArray[np.uint8],
    *,
    tokens: int | None = None,
    pitch: int | str = 256,
    model: str | Path | None = None,
    device: str = "auto",
    warn: Warn | None = None,
    progress: Progress | None = None,
) -> bytes:
    """Encode a picture (PIL image or uint8 array H x W x 3) to the bytes of a `.tok` file.

    tokens: per tile, 1 to the model's number (None: the model's default); pitch: source pixels from tile to tile, one
    of bitstream.PITCHES, or "fit" for one tile; progress: called with (tiles done, tiles). Raises ValueError or
    TypeError for wrong arguments, LimitError for a picture with a side over 16383.
    """
    from .tokenizers import load_tokenizer

    chosen = find_model(model)
    count = check_tokens(tokens, chosen)
    step = check_pitch(pitch)
    picture = to_rgb(image, warn=warn or _warn)
    check_size(*picture.size, max_pixels=picture.width * picture.height)
    grid = Grid.for_picture(*picture.size, step)
    tokenizer = load_tokenizer(chosen, device)
    coded = np.empty((grid.tiles, count), np.int32)
    for batch in _batches(grid.tiles):
        coded[batch.start : batch.stop] = _tokenise(tokenizer, cut(picture, grid, batch))[:, :count]
        if progress:
            progress(batch.stop, grid.tiles)
    return _pack(Header(chosen.id, count, step, picture.width, picture.height), chosen, coded)


def decode(
    data: bytes,
    *,
    tokens: int | None = None,
    look: str | None = None,
    device: str = "auto",
    dtype: str = "float32",
    model: str | Path | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    warn: Warn | None = None,
    progress: Progress | None = None,
) -> Image.Image:
    """Decode the bytes of a `.tok` file, or of any prefix that holds the header, to an RGB picture.

    tokens: use at most so many per tile; look: "perceptual" or "fidelity", as the model offers (None: its first);
    dtype: float32 or bfloat16, for the decoder's networks. A tile of which the bytes hold nothing is grey. Raises
    TokError for anything wrong with the file, LimitError for more pixels than `max_pixels`, ValueError for wrong
    arguments.
    """
    from .tokenizers import load_tokenizer

    header, chosen, coded, held = _read(data, model, max_pixels)
    declared = check_tokens(tokens, chosen) if tokens is not None else header.tokens
    grid = Grid.for_picture(header.width, header.height, header.pitch)
    if held < header.tokens * grid.tiles:
        (warn or _warn)(_holds(held, header.tokens, grid.tiles))
    coded = coded[:, :declared]
    counts = (coded >= 0).sum(1)
    if not chosen.ordered and counts.min() < chosen.n_tokens:
        raise TokError(
            f"model {chosen.name} needs all {chosen.n_tokens} tokens: they are not ordered, fewer mean nothing"
        )
    tokenizer = load_tokenizer(chosen, device, dtype)
    tokenizer.check_look(look)
    canvas = Canvas(grid)
    for batch in _batches(grid.tiles):
        part = slice(batch.start, batch.stop)
        canvas.add(_draw(tokenizer, coded[part], counts[part], look))
        if progress:
            progress(batch.stop, grid.tiles)
    return canvas.finish()


def info(data: bytes, *, model: str | Path | None = None) -> TokInfo:
    """Describe a `.tok` file from its bytes; needs neither weights nor torch. Raises TokError."""
    header = parse_header(data)
    grid = Grid.for_picture(header.width, header.height, header.pitch)
    name, held = None, None
    if model is not None or candidates(header.model_id):
        header, found, _, held = _read(data, model, None)
        name = found.name
    return TokInfo(
        width=header.width,
        height=header.height,
        pitch=header.pitch,
        columns=grid.columns,
        rows=grid.rows,
        tokens=header.tokens,
        held=held,
        model=name,
        model_id=header.model_id,
        bytes=len(data),
        header_bytes=HEADER_SIZE,
    )


def read_tokens(data: bytes, *, model: str | Path | None = None) -> NDArray[np.int32]:
    """Tokens of a `.tok` file: int32 [tiles, tokens declared], -1 where a cut file holds none. Raises TokError."""
    header, _, coded, _ = _read(data, model, None)
    return np.pad(coded, ((0, 0), (0, header.tokens - coded.shape[1])), constant_values=-1)


def truncate(
    data: bytes, *, tokens: int | None = None, size: int | None = None, model: str | Path | None = None
) -> bytes:
    """Cut a file to fewer tokens per tile, or to the most that fit into `size` bytes, without decoding pixels.

    Exactly one of the two is given. Raises ValueError for more tokens than are held or too small a size, TokError for
    a bad file.
    """
    if (tokens is None) == (size is None):
        raise ValueError("give either tokens or size")
    header, chosen, coded, held = _read(data, model, None)
    tiles = len(coded)
    most = held // tiles
    if most < 1:
        raise ValueError(f"nothing to cut: {_holds(held, header.tokens, tiles)}")
    if not chosen.ordered:
        raise ValueError(f"model {chosen.name} is not ordered: its files cannot be cut")

    def cut_to(count: int) -> bytes:
        return _pack(replace(header, tokens=count), chosen, coded[:, :count])

    if tokens is not None:
        if not 1 <= tokens <= most:
            raise ValueError(f"tokens must be 1..{most} for this file, not {tokens}")
        return cut_to(tokens)
    assert size is not None
    # More tokens never make fewer bytes, so bisection finds the most that fit.
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if len(cut_to(middle)) <= size else (low, middle - 1)
    if low == 0:
        raise ValueError(f"size must be at least {len(cut_to(1))} bytes for this file, not {size}")
    return cut_to(low)


def check_tokens(tokens: int | None, model: Model) -> int:
    """The number of tokens per tile that is meant. Raises ValueError outside 1 .. the model's number."""
    if tokens is None:
        return model.default_tokens
    if not 1 <= tokens <= model.n_tokens:
        raise ValueError(f"tokens must be 1..{model.n_tokens} for model {model.name}, not {tokens}")
    if not model.ordered and tokens != model.n_tokens:
        raise ValueError(f"model {model.name} is not ordered (no tail drop): it needs all {model.n_tokens} tokens")
    return tokens


def check_pitch(pitch: int | str) -> int:
    """The pitch as the header stores it. Raises ValueError for one that it cannot."""
    if pitch == "fit":
        return FIT
    if pitch not in PITCHES[1:]:
        raise ValueError(f"pitch must be fit or one of {', '.join(map(str, PITCHES[1:]))}, not {pitch}")
    return int(pitch)


def _pack(header: Header, model: Model, coded: NDArray[np.int32]) -> bytes:
    """The shorter of the two files that hold the tokens: by the model's tables, or flat. Ties go to the tables."""
    choices = (replace(header, flat=flat) for flat in (False, True))
    return min((pack_header(h, model.hash) + encode_tokens(coded, model.tables_of(h)) for h in choices), key=len)


def _read(data: bytes, name: str | Path | None, max_pixels: int | None) -> tuple[Header, Model, NDArray[np.int32], int]:
    """Header, model, tokens int32 [tiles, ranks held at least in part] with -1 for none, and how many are held."""
    header, model = resolve(data, find_model(name) if name is not None else None)
    if max_pixels is not None:
        check_size(header.width, header.height, max_pixels)
    tiles = Grid.for_picture(header.width, header.height, header.pitch).tiles
    coded, held = decode_tokens(data[HEADER_SIZE:], tiles, header.tokens, model.tables_of(header))
    return header, model, coded, held


def _holds(held: int, tokens: int, tiles: int) -> str:
    if tiles == 1:
        return f"the file is cut: it holds {held} of {tokens} tokens"
    return f"the file is cut: it holds {held} of {tokens * tiles} tokens ({held / tiles:.1f} of {tokens} per tile)"


def _batches(tiles: int) -> Iterator[range]:
    for start in range(0, tiles, BATCH):
        yield range(start, min(start + BATCH, tiles))


def _tokenise(tokenizer: Tokenizer, tiles: NDArray[np.uint8]) -> NDArray[np.int64]:
    import torch

    with _memory():
        pixels = torch.from_numpy(tiles).to(tokenizer.device).permute(0, 3, 1, 2).float() / 255
        return tokenizer.encode(pixels).cpu().numpy()


def _draw(
    tokenizer: Tokenizer, coded: NDArray[np.int32], counts: NDArray[np.int64], look: str | None
) -> NDArray[np.float32]:
    """Pixels of a batch of tiles, those with equally many tokens together: float32 [n, 256, 256, 3] in [0, 1]."""
    import torch

    out = np.full((len(coded), TILE, TILE, 3), BLANK / 255, np.float32)
    for count in np.unique(counts[counts > 0]):
        rows = counts == count
        tokens = torch.from_numpy(coded[rows, :count].astype(np.int64)).to(tokenizer.device)
        with _memory():
            out[rows] = tokenizer.decode(tokens, look).permute(0, 2, 3, 1).float().cpu().numpy()
    return out


@contextmanager
def _memory() -> Iterator[None]:
    """A full GPU is no fault of the file, and there is a way out."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceError("the device's memory is full; use --device cpu") from error


def _warn(text: str) -> None:
    warnings.warn(text, TokWarning, stacklevel=3)


__all__ = ["TokInfo", "TokWarning", "decode", "encode", "info", "read_tokens", "truncate"]
