"""Encodes many pictures. Their tiles share batches, and threads read and cut pictures while others are tokenised.

    threads   file -> picture -> tiles, in chunks
    caller    chunks in the order of the files -> batches -> tokens -> bytes

A tokenizer is several times faster on a batch than on single tiles. The batches depend only on the order of the
pictures, so that files do not depend on the number of threads. Threads are sufficient, since Pillow and torch release
the interpreter's lock. With `jobs` = 0 the caller's thread also reads, for processes that share the cores.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..codec import note_stretch, note_tiles
from ..container.header import Header
from ..contents import pack
from ..cores import available, turn
from ..options import EncodeOptions
from ..pictures.images import read_picture
from ..pictures.limits import DEFAULT_MAX_PIXELS
from ..pictures.tiling import Grid, cut
from ..tokenizers import load_tokenizer
from ..tokenizers.tiles import BATCH, tokenise

if TYPE_CHECKING:
    from ..models.modelfile import Model

AHEAD = 4 * BATCH
"""Largest number of tiles that wait for the tokenizer (25 MB), enough to read on during a batch on the CPU."""
MAX_JOBS = 64
Source = str | Path | BinaryIO
"""A picture file, or a stream of its bytes."""
Read = Callable[..., Image.Image]
"""`read_picture` with its limit and background."""
_DEFAULT_MAX_JOBS = 8  # every thread holds a picture, at the default limit of pixels up to a quarter of a GiB


@dataclass(frozen=True)
class Encoded:
    """The result of encoding one picture: the bytes of its file, or an error."""

    source: Source
    notes: tuple[str, ...]
    """A line for each thing that is dropped from the picture."""
    data: bytes = b""
    error: Exception | None = None
    width: int = 0
    """Pixels along the horizontal side. 0 if the picture cannot be read, as for the next two."""
    height: int = 0
    """Pixels along the vertical side."""
    tiles: int = 0
    """Number of tiles."""
    coded: NDArray[np.int32] | None = field(default=None, compare=False)
    """The tokens, int32 [tiles, tokens]."""


def default_jobs() -> int:
    """Default number of threads: one for each core that this process may use, at most 8."""
    return min(available(), _DEFAULT_MAX_JOBS)


def encode_many(
    sources: Iterable[Source],
    options: EncodeOptions,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    jobs: int | None = None,
) -> Iterator[Encoded]:
    """Encode pictures. Yields an `Encoded` for each, in their order.

    An error of a picture is in its `Encoded.error`, and does not end the run. Memory: one picture per thread and AHEAD
    tiles.

    Args:
        sources: picture files or binary streams.
        options: a target, `adaptive` and the bare container are not supported, since they need single pictures.
        max_pixels: refuse larger pictures.
        jobs: threads that read and cut, 1 to 64. 0: the caller's thread reads. Default: `default_jobs`.

    Raises:
        ValueError: an argument is out of range. This and the next error are raised before the first result.
        TokError: the model or the device cannot be used.
    """
    settings = options.resolve()
    if not settings.plain:
        raise ValueError("a target, adaptive and bare files take pictures one by one")
    chosen, count, step = settings.model, settings.tokens, settings.pitch
    if jobs is not None and not 0 <= jobs <= MAX_JOBS:
        raise ValueError(f"jobs must be 0..{MAX_JOBS}, not {jobs}")

    unfinished: deque[_Work] = deque()
    batch = _Batch(chosen, options.device, count)
    read = partial(read_picture, max_pixels=max_pixels, background=options.background)
    for chunk in _chunks(sources, step, chosen.tile, read, default_jobs() if jobs is None else jobs):
        if chunk.start == 0:
            current = _Work(chunk, count)
            unfinished.append(current)
        if chunk.error is not None:
            current.fail(chunk)
        batch.add(current, chunk)
        while unfinished and not unfinished[0].missing:
            yield unfinished.popleft().finish(chosen, step)
    batch.flush()
    for work in unfinished:
        yield work.finish(chosen, step)


@dataclass
class _Chunk:
    """Some tiles of a picture from number `start` on, uint8 [n, side, side, 3]; no tiles if there is an error."""

    source: Source
    start: int
    grid: Grid | None
    tiles: NDArray[np.uint8]
    notes: list[str] = field(default_factory=list)
    error: Exception | None = None
    last: bool = True


class _Work:
    """The state of one picture. `missing` of its tiles are not tokenised yet."""

    def __init__(self, first: _Chunk, count: int) -> None:
        self.source, self.grid, self.notes = first.source, first.grid, first.notes
        self.error: Exception | None = None
        self.missing = self.grid.tiles if self.grid else 0
        self.coded = np.empty((self.missing, count), np.int32)

    def fail(self, chunk: _Chunk) -> None:
        """Take the error of a chunk, after which no tiles follow."""
        self.error = chunk.error
        self.missing -= len(self.coded) - chunk.start

    def finish(self, model: Model, step: int) -> Encoded:
        notes = tuple(self.notes)
        if self.grid is None or self.error is not None:
            return Encoded(self.source, notes, error=self.error)
        width, height = self.grid.width, self.grid.height
        data = pack(Header(model.id, self.coded.shape[1], step, width, height), model, self.coded)
        return Encoded(self.source, notes, data, None, width, height, self.grid.tiles, self.coded)


class _Batch:
    """Tiles of one or several pictures, which are tokenised together when there are BATCH of them."""

    def __init__(self, model: Model, device: str, count: int) -> None:
        self.model, self.device, self.count = model, device, count
        self.parts: list[tuple[_Work, int, NDArray[np.uint8]]] = []  # picture, number of its first tile here, tiles
        self.room = BATCH

    def add(self, work: _Work, chunk: _Chunk) -> None:
        start, tiles = chunk.start, chunk.tiles
        while len(tiles):
            part = tiles[: self.room]
            self.parts.append((work, start, part))
            start, tiles, self.room = start + len(part), tiles[len(part) :], self.room - len(part)
            if not self.room:
                self.flush()

    def _scale(self, part: tuple[_Work, int, NDArray[np.uint8]]) -> int:
        grid = part[0].grid
        return grid.scale(self.model.scales) if grid else 0

    def flush(self) -> None:
        """Tokenise the tiles."""
        if not self.parts:
            return
        # Loaded only now, while the threads read. Later calls find it in the cache.
        tokenizer = load_tokenizer(self.model, self.device)
        try:
            # Pictures of different sizes have tiles of different scales, with their own codewords.
            for scale, group in groupby(sorted(self.parts, key=self._scale), key=self._scale):
                parts = list(group)
                coded = tokenise(tokenizer, np.concatenate([tiles for *_, tiles in parts]), self.count, scale)
                for work, start, tiles in parts:
                    work.coded[start : start + len(tiles)], coded = coded[: len(tiles)], coded[len(tiles) :]
        except Exception as error:  # such as a full device: the next batch may succeed
            for work, *_ in self.parts:
                work.error = error
        for work, _, tiles in self.parts:
            work.missing -= len(tiles)
        self.parts, self.room = [], BATCH


def _chunks(sources: Iterable[Source], step: int, side: int, read: Read, jobs: int) -> Iterator[_Chunk]:
    """The chunks of all pictures in order; each picture has at least one, with `start` 0."""
    if not jobs:
        for source in sources:
            yield from _cut(source, step, side, read)
        return
    desk = _Desk()
    turn = begun = 0
    waiting = iter(sources)
    with ThreadPoolExecutor(jobs, thread_name_prefix="tokcodec-read") as pool:
        try:
            while True:
                for source in islice(waiting, turn + AHEAD - begun):
                    desk.open(begun)
                    pool.submit(_read, desk, begun, source, step, side, read)
                    begun += 1
                if turn == begun:
                    return
                while not (chunk := desk.take(turn)).last:
                    yield chunk
                turn += 1
                yield chunk
        finally:  # also when the caller stops half-way
            desk.close()
            pool.shutdown(cancel_futures=True)


def _read(desk: _Desk, turn: int, source: Source, step: int, side: int, read: Read) -> None:
    """Put a picture's chunks on the desk; runs in a thread."""
    try:
        desk.wait(turn)
        for chunk in _cut(source, step, side, read):
            desk.put(turn, chunk)
    except _ClosedError:
        pass


def _cut(source: Source, step: int, side: int, read: Read) -> Iterator[_Chunk]:
    """A picture's chunks; the last one has the error where there is one."""
    failed = _Chunk(source, 0, None, np.empty((0, side, side, 3), np.uint8))
    try:
        with turn():
            picture = read(source, warn=failed.notes.append)
        grid = Grid.for_picture(*picture.size, step)
        note_stretch(grid, failed.notes.append)
        note_tiles(grid, failed.notes.append)
        for start in range(0, grid.tiles, BATCH):
            failed.start = start
            stop = min(start + BATCH, grid.tiles)
            with turn():
                tiles = cut(picture, grid, range(start, stop), side=side)
            yield _Chunk(source, start, grid, tiles, failed.notes, last=stop == grid.tiles)
    except Exception as error:
        yield replace(failed, error=error)  # deleted, since its traceback refers to this frame and the picture


class _ClosedError(Exception):
    """No more chunks are taken."""


class _Desk:
    """A queue of chunks between the threads that cut them and the caller, with at most AHEAD tiles.

    The picture whose turn it is may always put one chunk, so that other pictures cannot block it.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.chunks: dict[int, deque[_Chunk]] = {}
        self.turn, self.held, self.closed = 0, 0, False

    def open(self, turn: int) -> None:
        """Make a place for a picture's chunks."""
        with self.changed:
            self.chunks[turn] = deque()

    def wait(self, turn: int) -> None:
        """Wait until there is room for a chunk. Raises _ClosedError."""
        with self.changed:
            self.changed.wait_for(lambda: self.closed or self._room(turn))
            if self.closed:
                raise _ClosedError

    def _room(self, turn: int) -> bool:
        return self.held < AHEAD or (turn == self.turn and not self.chunks[turn])

    def put(self, turn: int, chunk: _Chunk) -> None:
        """Add a picture's next chunk when there is room. Raises _ClosedError."""
        with self.changed:
            self.wait(turn)
            self.chunks[turn].append(chunk)
            self.held += len(chunk.tiles)
            self.changed.notify_all()

    def take(self, turn: int) -> _Chunk:
        """Take the next chunk of the picture whose turn it is."""
        with self.changed:
            self.turn = turn
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.chunks[turn])
            chunk = self.chunks[turn].popleft()
            self.held -= len(chunk.tiles)
            if chunk.last:
                del self.chunks[turn]
            self.changed.notify_all()
            return chunk

    def close(self) -> None:
        """End the threads."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()
