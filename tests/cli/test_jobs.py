"""Which inputs become which outputs, and what is read of a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import Result
from PIL import Image

from tokcodec import cores
from tokcodec.cli.console import Report
from tokcodec.cli.jobs import Files, plan, read_tok
from tokcodec.errors import NotTokError, TokError
from tokcodec.pictures.opening import READ_FORMATS
from tokcodec.pictures.suffixes import OPTIONAL_SUFFIXES, PICTURE_SUFFIXES

Call = Callable[..., Result]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def jobs(*inputs: str, report: Report | None = None, **options: Any) -> list[str]:
    files = Files(inputs, **options)
    return [str(job) for job in plan(files, report or Report(), suffixes=PICTURE_SUFFIXES, new_suffix=".tok")]


def make(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("in.png", "in.tok"),
        ("in.JPeG", "in.tok"),
        ("a.b.png", "a.b.tok"),
        ("photo.2024-01", "photo.2024-01.tok"),
        ("photo", "photo.tok"),
        (".png", ".png.tok"),
        ("dir.png/in", "dir.png/in.tok"),
        ("/abs/in.png", "/abs/in.tok"),
        ("../in.png", "../in.tok"),
        ("./-", "./-.tok"),
    ],
)
def test_names_of_results(name: str, target: str) -> None:
    assert jobs(name) == [f"{name} -> {target}"]


def test_stdin_goes_to_stdout_or_the_named_output() -> None:
    assert jobs("-") == ["- -> -"]
    assert jobs("-", output="x.tok") == ["- -> x.tok"]
    assert jobs("in.png", output="-") == ["in.png -> -"]


def test_output_dir_is_flat_for_files_and_mirrors_folders() -> None:
    make("in/b.png", "in/a/c.jpg", "in/a/notes.txt", "in/.git/d.png")
    found = jobs("far/off/e.png", "in/", output_dir="out", recursive=True)
    assert found == ["far/off/e.png -> out/e.tok", "in/b.png -> out/b.tok", "in/a/c.jpg -> out/a/c.tok"]
    assert jobs("in", recursive=True) == ["in/b.png -> in/b.tok", "in/a/c.jpg -> in/a/c.tok"]


def test_a_folder_needs_recursive(capsys: pytest.CaptureFixture[str]) -> None:
    make("in/a.png")
    report = Report()
    assert jobs("in", "b.png", report=report) == ["b.png -> b.tok"]
    assert report.status == 1
    assert capsys.readouterr().err == "tokcodec: in: is a folder: use -r for the files in it\n"


def test_a_folder_without_pictures_is_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    make("in/a.txt")
    report = Report()
    assert jobs("in", report=report, recursive=True) == []
    assert report.status == 0 and "nothing to do" in capsys.readouterr().err


def test_links_in_a_circle_end() -> None:
    make("in/a.png", "elsewhere/b.png")
    os.symlink("..", "in/up")
    os.symlink("a.png", "in/link.png")
    os.symlink("elsewhere", "named")
    assert jobs("in", recursive=True) == ["in/a.png -> in/a.tok", "in/link.png -> in/link.tok"]
    assert jobs("named", recursive=True) == ["named/b.png -> named/b.tok"]


@pytest.mark.parametrize("inputs", [["a.png", "a.jpg"], ["x/a.png", "y/a.png"], ["a.png", "./a.png"]])
def test_two_inputs_for_one_output(inputs: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    report = Report()
    assert len(jobs(*inputs, report=report, output_dir="out")) == 1
    assert report.status == 1
    line = f"tokcodec: {inputs[1]}: skipped: out/a.tok is already the output of {inputs[0]}"
    hint = ": --keep-suffix gives each a name of its own" if inputs[1] == "a.jpg" else ""
    assert capsys.readouterr().err == f"{line}{hint}\n"


def test_kept_suffixes_give_each_input_its_output() -> None:
    make("in/a.png", "in/a.jpg")
    assert jobs("in", recursive=True, keep_suffix=True) == ["in/a.jpg -> in/a.jpg.tok", "in/a.png -> in/a.png.tok"]
    assert jobs("in/a.png", output_dir="out", keep_suffix=True) == ["in/a.png -> out/a.png.tok"]
    for options in ({"output": "x", "keep_suffix": True}, {"follow_links": True}):
        with pytest.raises(click.UsageError):
            Files(("in/a.png",), **options)


def test_what_is_left_out_is_counted() -> None:
    make("in/a.png", "in/b.heic2", "in/c/d.txt", "in/e.TXT", "in/README", "in/f.tok", "in/.hidden.txt")
    report = Report()
    assert len(jobs("in", report=report, recursive=True)) == 1
    assert report.left_out == {".txt": 2, ".heic2": 1, "": 1}  # and no results of earlier runs
    for i in range(4):
        report.left_out[f".{i}"] = 1
    assert report._left_out() == "; left out: 2 .txt, 1 without a suffix, 1 .0, 1 .1, 1 .2, 2 others"


def test_linked_folders_are_noted_or_followed(capsys: pytest.CaptureFixture[str]) -> None:
    make("in/a.png", "elsewhere/b.png", "elsewhere/deep/c.png")
    for name in ("in/one", "in/two"):
        os.symlink("../elsewhere", name)
    os.symlink("../../in", "elsewhere/deep/back")
    assert jobs("in", recursive=True) == ["in/a.png -> in/a.tok"]
    assert "in: note: 2 linked folders are left out: --follow-links searches them" in capsys.readouterr().err
    assert jobs("in", recursive=True, follow_links=True) == [
        "in/a.png -> in/a.tok",
        "in/one/b.png -> in/one/b.tok",
        "in/one/deep/c.png -> in/one/deep/c.tok",
    ]
    assert capsys.readouterr().err == ""


def test_what_is_no_file_in_a_folder_is_left_out() -> None:
    """Opening a pipe would wait forever. A dangling link is named when it is read."""
    make("folder/a.png")
    os.mkfifo("folder/pipe.png")
    Path("folder/link.png").symlink_to("nowhere")
    assert jobs("folder", recursive=True) == [
        "folder/a.png -> folder/a.tok",
        "folder/link.png -> folder/link.tok",
    ]


def test_pictures_in_folders_are_those_that_can_be_read() -> None:
    """All names that Pillow knows for what is read, and others that are usual."""
    known = Image.registered_extensions()
    optional = {suffix for names in OPTIONAL_SUFFIXES.values() for suffix in names}
    others = {".btf", ".jfi", ".jif", ".pjp", ".pjpeg", ".tf8"}
    assert {suffix for suffix, kind in known.items() if kind in (*READ_FORMATS, "MPO")} <= PICTURE_SUFFIXES
    assert {known[suffix] for suffix in PICTURE_SUFFIXES - optional - others} == {*READ_FORMATS, "MPO"}


def test_read_tok_does_not_read_what_is_no_tok(here: Path) -> None:
    with open("sparse", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(NotTokError):
        read_tok("sparse")
    with pytest.raises(TokError, match="is a folder"):
        read_tok(str(here))


# ---- runs over many files


@pytest.fixture
def photos(here: Path, picture: bytes) -> Path:
    make("photos/deep/z.png")
    for name in ("photos/a.png", "photos/b.png", "photos/deep/c.png"):
        Path(name).write_bytes(picture)
    Path("photos/deep/z.png").write_bytes(b"no picture")
    return here


def contents(folder: str) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def summary(result: Result) -> str:
    return result.stderr.splitlines()[-1]


def test_a_run_over_a_folder_resumes(call: Call, photos: Path, picture: bytes) -> None:
    encode = ("encode", "--model", "tiny", "-r", "photos", "--output-dir", "toks", "-j", "2")
    first = call(*encode)
    assert first.exit_code == 1 and "tokcodec: photos/deep/z.png: " in first.stderr
    assert summary(first).startswith("tokcodec: 3 done, 0 skipped, 1 failed in ")
    assert all(f" {what}/s" in summary(first) for what in ("files", "tiles", "megapixels"))
    whole = contents("toks")
    assert sorted(whole) == ["a.tok", "b.tok", "deep/c.tok"]

    Path("toks/b.tok").unlink()
    kept = whole["a.tok"] + b"kept"  # another whole file
    Path("toks/a.tok").write_bytes(kept)
    Path("photos/deep/z.png").write_bytes(picture)
    again = call(*encode)
    assert again.exit_code == 0 and summary(again).startswith("tokcodec: 2 done, 2 skipped, 0 failed in ")
    assert contents("toks") == whole | {"a.tok": kept, "deep/z.tok": whole["a.tok"]}

    done = call(*encode)
    assert done.exit_code == 0 and done.stderr.startswith("tokcodec: 0 done, 4 skipped, 0 failed in ")
    assert call(*encode, "-q").stderr == ""

    forced = call(*encode, "-f")
    assert forced.exit_code == 0 and summary(forced).startswith("tokcodec: 4 done, 0 skipped, 0 failed in ")
    assert contents("toks")["a.tok"] == whole["a.tok"]


def test_one_named_file_in_a_folder_of_results_is_skipped_too(call: Call, photos: Path) -> None:
    arguments = ("encode", "--model", "tiny", "photos/a.png", "--output-dir", "toks")
    assert len(call(*arguments).stderr.splitlines()) == 1
    assert call(*arguments).stderr.startswith("tokcodec: 0 done, 1 skipped, 0 failed")


def test_named_files_are_not_skipped(call: Call, photos: Path) -> None:
    Path("photos/a.tok").write_bytes(b"precious")
    alone = call("encode", "--model", "tiny", "photos/a.png")
    assert (alone.exit_code, alone.stderr) == (1, "tokcodec: photos/a.tok: exists already; use -f to overwrite\n")
    both = call("encode", "--model", "tiny", "photos/a.png", "photos/b.png")
    assert both.exit_code == 1 and summary(both).startswith("tokcodec: 1 done, 0 skipped, 1 failed in ")
    assert Path("photos/a.tok").read_bytes() == b"precious" and Path("photos/b.tok").exists()


def test_a_folder_in_the_way_is_no_finished_output(call: Call, photos: Path) -> None:
    Path("toks/a.tok").mkdir(parents=True)
    result = call("encode", "--model", "tiny", "-r", "photos", "--output-dir", "toks")
    assert result.exit_code == 1 and "tokcodec: toks/a.tok: is a folder\n" in result.stderr
    assert summary(result).startswith("tokcodec: 2 done, 0 skipped, 2 failed in ")


def test_many_pictures_make_the_files_of_single_ones(call: Call, photos: Path) -> None:
    options = ("encode", "--model", "tiny", "--pitch", "16", "--tokens", "5")
    call(*options, "-r", "photos", "--output-dir", "toks")
    for name in ("a", "b", "deep/c"):
        assert call(*options, f"photos/{name}.png", "-o", "one.tok", "-f").exit_code == 0
        assert Path("one.tok").read_bytes() == Path(f"toks/{name}.tok").read_bytes()


def test_decoding_resumes(call: Call, here: Path, make_tok: Callable[..., bytes]) -> None:
    make("toks/a.tok", "pictures/a.png")
    Image.new("L", (1, 1)).save("pictures/a.png")
    Path("toks/b.tok").write_bytes(make_tok())
    result = call("decode", "-r", "toks", "--output-dir", "pictures")
    assert result.exit_code == 0 and summary(result).startswith("tokcodec: 1 done, 1 skipped, 0 failed in ")


@pytest.mark.parametrize("more", [[], ["--target-size", "60"]])
def test_jobs_are_all_threads_that_work(
    call: Call, photos: Path, more: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """-j holds for reading and coding, and for nothing after the command."""
    seen, before, turn = [], cores.threads(), cores.turn
    monkeypatch.setattr("tokcodec.datasets.bulk.turn", lambda: seen.append(cores.threads()) or turn())
    monkeypatch.setattr("tokcodec.codec.to_rgb", lambda image, **_: seen.append(cores.threads()) or image)
    call("encode", "--model", "tiny", "-j", "1", "-r", "photos", *more)
    assert seen and set(seen) == {1} and cores.threads() == before


@pytest.mark.parametrize("jobs", ["0", "65", "x"])
def test_jobs_out_of_range(call: Call, photos: Path, jobs: str) -> None:
    result = call("encode", "-j", jobs, "-r", "photos")
    assert result.exit_code == 2 and "'-j'" in result.stderr
