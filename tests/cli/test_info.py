"""`info` and `truncate`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import Result

import tokcodec
from tokcodec.cli.targets import parse_size
from tokcodec.container.header import parse_header
from tokcodec.models.modelfile import Model

Call = Callable[..., Result]
MakeTok = Callable[..., bytes]


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
