"""The commands of `tokcodec dataset`: whole runs, their output and exit codes."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

pytest.importorskip("pyarrow", reason="data sets need pyarrow")

from tests.datasets.make import DAMAGED, Here, make_folder, make_parquet, make_tar, plain, png, rows
from tokcodec.cli.engines import MAX_JOBS
from tokcodec.datasets import bulk

Call = Callable[..., Result]
ENCODE = ["dataset", "encode", "--model", "tiny", "--workers", "1", "--output"]


@pytest.fixture(autouse=True)
def photos(tmp_path: Path) -> dict[str, bytes]:
    found = {"a.png": png(0), "b.png": DAMAGED, "c.png": png(2)}
    make_folder(tmp_path / "photos", found)
    return found


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine works in this process, since starting workers takes longer than all else."""
    monkeypatch.setattr("tokcodec.datasets.engines.local.Local", lambda *sizes: Here())


in_this_process = pytest.mark.usefixtures("here")


def test_a_whole_round(call: Call, tmp_path: Path, photos: dict[str, bytes]) -> None:
    done = call(*ENCODE, "out", "--tokens", "4", "photos")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "tokcodec: photos/b.png: damaged or unsupported PNG picture\n" in done.stderr
    assert "tokcodec: 1 done, 0 skipped, 0 failed" in done.stderr and "out: note: 1 sample has an error" in done.stderr
    assert [row["tok"] for row in rows(tmp_path / "out")] == [
        None if data == DAMAGED else plain(data, tokens=4) for data in photos.values()
    ]
    again = call(*ENCODE, "out", "--tokens", "4", "photos")
    assert again.exit_code == 1 and "0 done, 1 skipped, 0 failed" in again.stderr

    info = call("dataset", "info", "out")
    assert info.exit_code == 0 and "out: 3 samples in 1 shards" in info.stdout
    assert "       1 errors: damaged or unsupported PNG picture\n" in info.stdout
    assert json.loads(call("dataset", "info", "--json", "out").stdout)["samples"] == 3

    verified = call("dataset", "verify", "--workers", "1", "out")
    assert (verified.exit_code, verified.stdout) == (0, "out: 3 samples, 1 without a file, 0 damaged, 0 keys twice\n")
    stats = call("dataset", "stats", "out")
    assert stats.exit_code == 0 and "| mean |" in stats.stdout
    assert json.loads(call("dataset", "stats", "--json", "out").stdout)["tiles"] == 2

    decoded = call("dataset", "decode", "out", "--output", "back", "--format", "webp", "--workers", "1")
    assert decoded.exit_code == 1
    assert sorted(path.name for path in (tmp_path / "back" / "photos").iterdir()) == ["a.png.webp", "c.png.webp"]


@in_this_process
def test_linked_folders_are_noted_or_followed(call: Call, tmp_path: Path, photos: dict[str, bytes]) -> None:
    """As by `encode -r`."""
    first = next(iter(photos.values()))
    make_folder(tmp_path, {"in/a.png": first, "out/b.png": first})
    (tmp_path / "in" / "linked").symlink_to("../out")
    done = call(*ENCODE, "tokens", "--tokens", "4", "in")
    assert done.exit_code == 0
    assert "in: note: a linked folder is left out: --follow-links searches it" in done.stderr
    done = call(*ENCODE, "more", "--tokens", "4", "--follow-links", "in")
    assert done.exit_code == 0 and "2 samples" in done.stderr and "linked" not in done.stderr


@in_this_process
def test_a_key_that_is_there_twice_is_damage(call: Call, tmp_path: Path) -> None:
    make_parquet(tmp_path / "a.parquet", [png(0), png(1)], key=["x", "x"])
    assert call(*ENCODE, "out", "a.parquet").exit_code == 0
    verified = call("dataset", "verify", "--workers", "1", "out")
    assert verified.exit_code == 1 and verified.stdout.endswith("0 damaged, 1 keys twice\n")


@in_this_process
def test_a_tar_that_may_have_been_cut(call: Call, tmp_path: Path) -> None:
    path = make_tar(tmp_path / "a.tar", {f"{i}.png": png(i) for i in range(2)})
    path.write_bytes(path.read_bytes().rstrip(b"\0"))
    path.write_bytes(path.read_bytes().ljust(-(-path.stat().st_size // 512) * 512, b"\0"))
    done = call(*ENCODE, "out", "a.tar")
    note = "tokcodec: a.tar: note: ends without the zeros that end a tar: it may have been cut\n"
    assert done.exit_code == 0 and note in done.stderr and len(rows(tmp_path / "out")) == 2


@in_this_process
def test_samples_above_the_limit(call: Call, tmp_path: Path, photos: dict[str, bytes]) -> None:
    (tmp_path / "photos" / "b.png").write_bytes(bytes(9000))
    done = call(*ENCODE, "out", "photos", "--max-sample-bytes", "8999")
    words = "photos/b.png: the file has 9000 bytes, more than the limit of 8999 (--max-sample-bytes raises it)"
    assert f"tokcodec: {words}\n" in done.stderr and "1 done, 0 skipped, 0 failed" in done.stderr
    back = ["dataset", "decode", "out", "--output", "back", "--workers", "1"]
    done = call(*back, "--max-sample-bytes", "1")
    assert done.exit_code == 1 and "out/photos-00000.parquet: row group 0: its open pages take " in done.stderr
    assert call(*back).stderr.endswith("back: note: 1 sample has an error\n")


def test_errors_that_end_the_run(call: Call, tmp_path: Path) -> None:
    done = call(*ENCODE, "out", "photos", "--max-errors", "0")
    assert done.exit_code == 1 and done.stderr.count("more than 0 errors") == 1
    assert not list((tmp_path / "out").glob("*"))


def test_more_cores_than_readers(call: Call, photos: dict[str, bytes]) -> None:
    assert MAX_JOBS == bulk.MAX_JOBS
    done = call(*ENCODE, "out", "photos", "--num-cpus", "100")
    assert "1 done, 0 skipped, 0 failed" in done.stderr


@in_this_process
def test_a_second_run_tells_of_the_errors_of_the_first(call: Call, tmp_path: Path) -> None:
    assert call(*ENCODE, "out", "photos").exit_code == 1
    for to, where in (("folder", ""), ("tar", ": see members .error"), ("parquet", ": see column error")):
        command = ["dataset", "decode", "out", "--to", to, "--output", to, "--workers", "1"]
        first, second = call(*command), call(*command)
        assert (first.exit_code, second.exit_code) == (1, 1) and "1 skipped" in second.stderr
        for done in (first, second):
            assert done.stderr.endswith(f"{to}: note: 1 sample has an error{where}\n")


@in_this_process
@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["encode", "none", "--output", "out"], 1, "none: no such file or folder"),
        (["encode", "empty", "--output", "out"], 1, "empty: no pictures, .tar or .parquet files in this folder"),
        (["encode", "a.parquet", "--output", "out", "--column", "x"], 1, "a.parquet: no column 'x'; there are: image"),
        (["encode", "photos", "--output", "file"], 1, "file: is not a folder"),
        (["encode", "photos", "--output", "out", "--model", "x"], 1, "no model named 'x'; "),
        (["encode", "photos", "--output", "out", "--tokens", "17", "--model", "tiny"], 2, "tokens must be 1..16"),
        (["encode", "photos", "--output", "out", "--device", "cuda"], 1, "no CUDA device here; use --device cpu"),
        (["decode", "photos", "--output", "out"], 1, "photos: no Parquet files in this folder"),
        (["decode", "photos", "--output", "out", "--format", "x"], 2, "unknown picture format 'x'"),
        (["decode", "made", "--output", "out", "--model", "base-2"], 1, "made/photos-00000.parquet: made with model t"),
        (["decode", "made", "--output", "out", "--tokens", "17"], 2, "tokens must be 1..16"),
        (["decode", "made", "--output", "made/x"], 1, "made/x: lies in the data set made"),
        (["info", "none"], 1, "none: no such file or folder"),
        (["verify", "file"], 1, "file: is not a folder"),
        (["stats", "empty"], 1, "empty: no Parquet files in this folder"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else None,
)
def test_bad_input(call: Call, tmp_path: Path, arguments: list[str], code: int, line: str) -> None:
    make_folder(tmp_path, {"empty/a.txt": b"", "file": b""})
    make_parquet(tmp_path / "a.parquet", [png(0)])
    if "made" in arguments:
        call(*ENCODE, "made", "photos")
    done = call("dataset", *arguments)
    assert done.exit_code == code, done.stderr
    assert done.stderr.splitlines()[0].startswith(f"tokcodec: {line}"), done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["encode", "photos"],
        ["encode", "--output", "out"],
        ["encode", "photos", "--output", "out", "--address", "auto"],
        ["encode", "photos", "--output", "out", "--num-gpus", "1"],
        ["encode", "photos", "--output", "out", "--engine", "spark"],
        ["decode", "photos", "--output", "out", "--to", "zip"],
        ["info"],
    ],
    ids=" ".join,
)
def test_wrong_usage(call: Call, tmp_path: Path, arguments: list[str]) -> None:
    done = call("dataset", *arguments)
    assert done.exit_code == 2 and "Traceback" not in done.stderr and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("missing", "arguments", "extra"),
    [("pyarrow", [], "tokcodec[data]"), ("ray", ["--engine", "ray"], "tokcodec[ray]")],
)
def test_extras_that_are_missing(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str, arguments: list[str], extra: str
) -> None:
    find: Any = importlib.util.find_spec
    monkeypatch.setattr("tokcodec.errors.find_spec", lambda name: None if name == missing else find(name))
    done = call(*ENCODE, "out", "photos", *arguments)
    assert done.exit_code == 1 and done.stderr.count("\n") == 1 and f"pip install '{extra}'" in done.stderr
    assert not (tmp_path / "out").exists()


def test_help_imports_none_of_what_is_heavy() -> None:
    code = (
        "import sys\nfrom tokcodec.cli import cli\n"
        "try: cli(['dataset', 'encode', '--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'numpy', 'pyarrow', 'ray', 'torch', 'PIL'} & set(sys.modules), sorted(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
