"""Encoding many pictures: their tiles share batches, and threads read and cut pictures while others are tokenised.

    threads   file -> picture -> tiles, in chunks
    caller    chunks in the order of the files -> batches -> tokens -> bytes

A tokenizer works several times faster on a batch than on single tiles. What the batches hold follows from the order of
the pictures alone, so that the number of threads never shows in a file. Pillow decodes and resamples, and torch
computes, without the interpreter's lock: threads are enough. Without threads the caller reads too: for processes that
share the cores.
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
"""Tiles, and so pictures at most, that wait for the tokenizer (25 MB): enough to read on during a batch of the CPU."""
MAX_JOBS = 64
Source = str | Path | BinaryIO
"""A picture file, or a stream of its bytes."""
Read = Callable[..., Image.Image]
"""`read_picture` with its limit and background."""
_DEFAULT_MAX_JOBS = 8  # every thread holds a picture, at the default limit of pixels up to a quarter of a GiB


@dataclass(frozen=True)
class Encoded:
    """What became of one picture: the bytes of its file, or the error because of which there are none.

    notes: what the picture lost, one line each; width, height in pixels and tiles are 0 where it could not be read;
    coded: int32 [tiles, tokens], the tokens in the file.
    """

    source: Source
    notes: tuple[str, ...]
    data: bytes = b""
    error: Exception | None = None
    width: int = 0
    height: int = 0
    tiles: int = 0
    coded: NDArray[np.int32] | None = field(default=None, compare=False)


def default_jobs() -> int:
    """Threads that read by default: one for each core that this process may use, at most 8."""
    return min(available(), _DEFAULT_MAX_JOBS)


def encode_many(
    sources: Iterable[Source],
    options: EncodeOptions,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    jobs: int | None = None,
) -> Iterator[Encoded]:
    """Encode pictures; yields an `Encoded` for each, in their order, while others are being read.

    What is wrong with a picture is in its `Encoded.error`, and the others go on. Memory: one picture per thread and
    AHEAD tiles.

    Args:
        sources: picture files or binary streams.
        options: without a target, `adaptive` and the bare container, which take pictures one by one.
        max_pixels: refuse larger pictures.
        jobs: threads that read and cut, 1 to 64. 0: the caller's thread reads. Default: `default_jobs`.

    Raises:
        ValueError: an argument is out of range. This and the next are raised before the first outcome.
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
    """Some tiles of a picture from number `start` on, uint8 [n, side, side, 3]; none with an error."""

    source: Source
    start: int
    grid: Grid | None
    tiles: NDArray[np.uint8]
    notes: list[str] = field(default_factory=list)
    error: Exception | None = None
    last: bool = True


class _Work:
    """A picture on its way; `missing` of its tiles are not tokenised."""

    def __init__(self, first: _Chunk, count: int) -> None:
        self.source, self.grid, self.notes = first.source, first.grid, first.notes
        self.error: Exception | None = None
        self.missing = self.grid.tiles if self.grid else 0
        self.coded = np.empty((self.missing, count), np.int32)

    def fail(self, chunk: _Chunk) -> None:
        """No tiles follow."""
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
    """Tiles of one or several pictures that are tokenised together as soon as there are BATCH."""

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
        """Tokenise what is there."""
        if not self.parts:
            return
        # Loaded when there is something to do, while the threads read on; the second time it is at hand.
        tokenizer = load_tokenizer(self.model, self.device)
        try:
            # Pictures of other sizes have tiles of other scales, with codewords of their own.
            for scale, group in groupby(sorted(self.parts, key=self._scale), key=self._scale):
                parts = list(group)
                coded = tokenise(tokenizer, np.concatenate([tiles for *_, tiles in parts]), self.count, scale)
                for work, start, tiles in parts:
                    work.coded[start : start + len(tiles)], coded = coded[: len(tiles)], coded[len(tiles) :]
        except Exception as error:  # the device is full, say: the pictures of the next batch may fare better
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
        yield replace(failed, error=error)  # not kept here: its traceback holds this frame, and so the picture


class _ClosedError(Exception):
    """Nobody takes chunks any more."""


class _Desk:
    """Where chunks lie between the threads that cut them and the one that takes them, at most AHEAD tiles.

    The picture whose turn it is may always put one, so that no other can keep it waiting for ever.
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
        """Until there is room for a chunk. Raises _ClosedError."""
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
        """The next chunk of the picture whose turn it is."""
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
        """Let the threads go."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()
