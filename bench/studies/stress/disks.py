"""Full disks: one line, exit code 1, what was there before is untouched, and with room the same command succeeds."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from .commands import (
    OLD,
    TOKCODEC,
    Ended,
    Work,
    clear,
    dataset_work,
    ended,
    environment,
    forced,
    print_table,
    run,
    single_works,
    start,
)

DISK_BYTES, BLOCK = 1 << 20, 4096
LARGEST = 1000
"""Bytes that a file may have where there is a limit: fewer than any output here."""
FULL_DEVICE = Path("/dev/full")

Row = list[str]


def judged(work: Work, out: Path, done: Ended) -> tuple[str, bool]:
    """What a command said that had to fail, and whether that and what it left in its folder is as it must be."""
    names = {path.name for path in out.iterdir()} - {"filler"}
    untouched = not names if work.shards else names == set(work.outputs)
    if untouched and not work.shards:
        untouched = (out / work.outputs[0]).read_bytes() == OLD
    good = untouched and done.code == 1 and len(done.lines) == 1 and not done.outlived
    return f"{done.code}, {'; '.join(done.lines)[:200]}{'' if untouched else f', LEFT {sorted(names)}'}", good


def works() -> list[Work]:
    return [*map(forced, single_works()), dataset_work()]


def trial(work: Work, folder: Path, attempt: Callable[[], Ended], make_room: Callable[[], object]) -> Row:
    """A row: the command, how it ended, and how the same did when there was room."""
    out = folder / "out"
    if not work.shards:
        (out / work.outputs[0]).write_bytes(OLD)
    said, good = judged(work, out, attempt())
    make_room()
    again = run(work, folder)
    whole = again.code == 0 and {path.name for path in out.iterdir()} == set(work.outputs)
    return [work.name, said, "succeeds" if whole else f"FAILS: {again.said}", "ok" if good and whole else "WRONG"]


def limited(folder: Path) -> list[Row]:
    """With a limit on the size of files, as a quota has."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, LARGEST))

    def attempt(work: Work) -> Ended:
        started = time.perf_counter()
        return ended(start((*TOKCODEC, *work.arguments), folder, limit=limit), started)

    rows = []
    for work in works():
        clear(folder / "out")
        name = f"files of at most {LARGEST} bytes"
        rows.append([name, *trial(work, folder, lambda work=work: attempt(work), lambda: None)])  # type: ignore[misc]
    return rows


def to_full_device(folder: Path) -> list[Row]:
    """To stdout, which is a device that is full."""
    rows = []
    for work in single_works():
        arguments = (*work.arguments[: work.arguments.index("-o")], "-o", "-")
        started = time.perf_counter()
        with FULL_DEVICE.open("wb") as device:
            done = ended(start((*TOKCODEC, *arguments), folder, stdout=device.fileno()), started)
        good = done.code == 1 and len(done.lines) == 1
        said = f"{done.code}, {'; '.join(done.lines)[:200]}"
        rows.append(["stdout on /dev/full", work.name, said, "", "ok" if good else "WRONG"])
    return rows


def on_small_disk(folder: Path) -> list[Row]:
    """On a tmpfs that is full, or has one block left; runs where mounting is seen by nobody else."""
    out, rows = folder / "out", []
    for free, name in ((0, "tmpfs, no block left"), (BLOCK, "tmpfs, 4 KiB left")):
        for work in works():
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(out)], check=True)
            filler = out / "filler"
            if not work.shards:
                (out / work.outputs[0]).write_bytes(OLD)
            filler.write_bytes(bytes(DISK_BYTES - free - BLOCK * (not work.shards)))
            rows.append([name, *trial(work, folder, lambda work=work: run(work, folder), filler.unlink)])  # type: ignore[misc]
            subprocess.run(["umount", str(out)], check=True)
    return rows


def in_namespace(folder: Path) -> list[Row] | str:
    """`on_small_disk` in a mount namespace of its own, or why that cannot be."""
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None:
        return "no unshare(1)"
    trial = [*unshare, "mount", "-t", "tmpfs", "tmpfs", str(folder / "out")]
    tried = subprocess.run(trial, capture_output=True, text=True, check=False)
    if tried.returncode:
        return f"no right to mount: {tried.stderr.strip()}"
    command = [*unshare, sys.executable, "-m", __name__, str(folder)]
    done = subprocess.run(command, env=environment(), stdout=subprocess.PIPE, check=True)
    rows: list[Row] = json.loads(done.stdout)
    return rows


def study(folder: Path) -> bool:
    """Print the table; whether all was right."""
    clear(folder / "out")
    rows = in_namespace(folder)
    if isinstance(rows, str):
        print(f"\nno small disk: {rows}")
        rows = []
    rows += limited(folder)
    if FULL_DEVICE.exists():
        rows += to_full_device(folder)
    clear(folder / "out")
    print_table(["surroundings", "command", "exit code and messages", "the same with room", ""], rows)
    return all(row[-1] == "ok" for row in rows)


if __name__ == "__main__":
    print(json.dumps(on_small_disk(Path(sys.argv[1]))))
