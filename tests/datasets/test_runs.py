"""Whole runs: they resume, refuse what does not fit, and end after too many errors."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import tokcodec
from tests.datasets.make import DAMAGED, Here, make_folder, make_parquet, make_tar, png, rows
from tokcodec.datasets.reading import describe, read
from tokcodec.datasets.runs import Run, plan_decoding, plan_encoding
from tokcodec.datasets.shards.outcome import Outcome, TooManyErrors
from tokcodec.datasets.sources.places import Place
from tokcodec.errors import OutputError, SourceError
from tokcodec.options import DecodeOptions, EncodeOptions

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
        ({"options": {"target_size": 100}}, "made with pitch 256, tokens 8, not target_size 100"),
        ({"max_pixels": 1000}, "made with max_pixels 89478485, not max_pixels 1000"),
        ({"max_sample_bytes": 10**6}, "made with max_sample_bytes None, not max_sample_bytes 1000000"),
        ({"shard_size": 4}, "made with shard_size 3, not shard_size 4"),
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


def test_options_that_are_no_longer_given(photos: Path, tmp_path: Path) -> None:
    list(plan(photos, tmp_path / "a", options={"tokens": 8, "adaptive": True}).outcomes(Here()))
    with pytest.raises(OutputError, match="made with adaptive True, not adaptive None;"):
        plan(photos, tmp_path / "a")
    list(plan(photos, tmp_path / "b", options={"target_size": 100}).outcomes(Here()))
    with pytest.raises(OutputError, match="made with target_size 100, not pitch 256, tokens 4;"):
        plan(photos, tmp_path / "b", options={"tokens": 4})


def test_an_output_of_another_model(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    list(plan(photos, tmp_path / "out").outcomes(Here()))
    with pytest.raises(OutputError, match=r"made with model tiny \(.*\), not base-3 \("):
        plan_encoding([str(photos)], str(tmp_path / "out"), EncodeOptions(tokens=8), shard_size=3)


def test_another_source_of_the_same_name(photos: Path, tmp_path: Path) -> None:
    list(plan(photos, tmp_path / "out").outcomes(Here()))
    (photos / "00.png").write_bytes(png(99))  # all shards shift by one
    with pytest.raises(OutputError, match="as it was"):
        plan(photos, tmp_path / "out")


def test_another_content_of_the_same_name(tmp_path: Path) -> None:
    for day in ("1", "2"):
        make_folder(tmp_path / day / "images", {"a.png": png(int(day), 32 * int(day))})
        make_tar(tmp_path / day / "train.tar", {"0.png": png(int(day))})
    sizes = {(tmp_path / day / "train.tar").stat().st_size for day in "12"}
    assert len(sizes) == 1
    for name in ("images", "train.tar"):
        list(plan(tmp_path / "1" / name, tmp_path / "out").outcomes(Here()))
        with pytest.raises(OutputError, match=rf"made from .*1/{name}, not from .*2/{name}, whose content is another;"):
            plan(tmp_path / "2" / name, tmp_path / "out")
    make_folder(tmp_path / "1" / "images", {"a.png": png(3, 60)})
    with pytest.raises(OutputError, match=r"made from .*1/images as it was; its content is another now;"):
        plan(tmp_path / "1" / "images", tmp_path / "out")


def test_a_source_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_tar(tmp_path / "a.tar", {"0.png": png(0)})
    list(plan(source, tmp_path / "out").outcomes(Here()))
    read = Place.open

    def refuse(place: Place) -> Any:  # not even root may
        if place.base == "a.tar":
            raise PermissionError(13, "Permission denied")
        return read(place)

    monkeypatch.setattr(Place, "open", refuse)
    with pytest.raises(OutputError, match=r"made from .*a\.tar, but .*a\.tar cannot be read now"):
        plan(source, tmp_path / "out")
    monkeypatch.setattr(Place, "stream", refuse)
    (outcome,) = plan(source, tmp_path / "other").outcomes(Here())
    assert str(outcome.failure).endswith("a.tar: cannot be read: permission denied")


def test_an_output_in_its_source_is_no_source(photos: Path) -> None:
    for _ in range(2):
        run = plan(photos, photos / "tokens", shard_size=100)
        list(run.outcomes(Here()))
    assert len(run.done) == 1 and not run.tasks
    assert len(plan(photos, photos / "tokens2", shard_size=100).tasks) == 1


def test_names_that_mean_something_in_a_uri(tmp_path: Path) -> None:
    for i in range(2):
        (tmp_path / "tars").mkdir(exist_ok=True)
        make_tar(tmp_path / "tars" / f"shard#{i}.tar", {"0.png": png(i)})
    for _ in range(2):
        run = plan_encoding([f"file://{tmp_path}/tars"], f"file://{tmp_path}/o", EncodeOptions(model="tiny"))
        list(run.outcomes(Here()))
    assert len(run.done) == 2 and sorted(os.listdir(tmp_path / "o")) == ["shard#0.parquet", "shard#1.parquet"]


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    try:
        make_folder(tmp_path / "in", {"a\udcff.png": png(0), "b.png": png(1)})
    except (OSError, UnicodeError):
        pytest.skip("this file system has names in UTF-8 alone")
    make_tar(tmp_path / "in" / "t\udcff.tar", {"c\udcff.png": png(2)})
    make_parquet(tmp_path / "p", [png(3)]).rename(tmp_path / "in" / "p\udcff.parquet")
    assert not any(outcome.failure for outcome in plan(tmp_path / "in", tmp_path / "out").outcomes(Here()))
    keys = ["c\\udcff", "in/a\\udcff.png", "in/b.png", "p\\udcff-00000000"]
    assert [row["key"] for row in rows(tmp_path / "out")] == keys
    assert not plan(tmp_path / "in", tmp_path / "out").tasks


def test_a_shard_whose_name_cannot_be_does_not_end_the_run(tmp_path: Path) -> None:
    make_folder(tmp_path / "in", {"a.png": png(0)})
    make_folder(tmp_path / "out", {"t": b"a file in the way"})
    make_tar(make_folder(tmp_path / "in", {"t/x": b""}) / "t" / "b.tar", {"0.png": png(0)})
    found = list(plan(tmp_path / "in", tmp_path / "out").outcomes(Here()))
    assert [str(outcome.failure).rsplit(": ", 1)[-1] for outcome in found] == [
        "a part of its path is not a folder",
        "None",
    ]


def test_the_source_is_never_taken_for_the_output(tmp_path: Path) -> None:
    make_parquet(tmp_path / "a.parquet", [png(0)])
    with pytest.raises(OutputError, match=r"a\.parquet: was not written by tokcodec dataset, and is left alone"):
        plan(tmp_path / "a.parquet", tmp_path)


def test_an_output_that_cannot_be(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SourceError, match="file: is not a folder"):
        plan(photos, tmp_path / "file")
    make_folder(tmp_path / "out", {"x.parquet": b"no Parquet"})
    with pytest.raises(SourceError, match=r"x\.parquet: not a Parquet file, or a damaged one"):
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
    assert not (tmp_path / "out").exists()


def test_the_file_system_tells_of_a_full_disk_by_number(tmp_path: Path) -> None:
    """The source of `disk full`, a device that is always full."""
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    with pytest.raises(OSError) as caught, pa.OSFile("/dev/full", "w") as stream:
        stream.write(bytes(1 << 16))
    assert caught.value.errno == 28


def test_shards_without_samples_are_done_once(tmp_path: Path) -> None:
    """Empty parts, as Spark writes them, become empty outputs: the next run has nothing to do."""
    source = tmp_path / "source"
    source.mkdir()
    make_parquet(source / "part-0.parquet", [png(0)], label=[3])
    make_parquet(source / "part-1.parquet", [], label=pa.array([], pa.int64()))
    pq.ParquetWriter(source / "part-2.parquet", pa.schema([("image", pa.binary())])).close()  # no row group either
    make_tar(source / "part-3.tar", {})
    out = tmp_path / "out"
    outcomes = list(plan(source, out).outcomes(Here()))
    assert [(outcome.samples, outcome.errors, outcome.failure) for outcome in outcomes] == [
        (1, 0, None), (0, 0, None), (0, 0, None), (0, 0, None),
    ]  # fmt: skip
    again = plan(source, out)
    assert not again.tasks and len(again.done) == 4
    assert pq.read_schema(out / "part-1.parquet").names == pq.read_schema(out / "part-0.parquet").names
    assert describe(str(out))["samples"] == read(str(out)).count_rows() == 1
    for to in ("folder", "tar", "parquet"):
        run = plan_decoding(str(out), str(tmp_path / to), DecodeOptions(), to=to, format="png")
        assert [outcome.failure for outcome in run.outcomes(Here())] == [None] * 4
        assert not plan_decoding(str(out), str(tmp_path / to), DecodeOptions(), to=to, format="png").tasks
    assert len(list((tmp_path / "folder").rglob("*.png"))) == 1


def test_a_tar_with_dots_in_its_names_says_so(tmp_path: Path) -> None:
    make_tar(tmp_path / "a.tar", {f"img.{i}.{kind}": png(0) for i in range(4) for kind in ("jpg", "txt")})
    (outcome,) = plan(tmp_path / "a.tar", tmp_path / "out").outcomes(Here())
    assert "first dot of a name, and here they are .0.jpg, .0.txt, .1.jpg, .1.txt, .2.jpg, ..." in str(outcome.failure)


def test_the_background_is_part_of_the_recipe(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("RGBA", (16, 16)).save(stream, "PNG")
    folder = make_folder(tmp_path / "photos", {"a.png": stream.getvalue()})
    out = tmp_path / "out"
    list(plan(folder, out, options={"background": "#ff0000"}).outcomes(Here()))
    (row,) = rows(out)
    assert row["tok"] == tokcodec.encode(Image.new("RGB", (16, 16), "red"), model="tiny")
    with pytest.raises(OutputError, match="made with background #ff0000"):
        plan(folder, out)
