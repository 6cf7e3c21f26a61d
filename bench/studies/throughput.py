"""Encoding of many pictures against one by one, in one run: the command in this process, same settings, same pictures.

    python -m bench.studies.throughput FOLDER... [--rounds 3] [--jobs N] [--tokens N] [--model NAME]

The two ways take turns after a round that does not count, and of each the fastest round counts, so that other work on
the machine disturbs both alike. CPU is the time of all threads, in which reading ahead is no gain, only the shared
batches are. Exit code 1 when the ratio misses its limit or a file differs.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import torch

from tokcodec import read_tokens
from tokcodec.cli import cli
from tokcodec.pictures.suffixes import PICTURE_SUFFIXES

RATIO_LIMIT = 1.5


def measure(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and of all cores together."""
    clock, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - cpu


def command(*arguments: str) -> None:
    """Run `tokcodec ARGUMENTS` here. Raises RuntimeError when it fails."""
    if status := cli.main(list(arguments), prog_name="tokcodec", standalone_mode=False):
        raise RuntimeError(f"tokcodec {' '.join(arguments)} ended with {status}")


def compare(folder: Path, out: Path, settings: list[str], jobs: list[str], rounds: int) -> bool:
    """One folder: print the table; whether the limit is kept and all files are equal."""
    pictures = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES)
    single, many = out / "single", out / "many"
    single.mkdir()

    def one_by_one() -> None:
        for picture in pictures:
            command("encode", "-q", "-f", *settings, str(picture), "-o", str(single / f"{picture.stem}.tok"))

    def together() -> None:
        command("encode", "-q", "-f", "-r", *settings, *jobs, str(folder), "--output-dir", str(many))

    ways = {"one by one": one_by_one, "together": together}
    fastest = {name: (float("inf"), float("inf")) for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            clock, cpu = measure(way)
            if number:  # the first round warms up
                fastest[name] = min(fastest[name][0], clock), min(fastest[name][1], cpu)

    files = [path.read_bytes() for path in sorted(many.iterdir())]
    tiles = sum(len(read_tokens(data)) for data in files)
    differing = sum(
        data != (single / path.name).read_bytes() for data, path in zip(files, sorted(many.iterdir()), strict=True)
    )
    print(f"{folder.name}: {len(pictures)} pictures, {tiles} tiles")
    for name, (clock, cpu) in fastest.items():
        rates = f"{len(pictures) / clock:7.1f} pictures/s {tiles / clock:7.1f} tiles/s"
        print(f"  {name:11} {clock:7.2f} s {rates}   CPU {cpu:7.2f} s")
    (clock, cpu), (clock_many, cpu_many) = fastest.values()
    ratio = clock / clock_many
    good = ratio >= RATIO_LIMIT and not differing
    print(
        f"  ratio {ratio:.2f} (CPU {cpu / cpu_many:.2f}), limit {RATIO_LIMIT}; {differing} files differ  "
        f"{'ok' if good else 'MISSED'}"
    )

    reading, _ = measure(lambda: [read_tokens(data) for data in files])
    packing, _ = measure(lambda: command("pack", "-q", str(many), "-o", str(out / "tokens.npz")))
    back = str(out / "back")
    unpacking, _ = measure(lambda: command("pack", "-q", "--unpack", str(out / "tokens.npz"), "--output-dir", back))
    same = all((out / "back" / path.name).read_bytes() == path.read_bytes() for path in many.iterdir())
    figures = ", ".join(
        f"{name} {len(files) / seconds:.0f} files/s"
        for name, seconds in (("read_tokens", reading), ("pack", packing), ("unpack", unpacking))
    )
    print(f"  {figures}; unpacked files {'equal' if same else 'DIFFER'}", flush=True)
    return good and same


@click.command()
@click.argument(
    "folders", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path)
)
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="Timings of each way.")
@click.option("--jobs", "threads", type=click.IntRange(1), help="Threads that read. Default: the command's.")
@click.option("--tokens", type=click.IntRange(1), help="Tokens of each tile. Default: the model's.")
@click.option("--model", help="Name of a model. Default: the default model.")
def main(folders: tuple[Path, ...], rounds: int, threads: int | None, tokens: int | None, model: str | None) -> None:
    """Print a table for each folder, without its sub-folders. The exit code is 1 if a limit is missed."""
    settings = ["--model", model] if model else []
    settings += ["--tokens", str(tokens)] if tokens else []
    jobs = ["-j", str(threads)] if threads else []
    print(f"{os.cpu_count()} cores, torch {torch.__version__} with {torch.get_num_threads()} threads")
    kept = True
    for folder in folders:
        with tempfile.TemporaryDirectory() as out:
            kept &= compare(folder, Path(out), settings, jobs, rounds)
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
