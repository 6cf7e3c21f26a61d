"""`python -m bench.studies.load`: encodes and decodes in many threads and processes at once, and checks the results.

Random pictures are first encoded and decoded one after the other. Threads of this process and other processes then do
the same in random order for some minutes. Every result must equal the serial one, and memory and the number of open
files must not grow.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import click
import numpy as np
from PIL import Image

import tokcodec
from bench.report.cells import markdown_lines

OPTIONS: tuple[dict[str, Any], ...] = ({"tokens": 16}, {"tokens": 64, "pitch": 128}, {"adaptive": True})
Results = list[tuple[bytes, bytes]]
"""Each picture's file and decoded pixels without load."""


@dataclass(frozen=True)
class Load:
    """Results of one process."""

    rounds: int
    """Pictures that were encoded and decoded."""
    wrong: int
    """Results that differ from the serial ones."""
    memory: tuple[float, float]
    """Resident MB after the first third of the time, and at the end; 0 if unknown."""
    files: tuple[int, int]
    """Open descriptors at the same times; 0 if unknown."""

    def describe(self) -> str:
        """One line for the terminal."""
        return (
            f"{self.rounds} rounds, {self.wrong} wrong, memory {self.memory[0]:.0f} -> {self.memory[1]:.0f} MB, "
            f"descriptors {self.files[0]} -> {self.files[1]}"
        )


@click.command()
@click.option("--minutes", type=click.FloatRange(0, min_open=True), default=10.0, show_default=True, help="Time.")
@click.option("--threads", type=click.IntRange(1), default=8, show_default=True, help="Threads of one process.")
@click.option("--processes", type=click.IntRange(0), default=4, show_default=True, help="Processes beside it.")
@click.option("--pictures", type=click.IntRange(1), default=12, show_default=True, help="Random pictures.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the pictures.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Markdown file. Default: none.")
def main(minutes: float, threads: int, processes: int, pictures: int, seed: int, out: Path | None) -> None:
    """Encode and decode under load; exit with 1 if a result differs from the serial one."""
    done = run(60 * minutes, threads, processes, pictures, seed)
    click.echo(f"{threads} threads: {done[0].describe()}")
    for load in done[1:]:
        click.echo(f"process: {load.describe()}")
    if out is not None:
        options = f"--minutes {minutes:g} --threads {threads} --processes {processes} --pictures {pictures}"
        out.write_text("\n".join(report(done, threads, f"{options} --seed {seed}")) + "\n", encoding="utf-8")
    if any(load.wrong or not load.rounds for load in done):
        raise SystemExit(1)


def report(done: list[Load], threads: int, options: str) -> list[str]:
    """The page of results.

    Args:
        done: what the process with threads has done, then the others.
        threads: of the first process.
        options: those of the command.
    """
    rows = [
        [
            f"{threads} threads of a process" if number == 0 else f"process {number}",
            f"{load.rounds:,}",
            load.wrong,
            f"{load.memory[0]:.0f}, {load.memory[1]:.0f}",
            f"{load.files[0]}, {load.files[1]}",
        ]
        for number, load in enumerate(done)
    ]
    return [
        "# Load",
        "",
        f"`python -m bench.studies.load {options}`, tokcodec {tokcodec.__version__}, on {os.cpu_count()} cores.",
        "Random pictures of up to 600 pixels a side are encoded and decoded by all workers at once.",
        "Every file and every pixel is compared with those of a run without load.",
        "",
        *markdown_lines(
            ["worker", "rounds", "wrong results", "MB after a third and at the end", "descriptors at these times"], rows
        ),
    ]


def run(seconds: float, threads: int, processes: int, pictures: int, seed: int) -> list[Load]:
    """Load this process with threads, and other processes beside it.

    Args:
        seconds: duration of the load, without the serial pass.
        threads: threads of this process.
        processes: other processes, with one thread each.
        pictures: number of random pictures.
        seed: seed of the pictures.

    Returns:
        The results of this process, then those of the others.
    """
    serial = [code(seed, number) for number in range(pictures)]
    context = multiprocessing.get_context("spawn")
    with context.Pool(max(1, processes)) as pool:
        others = [pool.apply_async(work, (seconds, 1, serial, seed, 1 + number)) for number in range(processes)]
        return [work(seconds, threads, serial, seed, 0), *(other.get() for other in others)]


def work(seconds: float, threads: int, serial: Results, seed: int, worker: int) -> Load:
    """Encode and decode in threads of this process.

    Args:
        seconds: duration.
        threads: number of threads.
        serial: the correct results.
        seed: seed of the pictures.
        worker: number of the process, which determines the order of the pictures.
    """
    code(seed, 0)  # loads the model
    start = time.monotonic()
    with ThreadPoolExecutor(threads) as pool:
        order = [Random(f"{seed} {worker} {thread}") for thread in range(threads)]
        early = [pool.submit(_rounds, start + seconds / 3, serial, seed, rng) for rng in order]
        counts = [part.result() for part in early]
        memory, files = resident_mb(), descriptors()
        late = [pool.submit(_rounds, start + seconds, serial, seed, rng) for rng in order]
        counts += [part.result() for part in late]
        return Load(
            sum(rounds for rounds, _ in counts),
            sum(wrong for _, wrong in counts),
            (memory, resident_mb()),
            (files, descriptors()),
        )


def _rounds(end: float, serial: Results, seed: int, rng: Random) -> tuple[int, int]:
    """Rounds until `end`, at least one, and the number of wrong results."""
    rounds = wrong = 0
    while not rounds or time.monotonic() < end:
        number = rng.randrange(len(serial))
        rounds += 1
        wrong += code(seed, number) != serial[number]
    return rounds, wrong


def code(seed: int, number: int) -> tuple[bytes, bytes]:
    """The file and the decoded pixels of random picture `number`."""
    rng = np.random.default_rng((seed, number))
    width, height = (int(side) for side in rng.integers(1, 600, 2))
    coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
    picture = coarse.resize((width, height), Image.Resampling.BICUBIC)
    data = tokcodec.encode(picture, warn=_ignore, **OPTIONS[number % len(OPTIONS)])
    return data, tokcodec.decode(data, warn=_ignore, device="cpu").tobytes()


def _ignore(_: str) -> None:
    """Ignore a warning."""


def resident_mb() -> float:
    """Present memory of this process in MB; 0 if unknown."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def descriptors() -> int:
    """Open files of this process; 0 if unknown."""
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return 0


if __name__ == "__main__":
    main()
