"""Reads a file and names the outcome (`examine`, `draw`); counts outcomes and records the extreme files (`Tally`)."""

from __future__ import annotations

import contextlib
import ctypes
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import tokcodec
from bench.memory import peak_mb, reset_peak
from tokcodec.container.header import parse_header

MAX_PIXELS = 1 << 24
"""Tokens are read from files up to this size: 2^16 tiles of 16x16, 64 MiB at 256 tokens each."""
MAX_DRAWN, MOST_TILES = 1 << 20, 64
"""Files up to this size are decoded to pixels. A tile takes 20 ms, whatever its size."""


def examine(data: bytes) -> str:
    """The outcome of `info` and `read_tokens`: "complete", "cut", or the class of the TokError that they raise.

    A file that declares more than MAX_PIXELS is "beyond the limit", and its tokens are not read. The bytes are also
    read as a bare file. Raises every other exception of theirs, and AssertionError if they contradict each other.
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
    """Read the bytes as a bare file. Nearly any two bytes are a valid header of one."""
    try:
        tokens = tokcodec.read_tokens(data, container="bare")
    except tokcodec.TokError as error:
        _named(error)
    else:
        if tokens.shape != (1, data[0] + 1):
            raise AssertionError(f"{data[0] + 1} tokens declared, {tokens.shape} read of a bare file")


def draw(data: bytes) -> str:
    """The outcome of decoding to pixels: "drawn", "too many tiles to draw", or the class of the TokError.

    The bytes are also drawn as a bare file. Raises every other exception of `decode`, and AssertionError if the picture
    does not have the size that `info` says.
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
    """A short description of a file."""
    try:
        header = parse_header(data)
    except tokcodec.TokError:
        return f"{len(data)} bytes, no header"
    pitch = f"pitch {header.pitch}" if header.pitch else "pitch fit"
    kinds = "".join(f", {kind}" for kind in ("flat", "adaptive") if getattr(header, kind))
    return f"{len(data)} bytes, {header.width}x{header.height} at {pitch}, {header.tokens} tokens{kinds}"


def give_memory_back() -> None:
    """Make glibc return freed memory at once. Otherwise a file may use memory that an earlier one left."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        for option in (-1, -3):  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
            libc.mallopt(option, 1 << 17)



@dataclass
class Tally:
    """Outcomes of some files, which are identified by their numbers."""

    outcomes: Counter[str] = field(default_factory=Counter)
    """Number of files for each outcome."""
    bugs: dict[int, str] = field(default_factory=dict)
    """Unexpected exceptions by file."""
    seconds: float = 0.0
    """Total CPU time of the reading thread."""
    slowest: tuple[float, int] = (0.0, 0)
    """Seconds and file."""
    largest: tuple[float, int] = (0.0, 0)
    """Growth of the process in MB while it read the file, and file."""

    @property
    def files(self) -> int:
        return self.outcomes.total()

    def add(self, other: Tally) -> None:
        self.outcomes += other.outcomes
        self.bugs |= other.bugs
        self.seconds += other.seconds
        self.note(other.slowest, other.largest)

    def note(self, slow: tuple[float, int], large: tuple[float, int]) -> None:
        """Keep (seconds, file) and (MB, file) if they exceed the present ones."""
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
        memory = peak_mb() or 0.0
        started = time.thread_time()  # CPU time: excludes other work on the machine, and waiting BLAS threads
        try:
            result = read(data)
        except Exception as error:
            result = f"BUG: {type(error).__name__}"
            found.bugs[number] = f"{type(error).__name__}: {error}"
        seconds = time.thread_time() - started
        found.outcomes[result] += 1
        found.seconds += seconds
        found.note((seconds, number), ((peak_mb() or 0.0) - memory, number))
    return found
