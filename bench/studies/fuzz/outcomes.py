"""What comes of a file: `examine` and `draw` name it; a `Tally` counts it and remembers the slowest and the largest."""

from __future__ import annotations

import contextlib
import ctypes
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import tokcodec
from bench.memory import reset_peak
from tokcodec.container.header import parse_header

MAX_PIXELS = 1 << 24
"""Tokens are decoded of files that `info` finds to declare no more: 2^16 tiles of 16x16, 64 MiB at 256 tokens each."""
MAX_DRAWN, MOST_TILES = 1 << 20, 64
"""Pixels are decoded of files that declare no more pixels and tiles: a tile takes 20 ms whatever its size."""


def examine(data: bytes) -> str:
    """What `info` and `read_tokens` make of a file: "complete", "cut", or the class of the TokError that refuses it.

    "beyond the limit" is what declares more than MAX_PIXELS: only described. The bytes are read as a bare file too.
    Raises whatever else they raise, and AssertionError where they contradict each other.
    """
    _examine_bare(data)
    found: tokcodec.TokInfo | None = None
    refusal = ""
    try:
        found = tokcodec.info(data)
    except tokcodec.TokError as error:
        refusal = _named(error)
    if found is not None and found.width * found.height > MAX_PIXELS:
        return "beyond the limit"
    try:
        tokens = tokcodec.read_tokens(data)
    except tokcodec.TokError as error:
        if found is None and _named(error) != refusal:
            raise AssertionError(f"info says {refusal}, read_tokens {_named(error)}") from error
        return _named(error)
    if found is None:
        raise AssertionError(f"info says {refusal}, read_tokens reads it")
    if tokens.shape != (found.tiles, found.tokens) or tokens.min() < -1 or (tokens >= 0).sum() != found.held:
        raise AssertionError(f"info says {found}, read_tokens gives {tokens.shape} with {(tokens >= 0).sum()} tokens")
    return "complete" if found.complete else "cut"


def _examine_bare(data: bytes) -> None:
    """A bare file is nearly any two bytes and a payload."""
    try:
        tokens = tokcodec.read_tokens(data, container="bare")
    except tokcodec.TokError as error:
        _named(error)
    else:
        if tokens.shape != (1, data[0] + 1):
            raise AssertionError(f"{data[0] + 1} tokens declared, {tokens.shape} read of a bare file")


def draw(data: bytes) -> str:
    """What decoding to pixels makes of a file: "drawn", "too many tiles to draw", or the class of the TokError.

    The bytes are drawn as a bare file too. Raises whatever else comes, and AssertionError for a picture of another size
    than `info` says.
    """
    quiet: dict[str, Any] = {"warn": lambda text: None, "max_pixels": MAX_DRAWN, "device": "cpu"}
    try:
        tokcodec.decode(data, container="bare", **quiet)
    except tokcodec.TokError as error:
        _named(error)
    try:
        found = tokcodec.info(data)
        if found.tiles > MOST_TILES and found.width * found.height <= MAX_DRAWN:
            return "too many tiles to draw"
        picture = tokcodec.decode(data, **quiet)
    except tokcodec.TokError as error:
        return _named(error)
    if picture.size != (found.width, found.height):
        raise AssertionError(f"info says {found}, the picture has {picture.size}")
    return "drawn"


def _named(error: tokcodec.TokError) -> str:
    if not str(error) or "\n" in str(error):
        raise AssertionError(f"not one line for the user: {error!r}") from error
    return type(error).__name__


def described(data: bytes) -> str:
    """A file in a few words."""
    try:
        header = parse_header(data)
    except tokcodec.TokError:
        return f"{len(data)} bytes, no header"
    pitch = f"pitch {header.pitch}" if header.pitch else "pitch fit"
    kinds = "".join(f", {kind}" for kind in ("flat", "adaptive") if getattr(header, kind))
    return f"{len(data)} bytes, {header.width}x{header.height} at {pitch}, {header.tokens} tokens{kinds}"


def give_memory_back() -> None:
    """Have glibc return what is freed at once: else a file's memory would be hidden in what an earlier one has left."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        for option in (-1, -3):  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
            libc.mallopt(option, 1 << 17)


def peak_mb() -> float:
    """Most memory that this process had since `reset_peak`, in MB."""
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10  # of ru_maxrss: bytes there, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


@dataclass
class Tally:
    """What came of some files, each named by its number: how often, bugs, and the extreme ones.

    seconds: of the processor in the reading thread, together; slowest: (seconds, file); largest: (MB by which the
    process grew while it read the file, file).
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    bugs: dict[int, str] = field(default_factory=dict)
    seconds: float = 0.0
    slowest: tuple[float, int] = (0.0, 0)
    largest: tuple[float, int] = (0.0, 0)

    @property
    def files(self) -> int:
        return self.outcomes.total()

    def add(self, other: Tally) -> None:
        self.outcomes += other.outcomes
        self.bugs |= other.bugs
        self.seconds += other.seconds
        self.note(other.slowest, other.largest)

    def note(self, slow: tuple[float, int], large: tuple[float, int]) -> None:
        """Remember (seconds, file) and (MB, file) if they are more than before."""
        self.slowest = max(self.slowest, slow, key=lambda pair: pair[0])
        self.largest = max(self.largest, large, key=lambda pair: pair[0])

    def to_json(self) -> dict[str, Any]:
        return vars(self) | {"bugs": list(self.bugs.items())}

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Tally:
        pairs = {key: tuple(found[key]) for key in ("slowest", "largest")}
        return cls(Counter(found["outcomes"]), dict(found["bugs"]), found["seconds"], **pairs)


def tally(files: Iterable[tuple[int, bytes]], read: Callable[[bytes], str]) -> Tally:
    """Count what `read` makes of files, given with their numbers; an exception that it raises is a bug."""
    found = Tally()
    for number, data in files:
        reset_peak()
        memory = peak_mb()
        started = (
            time.thread_time()
        )  # of the processor: neither other work nor BLAS threads that wait are the file's fault
        try:
            result = read(data)
        except Exception as error:
            result = f"BUG: {type(error).__name__}"
            found.bugs[number] = f"{type(error).__name__}: {error}"
        seconds = time.thread_time() - started
        found.outcomes[result] += 1
        found.seconds += seconds
        found.note((seconds, number), (peak_mb() - memory, number))
    return found
