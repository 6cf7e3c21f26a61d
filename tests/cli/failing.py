"""What a failed command prints."""

from __future__ import annotations

from click.testing import Result


def failed(result: Result, *words: str, code: int = 1) -> None:
    """Check that stderr has one line with these words, and no traceback."""
    assert result.exit_code == code, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("tokcodec: ")
    assert all(word in line for word in words), line
