"""`encode` and `decode`: their files, what they print, and what they keep."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

import tokcodec
from tests.cli.failing import failed
from tokcodec.container.header import parse_header

Call = Callable[..., Result]
MakeTok = Callable[..., bytes]


def test_there_and_back_beside_the_input(call: Call, tmp_path: Path, picture: bytes) -> None:
    (tmp_path / "in.png").write_bytes(picture)
    result = call("encode", "--tokens", "5", "--model", "tiny", "in.png")
    assert result.exit_code == 0 and result.stdout == ""
    data = (tmp_path / "in.tok").read_bytes()
    assert data == tokcodec.encode(Image.open(io.BytesIO(picture)), tokens=5, model="tiny")
    assert result.stderr == f"in.png -> in.tok ({len(data)} bytes, {8 * len(data) / 1200:.4g} bits per pixel)\n"

    (tmp_path / "in.png").unlink()
    result = call("decode", "in.tok")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "in.tok -> in.png (40x30, 5 tokens)\n")
    with Image.open("in.png") as decoded:
        assert np.array_equal(np.asarray(decoded), np.asarray(tokcodec.decode(data)))


def test_defaults_are_the_models_own(call: Call, tmp_path: Path, picture: bytes) -> None:
    (tmp_path / "in.png").write_bytes(picture)
    assert call("encode", "--model", "tiny", "in.png").exit_code == 0
    header = parse_header((tmp_path / "in.tok").read_bytes())
    assert (header.tokens, header.pitch) == (8, 256)


def test_pitch(call: Call, tmp_path: Path, picture: bytes) -> None:
    (tmp_path / "in.png").write_bytes(picture)
    assert call("encode", "--model", "tiny", "--pitch", "16", "in.png", "-o", "16.tok").exit_code == 0
    assert call("encode", "--model", "tiny", "--pitch", "fit", "in.png", "-o", "fit.tok").exit_code == 0
    assert parse_header((tmp_path / "16.tok").read_bytes()).pitch == 16
    assert parse_header((tmp_path / "fit.tok").read_bytes()).pitch == 0


def test_stdin_and_stdout(call: Call, picture: bytes) -> None:
    encoded = call("encode", "--model", "tiny", "-", stdin=picture)
    assert (encoded.exit_code, encoded.stderr) == (0, "")
    assert encoded.stdout_bytes == tokcodec.encode(Image.open(io.BytesIO(picture)), model="tiny")
    decoded = call("decode", "-", stdin=encoded.stdout_bytes)
    assert (decoded.exit_code, decoded.stderr) == (0, "")
    assert decoded.stdout_bytes.startswith(b"\x89PNG")
    assert call("decode", "-", "--format", "ppm", stdin=encoded.stdout_bytes).stdout_bytes.startswith(b"P6")
    assert call("decode", "-", "-o", "x.webp", stdin=encoded.stdout_bytes).exit_code == 0
    assert Path("x.webp").read_bytes()[8:12] == b"WEBP"


def test_decoding_fewer_tokens(call: Call, make_tok: MakeTok) -> None:
    data = make_tok(tokens=8)
    result = call("decode", "--tokens", "3", "-", "-o", "x.png", stdin=data)
    assert "3 tokens" in result.stderr
    with Image.open("x.png") as decoded:
        assert np.array_equal(np.asarray(decoded), np.asarray(tokcodec.decode(data, tokens=3)))


def test_an_existing_output_is_kept_unless_forced(call: Call, tmp_path: Path, make_tok: MakeTok) -> None:
    (tmp_path / "in.tok").write_bytes(make_tok())
    (tmp_path / "in.png").write_bytes(b"precious")
    failed(call("decode", "in.tok"), "in.png: exists already")
    assert (tmp_path / "in.png").read_bytes() == b"precious"
    assert call("decode", "-f", "in.tok").exit_code == 0
    assert (tmp_path / "in.png").read_bytes().startswith(b"\x89PNG")


def test_a_failed_decode_keeps_the_old_output(call: Call, tmp_path: Path, make_tok: MakeTok) -> None:
    (tmp_path / "in.tok").write_bytes(make_tok()[:9])
    (tmp_path / "in.png").write_bytes(b"precious")
    failed(call("decode", "-f", "in.tok"), "in.tok: header truncated")
    assert (tmp_path / "in.png").read_bytes() == b"precious"
    assert sorted(os.listdir(tmp_path)) == ["in.png", "in.tok"]


@pytest.mark.parametrize("link", [False, True])
def test_the_input_is_never_overwritten(call: Call, tmp_path: Path, make_tok: MakeTok, link: bool) -> None:
    data = make_tok()
    (tmp_path / "in.tok").write_bytes(data)
    if link:
        (tmp_path / "out.tok").symlink_to("in.tok")
    target = "out.tok" if link else "./in.tok"
    failed(call("truncate", "-f", "--tokens", "2", "in.tok", "-o", target), target, "is the input")
    assert (tmp_path / "in.tok").read_bytes() == data


def test_one_bad_file_among_many(call: Call, tmp_path: Path, make_tok: MakeTok) -> None:
    for name in ("a", "c"):
        (tmp_path / f"{name}.tok").write_bytes(make_tok())
    (tmp_path / "b.tok").write_bytes(b"\xff\xd8\xff\xe0 no")
    result = call("decode", "-q", "a.tok", "b.tok", "c.tok", "missing.tok")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "tokcodec: b.tok: not a .tok file (starts with FF D8: a JPEG)",
        "tokcodec: missing.tok: no such file or folder",
    ]
    assert {"a.png", "c.png"} <= set(os.listdir(tmp_path)) and not (tmp_path / "b.png").exists()


def test_folders_are_mirrored(call: Call, tmp_path: Path, make_tok: MakeTok) -> None:
    for name in ("in/a.tok", "in/deep/er/b.TOK", "in/.hidden.tok", "c.tok"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(make_tok())
    (tmp_path / "in" / "readme.txt").write_text("no tok")
    assert call("decode", "-r", "in", "c.tok", "--output-dir", "out").exit_code == 0
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.glob("out/**/*") if path.is_file())
    assert found == ["out/a.png", "out/c.png", "out/deep/er/b.png"]


def test_no_folder_is_made_for_nothing(call: Call, tmp_path: Path) -> None:
    (tmp_path / "in.tok").write_bytes(b"")
    failed(call("decode", "in.tok", "--output-dir", "out"), "in.tok: empty file")
    assert not (tmp_path / "out").exists()


def test_output_dir_that_is_a_file(call: Call, tmp_path: Path, make_tok: MakeTok) -> None:
    (tmp_path / "in.tok").write_bytes(make_tok())
    (tmp_path / "out").write_bytes(b"precious")
    failed(call("decode", "in.tok", "--output-dir", "out"), "out/in.png: ")
    assert (tmp_path / "out").read_bytes() == b"precious"


@pytest.mark.parametrize(
    "name", ["with space.tok", "new\nline.tok", "Übergröße 東京.tok", "-rf.tok", "bad\udcff.tok", "a"]
)
def test_names(call: Call, tmp_path: Path, make_tok: MakeTok, name: str) -> None:
    (tmp_path / name).write_bytes(make_tok())
    result = call("decode", "--", name)
    assert result.exit_code == 0 and len(result.stderr.splitlines()) == 1
    assert (tmp_path / (name.removesuffix(".tok") + ".png")).is_file()


def test_a_cut_file_decodes_and_says_so(call: Call, make_tok: MakeTok) -> None:
    data = make_tok()[:-3]
    held = tokcodec.info(data).held
    result = call("decode", "-", "-o", "x.png", stdin=data)
    assert result.exit_code == 0
    note, done = result.stderr.splitlines()
    assert note.startswith("tokcodec: stdin: note: ") and f"{held} of 8 tokens" in note
    assert done.startswith("- -> x.png")
    assert call("decode", "-q", "-f", "-", "-o", "x.png", stdin=data).stderr == ""


def test_what_a_picture_loses_is_a_note(call: Call, tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (255, 0, 0, 100)).save(tmp_path / "in.png")
    result = call("encode", "--model", "tiny", "in.png")
    assert result.exit_code == 0
    assert result.stderr.splitlines()[0] == "tokcodec: in.png: note: transparency is composited on white"


def test_pixel_limit_both_ways(call: Call, tmp_path: Path, picture: bytes, make_tok: MakeTok) -> None:
    (tmp_path / "in.png").write_bytes(picture)
    (tmp_path / "big.tok").write_bytes(make_tok(width=16383, height=16383, pitch=0))
    failed(call("encode", "--model", "tiny", "--max-pixels", "1199", "in.png"), "in.png", "1199")
    failed(call("decode", "big.tok"), "big.tok: 16383x16383", "--max-pixels")
    assert call("encode", "--model", "tiny", "--max-pixels", "1200", "in.png").exit_code == 0
