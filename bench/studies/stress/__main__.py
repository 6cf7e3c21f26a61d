"""The command in bad surroundings: what it leaves behind, and that it does the same everywhere.

    python -m bench.studies.stress [kills] [disks] [races] [threads] [giants] [--kills 200] [--rounds 40] [--seed 0]

kills: the commands are sent SIGKILL, SIGTERM and SIGINT at random moments; disks: they write to full ones; races: many
write one output at once; threads: the conformance vectors with 1, 2 and 8 threads, by NumPy, torch and CUDA; giants:
memory for a picture of 16383x16383. Without a name all of them. Commands are processes of `python -m tokcodec` with one
core each; pictures are scikit-image's photographs. Prints tables in Markdown; exit code 1 when anything is not as it
must be, which is told on stderr.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import tokcodec

from . import disks, giants, kills, races, threads
from .commands import prepare, usual_signals

PARTS = ("kills", "disks", "races", "threads", "giants")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; 0 if all is as it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default all)")
    parser.add_argument("--kills", type=int, default=200, help="at random moments, all commands together (default 200)")
    parser.add_argument("--aimed", type=int, default=10, help="kills more of each command while it writes (default 10)")
    parser.add_argument("--command", help="the only one to be killed (encode, decode, truncate, 'dataset encode')")
    parser.add_argument("--rounds", type=int, default=40, help="races, all kinds together (default 40)")
    parser.add_argument("--writers", type=int, default=8, help="processes in a race (default 8)")
    parser.add_argument("--seed", type=int, default=0, help="other moments for another number (default 0)")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.parts) - set(PARTS)):
        parser.error(f"no such part: {', '.join(unknown)}")
    parts = options.parts or PARTS

    usual_signals()
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "torch", "pillow", "pyarrow"))
    print(f"tokcodec {tokcodec.__version__}, Python {platform.python_version()}, {versions}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if {"kills", "disks", "races"} & set(parts):
            prepare(folder)
        studies: dict[str, Callable[[], bool]] = {
            "kills": lambda: kills.study(folder, options.kills, options.aimed, options.seed, options.command),
            "disks": lambda: disks.study(folder),
            "races": lambda: races.study(folder, options.rounds, options.writers),
            "threads": threads.study,
            "giants": lambda: giants.study(folder),
        }
        results = [studies[part]() for part in PARTS if part in parts]  # all of them, whatever one finds
        return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
