"""Which inputs become which outputs, and what is read of a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tokcodec.batch import PICTURE_SUFFIXES, Files, plan, read_tok
from tokcodec.console import Report
from tokcodec.errors import NotTokError, TokError
from tokcodec.images import READ_FORMATS


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
    assert capsys.readouterr().err == "tokcodec: in: is a folder; -r takes the files in it\n"


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
    assert capsys.readouterr().err == f"tokcodec: {inputs[1]}: not done: out/a.tok is the output for {inputs[0]}\n"


def test_pictures_in_folders_are_those_that_can_be_read() -> None:
    assert {Image.registered_extensions().get(suffix) for suffix in PICTURE_SUFFIXES} == set(READ_FORMATS)


def test_read_tok_does_not_read_what_is_no_tok(here: Path) -> None:
    with open("sparse", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(NotTokError):
        read_tok("sparse")
    with pytest.raises(TokError, match="is a folder"):
        read_tok(str(here))
