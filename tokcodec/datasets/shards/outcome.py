"""The outcome of the work on a shard: counts, the first errors, or the failure."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...errors import TokError, reason

MAX_LINES = 5
"""Lines of errors that an outcome keeps; all of them are in the column `error`."""


@dataclass
class Outcome:
    """The outcome of a shard.

    name: of the shard.
    output: of its output file.
    samples: number of its rows.
    tiles: number of encoded tiles.
    bytes: bytes of the encoded or decoded files.
    errors: number of rows with an error.
    lines: the first errors, at most MAX_LINES.
    notes: remarks about the shard, one line each.
    failure: why the shard has no output; None if it has one.
    """

    name: str
    output: str
    samples: int = 0
    tiles: int = 0
    bytes: int = 0
    errors: int = 0
    lines: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failure: Exception | None = None

    def count(self, errors: list[str | None]) -> None:
        """Add the column `error` of some samples."""
        found = [line for line in errors if line is not None]
        self.samples += len(errors)
        self.errors += len(found)
        self.lines += found[: MAX_LINES - len(self.lines)]


class TooManyErrors(TokError):
    """More samples have an error than was allowed."""

    def __init__(self, most: int) -> None:
        super().__init__(f"more than {most} errors")
        self.most = most

    def __reduce__(self) -> tuple[type[TooManyErrors], tuple[int]]:
        return TooManyErrors, (self.most,)


def sendable(error: Exception, name: str) -> Exception:
    """An exception that can be sent to another process: a TokError as it is, another as a TokError of one line."""
    return error if isinstance(error, TokError) else TokError(f"{name}: {reason(error)}")
