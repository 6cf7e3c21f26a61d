"""Which shards sources make."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.datasets.make import make_folder
from tokcodec.datasets.sources.listing import find_shards
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
    assert (shards[0].mark, shards[-1].mark) == ("2 bytes", "3 bytes")


def test_the_mark_of_a_folder_is_that_of_its_pictures(tmp_path: Path) -> None:
    make_folder(tmp_path / "photos", {f"{i}.jpg": b"" for i in range(4)})
    before = [shard.mark for shard in find_shards([str(tmp_path / "photos")], 2)]
    (tmp_path / "photos" / "9.jpg").touch()
    assert [shard.mark for shard in find_shards([str(tmp_path / "photos")], 2)][:2] == before
    (tmp_path / "photos" / "00.jpg").touch()
    assert not {shard.mark for shard in find_shards([str(tmp_path / "photos")], 2)} & set(before)


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
