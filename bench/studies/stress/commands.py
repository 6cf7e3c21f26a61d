"""The commands at work in a folder, as processes that may be sent a signal, and the state in which they leave it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

import tokcodec
from bench import pictures
from bench.report.cells import markdown_lines

TOKCODEC = (sys.executable, "-m", "tokcodec")
ROOT = Path(__file__).parents[3]
TEMPORARY = ".tokcodec-*.tmp"
"""What a command writes to before an output is whole."""
OLD = b"what was there before"
PATIENCE = 120.0
"""Seconds after which a process that should have ended counts as one that did not."""
STATES = ("absent", "old", "whole", "broken")
PICTURE = "astronaut"  # 512x512


@dataclass(frozen=True)
class Work:
    """A command, run in a folder that `prepare` has filled, and its outputs there.

    name: of the command; shards: whether it writes several outputs, and goes on where an earlier run has stopped.
    """

    name: str
    arguments: tuple[str, ...]
    outputs: tuple[str, ...]
    shards: bool = False


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code (-n: by signal n), messages, seconds that it ran.

    sent: whether it still ran when its signal was sent; outlived: whether something of it ran on for PATIENCE.
    """

    code: int
    said: str
    seconds: float
    sent: bool = False
    outlived: bool = False

    @property
    def lines(self) -> list[str]:
        return self.said.splitlines()


def prepare(folder: Path) -> None:
    """Write the inputs: scikit-image's photographs, and one as tokens: for `decode` 16 tiles, for `truncate` 1024."""
    pictures.write_samples(folder / "pictures")
    image = Image.open(folder / "pictures" / f"{PICTURE}.png")
    for name, pitch in (("coarse", 128), ("fine", 16)):
        (folder / f"{name}.tok").write_bytes(tokcodec.encode(image, pitch=pitch, tokens=64))
    (folder / "out").mkdir()


def single_works(tokens: int = 48) -> tuple[Work, ...]:
    """The commands with one output, in out/, of which it exists already; tokens: per tile, 1..64."""
    count = ("--tokens", str(tokens))
    return (
        Work("encode", ("encode", *count, "--pitch", "64", f"pictures/{PICTURE}.png", "-o", "out/x.tok"), ("x.tok",)),
        Work("decode", ("decode", *count, "coarse.tok", "-o", "out/x.png"), ("x.png",)),
        Work("truncate", ("truncate", *count, "fine.tok", "-o", "out/x.tok"), ("x.tok",)),
    )


def dataset_work(tokens: int = 48) -> Work:
    """`dataset encode` of the photographs, each a shard, by two processes."""
    options = ("--tokens", str(tokens), "--pitch", "128", "--shard-size", "1", "--workers", "2")
    shards = tuple(f"pictures-{i:05d}.parquet" for i in range(len(pictures.SAMPLES)))
    return Work("dataset encode", ("dataset", "encode", "pictures", "--output", "out", *options), shards, shards=True)


def forced(work: Work) -> Work:
    """The work with -f, by which an output that exists is replaced."""
    return Work(work.name, (*work.arguments, "-f"), work.outputs)


def usual_signals() -> None:
    """Have children end by signals, whatever this process was started with: nohup and scripts have some ignored."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def environment() -> dict[str, str]:
    """For processes that work elsewhere: this tokcodec, and one core each."""
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def start(
    command: Sequence[str], folder: Path, *, stdout: int | None = None, limit: Callable[[], None] | None = None
) -> subprocess.Popen[bytes]:
    """Start a command as a group of processes of its own. limit: called in it before all else."""
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if stdout is None else stdout,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=limit,
    )


def ended(process: subprocess.Popen[bytes], started: float, *, sent: bool = False) -> Ended:
    """Wait for the end of a process, and of all that it has started: they have its stderr."""
    outlived = False
    try:
        said = process.communicate(timeout=PATIENCE)[1]
    except subprocess.TimeoutExpired:
        outlived = True
        os.killpg(process.pid, signal.SIGKILL)
        said = process.communicate()[1]
    text = said.decode(errors="replace")
    return Ended(process.returncode, text, time.perf_counter() - started, sent, outlived)


def run(
    work: Work, folder: Path, moment: Callable[[], bool] | float | None = None, sent: int = signal.SIGKILL
) -> Ended:
    """Run a command in a folder.

    moment: seconds after which it is sent a signal, or what says (asked again and again) that the moment has come.
    SIGINT reaches all its processes, as Ctrl-C does; others the command alone.
    """
    started = time.perf_counter()
    process = start((*TOKCODEC, *work.arguments), folder)
    if moment is None:
        return ended(process, started)
    while process.poll() is None:
        if moment() if callable(moment) else time.perf_counter() - started >= moment:
            (os.killpg if sent == signal.SIGINT else os.kill)(
                process.pid, sent
            )  # not reaped yet: the number is its own
            return ended(process, started, sent=True)
        time.sleep(0.0002 if callable(moment) else 0.001)
    return ended(process, started)


def state(path: Path, before: bytes | None, expected: bytes) -> str:
    """One of STATES: of an output, what was there before, and what the whole one is."""
    if not path.exists():
        return "absent" if before is None else "broken"
    found = path.read_bytes()
    if found == expected:
        return "whole"
    return "old" if found == before else "broken"


def temporaries(folder: Path) -> list[Path]:
    """Temporary files that a command has left in a folder."""
    return sorted(folder.glob(TEMPORARY))


def strays(work: Work, folder: Path) -> list[str]:
    """Files in a folder that are neither outputs nor temporary files."""
    known = {*work.outputs, *(path.name for path in temporaries(folder))}
    return sorted(path.name for path in folder.iterdir() if path.name not in known)


def clear(folder: Path) -> None:
    """Remove the files of a folder."""
    for path in folder.iterdir():
        path.unlink()


def print_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table in Markdown."""
    print("", *markdown_lines(head, rows), sep="\n", flush=True)
