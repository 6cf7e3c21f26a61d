"""Runs of the command in separate processes, whose workers can be found and killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from uuid import uuid4

import pytest

from tests.datasets.make import DAMAGED, make_parquet, plain, png
from tests.signals import default_signals
from tokcodec import options
from tokcodec.models.modelfile import Model

ROOT = Path(__file__).parents[3]
SHARDS, SHARD = 10, 20
OPTIONS = ["--model", "tiny", "--pitch", "32"]  # small tiles: the work takes long enough to be killed
MARK = "TOKCODEC_TEST_RUN"

needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="workers are found in /proc")


@dataclass
class Running:
    """A run, and how to find its processes."""

    process: subprocess.Popen[str]
    mark: str
    output: Path

    def wait_for_shards(self, number: int) -> None:
        """Wait until `number` shards are finished, while others are not."""
        while len(list(self.output.glob("*.parquet"))) < number:
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.005)

    def workers(self, named: str, but: Sequence[str] = ()) -> list[int]:
        """Other processes of this run whose command line contains a word.

        but: words of which none may be in it.
        """
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                mine = f"{MARK}={self.mark}".encode() in (folder / "environ").read_bytes().split(b"\0")
                title = (folder / "cmdline").read_bytes()
            except OSError:  # it has ended
                continue
            if any(word.encode() in title for word in but):
                continue
            if mine and named.encode() in title and int(folder.name) != self.process.pid:
                found.append(int(folder.name))
        return found

    def gone(self, named: str, but: Sequence[str] = (), seconds: float = 60) -> bool:
        """Whether its processes end soon; see `workers`."""
        end = time.monotonic() + seconds
        while self.workers(named, but):
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True

    def worker(self, named: str, seconds: float = 60) -> int:
        """A worker that is running a task. Between tasks it has another name."""
        end = time.monotonic() + seconds
        while not (found := self.workers(named)):
            assert time.monotonic() < end, named
            time.sleep(0.005)
        return found[0]

    def end(self) -> tuple[int, str]:
        """Exit code and stderr."""
        _, printed = self.process.communicate(timeout=300)
        return self.process.returncode, printed


Start = Callable[..., Running]


@pytest.fixture(scope="session")
def pictures() -> dict[str, bytes]:
    """By keys; one is damaged."""
    return {f"k{i:03d}": DAMAGED if i == 77 else png(i) for i in range(SHARDS * SHARD)}


@pytest.fixture(scope="session")
def expected(tiny_folder: Path, pictures: dict[str, bytes]) -> dict[str, bytes]:
    """The bytes of a plain encode of the undamaged pictures."""
    model = str(tiny_folder / "tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(options, "find_model", lru_cache(options.find_model))  # read once instead of 200 times
        return {key: plain(data, model=model, pitch=32) for key, data in pictures.items() if data != DAMAGED}


@pytest.fixture
def source(tmp_path: Path, pictures: dict[str, bytes]) -> Path:
    (tmp_path / "in").mkdir()
    keys = list(pictures)
    for i in range(SHARDS):
        part = keys[i * SHARD : (i + 1) * SHARD]
        make_parquet(tmp_path / "in" / f"{i}.parquet", [pictures[key] for key in part], key=part)
    return tmp_path / "in"


@pytest.fixture
def start(tiny: Model, tmp_path: Path, source: Path) -> Iterator[Start]:
    """Start `tokcodec dataset encode`. Remaining processes are killed at the end."""
    runs: list[Running] = []

    def run(*arguments: str, output: str = "out") -> Running:
        mark = uuid4().hex
        command = [
            sys.executable,
            "-m",
            "tokcodec",
            "dataset",
            "encode",
            "in",
            "--output",
            output,
            *OPTIONS,
            *arguments,
        ]
        environment = os.environ | {"PYTHONPATH": str(ROOT), MARK: mark, "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=default_signals,
            start_new_session=True,
        )
        runs.append(Running(process, mark, tmp_path / output))
        return runs[-1]

    yield run
    for running in runs:
        if running.process.poll() is None:
            running.process.kill()
            running.process.communicate()
        for pid in running.workers(""):
            os.kill(pid, signal.SIGKILL)
