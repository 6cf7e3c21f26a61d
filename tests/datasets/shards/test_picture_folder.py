"""Pictures in folders: other files are not changed, and every missing sample has an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.datasets.make import Here, decode, encoded, make_folder, make_parquet, png, unfinish
from tokcodec.datasets.runs import plan_decoding, plan_encoding
from tokcodec.errors import OutputError, SourceError
from tokcodec.options import DecodeOptions, EncodeOptions

pytestmark = pytest.mark.usefixtures("tiny")


def test_a_folder_refuses_other_options(tokens: Path, tmp_path: Path) -> None:
    assert len(decode(tokens, "folder")) == 3 and decode(tokens, "folder") == []
    with pytest.raises(OutputError, match=r"p\.folder\.json: made with tokens None, not tokens 2; take another output"):
        decode(tokens, "folder", tokens=2)
    (tmp_path / "folder" / ".tokcodec" / "t.folder.json").write_text("{}")
    with pytest.raises(SourceError, match=r"t\.folder\.json: damaged, or not written by tokcodec dataset"):
        decode(tokens, "folder")


def test_files_of_others_are_left_alone(tokens: Path, tmp_path: Path) -> None:
    make_folder(tmp_path / "folder", {"photos/a.png.png": b"mine", "t/x/0.png/mine": b""})
    for _ in range(2):  # also where the first run was killed
        lines = [line for outcome in decode(tokens, "folder") for line in outcome.lines]
        for name in ("photos/a.png.png", "x/0.png"):
            assert f"tokcodec: {name}: exists already" in lines
        for shard in ("photos-00000", "t"):
            unfinish(tmp_path / "folder" / ".tokcodec" / f"{shard}.folder.json")
    assert (tmp_path / "folder/photos/a.png.png").read_bytes() == b"mine"
    assert (tmp_path / "folder/photos/sub/b.c.png.png").exists()


def test_two_shards_that_mean_one_file_lose_none_silently(tmp_path: Path) -> None:
    sources = [
        make_folder(tmp_path / "photos", {"a.png": png(0)}),
        make_parquet(tmp_path / "photos.parquet", [png(1)], key=["a.png"]),
    ]
    planned = plan_encoding([str(source) for source in sources], str(tmp_path / "tokens"), EncodeOptions(model="tiny"))
    list(planned.outcomes(Here()))
    first, second = decode(tmp_path / "tokens", "folder")
    assert (first.errors, second.lines) == (0, ["tokcodec: a.png.png: exists already"])


def test_a_name_that_cannot_be_is_an_error_of_its_sample(tmp_path: Path) -> None:
    keys = ["x" * 300, "a", "a.png/b", "good", "c.png/d", "c", "c", "", "good#1", "good?v=1"]
    source = encoded(tmp_path, key=keys)
    (outcome,) = decode(source, "folder")
    assert (outcome.failure, outcome.errors) == (None, 5)
    assert [line.rsplit(": ", 1)[1] for line in outcome.lines] == [
        "file name too long",
        "a part of its path is not a folder",
        "is a folder",
        "another sample has this name",
        "no key that could name the picture",
    ]
    assert sorted(path.name for path in (tmp_path / "folder" / "p").iterdir()) == [
        "a.png",
        "c.png",
        "good#1.png",
        "good.png",
        "good?v=1.png",
    ]
    again = plan_decoding(str(source), str(tmp_path / "folder"), DecodeOptions(), to="folder", format="png")
    assert not again.tasks and [outcome.errors for outcome in again.done] == [5]
