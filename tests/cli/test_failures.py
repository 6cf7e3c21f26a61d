"""Wrong usage and failures: their exit statuses and their one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.cli.failing import failed
from tokcodec.container.header import HEADER_SIZE

Call = Callable[..., Result]
MakeTok = Callable[..., bytes]


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


@pytest.mark.parametrize("position", range(HEADER_SIZE))
def test_a_flipped_header_bit_is_noticed(call: Call, make_tok: MakeTok, position: int) -> None:
    data = bytearray(make_tok())
    data[position] ^= 1
    failed(call("decode", "-", "-o", "x.png", stdin=bytes(data)), "stdin: ")
    assert not Path("x.png").exists()
