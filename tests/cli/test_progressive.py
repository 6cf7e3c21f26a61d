"""`decode --progressive`: a folder of stages or an animation, safely written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

import tokcodec
from tokcodec.models.modelfile import Model

Call = Callable[..., Result]
MakeTok = Callable[..., bytes]


@pytest.mark.parametrize("options", [[], ["--tokens", "5"], ["--look", "fidelity"], ["--format", "ppm"]])
def test_a_folder_of_stages(call: Call, tmp_path: Path, make_tok: MakeTok, options: list[str]) -> None:
    data = make_tok(tokens=16)
    (tmp_path / "in.tok").write_bytes(data)
    result = call("decode", "--progressive", "out/stages", *options, "in.tok")
    assert result.exit_code == 0
    counts = [1, 2, 4, 5] if "--tokens" in options else [1, 2, 4, 8, 16]
    suffix = "ppm" if "--format" in options else "png"
    assert sorted(os.listdir("out/stages")) == [f"{count:03d}.{suffix}" for count in counts]
    assert result.stderr.splitlines()[0] == f"in.tok -> {os.path.join('out/stages', f'001.{suffix}')} (1 token)"
    for count in counts:
        with Image.open(f"out/stages/{count:03d}.{suffix}") as image:
            assert np.array_equal(np.asarray(image), np.asarray(tokcodec.decode(data, tokens=count)))


@pytest.mark.parametrize("name", ["out.gif", "out.WebP", "out.png"])
def test_an_animation(call: Call, make_tok: MakeTok, name: str) -> None:
    result = call("decode", "--progressive", name, "-", stdin=make_tok(tokens=16))
    assert (result.exit_code, result.stderr) == (0, f"- -> {name} (1, 2, 4, 8, 16 tokens)\n")
    with Image.open(name) as image:
        assert getattr(image, "n_frames", 0) == 5 and image.size == (40, 30)


def test_a_cut_file_shows_what_it_holds(call: Call, make_tok: MakeTok) -> None:
    data = make_tok(tokens=16)[:15]
    held = tokcodec.info(data).held
    assert held is not None and 4 < held < 8
    result = call("decode", "--progressive", "out", "-", stdin=data)
    assert sorted(os.listdir("out")) == ["001.png", "002.png", "004.png", f"{held:03d}.png"]
    notes = [line for line in result.stderr.splitlines() if "note" in line]
    assert notes == [f"tokcodec: stdin: note: the file is cut: it holds {held} of 16 tokens"]
    nothing = call("decode", "--progressive", "none", "-", stdin=data[:10])
    assert nothing.exit_code == 0 and os.listdir("none") == ["001.png"]


def test_what_exists_is_kept_unless_forced(call: Call, tmp_path: Path, make_tok: MakeTok) -> None:
    (tmp_path / "in.tok").write_bytes(make_tok(tokens=4))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "002.png").write_bytes(b"precious")
    (tmp_path / "out.gif").write_bytes(b"precious")
    for target, name in (("out", os.path.join("out", "002.png")), ("out.gif", "out.gif")):
        result = call("decode", "-q", "--progressive", target, "in.tok")
        assert result.exit_code == 1
        assert result.stderr.splitlines()[0] == f"tokcodec: {name}: exists already; use -f to overwrite"
        assert Path(name).read_bytes() == b"precious"
    assert call("decode", "-f", "--progressive", "out.gif", "in.tok").exit_code == 0
    assert Path("out.gif").read_bytes().startswith(b"GIF8")
    assert not list(tmp_path.glob("**/.tokcodec-*"))


def test_the_input_is_never_overwritten(call: Call, tmp_path: Path, make_tok: MakeTok) -> None:
    data = make_tok()
    (tmp_path / "in.gif").write_bytes(data)
    result = call("decode", "-f", "--progressive", "in.gif", "in.gif")
    assert result.exit_code == 1 and "is the input" in result.stderr and Path("in.gif").read_bytes() == data


def test_a_bad_file_writes_nothing(call: Call, tmp_path: Path) -> None:
    (tmp_path / "in.tok").write_bytes(b"\xff\xd8\xff")
    result = call("decode", "--progressive", "out", "in.tok")
    assert result.exit_code == 1 and result.stderr.startswith("tokcodec: in.tok: not a .tok file")
    assert not Path("out").exists()


def test_a_folder_that_cannot_be_made(call: Call, tmp_path: Path, make_tok: MakeTok) -> None:
    (tmp_path / "out").write_bytes(b"precious")
    result = call("decode", "--progressive", "out/in", "-", stdin=make_tok())
    assert result.exit_code == 1 and len(result.stderr.splitlines()) == 1
    assert "cannot create the folder out/in" in result.stderr
    assert Path("out").read_bytes() == b"precious"


def test_bare(call: Call, tiny: Model, picture: bytes, tmp_path: Path) -> None:
    (tmp_path / "in.png").write_bytes(picture)
    assert call("encode", "--bare", "--model", "tiny", "in.png").exit_code == 0
    result = call("decode", "--bare", "--model", "tiny", "--size", "40x30", "--progressive", "out.gif", "in.tok")
    assert result.stderr == "in.tok -> out.gif (1, 2, 4, 8 tokens)\n"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--progressive", ""], "--progressive needs one input and a path for its result"),
        (["--progressive", "x.gif", "--format", "jpg"], "--format is for pictures"),
    ],
)
def test_usage_that_would_be_ignored(
    call: Call, tmp_path: Path, make_tok: MakeTok, options: list[str], text: str
) -> None:
    (tmp_path / "in.tok").write_bytes(make_tok())
    result = call("decode", *options, "in.tok")
    assert result.exit_code == 2 and text in " ".join(result.stderr.split())
    assert os.listdir(tmp_path) == ["in.tok"]
