"""Local processes: the bytes of a plain encode for any number of workers, and kills lose or leave nothing."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.datasets.engines.check import check
from tests.datasets.engines.conftest import SHARDS, Start, needs_proc

pytestmark = pytest.mark.slow

Pictures = dict[str, bytes]
SPAWNED = "spawn_main"


def test_any_number_of_workers(start: Start, tmp_path: Path, pictures: Pictures, expected: Pictures) -> None:
    files = []
    for workers, batch in (("1", "128"), ("2", "7")):
        code, printed = start("--workers", workers, "--batch-size", batch, output=f"out{workers}").end()
        assert code == 1 and "tokcodec: k077: damaged" in printed and "Traceback" not in printed
        assert f"tokcodec: {SHARDS} done, 0 skipped, 0 failed" in printed
        check(tmp_path / f"out{workers}", pictures, expected)
        files.append([path.read_bytes() for path in sorted((tmp_path / f"out{workers}").iterdir())])
    assert files[0] == files[1]


@needs_proc
def test_a_worker_is_killed(start: Start, tmp_path: Path, pictures: Pictures, expected: Pictures) -> None:
    running = start("--workers", "2", "-q")
    running.wait_for_shards(2)
    os.kill(running.workers(SPAWNED)[0], signal.SIGKILL)
    code, printed = running.end()
    left = sorted(path.name for path in running.output.iterdir())
    assert 2 <= len(left) < SHARDS and all(name.endswith(".parquet") for name in left)
    (line,) = [line for line in printed.splitlines() if "k077" not in line]
    assert code == 1 and line.startswith("tokcodec: a worker died (killed, or out of memory)")
    assert running.gone(SPAWNED)
    code, printed = start("--workers", "2").end()
    assert code == 1 and f"{SHARDS - len(left)} done, {len(left)} skipped, 0 failed" in printed
    check(tmp_path / "out", pictures, expected)


@needs_proc
def test_a_second_run_of_the_same_output_refuses(
    start: Start, tmp_path: Path, pictures: Pictures, expected: Pictures
) -> None:
    first = start("--workers", "1", "-q")
    first.wait_for_shards(1)
    first.process.send_signal(signal.SIGSTOP)  # it is not dead
    code, printed = start("--workers", "1", "-q").end()
    first.process.send_signal(signal.SIGCONT)
    line = f"tokcodec: out: another run has been at work here since .* \\(pid {first.process.pid} on .*\\); wait for "
    assert code == 1 and re.match(line, printed) and printed.count("\n") == 1
    assert first.end()[0] == 1
    check(tmp_path / "out", pictures, expected)


@needs_proc
@pytest.mark.parametrize("sent", ["SIGKILL", "SIGINT", "SIGTERM"])
def test_the_command_is_killed(start: Start, tmp_path: Path, pictures: Pictures, expected: Pictures, sent: str) -> None:
    running = start("--workers", "2", "-q")
    running.wait_for_shards(1)
    number = getattr(signal, sent)
    if sent == "SIGINT":
        os.killpg(running.process.pid, number)  # as a terminal does: to the workers too
    else:
        running.process.send_signal(number)
    code, printed = running.end()
    assert code == (-number if sent == "SIGKILL" else 128 + number)
    assert running.gone(SPAWNED)
    said = [line for line in printed.splitlines() if line and "k077" not in line]
    assert sent == "SIGKILL" or said == (["tokcodec: interrupted"] if sent == "SIGINT" else [])
    if sent != "SIGKILL":
        assert all(path.suffix == ".parquet" for path in running.output.iterdir())
    code, printed = start("--workers", "2").end()
    assert code == 1 and "1 sample has an error" in printed
    check(tmp_path / "out", pictures, expected)


@needs_proc
def test_ctrl_c_while_the_workers_start(start: Start) -> None:
    """The signal arrives before the workers could set a handler."""
    for wait in (0.0, 0.1, 0.2):
        running = start("--workers", "2", "-q", output=f"out{wait}")
        running.worker(SPAWNED)
        time.sleep(wait)
        os.killpg(running.process.pid, signal.SIGINT)
        code, printed = running.end()
        assert (code, printed.strip()) == (130, "tokcodec: interrupted")
