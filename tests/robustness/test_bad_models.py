"""Another model than the file's, and models whose files are bad, through the command: never a wrong picture."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.robustness.inputs import Fails, MakeTok, Put
from tokcodec.models.modelfile import Model


def test_file_of_another_model(
    fails: Fails, put: Put, make_tok: MakeTok, tiny: Model, tmp_path: Path, tiny_folder: Path
) -> None:
    """Never decoded with the wrong codebook: both are named, and how to get the right one."""
    other = make_tok()[:2] + bytes([tiny.id ^ 1]) + make_tok()[3:]
    put("in.tok", other)
    line = fails("decode", "in.tok", name="in.tok", words=f"needs model id {tiny.id ^ 1:02x}, which is not installed")
    assert f"tiny ({tiny.id:02x})" in line and "tokcodec models import" in line
    line = fails("decode", "--model", "tiny", "in.tok", name="in.tok", words=f"made with model id {tiny.id ^ 1:02x}")
    assert f"'tiny' (id {tiny.id:02x})" in line
    put("in.tok", make_tok())
    shutil.copytree(tiny_folder / "tiny", tmp_path / "twin")  # the same id, another hash
    manifest = json.loads((tmp_path / "twin" / "model.json").read_text())
    manifest.update(hash=manifest["hash"][:-2] + "00", name="twin")
    (tmp_path / "twin" / "model.json").write_text(json.dumps(manifest))
    fails("decode", "--model", "./twin", "in.tok", name="in.tok", words="another model than 'twin'")


@pytest.mark.parametrize("damage", ["missing", "cut", "changed", "pickle"])
@pytest.mark.parametrize("part", ["model.safetensors", "tables.safetensors"])
def test_weights_missing_cut_changed_or_a_pickle(
    fails: Fails,
    put: Put,
    picture: bytes,
    tiny_folder: Path,
    make_tok: MakeTok,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    damage: str,
    part: str,
) -> None:
    class Exploit:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "exploited"),)

    def no_network(*_: object) -> None:
        raise AssertionError("network access")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    put("in.tok", make_tok())
    put("in.png", picture)
    shutil.copytree(tiny_folder / "tiny", tmp_path / "models" / "tiny")
    monkeypatch.setenv("TOKCODEC_MODELS", str(tmp_path / "models"))
    path = tmp_path / "models" / "tiny" / part
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "pickle":
        path.write_bytes(pickle.dumps(Exploit()))
        manifest = path.parent / "model.json"  # a manifest that was changed along with it does not help
        text = manifest.read_text().replace(
            hashlib.sha256(data).hexdigest(), hashlib.sha256(path.read_bytes()).hexdigest()
        )
        manifest.write_text(text)
    else:
        path.write_bytes(data[:-1] if damage == "cut" else data[:-1] + bytes([data[-1] ^ 1]))
    fails("decode", "in.tok", "-o", "out.png", name="in.tok", words=str(path))
    if part == "model.safetensors":
        fails("encode", "--model", "tiny", "in.png", "-o", "out.tok", name="in.png", words=str(path))
