"""Odd names of files and folders."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import tokcodec
from tests.robustness.inputs import ROOT, MakeTok
from tests.robustness.processes import Commands, needs_fork

pytestmark = needs_fork
NAMES = ["with space", "new\nline", "Übergröße 東京", "-rf", "--help", "bad\udcff", "*", "%s", "\x1b[2J", "n" * 251]


def test_names(commands: Commands, place: Path, make_tok: MakeTok) -> None:
    """As inputs, as outputs, as folders; every message stays on one line and moves no cursor."""
    data = make_tok()
    expected = tokcodec.truncate(data, tokens=2)
    inputs = [f"{name}.tok" for name in NAMES]
    for name in inputs:
        (place / name).write_bytes(data)

    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tokcodec", "info", "--", *inputs]
    described = subprocess.run(command, cwd=place, env=environment, capture_output=True, check=True)
    assert len(described.stdout.splitlines()) == len(NAMES) and described.stderr == b""
    assert b"\x1b" not in described.stdout

    pictures = [f"{name}.png" for name in NAMES]
    for arguments in (["decode", "--", *inputs], ["encode", "--model", "tiny", "-f", "--", *pictures]):
        (ended,) = commands.run(arguments, folder=place)
        assert ended.code == 0 and "\x1b" not in ended.stderr
        assert sum(" -> " in line for line in ended.stderr.splitlines()) == len(NAMES)
    assert set(pictures) <= set(os.listdir(place))

    for name in NAMES:
        folder = place / "out" / name
        folder.mkdir(parents=True)
        target = os.path.join("out", name, f"{name}.tok")
        (place / "in.tok").write_bytes(data)
        (ended,) = commands.run(["truncate", "in.tok", "--tokens", "2", "-o", target], folder=place)
        assert ended.code == 0 and [path.read_bytes() for path in folder.iterdir()] == [expected]
        assert len(ended.stderr.splitlines()) == 1
    (ended,) = commands.run(["truncate", "in.tok", "--tokens", "2", "-o", "-dash.tok"], folder=place)
    assert ended.code == 0 and (place / "-dash.tok").read_bytes() == expected
