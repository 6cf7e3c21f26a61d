"""One shard to one file: the bytes of a plain encode for any batches, errors as rows, completely or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tokcodec
from tests.datasets.make import DAMAGED, Here, make_folder, make_parquet, make_tar, plain, png, rows
from tokcodec.datasets import bulk
from tokcodec.datasets.runs import plan_encoding
from tokcodec.datasets.shards import encode, writer
from tokcodec.datasets.shards.outcome import Outcome
from tokcodec.errors import DeviceError, LimitError
from tokcodec.models.modelfile import Model
from tokcodec.options import EncodeOptions

pytestmark = pytest.mark.usefixtures("tiny")


def run(*sources: Path, out: Path, most: int | None = None, options: Any = None, **others: Any) -> list[Outcome]:
    chosen = EncodeOptions(model="tiny", **(options or {}))
    planned = plan_encoding([str(source) for source in sources], str(out), chosen, **others)
    return list(planned.outcomes(Here(), most))


def test_the_columns(tmp_path: Path, tiny: Model) -> None:
    pictures = {"a.png": png(0), "sub/b.png": png(1, 600, 300), "c.png": DAMAGED}
    (outcome,) = run(make_folder(tmp_path / "photos", pictures), out=tmp_path / "out")
    assert (outcome.samples, outcome.errors, outcome.failure) == (3, 1, None)
    table = pq.ParquetFile(tmp_path / "out" / "photos-00000.parquet").read()
    assert {field.name: str(field.type) for field in table.schema} == {
        "key": "string",
        "tok": "binary",
        "width": "uint16",
        "height": "uint16",
        "tiles": "int32",
        "tokens": "list<element: uint16>",
        "error": "string",
    }
    first, damaged, second = table.to_pylist()
    assert (first["key"], first["width"], first["height"], first["tiles"]) == ("photos/a.png", 48, 32, 1)
    assert (second["key"], second["tiles"], second["error"]) == ("photos/sub/b.png", 2, None)
    for row in (first, second):
        assert row["tok"] == plain(pictures[row["key"].removeprefix("photos/")])
        tokens = tokcodec.read_tokens(row["tok"])
        assert np.array_equal(np.reshape(row["tokens"], (row["tiles"], -1)), tokens)
    assert damaged.pop("key") == "photos/c.png"
    assert damaged.pop("error").startswith("tokcodec: photos/c.png: damaged or unsupported PNG picture")
    assert set(damaged.values()) == {None}
    recipe = json.loads(table.schema.metadata[b"tokcodec"])
    assert recipe["model"] == "tiny" and recipe["hash"] == tiny.hash.hex()
    assert recipe["version"] == tokcodec.__version__ and recipe["options"]["tokens"] == 8


def test_the_error_is_the_line_that_the_command_prints(tmp_path: Path, call: Any) -> None:
    make_folder(tmp_path / "photos", {"a.png": b"", "b.png": DAMAGED, "c.png": png(0)[:200]})
    printed = call("encode", "-q", "--model", "tiny", "-r", "photos", "--output-dir", "toks").stderr
    run(tmp_path / "photos", out=tmp_path / "out")
    assert [row["error"] for row in rows(tmp_path / "out")] == printed.splitlines()


def test_what_samples_carry_comes_along(tmp_path: Path) -> None:
    source = make_parquet(tmp_path / "a.parquet", [png(0), None], label=[7, 8], error=["x", None])
    members = {"0.png": png(1), "0.cls": b"3", "0.width": b"9", "1.png": png(2)}
    run(source, make_tar(tmp_path / "b.tar", members), out=tmp_path / "out")
    zero, one, left, right = sorted(rows(tmp_path / "out"), key=lambda row: "label" not in row)
    assert (zero["label"], zero["source_error"], zero["error"], one["label"]) == (7, "x", None, 8)
    assert one["error"] == "tokcodec: a-00000001: no picture in this row"
    assert (left["cls"], left["source_width"], left["width"]) == ("3", b"9", 48)
    assert (right["cls"], right["source_width"]) == (None, None)


@pytest.mark.parametrize(
    "options",
    [{"tokens": 3, "pitch": 16}, {"pitch": "fit"}, {"target_size": 40}, {"adaptive": True, "tokens": 4, "pitch": 16}],
    ids=str,
)
def test_options_of_encode(tmp_path: Path, options: dict[str, Any]) -> None:
    pictures = [png(i, 70 + i, 50) for i in range(4)]
    (outcome,) = run(make_parquet(tmp_path / "a.parquet", pictures), out=tmp_path / "out", options=options)
    found = rows(tmp_path / "out")
    assert [row["tok"] for row in found] == [plain(data, **options) for data in pictures]
    for row in found:
        tokens = np.reshape(row["tokens"], (row["tiles"], -1)).astype(np.int64)
        assert np.array_equal(np.where(tokens == 65535, -1, tokens), tokcodec.read_tokens(row["tok"]))
    assert outcome.tiles == sum(row["tiles"] for row in found)


def test_the_file_is_the_same_in_any_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "ROW_GROUP", 10)
    source = make_parquet(tmp_path / "a.parquet", [png(i) if i % 7 else DAMAGED for i in range(33)])
    files = set()
    for size, jobs in ((1, 0), (8, 0), (33, 3)):
        run(source, out=tmp_path / f"{size}", batch_size=size, jobs=jobs)
        files.add((tmp_path / f"{size}" / "a.parquet").read_bytes())
    assert len(files) == 1
    assert pq.ParquetFile(tmp_path / "1" / "a.parquet").metadata.num_row_groups == 4


def test_large_rows_make_short_row_groups_in_any_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "GROUP_BYTES", 4 << 20)
    noise = np.random.default_rng(0).bytes(1_500_000)
    members = {f"{i:02d}.{kind}": png(i) if kind == "png" else noise for i in range(10) for kind in ("png", "npy")}
    source = make_tar(tmp_path / "a.tar", members)
    files = set()
    for size in (1, 4, 128):
        run(source, out=tmp_path / f"{size}", batch_size=size)
        files.add((tmp_path / f"{size}" / "a.parquet").read_bytes())
    assert len(files) == 1
    facts = pq.ParquetFile(tmp_path / "1" / "a.parquet").metadata
    assert [facts.row_group(i).num_rows for i in range(facts.num_row_groups)] == [3, 3, 3, 1]


def test_the_bytes_of_a_row_are_those_of_its_values() -> None:
    pair = pa.struct([("x", pa.binary()), ("n", pa.int8())])
    columns = [
        pa.array([b"abc", None, b""], pa.binary()),
        pa.array(["abcd", "é", None], pa.large_string()),
        pa.array([[b"ab", b"c"], None, [b"d"]], pa.list_(pa.binary())),
        pa.array([[1, 2], [], None], pa.list_(pa.uint16())),
        pa.array([{"x": b"12", "n": 1}, None, {"x": None, "n": None}], pair),
        pa.array([[("k", b"v")], None, []], pa.map_(pa.string(), pa.binary())),
        pa.array([b"12345", None, b"1"], pa.binary_view()),
        pa.array([b"12345", None, b"1"]).dictionary_encode(),
    ]
    expected = np.transpose([[3, 0, 0], [4, 2, 0], [3, 0, 1], [16, 0, 0], [10, 8, 8], [2, 0, 0], [5, 0, 1], [5, 0, 1]])
    table = pa.table({str(i): column for i, column in enumerate(columns)})
    assert writer.row_bytes(table).tolist() == expected.sum(1).tolist()
    assert writer.row_bytes(pa.concat_tables([table, table]).slice(1, 4)).tolist() == [
        int(expected[i % 3].sum()) for i in range(1, 5)
    ]


def test_an_unforeseen_failure_names_its_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> Any:
        raise KeyError("x")

    monkeypatch.setattr(encode, "read_samples", fail)
    (outcome,) = run(make_parquet(tmp_path / "a.parquet", [png(0)]), out=tmp_path / "out")
    assert str(outcome.failure) == f"{tmp_path}/a.parquet: KeyError: 'x'"


def test_a_limit_of_pixels(tmp_path: Path) -> None:
    source = make_parquet(tmp_path / "a.parquet", [png(0), png(1, 100, 100)])
    run(source, out=tmp_path / "out", max_pixels=5000)
    assert [bool(row["error"]) for row in rows(tmp_path / "out")] == [False, True]
    assert "exceed the limit" in rows(tmp_path / "out")[1]["error"]


def test_a_source_that_fails_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = make_parquet(tmp_path / "good.parquet", [png(0)])
    bad = make_parquet(tmp_path / "bad.parquet", [png(i) for i in range(20)])
    read = encode.read_samples

    def fail_later(shard: Any, *arguments: Any) -> Any:
        for number, samples in enumerate(read(shard, *arguments)):
            if number == 2 and "bad" in shard.name:
                raise LimitError("lost the connection")
            yield samples

    monkeypatch.setattr(encode, "read_samples", fail_later)
    failed, done = run(bad, good, out=tmp_path / "out", batch_size=5)
    assert str(failed.failure) == "lost the connection" and done.failure is None
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.parquet"]


def test_a_tar_without_pictures_writes_nothing_and_a_table_without_rows_an_empty_shard(tmp_path: Path) -> None:
    empty = make_tar(tmp_path / "a.tar", {"0.txt": b"no picture"})
    pq.write_table(pa.table({"image": pa.array([], pa.binary())}), tmp_path / "b.parquet")
    first, second = run(empty, tmp_path / "b.parquet", out=tmp_path / "out")
    assert str(first.failure).endswith("first dot of a name, and here they are .txt")
    assert (second.failure, second.samples) == (None, 0)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.parquet"]
    assert rows(tmp_path / "out") == []


def test_what_is_no_fault_of_a_picture_is_no_error_of_its_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a resumed run would consider the row finished."""

    def full(*arguments: Any) -> Any:
        raise DeviceError("the device's memory is full")

    monkeypatch.setattr(bulk, "tokenise", full)
    source = make_parquet(tmp_path / "a.parquet", [png(0), png(1)])
    with pytest.raises(DeviceError):
        run(source, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
