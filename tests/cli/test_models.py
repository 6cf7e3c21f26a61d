"""`tokcodec models` with third-party models: no control characters reach the terminal, and nothing blocks."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tokcodec.models.modelfile import Model

Call = Callable[..., Result]


@pytest.fixture
def copied(tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the model `tiny`, the only model of the user."""
    shutil.copytree(tiny.path, tmp_path / "models" / "tiny")
    monkeypatch.setenv("TOKCODEC_MODELS", str(tmp_path / "models"))
    return tmp_path / "models" / "tiny"


@pytest.mark.parametrize("key", ["description", "licence", "family"])
def test_texts_of_a_model_stay_on_their_line(call: Call, copied: Path, key: str) -> None:
    manifest = json.loads((copied / "model.json").read_text())
    (copied / "model.json").write_text(json.dumps(manifest | {key: "one\ntwo\r\x1b[2J\u202e\ud800"}))
    listed, shown = call("models", "list").stdout, call("models", "show", "tiny").stdout
    assert len(listed.splitlines()) == 3  # with both shipped models
    assert len(shown.splitlines()) == len(call("models", "show", "base-2").stdout.splitlines())
    escaped = r"one\ntwo\r\x1b[2J\u202e\ud800"
    assert escaped in shown and (key != "description" or escaped in listed)
    for text in (listed, shown, call("models", "list", "--json").stdout):
        assert text.replace("\n", "").isprintable()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
@pytest.mark.parametrize("file", ["model.json", "model.safetensors", "tables.safetensors"])
def test_no_command_waits_for_a_file_that_is_none(
    call: Call, copied: Path, picture: bytes, make_tok: Callable[..., bytes], tmp_path: Path, file: str, kind: str
) -> None:
    (tmp_path / "in.png").write_bytes(picture)
    (tmp_path / "in.tok").write_bytes(make_tok())
    (copied / file).unlink()
    if kind == "pipe":
        os.mkfifo(copied / file)
    elif kind == "device":
        (copied / file).symlink_to("/dev/null")
    else:
        (copied / file).mkdir()
    for command in (("encode", "in.png", "-o", "out.tok"), ("decode", "in.tok", "-o", "out.png"), ("models", "show")):
        words = [*command, str(copied)] if command[0] == "models" else [*command, "--model", str(copied)]
        result = call(*words)
        assert result.exit_code == 1, words
        assert result.stderr.count("\n") == 1 and str(copied / file) in result.stderr
        assert "not a regular file" in result.stderr or "directory" in result.stderr or "is a folder" in result.stderr
    assert not (tmp_path / "out.tok").exists() and not (tmp_path / "out.png").exists()
    call("models", "list")
    call("info", "in.tok")
