"""`python -m bench.studies.cores`: compares the time of this version with that of another one, idle and under load.

    git worktree add ../released 1.0.0
    python -m bench.studies.cores PICTURES --against ../released --out bench/results/cores.md

The versions take turns in separate processes, without variables that set a number of threads. Ratios are those of the
medians. "Busy" means that one endless loop per core runs at the same time.
"""

from __future__ import annotations

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

import click
import numpy
from PIL import Image

from bench.report.cells import markdown_lines
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
    """Seconds and CPU seconds of a Python command with the package of a checkout.

    Args:
        checkout: folder that holds the package.
        command: arguments of Python.
        prints: the command measures itself and prints both figures.
    """
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
    """Run endless loops in this block, each in a process."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(loops)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def commands(pictures: Path, folder: Path, model: str) -> dict[str, tuple[list[str], bool, int]]:
    """Name -> command, whether it measures itself, number of endless loops."""
    tok = ["-m", "tokcodec"]
    coded, single = folder / "coded", folder / "tile.tok"
    options = ["-f", "--model", model, "--tokens", str(TOKENS)]
    encode = [*tok, "encode", "-r", "-q", *options, str(pictures), "--output-dir", str(coded)]
    measure(ROOT, encode, prints=False)
    first = next(path for path in sorted(pictures.iterdir()) if path.is_file())
    with Image.open(first) as picture:
        picture.convert("RGB").crop((0, 0, 256, 256)).save(folder / "tile.png")
    one = [*tok, "encode", *options, str(folder / "tile.png"), "-o", str(single)]
    measure(ROOT, one, prints=False)
    return {
        "decode the pictures in one process": (["-c", DECODE, str(coded)], True, 0),
        "the same, busy": (["-c", DECODE, str(coded)], True, available()),
        "encode -r": (encode, False, 0),
        "decode one 256x256 file": ([*tok, "decode", "-f", "-q", str(single), "-o", str(folder / "out.png")], False, 0),
        "info": ([*tok, "info", str(single)], False, 0),
        "--help": ([*tok, "--help"], False, 0),
    }


FOLDER = click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path)


@click.command()
@click.argument("pictures", type=FOLDER)
@click.option("--against", "other", type=FOLDER, required=True, help="Checkout of the other version.")
@click.option("--model", default="base-2", show_default=True, help="A model that both versions have.")
@click.option("--pairs", type=click.IntRange(1), default=5, show_default=True, help="Timings of each command.")
@click.option("--only", default="", help="Measure only commands with this text in their name.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Markdown file to write.")
def main(pictures: Path, other: Path, model: str, pairs: int, only: str, out: Path | None) -> None:
    """Compare this version with another one on the pictures of a folder, and print the table."""
    lines = [
        "# Time and cores",
        "",
        f"{len(list(pictures.iterdir()))} pictures of `{pictures.name}` at {TOKENS} tokens of {model}; {available()} "
        f"cores, Python {sys.version.split()[0]}, NumPy {numpy.__version__}; medians of {pairs} pairs, in which both "
        "versions take turns.",
        "Busy: an endless loop runs for each core.",
        "Made by `python -m bench.studies.cores PICTURES --against CHECKOUT`.",
        "",
    ]
    header = ["command", "seconds before", "now", "times as fast", "CPU seconds before", "now", "part"]
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for what, (command, prints, loops) in commands(pictures, Path(name), model).items():
            if only not in what:
                continue
            with busy(loops):
                found = [
                    [measure(checkout, command, prints=prints) for checkout in (other, ROOT)]
                    for _ in range(pairs)
                ]
            (before, used), (now, uses) = (
                [statistics.median(pair[side][kind] for pair in found) for kind in (0, 1)] for side in (0, 1)
            )
            figures = (before, now, before / now, used, uses, uses / used)
            rows.append([what, *(f"{figure:.2f}" for figure in figures)])
            click.echo(f"{what} done", err=True)
    text = "\n".join([*lines, *markdown_lines(header, rows)])
    print(text)
    if out:
        out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
