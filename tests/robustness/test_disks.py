"""Disks that are full or read-only: outputs are whole or absent, old ones survive."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import tokcodec
from tests.robustness.inputs import ROOT, MakeTok
from tests.robustness.processes import needs_fork

pytestmark = needs_fork

FULL = """
import json, os, sys
from tokcodec.cli import cli

def run(commands):
    results = {}
    for name, arguments in commands.items():
        try:
            cli(arguments, prog_name="tokcodec")
        except SystemExit as end:
            results[name] = end.code
    with open("disk/old.tok", "rb") as file:
        results["old"] = file.read().hex()
    return results | {"left": sorted(os.listdir("disk"))}

full = run(json.loads(sys.argv[1]))
os.truncate("disk/filler", 44 * 1024)
print(json.dumps([full, run(json.loads(sys.argv[1]))]))
"""


def in_namespace(script: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a shell script that may mount, unseen by the rest of the system; skip the test where that is not allowed."""
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None:
        pytest.skip("no unshare(1) to mount a file system without leaving a trace")
    trial = [*unshare, "sh", "-c", "mount -t tmpfs -o size=64k tmpfs disk"]
    tried = subprocess.run(trial, cwd=folder, capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no right to mount a small tmpfs: {tried.stderr.strip()}")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [*unshare, "sh", "-ec", script, "sh", sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_full_disk(place: Path, make_tok: MakeTok) -> None:
    """A tmpfs of 64 KiB: with no block left, and with some but too few."""
    (place / "disk").mkdir()
    (place / "in.tok").write_bytes(make_tok(300, 200))
    encode = ["encode", "--model", "tiny", "-f", "0.png", "-o"]
    runs = {
        "over the old": [*encode, "disk/old.tok"],
        "beside it": [*encode, "disk/new.tok"],
        "too large": ["decode", "in.tok", "-o", "disk/new.bmp"],
        "many": ["encode", "--model", "tiny", "0.png", "2.png", "--output-dir", "disk"],
    }
    script = """
mount -t tmpfs -o size=64k tmpfs disk
printf old > disk/old.tok
head -c 60K /dev/zero > disk/filler
exec "$1" -c "$2" "$3"
"""
    done = in_namespace(script, FULL, json.dumps(runs), folder=place)
    assert done.returncode == 0, done.stderr
    full, nearly_full = json.loads(done.stdout)
    assert full == dict.fromkeys(runs, 1) | {"old": b"old".hex(), "left": ["filler", "old.tok"]}
    left = ["0.tok", "2.tok", "filler", "new.tok", "old.tok"]
    new = tokcodec.encode(Image.open(place / "0.png"), model="tiny").hex()
    assert nearly_full == dict.fromkeys(runs, 0) | {"too large": 1, "old": new, "left": left}
    errors = [line for line in done.stderr.splitlines() if line.startswith("tokcodec: disk")]
    targets = ["old.tok", "new.tok", "new.bmp", "0.tok", "2.tok", "new.bmp"]
    assert errors == [f"tokcodec: disk/{target}: disk full" for target in targets]


def test_read_only_disk(place: Path, make_tok: MakeTok) -> None:
    (place / "disk").mkdir()
    (place / "in.tok").write_bytes(make_tok())
    script = """
mount -t tmpfs -o size=64k tmpfs disk
printf old > disk/old.tok
mount -o remount,ro disk
for name in new old; do "$1" -m tokcodec truncate -f in.tok --tokens 2 -o disk/$name.tok || echo $?; done
cat disk/old.tok
ls -A disk
"""
    done = in_namespace(script, folder=place)
    assert done.stdout == "1\n1\noldold.tok\n"
    assert done.stderr == "".join(f"tokcodec: disk/{name}.tok: read-only file system\n" for name in ("new", "old"))
