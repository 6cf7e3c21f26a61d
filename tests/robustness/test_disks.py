"""Disks that are full or read-only: outputs are whole or absent, old ones survive."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import tokcodec
from tests.robustness.inputs import ROOT, MakeTok
from tests.robustness.processes import Ended, needs_fork
from tests.robustness.works import OLD, SINGLE, WORKS, Scene, Work, contents, ended

pytestmark = needs_fork
Tabulate = Callable[[str, dict[str, object]], None]

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


def in_namespace(
    script: str, *arguments: str, folder: Path, disk: str = "disk", environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a shell script that may mount, unseen by the rest of the system; skip the test where that is not allowed."""
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None:
        pytest.skip("no unshare(1) to mount a file system without leaving a trace")
    trial = [*unshare, "sh", "-c", f"mount -t tmpfs -o size=64k tmpfs {disk}"]
    tried = subprocess.run(trial, cwd=folder, capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no right to mount a small tmpfs: {tried.stderr.strip()}")
    environment = environment or os.environ | {"PYTHONPATH": str(ROOT)}
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


def check(
    tabulate: Tabulate,
    surroundings: str,
    work: Work,
    full: Ended,
    left: dict[str, bytes],
    whole: bool | None,
    lines: int = 1,
) -> None:
    """A command on a full disk must print its lines, exit with 1 and change nothing.

    tabulate: takes a row for the report.
    surroundings: in words.
    work: the command.
    full: how it ended.
    left: its folder's files afterwards.
    whole: whether it made its outputs when there was room; None where that is not tried.
    lines: how many it must print, default 1.
    """
    good = (full.code, len(full.lines), full.outlived, left) == (1, lines, False, before(work)) and whole is not False
    row = {"surroundings": surroundings, "command": work.name}
    row["exit code and messages"] = f"{full.code}, {'; '.join(full.lines)[:200]}"
    row["the same with room"] = {None: "", True: "succeeds", False: "FAILS"}[whole]
    tabulate("Full disks", row | {"": "ok" if good else "WRONG"})
    assert good, (full, sorted(left))


def before(work: Work) -> dict[str, bytes]:
    """What is there before a command without room: something older, unless it makes a data set."""
    return {} if work.shards else dict.fromkeys(work.outputs, OLD)


@pytest.mark.slow
@pytest.mark.parametrize("name", WORKS)
def test_files_that_may_not_grow(scene: Scene, name: str, tabulate: Tabulate) -> None:
    work = scene.work(name).forced()
    largest = 1000 if scene.long or work.shards else 8  # fewer bytes than any output has, enough for a run's claim
    wholes = dict(zip(work.outputs, scene.whole(work), strict=True))
    for file, data in before(work).items():
        (scene.out / file).write_bytes(data)
    full = ended(scene.start(work, largest=largest), time.perf_counter())
    left = contents(scene.out)
    again = scene.run(work)
    whole = again.code == 0 and contents(scene.out) == wholes
    # A shard that is too large does not end the run, since others may be smaller: each has its line, then comes a sum.
    lines = [f"tokcodec: out/{file}: file too large" for file in work.outputs]
    assert sorted(full.lines)[-len(lines) :] == lines
    check(tabulate, f"files of at most {largest} bytes", work, full, left, whole, len(lines) + work.shards)


ROOM = """
mount -t tmpfs -o size=1m tmpfs out
cp -r before/. out
head -c "$2" /dev/zero > out/filler
shift 2
code=0; "$@" 2> full/stderr || code=$?
echo $code > full/code
rm out/filler
cp -r out full
"$@"
cp -r out room
"""


@pytest.mark.slow
@pytest.mark.parametrize("free", [0, 4096], ids="{} bytes left".format)
@pytest.mark.parametrize("name", WORKS)
def test_a_small_disk(scene: Scene, name: str, free: int, tmp_path: Path, tabulate: Tabulate) -> None:
    """A tmpfs of a mebibyte."""
    work = scene.work(name).forced()
    if not scene.long and bool(free) != work.shards:
        pytest.skip("small outputs fit into a block, and a data set needs one for its claim: both with --report")
    wholes = dict(zip(work.outputs, scene.whole(work), strict=True))
    for folder in ("before", "full", "room"):
        shutil.rmtree(scene.folder / folder, ignore_errors=True)
        (scene.folder / folder).mkdir()
    for file, data in before(work).items():
        (scene.folder / "before" / file).write_bytes(data)
    filler = (1 << 20) - free - 4096 * len(before(work))  # each file has a block
    done = in_namespace(
        ROOM, str(filler), *work.command, folder=scene.folder, disk="out", environment=scene.environment()
    )
    code, said = ((scene.folder / "full" / file).read_text() for file in ("code", "stderr"))
    full = Ended(int(code), "", said, 0.0)
    whole = done.returncode == 0 and contents(scene.folder / "room" / "out") == wholes
    name = "tmpfs, 4 KiB left" if free else "tmpfs, no block left"
    check(tabulate, name, work, full, contents(scene.folder / "full" / "out"), whole)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("name", SINGLE)
def test_stdout_on_a_full_device(scene: Scene, name: str, tabulate: Tabulate) -> None:
    work = scene.work(name)
    with open("/dev/full", "wb") as device:
        full = ended(scene.start(work.to_stdout(), stdout=device.fileno()), time.perf_counter())
    assert contents(scene.out) == {}
    check(tabulate, "stdout on /dev/full", work, full, before(work), None)
