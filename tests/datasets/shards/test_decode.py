"""Tokens to pictures, as files, tars and Parquet with the other columns, completely or not at all."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import tokcodec
from tests.datasets.make import Here, decode, encoded, make_folder, make_parquet, make_tar, png, rows, unfinish
from tokcodec.datasets.runs import plan_decoding, plan_encoding
from tokcodec.errors import OutputError, SourceError, UnknownModelError
from tokcodec.options import DecodeOptions, EncodeOptions

pytestmark = pytest.mark.usefixtures("tiny")


def shown(data: bytes) -> tuple[tuple[int, int], bytes]:
    picture = Image.open(io.BytesIO(data))
    return picture.size, picture.tobytes()


def expected(tokens: Path) -> dict[str, tuple[tuple[int, int], bytes]]:
    found = {row["key"]: tokcodec.decode(row["tok"]) for row in rows(tokens) if row["tok"]}
    return {key: (picture.size, picture.tobytes()) for key, picture in found.items()}


def test_to_a_folder(tokens: Path, tmp_path: Path) -> None:
    outcomes = decode(tokens, "folder")
    files = {path.relative_to(tmp_path / "folder").as_posix(): path for path in (tmp_path / "folder").rglob("*.png")}
    assert set(files) == {"photos/a.png.png", "photos/sub/b.c.png.png", "t/x/0.png"}
    assert shown(files["t/x/0.png"].read_bytes()) == expected(tokens)["x/0"]
    lines = [line for outcome in outcomes for line in outcome.lines]
    assert [line.split(": ")[1:] for line in lines if "relative" in line] == [
        ["../k.png", "'../k.png' is not a relative path inside a folder"]
    ]
    assert sum(outcome.errors for outcome in outcomes) == 2 and not any(outcome.failure for outcome in outcomes)
    assert not (tmp_path / "k.png").exists()
    inode = files["t/x/0.png"].stat().st_ino
    files["photos/a.png.png"].unlink()
    unfinish(tmp_path / "folder" / ".tokcodec" / "photos-00000.folder.json")
    decode(tokens, "folder")
    assert files["photos/a.png.png"].exists() and files["t/x/0.png"].stat().st_ino == inode


def test_to_tars(tokens: Path, tmp_path: Path) -> None:
    decode(tokens, "tar", "webp")
    with tarfile.open(tmp_path / "tar" / "t.tar") as archive:
        members = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
    assert members.keys() == {"x/0.webp", "x/0.cls", "x/0.raw"}
    assert (members["x/0.cls"], members["x/0.raw"]) == (b"5", b"\xff")
    assert shown(members["x/0.webp"]) == expected(tokens)["x/0"]  # lossless
    with tarfile.open(tmp_path / "tar" / "photos-00000.tar") as archive:
        assert archive.getnames() == ["photos/a_png.webp", "photos/d_png.error", "photos/sub/b_c_png.webp"]
    with tarfile.open(tmp_path / "tar" / "p.tar") as archive:
        (label,) = [archive.extractfile(member) for member in archive if member.name.endswith(".json")]
        assert label is not None and json.load(label) == {"name": "cat"}


def test_to_parquet(tokens: Path, tmp_path: Path) -> None:
    decode(tokens, "parquet", "jpg")
    table = pq.ParquetFile(tmp_path / "parquet" / "t.parquet").read()
    (row,) = table.to_pylist()
    assert (row["key"], row["width"], row["height"], row["cls"], row["error"]) == ("x/0", 48, 32, "5", None)
    assert row["image"]["path"] == "x/0.jpg" and shown(row["image"]["bytes"])[0] == (48, 32)
    assert not {"tok", "tokens", "tiles"} & set(table.column_names)
    damaged = next(row for row in rows(tmp_path / "parquet") if row["key"] == "photos/d.png")
    assert damaged["image"] is None and damaged["error"].startswith("tokcodec: photos/d.png: damaged")
    again = plan_encoding([str(tmp_path / "parquet" / "t.parquet")], str(tmp_path / "2"), EncodeOptions(model="tiny"))
    assert [outcome.errors for outcome in again.outcomes(Here())] == [0]


@pytest.mark.parametrize("to", ["tar", "parquet"])
def test_runs_go_on_and_refuse_other_options(tokens: Path, tmp_path: Path, to: str) -> None:
    assert len(decode(tokens, to)) == 3
    (tmp_path / to / f"t.{to}").unlink()
    assert len(decode(tokens, to)) == 1
    with pytest.raises(OutputError, match=rf"\.{to}: made with format png, not format webp"):
        decode(tokens, to, "webp")
    with pytest.raises(OutputError, match="made with tokens None, not tokens 2"):
        decode(tokens, to, tokens=2)
    (tmp_path / to / f"t.{to}").write_bytes(b"mine")
    with pytest.raises(SourceError, match="was not written by tokcodec dataset"):
        decode(tokens, to)


def test_options_that_are_no_longer_given(tokens: Path) -> None:
    decode(tokens, "parquet", tokens=4, look="fidelity")
    with pytest.raises(OutputError, match="made with look fidelity, tokens 4, not look None, tokens None;"):
        decode(tokens, "parquet")


def test_another_data_set_is_not_taken_for_the_one_that_is_done(tokens: Path, tmp_path: Path) -> None:
    for to in ("folder", "tar", "parquet"):
        decode(tokens, to)
    make_tar(tmp_path / "t.tar", {"x/0.png": png(7)})
    planned = plan_encoding([str(tmp_path / "t.tar")], str(tmp_path / "others"), EncodeOptions(model="tiny"))
    list(planned.outcomes(Here()))
    for to in ("folder", "tar", "parquet"):
        with pytest.raises(OutputError, match=r"tokens/t\.parquet, not from .*others/t\.parquet, whose content is ano"):
            decode(tmp_path / "others", to)


@pytest.mark.parametrize("to", ["folder", "tar", "parquet"])
def test_a_later_run_knows_the_errors_of_the_first(tmp_path: Path, to: str) -> None:
    source = encoded(tmp_path, key=["a", "b", "c"])
    table = pq.ParquetFile(source / "p.parquet").read()
    tok = pa.array([b"no tok", *table.column("tok").to_pylist()[1:]])
    pq.write_table(table.set_column(table.column_names.index("tok"), "tok", tok), source / "p.parquet")
    assert [outcome.errors for outcome in decode(source, to)] == [1]
    again = plan_decoding(str(source), str(tmp_path / to), DecodeOptions(), to=to, format="png")
    assert not again.tasks and [(outcome.samples, outcome.errors) for outcome in again.done] == [(3, 1)]


@pytest.mark.parametrize("to", ["folder", "tar", "parquet"])
def test_wrong_models_and_options_are_found_before_anything_is_written(tokens: Path, tmp_path: Path, to: str) -> None:
    with pytest.raises(UnknownModelError, match=r"made with model tiny \(.*\), not base-2 \("):
        decode(tokens, to, model="base-2")
    for options, words in (
        ({"tokens": 17}, "tokens must be"),
        ({"look": "perceptual"}, "look must be fidelity"),
        ({"dtype": "float16"}, "dtype must be"),
        ({"format": "xyz"}, "unknown picture format"),
    ):
        with pytest.raises(ValueError, match=words):
            decode(tokens, to, **options)
    assert not (tmp_path / to).exists()


def test_a_worker_without_the_model_ends_the_run(tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = plan_decoding(str(tokens), str(tmp_path / "out"), DecodeOptions(), to="tar", format="png")
    monkeypatch.setenv("TOKCODEC_MODELS", str(tmp_path / "none"))
    with pytest.raises(UnknownModelError, match="needs model tiny"):
        list(planned.outcomes(Here()))
    assert not list((tmp_path / "out").glob("*"))


def test_a_damaged_header_is_an_error_of_its_sample_whatever_it_says(tmp_path: Path) -> None:
    """A file whose model is not installed is one, too."""
    source = encoded(tmp_path, key=[str(i) for i in range(10)])
    table = pq.ParquetFile(source / "p.parquet").read()
    files = [bytearray(data) for data in table.column("tok").to_pylist()]
    for i, data in enumerate(files):
        data[i] ^= 0x40
    index = table.column_names.index("tok")
    pq.write_table(table.set_column(index, "tok", pa.array(map(bytes, files))), source / "p.parquet")
    for to in ("folder", "tar", "parquet"):
        assert [(outcome.failure, outcome.errors) for outcome in decode(source, to)] == [(None, 10)]


def test_the_output_does_not_lie_in_the_data_set(tokens: Path) -> None:
    for output in (tokens, tokens / "sub", f"file://{tokens}/sub"):
        with pytest.raises(OutputError, match="lies in the data set"):
            plan_decoding(str(tokens), str(output), DecodeOptions(), to="parquet", format="png")


def test_a_foreign_tar_in_the_way(tokens: Path, tmp_path: Path) -> None:
    (tmp_path / "tar").mkdir()
    make_tar(tmp_path / "tar" / "t.tar", {"0.png": b""})
    with pytest.raises(SourceError, match=r"t\.tar: was not written by tokcodec dataset"):
        decode(tokens, "tar")


def test_damaged_tokens_are_errors(tokens: Path, tmp_path: Path) -> None:
    path = tokens / "t.parquet"
    table = pq.ParquetFile(path).read()
    damaged = table.set_column(1, "tok", [[b"no tok"]])
    pq.write_table(damaged, path)
    (outcome,) = [outcome for outcome in decode(tokens, "parquet") if "t.parquet" in outcome.name]
    assert outcome.errors == 1 and outcome.lines[0].startswith("tokcodec: x/0: not a .tok file")


def test_what_is_no_data_set(tmp_path: Path) -> None:
    make_folder(tmp_path / "empty", {"a.txt": b""})
    make_parquet(tmp_path / "other.parquet", [png(0)])
    for source, words in (("none", "no such file"), ("empty", "no Parquet files"), ("", "was not written by tokcodec")):
        with pytest.raises(SourceError, match=words):
            decode(tmp_path / source, "tar")
