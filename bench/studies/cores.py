"""What this version of the codec costs beside another one: time and CPU seconds, alone and with other work beside it.

    git worktree add ../released 1.0.0
    python -m bench.studies.cores PICTURES --against ../released [--pairs 5] [--out bench/results/cores.md]

The two take turns in processes of their own, without variables that set a number of threads; ratios are of medians.
"Busy" is with an endless loop in as many other processes as there are cores.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy
from PIL import Image

from tokcodec.cores import available

ROOT = Path(__file__).parents[2]
TOKENS = 64
DECODE = """
import sys, time
from pathlib import Path
import tokcodec
files = [path.read_bytes() for path in sorted(Path(sys.argv[1]).glob("*.tok"))]
tokcodec.decode(files[0])
started, used = time.perf_counter(), time.process_time()
for data in files:
    tokcodec.decode(data, device="cpu")
print(time.perf_counter() - started, time.process_time() - used)
"""
"""Prints seconds and CPU seconds of decoding a folder in one process that has loaded the model."""


def measure(checkout: Path, command: list[str], *, prints: bool) -> tuple[float, float]:
    """Seconds and CPU seconds of a command with the package of a checkout; prints: it measures itself."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.endswith("_NUM_THREADS") and name != "PYTHONDONTWRITEBYTECODE"
    } | {"PYTHONPATH": str(checkout)}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, *command], env=environment, cwd=checkout, check=True, capture_output=True, text=True
    )
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if prints:
        seconds, used = map(float, done.stdout.split())
        return seconds, used
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """Processes that never rest beside what runs in here."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(loops)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def commands(pictures: Path, folder: Path) -> dict[str, tuple[list[str], bool, int]]:
    """Name -> command, whether it measures itself, loops beside it."""
    tok = ["-m", "tokcodec"]
    coded, single = folder / "coded", folder / "tile.tok"
    encode = [*tok, "encode", "-r", "-f", "-q", "--tokens", str(TOKENS), str(pictures), "--output-dir", str(coded)]
    measure(ROOT, encode, prints=False)
    first = next(path for path in sorted(pictures.iterdir()) if path.is_file())
    with Image.open(first) as picture:
        picture.convert("RGB").crop((0, 0, 256, 256)).save(folder / "tile.png")
    one = [*tok, "encode", "-f", "--tokens", str(TOKENS), str(folder / "tile.png"), "-o", str(single)]
    measure(ROOT, one, prints=False)
    return {
        "decode the pictures in one process": (["-c", DECODE, str(coded)], True, 0),
        "the same, busy": (["-c", DECODE, str(coded)], True, available()),
        "encode -r": (encode, False, 0),
        "decode one 256x256 file": ([*tok, "decode", "-f", "-q", str(single), "-o", str(folder / "out.png")], False, 0),
        "info": ([*tok, "info", str(single)], False, 0),
        "--help": ([*tok, "--help"], False, 0),
    }


def main() -> None:
    """Print the table, and write it where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, help="folder of pictures")
    parser.add_argument("--against", type=Path, required=True, help="checkout of the other version")
    parser.add_argument("--pairs", type=int, default=5, help="how often each is timed (default 5)")
    parser.add_argument("--only", default="", help="measure only what has this in its name")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    options = parser.parse_args()
    pictures, other = options.pictures.resolve(), options.against.resolve()
    lines = [
        "# Time and cores",
        "",
        f"{len(list(pictures.iterdir()))} pictures of `{pictures.name}` at {TOKENS} tokens; {available()} cores, "
        f"Python {sys.version.split()[0]}, NumPy {numpy.__version__}; medians of {options.pairs} pairs, in which both "
        "versions take turns.",
        "Busy: with as many endless loops beside it as there are cores.",
        "Made by `python -m bench.studies.cores PICTURES --against CHECKOUT`.",
        "",
        "| what | seconds before | now | times as fast | CPU seconds before | now | part |",
        "|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    with tempfile.TemporaryDirectory() as name:
        for what, (command, prints, loops) in commands(pictures, Path(name)).items():
            if options.only not in what:
                continue
            with busy(loops):
                found = [
                    [measure(checkout, command, prints=prints) for checkout in (other, ROOT)]
                    for _ in range(options.pairs)
                ]
            (before, used), (now, uses) = (
                [statistics.median(pair[side][kind] for pair in found) for kind in (0, 1)] for side in (0, 1)
            )
            cells = f"{before:.2f} | {now:.2f} | {before / now:.2f} | {used:.2f} | {uses:.2f} | {uses / used:.2f}"
            lines.append(f"| {what} | {cells} |")
            print(lines[-1], flush=True)
    if options.out:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
