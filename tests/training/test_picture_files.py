"""The picture files that a training reads."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from tokcodec.errors import PictureError, SourceError
from tokcodec.training.picture_files import TOO_MANY_BYTES, picture_files


def test_files_above_the_limit_are_skipped_in_folders_and_tars(tmp_path: Path) -> None:
    """So are links and sparse members, whose bytes are not in the tar."""
    small, large = bytes(100), bytes(101)
    (tmp_path / "in").mkdir()
    for name, content in (("a.png", small), ("b.png", large), (".c.png", small), ("notes.txt", large)):
        (tmp_path / "in" / name).write_bytes(content)
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, content in (("a.png", small), ("b.png", large), ("notes.txt", small), ("d.png", small)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for kind in (tarfile.SYMTYPE, tarfile.DIRTYPE):
            member = tarfile.TarInfo(f"{kind.decode()}.png")
            member.type, member.linkname = kind, "a.png"
            archive.addfile(member)
    assert list(picture_files([tmp_path / "in"], 100)) == [small, TOO_MANY_BYTES]
    found = list(picture_files([tmp_path / "a.tar"], 100))
    assert found == [small, TOO_MANY_BYTES, small, "link or device"]


def test_a_damaged_tar_is_one_error(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in "ab":
            member = tarfile.TarInfo(f"{name}.png")
            member.size = 512
            archive.addfile(member, io.BytesIO(bytes(512)))
    path = tmp_path / "a.tar"
    path.write_bytes(path.read_bytes()[:1800])
    with pytest.raises(PictureError, match=r"a\.tar: not a tar archive, or a damaged one"):
        list(picture_files([path]))


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def test_a_folder_of_shards_is_read_as_its_shards_are(tmp_path: Path) -> None:
    """Pictures first, then those in tars and in Parquet files; tokens of a data set and metadata are no pictures."""
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    (tmp_path / "z.png").write_bytes(b"one")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        add(archive, "a.png", b"two")
    image = pa.array([{"bytes": bytes(300), "path": "b.png"}, {"bytes": None, "path": "c.png"}])
    pq.write_table(pa.table({"image": image, "label": [1, 2]}), tmp_path / "b.parquet")
    pq.write_table(pa.table({"label": [1, 2]}), tmp_path / "c.parquet")
    assert list(picture_files([tmp_path])) == [b"one", b"two", bytes(300), "PictureError"]
    assert list(picture_files([tmp_path / "b.parquet"], 250)) == ["LimitError", "PictureError"]
    with pytest.raises(SourceError, match=r"c\.parquet: no column of encoded pictures"):
        list(picture_files([tmp_path / "c.parquet"]))
    with pytest.raises(FileNotFoundError, match="not a folder, a tar archive or a Parquet file"):
        list(picture_files([tmp_path / "z.png"]))
