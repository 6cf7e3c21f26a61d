"""Incomplete outputs of earlier runs are made again, and others are kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

import tokcodec
from tokcodec.cli.whole import is_whole_picture, is_whole_tok
from tokcodec.container.bare import to_base64
from tokcodec.models.modelfile import Model

Call = Callable[..., Result]


@pytest.fixture
def source(tmp_path: Path, picture: bytes) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.png").write_bytes(picture)
    return folder


@pytest.mark.parametrize("content", [b"", b"not tokens", b"\xf5", b"\xf6\x90" + bytes(20)])
def test_what_is_no_tok_file_is_made_anew(call: Call, source: Path, tmp_path: Path, content: bytes) -> None:
    target = tmp_path / "out" / "a.tok"
    target.parent.mkdir()
    target.write_bytes(content)
    result = call("encode", "-r", "in", "--output-dir", "out", "--model", "tiny")
    assert result.exit_code == 0
    assert "out/a.tok: note: exists but is not complete: it is made again" in result.stderr
    data = target.read_bytes()
    assert tokcodec.info(data).width == 40
    again = call("encode", "-r", "in", "--output-dir", "out", "--model", "tiny")
    assert "0 done, 1 skipped" in again.stderr and "note" not in again.stderr and target.read_bytes() == data


def test_a_named_file_is_still_safe(call: Call, source: Path, tmp_path: Path) -> None:
    (tmp_path / "a.tok").write_bytes(b"not tokens")
    result = call("encode", "in/a.png", "-o", "a.tok", "--model", "tiny")
    assert result.exit_code == 1 and (tmp_path / "a.tok").read_bytes() == b"not tokens"


def test_pictures_that_are_no_pictures_are_made_anew(call: Call, source: Path, tmp_path: Path) -> None:
    call("encode", "-r", "in", "--output-dir", "toks", "--model", "tiny")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").touch()
    result = call("decode", "-r", "toks", "--output-dir", "out")
    assert result.exit_code == 0 and "made again" in result.stderr
    assert Image.open(tmp_path / "out" / "a.png").size == (40, 30)
    assert "1 skipped" in call("decode", "-r", "toks", "--output-dir", "out").stderr


def test_headers(tmp_path: Path, tiny: Model) -> None:
    file = tmp_path / "x"
    picture_array = np.zeros((30, 40, 3), np.uint8)
    bare = tokcodec.encode(picture_array, container="bare", model="tiny")
    for data, options, whole in (
        (bare, {"bare": True}, True),
        (b"", {"bare": True}, False),
        (to_base64(bare), {"bare": True, "base64": True}, True),
        (b"!", {"bare": True, "base64": True}, False),
        (plain := tokcodec.encode(picture_array, model="tiny"), {}, True),
        (plain[:1] + bytes([plain[1] + 16]) + plain[2:], {}, True),  # of a newer tokcodec: never replaced
        (plain[:3], {}, False),
    ):
        file.write_bytes(data)
        assert is_whole_tok(str(file), **options) == whole
    assert is_whole_tok(str(tmp_path / "missing")) and is_whole_picture(str(tmp_path / "missing"))
    file.write_bytes(plain)
    assert not is_whole_picture(str(file))
