"""Checks the output of a run."""

from __future__ import annotations

from pathlib import Path

from tests.datasets.make import rows


def check(output: Path, pictures: dict[str, bytes], expected: dict[str, bytes]) -> None:
    """Check that each key occurs once, with the bytes of a plain encode or its error, and nothing else."""
    found = rows(output)
    assert [row["key"] for row in found] == sorted(pictures)
    for row in found:
        assert row["tok"] == expected.get(row["key"]), row["key"]
        wrong = f"tokcodec: {row['key']}: damaged or unsupported PNG picture"
        assert row["error"] == (None if row["key"] in expected else wrong)
    assert not [path.name for path in output.iterdir() if path.suffix != ".parquet"]
