"""Outputs that are taken, closed streams, no GPU, a few bad files among many: what a user sees."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tokcodec
from tests.robustness.inputs import ROOT, Call, Fails, MakeTok, Put, listing
from tokcodec.models.modelfile import Model


def test_outputs_that_are_taken(fails: Fails, put: Put, make_tok: MakeTok, tmp_path: Path, picture: bytes) -> None:
    put("in.tok", make_tok())
    put("in.png", picture)
    (tmp_path / "link.tok").symlink_to("in.tok")
    os.link(tmp_path / "in.tok", tmp_path / "hard.tok")
    fails("encode", "--model", "tiny", "in.png", name="in.tok", words="exists already; use -f to overwrite")
    fails("decode", "in.tok", name="in.png", words="exists already")
    fails("decode", "-f", "in.tok", "-o", "missing/out.png", name="missing/out.png", words="folder does not exist")
    for target in ("in.tok", "link.tok", "hard.tok", str(tmp_path / "in.tok")):
        arguments = ["truncate", "-f", "--tokens", "1", "in.tok", "-o", target]
        fails(*arguments, name=target, words="is the input, which is never overwritten")
    if os.path.exists("/dev/full"):
        fails("decode", "-f", "in.tok", "-o", "/dev/full", name="/dev/full", words="disk full")


def test_closed_stdin(put: Put, tmp_path: Path, tiny: Model) -> None:
    """Of a process: see test_console for the other commands and streams, test_kills for a closed pipe."""
    shell = f"{sys.executable} -m tokcodec decode - -o out.png <&-"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run(["sh", "-c", shell], cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (1, b"tokcodec: stdin: stdin is closed\n")
    assert listing(tmp_path) == {}


def test_the_same_tokens_and_pixels_everywhere(call: Call, make_tok: MakeTok) -> None:
    """Threads and the networks' arithmetic; other machines are compared by the vectors."""
    import torch

    data = make_tok(width=300, height=150, pitch=128)
    threads = torch.get_num_threads()
    pictures = []
    try:
        for number in (1, 2, 8):
            torch.set_num_threads(number)
            for dtype in ("float32", "bfloat16"):
                assert np.array_equal(tokcodec.read_tokens(data), tokcodec.read_tokens(data, model="tiny"))
                result = call("decode", "--dtype", dtype, "--format", "ppm", "-", stdin=data)
                pictures.append(np.asarray(Image.open(io.BytesIO(result.stdout_bytes)), int))
    finally:
        torch.set_num_threads(threads)
    assert max(np.abs(picture - pictures[0]).max() for picture in pictures) <= 2


def test_no_gpu_or_a_full_one(
    fails: Fails, call: Call, put: Put, make_tok: MakeTok, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from tokcodec.tokenizers.cascade import CascadeTokenizer

    put("in.tok", make_tok())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    result = call("decode", "--device", "cuda", "in.tok")
    assert (result.exit_code, result.stderr) == (1, "tokcodec: no CUDA device here; use --device cpu\n")
    assert call("decode", "--device", "auto", "in.tok").stderr.startswith("in.tok -> in.png")  # and no other word

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(CascadeTokenizer, "decode", full)
    fails("decode", "in.tok", "-o", "x.png", name="in.tok", words="memory is full; use --device cpu")


def test_three_bad_ones_among_many(call: Call, make_tok: MakeTok, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    names = ["with space", "new\nline", "Übergröße 東京", "-rf", *(f"sub/{i:03}" for i in range(196))]
    good, bad = make_tok(16, 16, tokens=1), ["sub/003", "sub/100", "sub/195"]
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "circle").symlink_to("..")
    for name in names:
        (folder / f"{name}.tok").write_bytes(b"" if name in bad else good)
    result = call("decode", "-q", "-r", "in", "--output-dir", "out")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [f"tokcodec: in/{name}.tok: empty file" for name in bad]
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert found == {f"{name}.png" for name in names if name not in bad}
    result = call("decode", "-q", "in/sub/000.tok", "in/./sub/000.tok", "--output-dir", "again")
    assert result.exit_code == 1 and "again/000.png is already the output of in/sub/000.tok" in result.stderr
