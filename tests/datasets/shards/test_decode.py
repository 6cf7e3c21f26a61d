"""Tokens back to pictures: as files, tars and Parquet, with what the samples carry; whole files or none."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

import tokcodec
from tests.datasets.make import DAMAGED, Here, make_folder, make_parquet, make_tar, png, rows
from tokcodec.datasets.runs import plan_decoding, plan_encoding
from tokcodec.datasets.shards.outcome import Outcome
from tokcodec.errors import OutputError, SourceError
from tokcodec.options import DecodeOptions, EncodeOptions

pytestmark = pytest.mark.usefixtures("tiny")


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    """A data set of a folder, a tar and a Parquet file."""
    sources = [
        make_folder(tmp_path / "photos", {"a.png": png(0), "sub/b.c.png": png(1), "d.png": DAMAGED}),
        make_tar(tmp_path / "t.tar", {"x/0.png": png(2), "x/0.cls": b"5", "x/0.raw": b"\xff"}),
        make_parquet(tmp_path / "p.parquet", [png(3)], label=[{"name": "cat"}], key=["../k"]),
    ]
    planned = plan_encoding([str(source) for source in sources], str(tmp_path / "tokens"), EncodeOptions(model="tiny"))
    list(planned.outcomes(Here()))
    return tmp_path / "tokens"


def decode(source: Path, to: str, format: str = "png", **options: Any) -> list[Outcome]:
    output = source.parent / to
    planned = plan_decoding(str(source), str(output), DecodeOptions(**options), to=to, format=format)
    return list(planned.outcomes(Here()))


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
