"""Limits of sources: samples above the limit become errors without being read, and batches are small."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.datasets.make import make_folder, make_tar
from tokcodec import tarmembers
from tokcodec.datasets.sources import folders, tables, tars
from tokcodec.datasets.sources.listing import find_shards
from tokcodec.datasets.sources.pages import read_chunk
from tokcodec.datasets.sources.reader import read_samples
from tokcodec.datasets.sources.samples import Samples
from tokcodec.datasets.sources.sizes import row_bytes
from tokcodec.datasets.sources.tables import Rows, read_rows
from tokcodec.errors import LimitError, SourceError


def read(path: Path, limit: int) -> Samples:
    (shard,) = find_shards([str(path)])
    (samples,) = read_samples(shard, max_sample_bytes=limit)
    return samples


def rows_of(table: pa.Table, limit: int = 1000, batch: int = 128, **options: Any) -> list[Rows]:
    stream = io.BytesIO()
    pq.write_table(table, stream, **options)
    return list(read_rows(pa.BufferReader(stream.getvalue()), batch, limit, keep=["key"]))


def member(name: str, length: int = 4, kind: bytes = tarfile.REGTYPE, **pax: str) -> bytes:
    """A member of 4 bytes with its own headers."""
    info = tarfile.TarInfo(name)
    info.size, info.type, info.pax_headers = length, kind, pax
    return info.tobuf(tarfile.PAX_FORMAT) + b"data".ljust(512, b"\0")


def old_sparse(name: str, size: int, extended: int = 0) -> bytes:
    """GNU's format: a map that continues in further blocks."""
    info = tarfile.TarInfo(name)
    info.size, info.type = 4, tarfile.GNUTYPE_SPARSE
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[482], header[483:495] = bool(extended), b"%011o\0" % size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    blocks = [bytes(504) + bytes([i + 1 < extended]) + bytes(7) for i in range(extended)]
    return bytes(header) + b"".join(blocks) + b"data".ljust(512, b"\0")


SPARSE = {
    "old": old_sparse("1.png", 3 << 30),
    "extended": old_sparse("1.png", 3 << 30, 3),
    "0.0": member("1.png", **{"GNU.sparse.size": str(3 << 30), "GNU.sparse.offset": "0", "GNU.sparse.numbytes": "4"}),
    "0.1": member("1.png", **{"GNU.sparse.size": str(3 << 30), "GNU.sparse.map": "0,4"}),
    "1.0": member(
        "1.png", **{"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(3 << 30)}
    ),
}


@pytest.mark.parametrize("kind", SPARSE)
def test_sparse_members_are_errors_and_the_others_are_read(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a.tar").write_bytes(member("0.png") + SPARSE[kind] + member("2.png") + bytes(1024))
    samples = read(tmp_path / "a.tar", 100)
    assert samples.keys == ["0", "1", "2"] and samples.pictures[::2] == [b"data"] * 2
    assert str(samples.pictures[1]) == f"its member .png is a sparse file of {3 << 30} bytes: store it whole"


def test_the_limit_is_that_of_all_members_of_a_sample(tmp_path: Path) -> None:
    members = {"0.png": bytes(60), "0.txt": bytes(40), "1.png": bytes(60), "1.txt": bytes(41), "2.png": bytes(200)}
    samples = read(make_tar(tmp_path / "a.tar", members), 100)
    whole, *large = samples.pictures
    assert whole == bytes(60) and all(isinstance(picture, LimitError) for picture in large)
    assert [str(picture) for picture in large] == [
        "with its member .txt the sample has 101 bytes, more than the limit of 100 (--max-sample-bytes raises it)",
        "with its member .png the sample has 200 bytes, more than the limit of 100 (--max-sample-bytes raises it)",
    ]


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_large_headers_end_the_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(member("0.png") + member("1.png", 2000, kind) + bytes(2048))
    monkeypatch.setattr(tarmembers, "MAX_HEADER", 1000)
    with pytest.raises(SourceError, match=r"a\.tar: not a tar .* \(a header of 2000 bytes, more than 1000\)"):
        read(tmp_path / "a.tar", 100)


@pytest.mark.parametrize("size", ["-512", "-1024", "x", "9" * 30])
def test_sizes_that_lie_end_the_shard(tmp_path: Path, size: str) -> None:
    (tmp_path / "a.tar").write_bytes(member("0.png") + member("1.png", size=size) + member("2.png"))
    with pytest.raises(SourceError, match=r"a\.tar: "):
        read(tmp_path / "a.tar", 100)


def test_many_suffixes_end_the_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tars, "MAX_SUFFIXES", 20)
    path = make_tar(tmp_path / "a.tar", {f"0.{i:05d}": b"" for i in range(5)} | {"0.png": b""})
    with pytest.raises(SourceError, match=r"a\.tar: 5 different suffixes of members: each would become a column"):
        read(path, 100)


def test_files_above_the_limit_are_not_read_to_their_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "CHUNK", 8)
    make_folder(tmp_path / "in", {"a.png": bytes(100), "b.png": bytes(101), "c.png": bytes(500)})
    whole, *large = read(tmp_path / "in", 100).pictures
    assert whole == bytes(100)
    assert [str(picture) for picture in large] == [
        f"the file has {size} bytes, more than the limit of 100 (--max-sample-bytes raises it)" for size in (101, 500)
    ]


def test_a_value_that_a_dictionary_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "BATCH_BYTES", 3500)
    table = pa.table({"image": [bytes(1000)] * 64, "key": [str(i) for i in range(64)]})
    for stored in (table, table.set_column(0, "image", table["image"].dictionary_encode())):
        parts = rows_of(stored, limit=2500, compression="zstd")
        assert pa.concat_tables([part.table for part in parts]).cast(table.schema).equals(table)
        assert max(row_bytes(part.table).sum() for part in parts) <= 3500
        assert not any(part.errors for part in parts)


def test_a_row_above_the_limit_keeps_its_key() -> None:
    table = pa.table({"image": [b"a", bytes(800), b"b"], "key": ["x", "y", "z"], "more": [b"", bytes(300), b"c"]})
    (part,) = rows_of(table)
    assert part.table.to_pylist()[1] == {"image": None, "key": "y", "more": None}
    assert part.table.to_pylist()[::2] == table.to_pylist()[::2]
    error = "the row has 1101 bytes, more than the limit of 1000 (--max-sample-bytes raises it)"
    assert {row: str(error) for row, error in part.errors.items()} == {1: error}


def test_rows_above_the_limit_are_samples_with_an_error(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": [b"a", bytes(150), b"b"]}), tmp_path / "a.parquet", use_dictionary=False)
    samples = read(tmp_path / "a.parquet", 100)
    assert samples.keys == [f"a-{i:08d}" for i in range(3)] and samples.pictures[::2] == [b"a", b"b"]
    assert isinstance(samples.pictures[1], LimitError)
    pq.write_table(pa.table({"image": [bytes(150)]}), tmp_path / "a.parquet", use_dictionary=False)
    assert isinstance(read(tmp_path / "a.parquet", 100).pictures[0], LimitError)  # and it is not "no pictures"


def test_pages_above_the_limit_end_the_shard() -> None:
    with pytest.raises(SourceError, match=r"^row group 0: its open pages take \d+ bytes, more than the limit"):
        rows_of(pa.table({"image": [bytes(5000)]}))
    with pytest.raises(SourceError, match="its open pages take"):  # each column alone is below it
        rows_of(pa.table({f"c{i}": [bytes(900)] for i in range(3)}))


@pytest.mark.parametrize("kind", [pa.binary(2000), pa.list_(pa.int64(), 250)], ids=str)
def test_nulls_of_a_large_fixed_length_end_the_shard(kind: pa.DataType) -> None:
    with pytest.raises(SourceError, match=r"values of fixed length in a row take \d+ bytes, more than the limit of"):
        rows_of(pa.table({"image": [b"a"], "fixed": pa.array([None], kind)}))


def test_lists_above_the_limit_end_the_shard() -> None:
    """One row may hold all elements of a row group: a run of equal numbers takes a few bytes of the file."""
    for values in ([7] * 1000, ["abcdefgh"] * 1000):
        table = pa.table({"list": [values] * 5})
        with pytest.raises(SourceError, match="row group 0: its lists take 40000 bytes, more than the limit of 39999 "):
            rows_of(table, limit=39_999, data_page_size=1, write_batch_size=1)
        (part,) = rows_of(table, limit=45_000, data_page_size=1, write_batch_size=1)
        assert part.table.equals(table)


def test_strings_in_lists_are_sized_before_they_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "BATCH_BYTES", 20_000)
    table = pa.table({"list": [[str(i % 3) * 900] * 5 for i in range(40)], "key": [str(i) for i in range(40)]})
    parts = rows_of(table, limit=5000)
    assert pa.concat_tables([part.table for part in parts]).equals(table)
    assert max(row_bytes(part.table).sum() for part in parts) <= 20_000
    (part,) = rows_of(pa.table({"list": [["x" * 900] * 7, ["y"]], "key": ["a", "b"]}), limit=5000)
    assert list(part.errors) == [0] and part.table.to_pylist() == [
        {"list": None, "key": "a"},
        {"list": ["y"], "key": "b"},
    ]


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("encoding", ["PLAIN", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY", None])
def test_what_is_read_is_what_arrow_reads(version: str, encoding: str | None) -> None:
    strings, pairs = pa.map_(pa.string(), pa.string()), pa.list_(pa.float32(), 2)
    columns = {
        "key": pa.array([f"k{i}" for i in range(60)]),
        "struct": pa.array([{"bytes": b"x" * i, "tags": ["a", None] * (i % 3)} for i in range(60)]),
        "map": pa.array([[("k", "v")], None, []] * 20, strings),
        "pair": pa.array([[1, 2], [3, 4], [5, 6]] * 20, pairs),
        "lists": pa.array([[["a"], [], None], None, [["b", "c"]]] * 20),
        "fixed": pa.array([b"abc", None, b"def"] * 20, pa.binary(3)),
        "flag": pa.array([True, False, None] * 20),
        "word": pa.array(["red", "green", None] * 20).dictionary_encode(),
    }
    table = pa.table(columns)
    options: dict[str, Any] = {"data_page_version": version, "row_group_size": 25, "data_page_size": 50}
    if encoding is not None:
        options |= {"use_dictionary": False, "column_encoding": {"key": encoding, "struct.tags.list.element": encoding}}
    stream = io.BytesIO()
    pq.write_table(table, stream, **options)
    expected = pq.read_table(io.BytesIO(stream.getvalue()))
    for batch in (7, 100):
        parts = rows_of(table, 1 << 20, batch, **options)
        assert pa.concat_tables([part.table for part in parts]).to_pylist() == expected.to_pylist()
        assert [field.type for field in parts[0].table.schema] == [field.type for field in expected.schema]


def test_more_rows_than_bytes_allow_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of equal rows takes a few bytes, however long it is."""
    table = pa.table({"image": pa.nulls(5000, pa.binary())})
    assert sum(len(rows.table) for rows in rows_of(table)) == 5000
    monkeypatch.setattr(tables, "ROWS", 1000)
    monkeypatch.setattr(tables, "ROWS_PER_BYTE", 1)
    with pytest.raises(SourceError, match=r"5000 rows in \d+ bytes: at most 1000 and 1 for each byte are read"):
        rows_of(table)


def test_sizes_of_pages() -> None:
    stream = io.BytesIO()
    pq.write_table(pa.table({"a": [bytes(1000)] * 9}), stream, compression="zstd", write_statistics=False)
    file = pq.ParquetFile(stream)
    chunk = read_chunk(pa.BufferReader(stream.getvalue()), file.metadata.row_group(0).column(0))
    assert (chunk.dictionary, chunk.values) == (1004, 9) and 0 < chunk.largest < 200


def test_damaged_page_headers(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": [b"a"]}), tmp_path / "a.parquet")
    data = bytearray((tmp_path / "a.parquet").read_bytes())
    for damage in (b"\xff" * 8, b"\x15\x01" + bytes(6), b"\x1c" * 12):
        data[4 : 4 + len(damage)] = damage
        (tmp_path / "a.parquet").write_bytes(data)
        with pytest.raises(SourceError, match=r"a\.parquet: cannot be read: damaged page header at byte 4"):
            read(tmp_path / "a.parquet", 100)
