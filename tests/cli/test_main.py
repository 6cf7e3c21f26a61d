"""The commands: their files, messages, errors and exit codes."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import Result
from PIL import Image

import tokcodec
from tokcodec.cli.targets import parse_size
from tokcodec.container.header import HEADER_SIZE, parse_header
from tokcodec.models.modelfile import Model
from tokcodec.tokenizers.cascade import CascadeConfig
from tokcodec.training.settings import TRAININGS, CascadeTraining

Call = Callable[..., Result]
MakeTok = Callable[..., bytes]


def failed(result: Result, *words: str, code: int = 1) -> None:
    """Check that stderr has one line with these words, and no traceback."""
    assert result.exit_code == code, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("tokcodec: ")
    assert all(word in line for word in words), line


# ---- encode and decode


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


@pytest.mark.parametrize(
    "arguments",
    [
        ["encode"],
        ["encode", "--tokens", "0", "in.png"],
        ["encode", "--tokens", "-1", "in.png"],
        ["encode", "--tokens", "257", "in.png"],
        ["encode", "--pitch", "100", "in.png"],
        ["encode", "--device", "tpu", "in.png"],
        ["encode", "--max-pixels", "0", "in.png"],
        ["encode", "-o", "x.tok", "a.png", "b.png"],
        ["encode", "-o", "x.tok", "--output-dir", "out", "a.png"],
        ["encode", "-r", "-o", "x.tok", "folder"],
        ["encode", "-", "a.png"],
        ["encode", "-", "--output-dir", "out"],
        ["encode", "--nonsense", "in.png"],
        ["decode", "--look", "nice", "in.tok"],
        ["decode", "--dtype", "int8", "in.tok"],
        ["decode", "--format", "doc", "in.tok"],
        ["decode", "in.tok", "-o", "out.doc"],
        ["decode", "--look", "", "in.tok"],
        ["pack", "--unpack", "-", "--output-dir", "out"],
        ["truncate", "in.tok", "-o", "x.tok"],
        ["truncate", "in.tok", "--tokens", "2"],
        ["truncate", "in.tok", "--tokens", "2", "--size", "20", "-o", "x.tok"],
        ["truncate", "in.tok", "--size", "20kb2", "-o", "x.tok"],
        ["info"],
        ["nonsense"],
    ],
)
def test_wrong_usage(call: Call, arguments: list[str]) -> None:
    result = call(*arguments)
    assert result.exit_code == 2 and "Error: " in result.stderr and result.stdout == ""


def test_what_the_model_does_not_offer_is_wrong_usage(call: Call, tmp_path: Path, make_tok: MakeTok) -> None:
    (tmp_path / "in.tok").write_bytes(make_tok())
    result = call("encode", "--model", "tiny", "--tokens", "17", "in.png")
    assert result.exit_code == 2 and "1..16" in result.stderr
    failed(call("decode", "--tokens", "17", "in.tok"), "1..16", code=2)
    failed(call("decode", "--look", "perceptual", "in.tok"), "fidelity", code=2)
    failed(call("truncate", "--tokens", "9", "in.tok", "-o", "x.tok"), "1..8", code=2)
    failed(call("truncate", "--size", "9", "in.tok", "-o", "x.tok"), "at least", code=2)


def test_a_file_that_cannot_be_cut_is_a_failed_file(call: Call, tmp_path: Path, make_tok: MakeTok) -> None:
    (tmp_path / "header.tok").write_bytes(make_tok()[:HEADER_SIZE])
    failed(call("truncate", "--tokens", "1", "header.tok", "-o", "x.tok"), "header.tok: nothing to cut")


def test_a_look_of_a_package_is_any_word(
    call: Call, tmp_path: Path, make_tok: MakeTok, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in.tok").write_bytes(make_tok())
    monkeypatch.setattr("tokcodec.tokenizers.families.others_installed", lambda: True)
    failed(call("decode", "--look", "sketch", "in.tok"), "in.tok: look must be fidelity for this model", code=2)
    monkeypatch.setattr("tokcodec.tokenizers.cascade.CascadeTokenizer.check_look", lambda self, look: "fidelity")
    assert call("decode", "--look", "sketch", "in.tok").exit_code == 0


def test_an_unknown_model_is_said_once(call: Call, tmp_path: Path, picture: bytes) -> None:
    (tmp_path / "in.png").write_bytes(picture)
    failed(call("encode", "--model", "nobody", "in.png", "in2.png"), "nobody", "tiny")


def test_no_gpu(call: Call, tmp_path: Path, picture: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (tmp_path / "in.png").write_bytes(picture)
    failed(call("encode", "--model", "tiny", "--device", "cuda", "in.png", "in.png"), "--device cpu")


@pytest.mark.parametrize(
    ("error", "words"),
    [(MemoryError(), "not enough memory"), (RuntimeError("first\nsecond"), "RuntimeError: first second")],
)
def test_the_unexpected_is_one_line(
    call: Call, tmp_path: Path, make_tok: MakeTok, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr("tokcodec.codec.draw", fail)
    (tmp_path / "in.tok").write_bytes(make_tok())
    failed(call("decode", "in.tok"), f"in.tok: {words}")
    verbose = call("decode", "-v", "in.tok")
    assert verbose.exit_code == 1 and "Traceback" in verbose.stderr


# ---- info and truncate


def test_info(call: Call, tmp_path: Path, make_tok: MakeTok, tiny: Model) -> None:
    data = make_tok(width=600, height=400)
    (tmp_path / "in.tok").write_bytes(data)
    result = call("info", "in.tok")
    assert result.exit_code == 0
    assert result.stdout == (
        f"in.tok: 600x400 pixels, 2x2 tiles (pitch 256), 32 tokens (8 per tile), model tiny, {len(data)} bytes "
        f"(10 header + {len(data) - 10} payload), {8 * len(data) / 240000:.4g} bits per pixel\n"
    )
    facts = json.loads(call("info", "--json", "in.tok").stdout)
    assert facts == {
        "file": "in.tok", "version": 1, "width": 600, "height": 400, "pitch": 256, "columns": 2, "rows": 2, "tiles": 4,
        "tokens": 8, "adaptive": False, "declared": 32, "held": 32, "complete": True, "model": "tiny",
        "model_id": tiny.id, "bytes": len(data),
        "header_bytes": 10, "payload_bytes": len(data) - 10, "bpp": 8 * len(data) / 240000,
    }  # fmt: skip


def test_info_of_a_cut_file(call: Call, make_tok: MakeTok) -> None:
    result = call("info", "-", stdin=make_tok(pitch=0)[:-3])
    assert "1 tile (the whole picture), 5 of 8 tokens" in result.stdout


def test_info_without_the_model(call: Call, make_tok: MakeTok, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = make_tok()
    monkeypatch.setattr("tokcodec.models.registry.search_path", list)
    result = call("info", "-", stdin=data)
    assert result.exit_code == 0 and f"model id {data[2]:02x}, which is not installed" in result.stdout
    facts = json.loads(call("info", "--json", "-", stdin=data).stdout)
    assert (facts["model"], facts["held"], facts["complete"]) == (None, None, None)


def test_info_goes_on_after_a_bad_file(call: Call, tmp_path: Path, make_tok: MakeTok) -> None:
    (tmp_path / "good.tok").write_bytes(make_tok())
    (tmp_path / "folder").mkdir()
    result = call("info", "--json", "bad.tok", "folder", "good.tok")
    assert result.exit_code == 1
    assert [json.loads(line)["file"] for line in result.stdout.splitlines()] == ["good.tok"]
    assert result.stderr == "tokcodec: bad.tok: no such file or folder\ntokcodec: folder: is a folder\n"


@pytest.mark.parametrize("position", range(HEADER_SIZE))
def test_a_flipped_header_bit_is_noticed(call: Call, make_tok: MakeTok, position: int) -> None:
    data = bytearray(make_tok())
    data[position] ^= 1
    failed(call("decode", "-", "-o", "x.png", stdin=bytes(data)), "stdin: ")
    assert not Path("x.png").exists()


@pytest.mark.parametrize("options", [["--tokens", "3"], ["--size", "0.013k"], ["--size", "13"]])
def test_truncate(call: Call, tmp_path: Path, make_tok: MakeTok, options: list[str]) -> None:
    data = make_tok()
    (tmp_path / "in.tok").write_bytes(data)
    result = call("truncate", "in.tok", *options, "-o", "out.tok")
    assert result.exit_code == 0
    cut = (tmp_path / "out.tok").read_bytes()
    size = None if options[0] == "--tokens" else 13
    assert cut == tokcodec.truncate(data, tokens=None if size else 3, size=size)
    assert result.stderr == f"in.tok -> out.tok ({len(cut)} bytes, {parse_header(cut).tokens} tokens per tile)\n"
    assert call("truncate", "-", *options, stdin=data).stdout_bytes == cut


@pytest.mark.parametrize(
    ("text", "size"),
    [("120", 120), ("1.5k", 1500), ("2K", 2000), ("2ki", 2048), ("1kiB", 1024), ("12B", 12), ("0.0019k", 1)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "k", "-1", "1e3", "nan", "inf", "1,5k", "1m", "٣", "1" * 13, " 1", "1k "])
def test_bad_sizes(text: str) -> None:
    with pytest.raises(click.BadParameter):
        parse_size(text)


# ---- models, train, and the rest


def test_models(call: Call, tiny: Model) -> None:
    assert f"tiny (id {tiny.id:02x}): 16 tokens, For tests." in call("models", "list").stdout
    lines = [json.loads(line) for line in call("models", "list", "--json").stdout.splitlines()]
    assert tiny.hash.hex() in [line["hash"] for line in lines]
    shown = call("models", "show", "tiny")
    assert shown.exit_code == 0 and tiny.hash.hex() in shown.stdout
    failed(call("models", "show", "nobody"), "no model named 'nobody'")
    failed(call("models", "remove", "nobody"), "no model named 'nobody'")
    failed(call("models", "import", "missing", "--name", "x"), "missing")
    assert call("models", "import", "missing", "--name", "/").exit_code == 2


def test_training_is_handed_its_arguments(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first stage is the default. An error of the training is one line."""
    asked: list[tuple[object, ...]] = []

    class Run:
        def __init__(self, *arguments: object) -> None:
            asked.append(arguments)

        def train(self) -> None:
            raise OSError(errno.ENOSPC, "full", "m.training/log.jsonl")

    def train_look(*arguments: object) -> None:
        asked.append(arguments)

    cascade_run, look_run = types.ModuleType("cascade_run"), types.ModuleType("look_run")
    cascade_run.CascadeRun, look_run.train_look = Run, train_look  # type: ignore[attr-defined]
    for name, module in (("cascade_run", cascade_run), ("look_run", look_run)):
        monkeypatch.setitem(sys.modules, f"tokcodec.training.{name}", module)
        monkeypatch.setattr(f"tokcodec.training.{name}", module, raising=False)
    for folder in "ab":
        (tmp_path / folder).mkdir()
    for stage in ([], ["cascade"]):
        result = call("train", *stage, "a", "--out", "m", "--valid", "b", "--steps", "7")
        failed(result, "m.training/log.jsonl: disk full")
        training = CascadeTraining(steps=7)
        assert asked.pop() == ((Path("a"),), (Path("b"),), Path("m"), training, CascadeConfig())
    look = call("train", "look", "a", "b", "--model", "b", "--look", "light", "--seed", "3", "--device", "cpu")
    assert look.exit_code == 0 and look.output == ""
    assert asked == [(Path("b"), (Path("a"), Path("b")), (), replace(TRAININGS["light"], seed=3), "cpu", None)]


@pytest.mark.parametrize("stage", ["cascade", "look"])
def test_help_of_training_needs_no_torch(stage: str) -> None:
    code = "cli(sys.argv[1:], standalone_mode=False); print('torch' in sys.modules)"
    code = f"import sys; from tokcodec.cli import cli; {code}"
    arguments = [sys.executable, "-c", code, "train", stage, "--help"]
    result = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert "--valid" in result.stdout and "None" not in result.stdout and result.stdout.endswith("False\n")


def test_version_and_help(call: Call) -> None:
    assert call("--version").stdout.startswith(f"tokcodec {tokcodec.__version__}, format 1, constriction 0.5.")
    for command in (
        [],
        ["encode"],
        ["decode"],
        ["info"],
        ["truncate"],
        ["models"],
        ["models", "import"],
        ["dataset", "encode"],
        ["train"],
        ["train", "look"],
    ):
        result = call(*command, "--help")
        assert result.exit_code == 0 and result.stdout.startswith("Usage: tokcodec ")
