"""What every run must have written in the end."""

from __future__ import annotations

from pathlib import Path

from tests.datasets.make import rows


def check(output: Path, pictures: dict[str, bytes], expected: dict[str, bytes]) -> None:
    """Every key is there once, with the plain encode's bytes or its error, and nothing else is."""
    found = rows(output)
    assert [row["key"] for row in found] == sorted(pictures)
    for row in found:
        assert row["tok"] == expected.get(row["key"]), row["key"]
        wrong = f"tokcodec: {row['key']}: damaged or unsupported PNG picture"
        assert row["error"] == (None if row["key"] in expected else wrong)
    assert not [path.name for path in output.iterdir() if path.suffix != ".parquet"]
