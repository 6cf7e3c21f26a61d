"""The shards of sources."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.datasets.make import make_folder
from tokcodec.datasets.columns import METADATA, Recipe
from tokcodec.datasets.sources.listing import LeftOut, find_shards
from tokcodec.datasets.sources.places import Place
from tokcodec.errors import SourceError


def test_folders_are_cut_and_files_are_shards(tmp_path: Path) -> None:
    make_folder(tmp_path / "photos", {f"{i}.jpg": b"" for i in range(5)} | {"deep/t.tar": b"ab", "notes.txt": b""})
    make_folder(tmp_path, {"p.parquet": b"abc"})
    shards = find_shards([str(tmp_path / "photos"), str(tmp_path / "p.parquet")], shard_size=2)
    assert [(shard.output, shard.kind, shard.names) for shard in shards] == [
        ("deep/t.parquet", "tar", ()),
        ("photos-00000.parquet", "folder", ("0.jpg", "1.jpg")),
        ("photos-00001.parquet", "folder", ("2.jpg", "3.jpg")),
        ("photos-00002.parquet", "folder", ("4.jpg",)),
        ("p.parquet", "parquet", ()),
    ]
    assert [shards[i].mark.split()[:2] for i in (0, -1)] == [["2", "bytes"], ["3", "bytes"]]


def test_the_mark_of_a_folder_is_that_of_its_pictures(tmp_path: Path) -> None:
    make_folder(tmp_path / "photos", {f"{i}.jpg": b"" for i in range(4)})
    before = [shard.mark for shard in find_shards([str(tmp_path / "photos")], 2)]
    (tmp_path / "photos" / "9.jpg").touch()
    assert [shard.mark for shard in find_shards([str(tmp_path / "photos")], 2)][:2] == before
    (tmp_path / "photos" / "00.jpg").touch()
    assert not {shard.mark for shard in find_shards([str(tmp_path / "photos")], 2)} & set(before)


def test_another_content_has_another_mark(tmp_path: Path) -> None:
    """The same for files of equal size, and for pictures of equal names."""
    make_folder(tmp_path, {"a.tar": bytes(200_000), "photos/0.jpg": b"1"})
    sources = [str(tmp_path / "a.tar"), str(tmp_path / "photos")]
    marks = [{shard.output: shard.mark for shard in find_shards(sources)}]
    for start in (0, 199_999):
        (tmp_path / "a.tar").write_bytes(bytes(start) + b"x" + bytes(199_999 - start))
        (tmp_path / "photos" / "0.jpg").write_bytes(b"12" + bytes(start))
        marks.append({shard.output: shard.mark for shard in find_shards(sources)})
    assert all(len({mark[output] for mark in marks}) == 3 for output in marks[0])


def test_parquet_files_without_pictures_are_left_out_of_folders(tmp_path: Path) -> None:
    """Metadata beside tars, as img2dataset writes it. A file that is named on the command line is an error instead."""
    others = {"0_stats.json": b"", "notes.txt": b"", "more.TXT": b""}
    make_folder(tmp_path, {"0.tar": b"", "damaged.parquet": b"x"} | others)
    columns = {name: ["a"] for name in ("url", "caption", "key", "status", "width", "height", "sha256")}
    pq.write_table(pa.table(columns), tmp_path / "0.parquet")
    pq.write_table(pa.table({"image": pa.array([None], pa.null())}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"image": pa.array([], pa.binary())}), tmp_path / "2.parquet")
    left_out = LeftOut()
    found = find_shards([str(tmp_path)], left_out=left_out)
    assert [shard.place.base for shard in found] == ["0.tar", "2.parquet", "damaged.parquet"]
    assert left_out.suffixes == {".txt": 2, ".json": 1}
    assert [(Path(name).name, line.split("only ")[1]) for name, line in left_out.notes] == [
        ("0.parquet", "url, caption, key, status, width, height, ..."),
        ("1.parquet", "image"),
    ]
    for name in ("0.tar", "2.parquet", "damaged.parquet"):
        (tmp_path / name).unlink()
    with pytest.raises(SourceError, match=r"2 \.parquet files hold no pictures"):
        find_shards([str(tmp_path)])
    assert len(find_shards([str(tmp_path / "0.parquet")])) == 1


def test_metadata_with_a_binary_column_is_left_out_beside_tars_and_pictures(tmp_path: Path) -> None:
    """A hash or a vector in a binary column is no picture. Alone, the file is taken, since it holds nothing else."""
    make_folder(tmp_path, {"a/0.tar": b"", "b/0.jpg": b"", "b/out/0.tar": b""})
    for folder in ("a", "b", "c"):
        (tmp_path / folder).mkdir(exist_ok=True)
        for name in ("phash", "JPEG", "image_bytes"):
            pq.write_table(pa.table({name: pa.array([b"1234"])}), tmp_path / folder / f"{name}.parquet")
        pictures = pa.array([{"bytes": b"1234", "path": None}])
        pq.write_table(pa.table({"any": pictures}), tmp_path / folder / "struct.parquet")
    found = {}
    for folder in ("a", "b", "c"):
        left_out = LeftOut()
        shards = find_shards([str(tmp_path / folder)], output=Place(str(tmp_path / "b" / "out")), left_out=left_out)
        assert len(left_out.notes) == (folder != "c")
        assert all(line.endswith("only phash; --column names one") for _, line in left_out.notes)
        found[folder] = [shard.output for shard in shards if shard.kind == "parquet"]
    assert found["a"] == found["b"] == ["JPEG.parquet", "image_bytes.parquet", "struct.parquet"]
    assert found["c"] == sorted([*found["a"], "phash.parquet"])
    named = [shard.output for shard in find_shards([str(tmp_path / "a")], column="phash")]
    assert named == ["0.parquet", "phash.parquet"]


def test_damaged_metadata_beside_its_tar_is_left_out(tmp_path: Path) -> None:
    """img2dataset was interrupted: both would have the same output."""
    make_folder(tmp_path, {"0.tar": b"", "0.parquet": b"", "1.parquet": b""})
    left_out = LeftOut()
    found = find_shards([str(tmp_path)], left_out=left_out)
    assert [shard.place.base for shard in found] == ["0.tar", "1.parquet"]
    assert [(Path(name).name, line[:20]) for name, line in left_out.notes] == [("0.parquet", "left out: it is dama")]


def test_linked_folders_are_counted_or_searched_once(tmp_path: Path) -> None:
    make_folder(tmp_path, {"in/a.jpg": b"1", "out/b.jpg": b"2", "out/deep/c.jpg": b"3"})
    for name, target in (("1", "../out"), ("2", "../out"), ("circle", "."), ("gone", "none"), ("self", "self")):
        (tmp_path / "in" / name).symlink_to(target)
    left_out = LeftOut()
    (shard,) = find_shards([str(tmp_path / "in")], left_out=left_out)
    assert shard.names == ("a.jpg",) and left_out.linked == {str(tmp_path / "in"): 3}
    left_out = LeftOut()
    (shard,) = find_shards([str(tmp_path / "in")], left_out=left_out, follow_links=True)
    assert shard.names == ("1/b.jpg", "1/deep/c.jpg", "a.jpg") and not left_out.linked
    (tmp_path / "in" / "a.jpg").unlink()
    with pytest.raises(SourceError, match="3 linked, which --follow-links searches"):
        find_shards([str(tmp_path / "in")])


def test_what_earlier_runs_have_made_is_no_source(tmp_path: Path) -> None:
    recipe = Recipe("encode", "1", "m", "00", {}, "folder", "a", "b")
    pq.write_table(
        pa.table({"tok": [b""]}).replace_schema_metadata({METADATA: recipe.dump()}), tmp_path / "old.parquet"
    )
    make_folder(tmp_path, {"0.jpg": b"", "out/x.parquet": b"", "out/1.jpg": b"", "outside.parquet": b""})
    found = find_shards([str(tmp_path)], output=Place(f"file://{tmp_path}/out"))
    assert [(shard.output, shard.names) for shard in found] == [
        ("outside.parquet", ()),
        (f"{tmp_path.name}-00000.parquet", ("0.jpg",)),
    ]
    for output in (tmp_path, tmp_path.parent):  # then there is no telling what is the output's
        assert len(find_shards([str(tmp_path / "out")], output=Place(str(output)))) == 2


def test_a_pipe_is_no_source(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.tar")
    with pytest.raises(SourceError, match=r"a\.tar: is neither a folder nor a \.tar or \.parquet file"):
        find_shards([str(tmp_path / "a.tar")])


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        (["none"], "none: no such file or folder"),
        (["empty"], "empty: no pictures, .tar or .parquet files in this folder"),
        (["notes.txt"], "notes.txt: is neither a folder nor a .tar or .parquet file"),
        (["a.tar", "b/a.parquet"], "a.tar and b/a.parquet: both would be written to a.parquet"),
    ],
)
def test_sources_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sources: list[str], words: str) -> None:
    make_folder(tmp_path, {"empty/c.txt": b"", "notes.txt": b"", "a.tar": b"", "b/a.parquet": b""})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError) as caught:
        find_shards(sources)
    assert str(caught.value).startswith(words)


def test_a_source_given_twice_is_refused(tmp_path: Path) -> None:
    make_folder(tmp_path, {"a.tar": b""})
    with pytest.raises(SourceError, match="both would be written"):
        find_shards([str(tmp_path / "a.tar")] * 2)
