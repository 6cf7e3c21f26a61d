"""What became of a shard: counts, the first errors, and why there is no output if there is none."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...errors import TokError, reason

MANY = 5
"""Lines of errors that a shard tells of; all of them are in its column `error`."""


@dataclass
class Outcome:
    """name: of the shard; output: of its file. samples: rows; bytes: of what they became; errors: rows with one; lines:
    the first of them; notes: what else is worth knowing of the shard; failure: why the shard has no output.
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
        self.lines += found[: MANY - len(self.lines)]


class TooManyErrors(TokError):
    """More samples have an error than was allowed."""

    def __init__(self, most: int) -> None:
        super().__init__(f"more than {most} errors")
        self.most = most

    def __reduce__(self) -> tuple[type[TooManyErrors], tuple[int]]:
        return TooManyErrors, (self.most,)


def sendable(error: Exception, name: str) -> Exception:
    """An exception of a shard that survives the way to another process: our own as they are, others as their line."""
    return error if isinstance(error, TokError) else TokError(f"{name}: {reason(error)}")
