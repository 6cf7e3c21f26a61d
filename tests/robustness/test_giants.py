"""Numbers that are too large, in a file or as an argument: refused before they cost time or memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

import tokcodec
from tests.robustness.inputs import READERS, ROOT, Call, Fails, MakeTok, Put, listing, sealed
from tokcodec.container.header import parse_header
from tokcodec.contents import pack
from tokcodec.models.modelfile import Model
from tokcodec.models.registry import find_model
from tokcodec.pictures.limits import FIT, MAX_SIDE
from tokcodec.pictures.tiling import Grid


def bomb(model: Model, flags: int, tokens: int = 256, pitch: int = 1) -> bytes:
    """20 bytes that declare 16383x16383 pixels: a million tiles at the least pitch."""
    shape = pitch << 28 | 16382 << 14 | 16382
    head = bytes([0xF5, 0x10 | flags, model.id, tokens - 1]) + shape.to_bytes(4, "big") + b"\0\0"
    return sealed(head + b"\x12\x34\x56\x78\x9a\xbc\xde\xf0\x12\x34", model)


FLAGS = pytest.mark.parametrize("flags", [0, 1, 2, 3], ids=["tables", "flat", "adaptive", "adaptive flat"])


@FLAGS
@pytest.mark.parametrize("pitch", [0, 1, 15])
def test_a_giant_in_20_bytes(fails: Fails, tiny: Model, call: Call, flags: int, pitch: int) -> None:
    data = bomb(tiny, flags, tiny.n_tokens, pitch)
    fails("decode", "-", "-o", "x.png", name="stdin", words="16383x16383 = 268402689 pixels exceed", stdin=data)
    fails("decode", "--max-pixels", "99", "-", "-o", "x.png", name="stdin", words="limit of 99 ", stdin=data)
    result = call("info", "-", stdin=data)
    assert result.exit_code == 0 and result.stdout.startswith("-: 16383x16383 pixels")


@FLAGS
@pytest.mark.parametrize("use", ["info", "decode", "truncate", "read_tokens"])
def test_a_giant_costs_neither_time_nor_memory(tiny: Model, flags: int, use: str) -> None:
    data = bomb(tiny, flags, tiny.n_tokens)
    arguments = {"tokens": 1} if use == "truncate" else {}
    seconds, peak = [], 0
    for _ in range(4):  # the first loads the model; of the others the fastest counts
        tracemalloc.start()
        started = time.process_time()
        try:
            getattr(tokcodec, use)(data, **arguments)
        except tokcodec.TokError as error:
            assert "nothing to cut" in str(error) if use == "truncate" else use in ("decode", "read_tokens"), error
        seconds.append(time.process_time() - started)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    # A few numbers for each of a million tiles; the tokens that are declared would be 16 of them for each, or 256.
    assert min(seconds) < 0.1 and peak < 40 << 20, f"{min(seconds):.3f} s, {peak} bytes"


def test_giant_is_refused_before_torch_is_loaded(put: Put, tiny: Model, tmp_path: Path, tiny_folder: Path) -> None:
    put("in.tok", bomb(tiny, 0, tiny.n_tokens))
    code = """
import sys, tokcodec, tokcodec.errors
try:
    tokcodec.decode(open("in.tok", "rb").read())
except tokcodec.errors.LimitError:
    sys.exit("torch" in sys.modules)
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=False).returncode == 0


def test_more_tokens_than_the_model_has(fails: Fails, make_tok: MakeTok, tiny: Model) -> None:
    data = make_tok()
    data = sealed(data[:3] + bytes([tiny.n_tokens]) + data[4:], tiny)  # the field is the number less 1
    for command in READERS:
        words = f"declares {tiny.n_tokens + 1} tokens per tile; 'tiny' (id {tiny.id:02x}) has {tiny.n_tokens}"
        fails(*command, "-", name="stdin", words=words, stdin=data)


@pytest.mark.parametrize("number", ["0", "-1", "257", "9999", "x"])
@pytest.mark.parametrize("command", ["encode", "decode", "truncate"])
def test_tokens_out_of_range_are_wrong_usage(call: Call, tmp_path: Path, command: str, number: str) -> None:
    result = call(command, "--tokens", number, "in", "-o", "out")
    assert result.exit_code == 2 and listing(tmp_path) == {}
    assert "1<=x<=256" in result.stderr or number == "x"


# ---- the whole command


PIXELS = MAX_SIDE**2
PICTURE_MB = 4 * PIXELS / (1 << 20)
"""Pillow has four bytes for each pixel."""
REFUSED_MB, DRAWN_MB = 200.0, 2 * PICTURE_MB
"""Drawn: beside the picture a row of tiles in float, the file that is made of it, and torch for many tiles."""
KINDS = {"one tile": (FIT, 256), "pitch 512, 1024 tiles": (512, 16)}
"""Pitch and tokens of two files."""
MEASURE = """
import sys
from bench.memory import peak_mb
from tokcodec.cli import cli
try:
    cli(sys.argv[1:], prog_name="tokcodec")
finally:  # getrusage would tell the peak of the process that started this one, where that is larger
    print(peak_mb())
"""


def giant(pitch: int, tokens: int) -> bytes:
    """A file of the largest picture for the shipped model, each tile of which is one photograph."""
    one = tokcodec.encode(Image.fromarray(skimage.data.astronaut()), pitch="fit", tokens=tokens)
    header = replace(parse_header(one), pitch=pitch, width=MAX_SIDE, height=MAX_SIDE)
    tiles = Grid.for_picture(MAX_SIDE, MAX_SIDE, pitch).tiles
    return pack(header, find_model(), np.repeat(tokcodec.read_tokens(one), tiles, axis=0))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("use", ["decode", "info", "truncate", "decode all"])
def test_memory_of_a_command(
    kind: str, use: str, long: bool, tmp_path: Path, tabulate: Callable[[str, dict[str, object]], None]
) -> None:
    """Refused in little; drawn, in the long run, in what the picture itself takes and as much again."""
    if use == "decode all" and not long:
        pytest.skip("takes gigabytes: only with --report")
    suffix = "png" if KINDS[kind][0] == FIT else "jpg"
    (tmp_path / "in.tok").write_bytes(giant(*KINDS[kind]))
    arguments, code, limit = {
        "decode": (["decode", "in.tok", "-o", "out.png"], 1, REFUSED_MB),
        "info": (["info", "in.tok"], 0, REFUSED_MB),
        "truncate": (["truncate", "in.tok", "--tokens", "8", "-o", "out.tok"], 0, REFUSED_MB),
        "decode all": (["decode", "--max-pixels", str(PIXELS), "in.tok", "-o", f"out.{suffix}"], 0, DRAWN_MB),
    }[use]
    command = [sys.executable, "-c", MEASURE, *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    said, shown = done.stderr.strip(), done.stdout.split()[-1]
    peak = 0.0 if shown == "None" else float(shown)  # not known but on Linux
    good = done.returncode == code and len(said.splitlines()) <= 1 and peak < limit
    row = {"file": kind, "command": f"`{' '.join(arguments)}`", "exit code": done.returncode}
    row |= {"says": said if code else "", "peak MB": f"{peak:.0f}", "limit": f"{limit:.0f}"}
    title = f"{MAX_SIDE}x{MAX_SIDE} pixels, of which the picture alone takes {PICTURE_MB:.0f} MB"
    tabulate(title, row | {"": "ok" if good else "MISSED"})
    assert good, (done, peak)
    assert not code or "(--max-pixels raises it)" in said
