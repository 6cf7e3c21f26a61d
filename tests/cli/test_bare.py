"""The bare container and the parts of files on the command line."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import Result
from PIL import Image

import tokcodec
from tests.conftest import TINY_VOCABULARY
from tests.vectors import contents
from tokcodec.cli.options import parse_dimensions
from tokcodec.container.header import Header
from tokcodec.contents import pack
from tokcodec.models.modelfile import Model

Call = Callable[..., Result]
MakeTok = Callable[..., bytes]


def pixels(path: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.fixture
def bare(tiny: Model, picture: bytes) -> bytes:
    return tokcodec.encode(Image.open(io.BytesIO(picture)), container="bare", tokens=6, model="tiny")


def test_there_and_back(call: Call, tmp_path: Path, picture: bytes, bare: bytes) -> None:
    (tmp_path / "in.png").write_bytes(picture)
    result = call("encode", "--bare", "--tokens", "6", "--model", "tiny", "in.png", "-o", "x.tok")
    assert result.stderr == f"in.png -> x.tok ({len(bare)} bytes, {8 * len(bare) / 1200:.4g} bits per pixel)\n"
    assert (tmp_path / "x.tok").read_bytes() == bare
    assert call("encode", "--bare", "--pitch", "fit", "--model", "tiny", "in.png").exit_code == 0
    assert (tmp_path / "in.tok").stat().st_size <= 2 + 7  # 8 tokens of 6 bits

    result = call("decode", "--bare", "--model", "tiny", "x.tok")
    assert (result.exit_code, result.stderr) == (0, "x.tok -> x.png (296x222, 6 tokens)\n")
    result = call("decode", "--bare", "--model", "tiny", "--size", "40x30", "--tokens", "4", "x.tok", "-o", "y.png")
    assert result.stderr == "x.tok -> y.png (40x30, 4 tokens)\n"
    expected = tokcodec.decode(bare, container="bare", size=(40, 30), tokens=4, model="tiny")
    assert np.array_equal(pixels("y.png"), np.asarray(expected))


def test_base64(call: Call, tmp_path: Path, picture: bytes, bare: bytes) -> None:
    (tmp_path / "in.png").write_bytes(picture)
    options = ("--bare", "--base64", "--model", "tiny")
    assert call("encode", *options, "--tokens", "6", "in.png").exit_code == 0
    text = (tmp_path / "in.b64").read_bytes()
    assert text == base64.b64encode(bare) + b"\n"
    assert call("encode", *options, "--tokens", "6", "-", stdin=picture).stdout_bytes == text
    decoded = call("decode", *options, "-", stdin=text)
    assert decoded.exit_code == 0
    assert call("decode", *options, "-f", "in.b64").exit_code == 0
    url = base64.urlsafe_b64encode(bare).rstrip(b"=") + b" \r\n"
    assert call("decode", *options, "-", stdin=url).stdout_bytes == decoded.stdout_bytes
    assert np.array_equal(pixels("in.png"), np.asarray(Image.open(io.BytesIO(decoded.stdout_bytes))))
    bad = call("decode", *options, "-", "-o", "x.png", stdin=b"!!!")
    assert (bad.exit_code, bad.stderr) == (1, "tokcodec: stdin: not base64\n")


def url_of(vector: str, kind: str = "") -> bytes:
    return f"data:image/x-tok-bare{kind};base64,{base64.b64encode(contents(vector)).decode()}".encode()


def test_a_data_url_names_its_model(call: Call) -> None:
    """By its parameter, or else that of 1.0. The option counts more, and text without a URL means the default model."""
    small = ("--size", "20x12", "-")
    old, new = "bare-1.tok", "base-3/bare-1.tok"
    drawn = {
        vector: call("decode", "--bare", "--model", model, *small, stdin=contents(vector)).stdout_bytes
        for vector, model in ((old, "base-2"), (new, "base-3"))
    }
    for vector, text, options in (
        (old, url_of(old), ()),
        (old, url_of(old, ";model=base-2"), ()),
        (new, url_of(new, ";model=base-3"), ()),
        (old, url_of(old, ";model=tiny"), ("--model", "base-2")),
        (new, base64.b64encode(contents(new)), ()),
    ):
        found = call("decode", "--bare", "--base64", *options, *small, stdin=text)
        assert found.exit_code == 0 and found.stdout_bytes == drawn[vector]


@pytest.mark.parametrize(("name", "message"), [("a/b", "not a model's name: 'a/b'"), ("none", "no model named 'none'")])
def test_a_data_url_of_a_model_that_is_not_there(call: Call, name: str, message: str) -> None:
    result = call("decode", "--bare", "--base64", "-", "-o", "x.png", stdin=url_of("bare-1.tok", f";model={name}"))
    assert result.exit_code == 1 and result.stderr.startswith("tokcodec: stdin: ") and message in result.stderr


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty file"),
        (b"\x03", "header truncated (1 of 2 bytes)"),
        (b"\x03\x80\x00", "not a bare file, or one of a newer tokcodec"),
        (b"\xf5\x10\x5c\x03\x90\x4f", "declares 246 tokens, but model tiny has 16"),
    ],
)
def test_what_is_no_bare_file(call: Call, data: bytes, message: str) -> None:
    result = call("decode", "--bare", "--model", "tiny", "-", "-o", "x.png", stdin=data)
    assert (result.exit_code, result.stderr) == (1, f"tokcodec: stdin: {message}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["encode", "--bare", "--pitch", "256", "in.png"],
        ["encode", "--base64", "in.png"],
        ["decode", "--base64", "in.b64"],
        ["decode", "--size", "30x20", "in.tok"],
        ["decode", "--bare", "--size", "30", "in.tok"],
        ["decode", "--bare", "--size", "0x20", "in.tok"],
        ["decode", "--bare", "--size", "16384x20", "in.tok"],
        ["decode", "--max-bytes", "9", "in.tok"],
        ["decode", "--bare", "--max-bytes", "1", "in.tok"],
        ["decode", "--max-bytes", "-1", "in.tok"],
        ["decode", "--max-bytes", "12q", "in.tok"],
        ["decode", "--progressive", "out", "-o", "x.png", "in.tok"],
        ["decode", "--progressive", "out", "--output-dir", "x", "in.tok"],
        ["decode", "--progressive", "out", "-r", "in"],
        ["decode", "--progressive", "out", "a.tok", "b.tok"],
        ["decode", "--progressive", "-", "a.tok"],
    ],
)
def test_wrong_usage(call: Call, arguments: list[str]) -> None:
    result = call(*arguments)
    assert result.exit_code == 2 and "Error: " in result.stderr and result.stdout == ""


@pytest.mark.parametrize("text", ["", "30", "30x", "x20", "0x1", "1x0", "16384x1", "-1x3", "3.0x2", "٣x٣", "30x20x10"])
def test_bad_dimensions(text: str) -> None:
    with pytest.raises(click.BadParameter, match="1 to 16383"):
        parse_dimensions(text)


def test_dimensions() -> None:
    assert parse_dimensions("640x480") == (640, 480) and parse_dimensions("1X16383") == (1, 16383)


# ---- parts of files


@pytest.mark.parametrize(("size", "length"), [("12", 12), ("0.013k", 13), ("1ki", 1024)])
def test_max_bytes_is_what_the_cut_file_shows(call: Call, make_tok: MakeTok, size: str, length: int) -> None:
    data = make_tok()
    result = call("decode", "--max-bytes", size, "-", "-o", "x.png", stdin=data)
    assert result.exit_code == 0
    held = tokcodec.info(data[:length]).held
    assert result.stderr == f"- -> x.png (40x30, {held} tokens)\n"  # asked for: not a note of a cut file
    expected = tokcodec.decode(data[:length], warn=lambda text: None)
    assert np.array_equal(pixels("x.png"), np.asarray(expected))


def test_max_bytes_of_a_cut_file(call: Call, make_tok: MakeTok) -> None:
    result = call("decode", "--max-bytes", "1k", "-", "-o", "x.png", stdin=make_tok()[:12])
    assert "note: the file is cut" in result.stderr


@pytest.fixture
def adaptive(tiny: Model) -> bytes:
    coded = np.random.default_rng(0).integers(0, TINY_VOCABULARY, (4, 16))
    return pack(Header(tiny.id, 8, 16, 32, 32), tiny, coded, np.array([0, 2, 4, 6]))  # 8 + 4 + 2 + 1 tokens


def test_adaptive_files(call: Call, tmp_path: Path, adaptive: bytes) -> None:
    (tmp_path / "in.tok").write_bytes(adaptive)
    told = call("info", "in.tok").stdout
    assert "2x2 tiles (pitch 16), 15 tokens (at most 8 per tile), model tiny" in told
    told = call("info", "-", stdin=adaptive[:-2]).stdout
    assert "of 15 tokens (at most 8 per tile)" in told
    told = call("info", "-", stdin=adaptive[:11]).stdout
    assert "0 of an unknown number of tokens (at most 8 per tile)" in told
    assert call("decode", "in.tok").stderr == "in.tok -> in.png (32x32, 15 tokens, 3.8 per tile on average)\n"
    result = call("truncate", "in.tok", "--tokens", "4", "-o", "x.tok")
    assert (tmp_path / "x.tok").read_bytes() == tokcodec.truncate(adaptive, tokens=4)
    assert result.stderr.endswith("bytes, at most 4 tokens per tile)\n")


def test_info_of_an_adaptive_file_without_the_model(
    call: Call, adaptive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tokcodec.models.registry.search_path", list)
    assert "15 tokens declared (at most 8 per tile)" in call("info", "-", stdin=adaptive).stdout
    assert "an unknown number of tokens declared" in call("info", "-", stdin=adaptive[:11]).stdout


def test_what_is_no_bare_file_is_said(call: Call, tmp_path: Path, picture: bytes) -> None:
    (tmp_path / "in.png").write_bytes(picture)
    for name, options in (("plain.tok", []), ("bare.tok", ["--bare"]), ("text.b64", ["--bare", "--base64"])):
        assert call("encode", "--tokens", "9", *options, "in.png", "-o", name).exit_code == 0
    for name, note in (("plain.tok", "is a .tok file: leave out --bare"), ("text.b64", "looks like base64 text")):
        found = call("decode", "--bare", name, "-o", f"{name}.png")
        assert found.stderr.startswith(f"tokcodec: {name}: note: {note}")
        assert "note" not in call("decode", "-q", "--bare", name, "-o", f"{name}.2.png").stderr
    for options in (["bare.tok"], ["--base64", "text.b64"]):
        found = call("decode", "--bare", *options, "-o", f"{options[-1]}.3.png")
        assert found.exit_code == 0 and "note" not in found.stderr
