"""The samples of folders, tars and Parquet files: keys, pictures, other columns, and bounded batches."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.datasets.make import make_folder, make_parquet, make_tar, png
from tokcodec.datasets.sources import samples
from tokcodec.datasets.sources.listing import find_shards
from tokcodec.datasets.sources.picture_column import find_column
from tokcodec.datasets.sources.reader import read_samples
from tokcodec.datasets.sources.samples import Samples
from tokcodec.errors import SourceError


def read(path: Path, column: str | None = None, batch_size: int = 100) -> list[Samples]:
    (shard,) = find_shards([str(path)])
    return list(read_samples(shard, column, batch_size))


def carried(batch: Samples) -> dict[str, list[Any]]:
    return {name: column.to_pylist() for name, column in batch.carried.items()}


def test_a_folder(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "photos", {"b.jpg": b"2", "a/c.png": b"1", "d.webp": b"3"})
    (folder / "b.jpg").chmod(0)
    first, second = read(folder, batch_size=2)
    assert first.keys + second.keys == ["photos/a/c.png", "photos/b.jpg", "photos/d.webp"]
    assert first.pictures[0] == b"1" and second.pictures == [b"3"]
    (folder / "b.jpg").unlink()  # root may read what nobody may
    (shard,) = find_shards([str(folder)])
    (folder / "d.webp").unlink()
    (batch,) = read_samples(shard)
    assert isinstance(batch.pictures[1], FileNotFoundError)


def test_members_of_a_tar_with_one_key_are_a_sample(tmp_path: Path) -> None:
    members = {"t/0.jpg": b"p", "t/0.cls": b"7", "t/0.raw": b"\xff", "t/1.PNG": b"q", "t/1.txt": b"caf\xc3\xa9\xff"}
    members |= {"t/2.json": b"{}", "t/3.seg.png": b"s", "t/3.jpg": b"r", ".hidden": b"", "noise": b""}
    first, second = read(make_tar(tmp_path / "a.tar", members), batch_size=3)
    assert first.keys + second.keys == ["t/0", "t/1", "t/2", "t/3"]
    assert first.pictures[:2] == [b"p", b"q"] and isinstance(first.pictures[2], Exception)
    assert second.pictures == [b"r"]
    assert carried(first) == {
        "cls": ["7", None, None],
        "json": [None, None, "{}"],
        "raw": [b"\xff", None, None],
        "seg.png": [None] * 3,
        "txt": [None, "café\\xff", None],
    }
    assert {name: column.type for name, column in second.carried.items()} == {
        name: column.type for name, column in first.carried.items()
    }
    assert carried(second)["seg.png"] == [b"s"]


def test_the_members_of_a_sample_without_a_picture_are_named(tmp_path: Path) -> None:
    path = make_tar(tmp_path / "a.tar", {"0.jpg": b"p", "1.v2.png": b"s", "1.txt": b"t"})
    (batch,) = read(path)
    assert str(batch.pictures[1]) == "no picture in this sample: its members are .v2.png, .txt"


def test_the_picture_of_a_tar_may_be_named(tmp_path: Path) -> None:
    path = make_tar(tmp_path / "a.tar", {"0.jpg": b"p", "0.seg.png": b"s"})
    (batch,) = read(path, "seg.png")
    assert batch.pictures == [b"s"] and carried(batch) == {"jpg": [b"p"]}
    with pytest.raises(SourceError, match=r"a\.tar: no pictures in it"):
        read(path, "webp")


def test_members_that_cannot_be_told_apart_make_an_error(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in ("0.png", "1.png", "1.PNG", "2.png", "2.cls", "2.cls", "3.png", "4.png", "4.cls", "5.png", "6.v1"):
            member = tarfile.TarInfo(name)
            member.type = {"3": tarfile.LNKTYPE, "5": tarfile.SYMTYPE, "6": tarfile.SYMTYPE}.get(name[0], member.type)
            if name == "4.cls":
                member.type = tarfile.LNKTYPE
            member.linkname = "0.png" if member.type != tarfile.REGTYPE else ""
            member.size = 0 if member.linkname else 2
            archive.addfile(member, None if member.linkname else io.BytesIO(b"ab"))
    (batch,) = read(tmp_path / "a.tar")
    assert batch.keys == list("012345") and batch.pictures[0] == b"ab"
    assert [str(picture) for picture in batch.pictures[1:]] == [
        "several members .png in this sample",
        "several members .cls in this sample",
        "its member .png is a link to 0.png, without bytes",
        "its member .cls is a link to 0.png, without bytes",
        "its member .png is a link to 0.png, without bytes",
    ]


def test_tars_one_behind_the_other(tmp_path: Path) -> None:
    whole = make_tar(tmp_path / "a.tar", {"0.png": b"p"}).read_bytes()
    (tmp_path / "a.tar").write_bytes(whole + bytes(3 << 20) + whole)
    (batch,) = read(tmp_path / "a.tar")
    assert batch.keys == ["0"] and batch.notes == (
        "goes on behind the zeros that end a tar, another tar perhaps: that is not read",
    )


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    try:
        folder = make_folder(tmp_path / "photos", {"a\udcff.png": b"p"})
    except (OSError, UnicodeError):
        pytest.skip("this file system has names in UTF-8 alone")
    (batch,) = read(folder)
    assert (batch.keys, batch.pictures) == (["photos/a\\udcff.png"], [b"p"])
    (batch,) = read(make_tar(tmp_path / "a\udcff.tar", {"b\udcff.png": b"p", "b\udcff.x\udcff": b""}))
    assert batch.keys == ["b\\udcff"] and list(batch.carried) == ["x\\udcff"]


def test_parquet_of_hugging_face(tmp_path: Path) -> None:
    path = make_parquet(tmp_path / "train-0.parquet", [b"a", b"b", None], label=[1, 2, 3], name=["x", "y", "z"])
    first, second = read(path, batch_size=2)
    assert first.keys + second.keys == ["train-0-00000000", "train-0-00000001", "train-0-00000002"]
    assert first.pictures == [b"a", b"b"] and isinstance(second.pictures[0], Exception)
    assert carried(first) == {"label": [1, 2], "name": ["x", "y"]}


def test_parquet_with_keys_and_a_binary_column(tmp_path: Path) -> None:
    table = pa.table({"__key__": ["k1", "k2"], "jpg": pa.array([b"a", b"b"]), "other": pa.array([b"", b""])})
    pq.write_table(table, tmp_path / "a.parquet")
    (batch,) = read(tmp_path / "a.parquet")
    assert batch.keys == ["k1", "k2"] and batch.pictures == [b"a", b"b"] and list(batch.carried) == ["other"]


def test_keys_of_parquet(tmp_path: Path) -> None:
    make_folder(tmp_path, {"a/x": b"", "b/x": b""})
    for name in "ab":
        make_parquet(tmp_path / name / "train.parquet", [b"p", b"q"], key=pa.array([b"k\xff", None]))
    found = [batch.keys for shard in find_shards([str(tmp_path)]) for batch in read_samples(shard)]
    assert found == [["k\\xff", "a/train-00000001"], ["k\\xff", "b/train-00000001"]]


def test_a_column_of_pictures_may_be_encoded_by_a_dictionary(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": pa.array([b"p", None, b"p"]).dictionary_encode()}), tmp_path / "a.parquet")
    (batch,) = read(tmp_path / "a.parquet")
    assert batch.pictures[0] == batch.pictures[2] == b"p" and isinstance(batch.pictures[1], Exception)


def test_two_columns_of_one_name(tmp_path: Path) -> None:
    table = pa.table([pa.array([b"p"]), pa.array([1]), pa.array([2])], names=["image", "x", "x"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(SourceError, match=r"a\.parquet: several columns have the name 'x'"):
        read(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("columns", "named", "found"),
    [
        ({"a": pa.binary()}, None, "a"),
        ({"a": pa.binary(), "image": pa.large_binary()}, None, "image"),
        ({"a": pa.binary(), "b": pa.struct([("bytes", pa.binary())])}, None, "b"),
        ({"a": pa.binary(), "b": pa.binary()}, "b", "b"),
        ({"a": pa.binary(), "b": pa.binary()}, None, "pictures may be in the columns a, b: choose one with --column"),
        ({"a": pa.string()}, None, "no column of encoded pictures; there are: a"),
        ({"a": pa.binary()}, "x", "no column 'x'; there are: a"),
        ({"a": pa.int8()}, "a", "column 'a' holds int8, not encoded pictures"),
    ],
)
def test_the_column_of_pictures(columns: dict[str, pa.DataType], named: str | None, found: str) -> None:
    schema = pa.schema(list(columns.items()))
    if " " not in found:
        assert find_column(schema, named) == found
    else:
        with pytest.raises(SourceError, match="^" + found + "$"):
            find_column(schema, named)


def test_large_pictures_make_short_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (samples, __import__("tokcodec.datasets.sources.tables", fromlist=["_"])):
        monkeypatch.setattr(module, "BATCH_BYTES", 1000)
    pictures = [bytes(400)] * 10
    sources = [
        make_folder(tmp_path / "photos", {f"{i}.png": data for i, data in enumerate(pictures)}),
        make_tar(tmp_path / "a.tar", {f"{i}.png": data for i, data in enumerate(pictures)}),
        make_parquet(tmp_path / "b.parquet", pictures),
    ]
    for source in sources:
        found = [len(batch) for batch in read(source)]
        assert sum(found) == 10 and max(found) <= 3, source


def test_large_pictures_among_small_ones_make_short_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokcodec.datasets.sources.tables.BATCH_BYTES", 100_000)
    noise = np.random.default_rng(0).bytes(50_000)
    pictures = [noise[:50]] * 210 + [noise] * 7 + [noise[:50]] * 21  # in row groups of 7
    found = read(make_parquet(tmp_path / "a.parquet", pictures))
    assert [picture for batch in found for picture in batch.pictures] == pictures
    assert [key for batch in found for key in batch.keys] == [f"a-{i:08d}" for i in range(238)]
    lengths = [len(batch) for batch in found]
    assert lengths[:2] == [98, 98] and max(sum(map(len, batch.pictures)) for batch in found) <= 100_000


def test_damaged_sources(tmp_path: Path) -> None:
    whole = make_tar(tmp_path / "whole.tar", {f"{i}.png": png(i) for i in range(20)}).read_bytes()
    cut = make_folder(
        tmp_path, {"a.tar": whole[: len(whole) // 2], "b.tar": b"no tar" * 500, "c.parquet": b"no Parquet"}
    )
    for name in ("a.tar", "b.tar", "c.parquet"):
        with pytest.raises(SourceError, match=f"{name}: "):
            read(cut / name)


def test_where_a_tar_is_cut(tmp_path: Path) -> None:
    """A tar cut between two members may be complete, by a writer that omits the end. Elsewhere it is damaged."""
    whole = make_tar(tmp_path / "a.tar", {f"{i}.png": bytes([i + 1]) * 700 for i in range(3)}).read_bytes()
    member, note = 512 + 1024, "ends without the zeros that end a tar: it may have been cut"
    for length, pictures, notes in ((3 * member, 3, (note,)), (member, 1, (note,)), (3 * member + 512, 3, ())):
        (tmp_path / "a.tar").write_bytes(whole[:length])
        first, *others = read(tmp_path / "a.tar", batch_size=1)
        assert len(others) == pictures - 1 and first.notes == notes and not any(batch.notes for batch in others)
    header = bytearray(whole)
    header[member + 3] ^= 1
    for data in (whole[: member + 100], whole[: member + 600], whole[: 2 * member - 1], bytes(header)):
        (tmp_path / "a.tar").write_bytes(data)
        with pytest.raises(SourceError, match=r"a\.tar: not a tar file, or a damaged one \("):
            read(tmp_path / "a.tar")


def test_a_tar_does_not_keep_its_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_tar(tmp_path / "a.tar", {f"{i}.png": b"x" for i in range(50)})
    opened: list[tarfile.TarFile] = []
    plain = tarfile.open
    monkeypatch.setattr(tarfile, "open", lambda *a, **k: opened.append(plain(*a, **k)) or opened[-1])
    assert len(read(path, batch_size=10)) == 5
    assert all(len(archive.members) <= 2 for archive in opened)
