"""Whole runs: they go on where they were, refuse what does not fit, and end after too many errors."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.datasets.make import DAMAGED, Here, make_folder, make_parquet, png, rows
from tokcodec.datasets.runs import Run, plan_encoding
from tokcodec.datasets.shards.outcome import Outcome, TooManyErrors
from tokcodec.errors import OutputError, SourceError
from tokcodec.options import EncodeOptions

pytestmark = pytest.mark.usefixtures("tiny")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "photos", {f"{i}.png": DAMAGED if i == 4 else png(i) for i in range(9)})


def plan(source: Path, out: Path, **others: Any) -> Run:
    options = EncodeOptions(model="tiny", **others.pop("options", {}))
    return plan_encoding([str(source)], str(out), options, **{"shard_size": 3} | others)


def test_a_run_goes_on_where_it_was(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    outcomes = plan(photos, out).outcomes(Here())
    assert isinstance(next(outcomes), Outcome)
    outcomes.close()  # type: ignore[attr-defined]
    make_folder(out, {".tokcodec-0123.tmp": b"a part"})
    first = (out / "photos-00000.parquet").stat().st_ino
    again = plan(photos, out)
    assert [outcome.samples for outcome in again.done] == [3] and len(again.tasks) == 2
    assert len(list(again.outcomes(Here()))) == 2
    assert (out / "photos-00000.parquet").stat().st_ino == first
    assert sorted(os.listdir(out)) == [f"photos-0000{i}.parquet" for i in range(3)]
    assert [row["key"] for row in rows(out)] == [f"photos/{i}.png" for i in range(9)]
    done = plan(photos, out)
    assert not done.tasks and sum(outcome.errors for outcome in done.done) == 1


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ({"options": {"tokens": 5}}, "made with tokens 8, not tokens 5"),
        ({"options": {"pitch": 128}}, "made with pitch 256, not pitch 128"),
        ({"options": {"target_size": 100}}, "made with target_size None, not target_size 100"),
        ({"max_pixels": 1000}, "made with max_pixels 89478485, not max_pixels 1000"),
        ({"shard_size": 4}, "as it was (pictures "),
    ],
    ids=str,
)
def test_an_output_of_other_options(photos: Path, tmp_path: Path, others: dict[str, Any], words: str) -> None:
    list(plan(photos, tmp_path / "out").outcomes(Here()))
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with pytest.raises(OutputError) as caught:
        plan(photos, tmp_path / "out", **others)
    assert words in str(caught.value) and "photos-00000.parquet" in str(caught.value)
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_an_output_of_another_model(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    list(plan(photos, tmp_path / "out").outcomes(Here()))
    with pytest.raises(OutputError, match=r"made with model tiny \(.*\), not base-2 \("):
        plan_encoding([str(photos)], str(tmp_path / "out"), EncodeOptions(tokens=8), shard_size=3)


def test_another_source_of_the_same_name(photos: Path, tmp_path: Path) -> None:
    list(plan(photos, tmp_path / "out").outcomes(Here()))
    (photos / "00.png").write_bytes(png(99))  # all shards shift by one
    with pytest.raises(OutputError, match="as it was"):
        plan(photos, tmp_path / "out")


def test_the_source_is_never_taken_for_the_output(tmp_path: Path) -> None:
    make_parquet(tmp_path / "a.parquet", [png(0)])
    with pytest.raises(OutputError, match=r"a\.parquet: was not written by tokcodec dataset, and is left alone"):
        plan(tmp_path / "a.parquet", tmp_path)


def test_an_output_that_cannot_be(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SourceError, match="file: is no folder"):
        plan(photos, tmp_path / "file")
    make_folder(tmp_path / "out", {"x.parquet": b"no Parquet"})
    with pytest.raises(SourceError, match=r"x\.parquet: no Parquet file, or a damaged one"):
        plan(photos, tmp_path / "out")


def test_errors_end_the_run_when_there_are_too_many(tmp_path: Path) -> None:
    pictures = {f"{i}.png": DAMAGED if i in (1, 4, 5) else png(i) for i in range(9)}
    photos = make_folder(tmp_path / "photos", pictures)
    found = []
    with pytest.raises(TooManyErrors, match="more than 2 errors"):
        for outcome in plan(photos, tmp_path / "out", max_errors=2).outcomes(Here(), 2):
            found.append(outcome)
    assert sorted(os.listdir(tmp_path / "out")) == ["photos-00000.parquet", "photos-00001.parquet"]
    with pytest.raises(TooManyErrors):  # what earlier runs found counts
        list(plan(photos, tmp_path / "out", max_errors=2).outcomes(Here(), 2))
    assert len(list(plan(photos, tmp_path / "out", max_errors=3).outcomes(Here(), 3))) == 1


def test_a_full_disk_ends_the_run(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any, **others: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    with pytest.raises(OutputError, match=r"photos-00000\.parquet: disk full"):
        list(plan(photos, tmp_path / "out").outcomes(Here()))
    assert os.listdir(tmp_path / "out") == []


def test_the_file_system_tells_of_a_full_disk_by_number(tmp_path: Path) -> None:
    """What `disk full` is told from, of a device that always is."""
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    with pytest.raises(OSError) as caught, pa.OSFile("/dev/full", "w") as stream:
        stream.write(bytes(1 << 16))
    assert caught.value.errno == 28
