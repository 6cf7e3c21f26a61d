"""The command: resumes after a kill with the same lines, runs in processes, reports bad pictures, merges, compares."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from bench import pictures, results, run
from bench.__main__ import main
from bench.codecs.interface import Codec
from bench.codecs.tok import TokCodec
from bench.report import plots
from bench.run import find_recognition

QUICK = ("--crop", "64", "--jobs", "1", "--page-pictures", "0", "--codec", "jpeg-pillow", "--codec", "thumbhash")

DRAW = plots.draw


def bench(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


def timeless(file: Path) -> list[dict[str, Any]]:
    rows = results.load(file)
    return [{name: value for name, value in row.items() if name not in results.TIMINGS} for row in rows]


@pytest.fixture(autouse=True)
def no_networks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Turn off LPIPS and recognition on every machine, since these tests do not need them.

    Plots take longer than all else: they are off too, and DRAW draws them where they are tested.
    """
    monkeypatch.delenv("TOKCODEC_LPIPS", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(run, "find_recognition", lambda: "pip install a-network")
    monkeypatch.setattr(plots, "draw", lambda summary, folder: [])


@pytest.mark.slow
def test_resume_after_a_kill_gives_the_same_lines(
    photographs: Path, tmp_path: Path, fake: Callable[..., TokCodec]
) -> None:
    arguments = (photographs, *QUICK, "--codec", "tokcodec")
    assert bench(*arguments, "--out", tmp_path / "a").exit_code == 0
    whole = tmp_path / "a" / "results.jsonl"
    data = whole.read_bytes()
    for part in (0.0, 0.31, 0.77):
        out = tmp_path / f"b{part}"
        out.mkdir()
        (out / "results.jsonl").write_bytes(data[: int(len(data) * part)])
        assert bench(*arguments, "--out", out).exit_code == 0
        assert timeless(out / "results.jsonl") == timeless(whole)
        assert (out / "summary.md").exists()
    again = bench(*arguments, "--out", tmp_path / "a")
    assert again.exit_code == 0 and whole.read_bytes() == data, "nothing to do: nothing changes"


def test_processes_give_the_same_lines(photographs: Path, tmp_path: Path) -> None:
    for jobs in (1, 2):
        result = bench(photographs, *QUICK, "--jobs", str(jobs), "--out", tmp_path / str(jobs))
        assert result.exit_code == 0
    assert timeless(tmp_path / "1" / "results.jsonl") == timeless(tmp_path / "2" / "results.jsonl")


def test_a_line_holds_what_is_promised(photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "draw", DRAW)
    result = bench(photographs, *QUICK, "--out", tmp_path)
    assert "LPIPS: no weights" in result.stderr
    assert "no weights" in result.stdout
    assert result.stderr.count("recognition: not measured (pip install a-network)") == 1
    assert "top-1" not in result.stdout and "lite0" not in result.stdout
    rows = results.load(tmp_path / "results.jsonl")
    assert {row["picture"] for row in rows} == {"astronaut", "coffee"}
    for row in rows:
        assert row["bytes"] > 0
        assert row["versions"]
        assert len(row["sha256"]) == 64
        assert {"codec", "setting", "encode_s", "decode_s", "metrics"} <= row.keys()
        assert {"psnr", "ssim", "psnr_half"} <= row["metrics"].keys()
        assert ("grain" in row["metrics"]) == ("grain" in row["original"]) == (row["original"]["flat"] > 0)
    assert {row["codec"] for row in rows} == {"jpeg-pillow", "thumbhash"}  # no JPEG by Pillow fits a 64x64 budget
    assert json.loads((tmp_path / "summary.json").read_text())["parts"][0]["subset"] == "crop64"
    names = {path.name for path in (tmp_path / "plots").iterdir()}
    assert {"crop64-rate-psnr.svg", "crop64-rate-psnr.png"} <= names


@pytest.mark.parametrize("jobs", [1, 2])
def test_recognition_is_in_rows_tables_and_plots(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    reason = find_recognition()
    if reason is not None:
        pytest.skip(reason)
    monkeypatch.setattr(run, "find_recognition", find_recognition)
    drawn: list[str] = []
    if jobs == 1:  # plots are made of rows, whoever made these
        monkeypatch.setattr(plots, "draw", DRAW)
        monkeypatch.setattr(plots, "_save", lambda figure, stem: drawn.append(stem.name) or "")
    result = bench(photographs, *QUICK, "--jobs", str(jobs), "--out", tmp_path)
    assert "recognition: not measured" not in result.stderr
    for row in results.load(tmp_path / "results.jsonl"):
        assert row["metrics"]["top1"] <= row["metrics"]["top5"]
        assert 0 <= row["metrics"]["features_lite0"] < 1
    for said in ("best features_lite0", "top-1 / top-5", "Bytes from which on pictures are recognised"):
        assert said in (tmp_path / "summary.md").read_text()
        assert said in (tmp_path / "index.html").read_text()
    assert jobs == 2 or {"crop64-rate-top1", "crop64-rate-features_lite0"} <= set(drawn)


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokcodec.errors.find_spec", lambda module: None)
    assert "efficientnet-lite-pytorch" in str(find_recognition())


def test_whole_and_crops_in_one_run(photographs: Path, tmp_path: Path) -> None:
    assert bench(photographs, *QUICK, "--whole", "--limit", "1", "--out", tmp_path).exit_code == 0
    rows = results.load(tmp_path / "results.jsonl")
    assert {(row["subset"], row["width"]) for row in rows} == {("crop64", 64), ("whole", 300)}


def test_bad_pictures_are_reported_and_skipped(photographs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    shutil.copytree(photographs, folder)
    (folder / "broken.png").write_bytes((photographs / "coffee.png").read_bytes()[:5000])
    (folder / "notes.txt").write_text("no picture")
    result = bench(folder, *QUICK, "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert "broken.png: skipped: PictureError" in result.stderr
    assert "notes" not in result.stderr
    rows = results.load(tmp_path / "out" / "results.jsonl")
    assert [row["picture"] for row in rows if row.get("error")] == ["broken.png"]
    assert "broken.png" in (tmp_path / "out" / "summary.md").read_text()


@pytest.mark.parametrize("content", [None, b"", b"junk"])
def test_a_folder_without_pictures_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    (tmp_path / "in").mkdir()
    if content is not None:
        (tmp_path / "in" / "x.png").write_bytes(content)
    result = bench(tmp_path / "in", *QUICK, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "Error: no picture" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--codec", "gif"), "no codec 'gif'"),
        (("--metric", "vmaf"), "unknown metric"),
        (("--lpips-weights", "nowhere.pth"), "is not a file"),
    ],
)
def test_wrong_options_are_one_line(
    photographs: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = bench(photographs, *arguments, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert message in result.stderr


def test_merge_and_diff(photographs: Path, tmp_path: Path) -> None:
    for name, codec in (("a", "jpeg-pillow"), ("b", "thumbhash")):
        assert (
            bench(
                photographs,
                "--crop",
                "64",
                "--jobs",
                "1",
                "--page-pictures",
                "0",
                "--codec",
                codec,
                "--out",
                tmp_path / name,
            ).exit_code
            == 0
        )
    a, b = (tmp_path / name / "results.jsonl" for name in "ab")
    merged = bench(photographs, *QUICK, "--out", tmp_path / "c", "--merge", a, "--merge", b, "--diff", a)
    rows = timeless(tmp_path / "c" / "results.jsonl")
    assert sorted(map(str, rows)) == sorted(map(str, timeless(a) + timeless(b)))
    assert merged.stdout.count("only in the new results: crop64") == len(results.load(b))
    same = bench(photographs, *QUICK, "--out", tmp_path / "c", "--diff", tmp_path / "c" / "results.jsonl")
    assert "no difference" in same.stdout


def test_changed_pixels_are_coded_again(photographs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    shutil.copytree(photographs, folder)
    arguments = (folder, *QUICK, "--out", tmp_path / "out")
    bench(*arguments)
    before = timeless(tmp_path / "out" / "results.jsonl")
    Image.open(folder / "coffee.png").rotate(90, expand=True).save(folder / "coffee.png")
    bench(*arguments)
    after = timeless(tmp_path / "out" / "results.jsonl")
    assert [r for r in after if r["picture"] == "astronaut"] == [r for r in before if r["picture"] == "astronaut"]
    hashes = [{r["sha256"] for r in rows if r["picture"] == "coffee"} for rows in (before, after)]
    assert [len(h) for h in hashes] == [1, 1]
    assert hashes[0] != hashes[1]


def test_named_models_come_beside_the_default_one(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = run.make_codecs
    asked: list[Any] = []

    def noted(options: dict[str, Any]) -> dict[str, Codec]:
        asked.append(options["models"])
        return made(options)

    monkeypatch.setattr(run, "make_codecs", noted)
    bench(photographs, *QUICK, "--limit", "1", "--model", "base-2", "--out", tmp_path / "out")
    assert set(asked) == {(None, "base-2")}


def test_an_exception_in_an_adapter_is_a_row(
    photographs: Path, fake: Callable[..., TokCodec], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: TokCodec, scene: object) -> object:
        raise RuntimeError("boom")

    monkeypatch.setattr(TokCodec, "points", broken)
    run.start_worker(run.Options(codecs=("tokcodec",)))
    picture = pictures.describe(photographs / "coffee.png", "coffee", 64)
    (row,) = run.run_job(picture, "tokcodec", "r")
    assert row["error"] == "RuntimeError: boom"
    assert row["part"] == [0, 1]
    assert row["versions"]["model"] == "fake-1"


def test_crops_and_orientation(tmp_path: Path) -> None:
    pixels = np.zeros((40, 120, 3), np.uint8)
    pixels[:, 40:80] = 255
    image = Image.fromarray(pixels)
    image.save(tmp_path / "a.png")
    assert (pictures.read(tmp_path / "a.png", 40) == 255).all()
    assert pictures.read(tmp_path / "a.png", 80).shape == (80, 80, 3)
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "b.jpg", exif=exif)
    assert pictures.read(tmp_path / "b.jpg").shape == (120, 40, 3)


def test_samples(tmp_path: Path) -> None:
    pytest.importorskip("skimage.data")
    pictures.write_samples(tmp_path)
    found, bad = pictures.find(tmp_path, (256, None))
    assert len(found) == 2 * len(pictures.SAMPLES)
    assert not bad
    assert {p.subset for p in found} == {"crop256", "whole"}


def test_wrong_files_are_errors_of_one_line(photographs: Path, tmp_path: Path) -> None:
    picture = photographs / "coffee.png"
    for arguments, words in (
        (("--merge", picture), "has no results"),
        (("--diff", picture), "has no results"),
        (("--out", picture / "results"), "Not a directory"),
    ):
        result = bench(photographs, *QUICK, "--out", tmp_path / "out", *arguments)
        assert result.exit_code == 1 and words in result.stderr.splitlines()[-1]
        assert not (tmp_path / "out" / "results.jsonl").exists()
