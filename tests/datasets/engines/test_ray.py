"""A real Ray cluster of two workers on this machine: the output of the local engine, and kills lose nothing."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.datasets.engines.check import check
from tests.datasets.engines.conftest import SHARDS, Start, needs_proc

pytest.importorskip("ray", reason="needs Ray: pip install 'tokcodec[ray]'")
pytestmark = pytest.mark.slow

Pictures = dict[str, bytes]
Call = Callable[..., Result]
RAY = ["--engine", "ray", "--workers", "2"]
WORKING = "ray::encode_shard"
AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")
"""Ray's own, which do no work of ours: when their cluster is killed Ray lets them wait a minute for it before they end
(`publish_error(..., 60)` in ray/_private/utils.py)."""


@needs_proc
def test_a_worker_is_killed(start: Start, tmp_path: Path, pictures: Pictures, expected: Pictures) -> None:
    """Ray repeats its shard, and the run completes."""
    running = start(*RAY)
    running.wait_for_shards(1)
    os.kill(running.worker(WORKING), signal.SIGKILL)
    code, printed = running.end()
    assert code == 1 and f"tokcodec: {SHARDS} done, 0 skipped, 0 failed" in printed
    assert [line for line in printed.splitlines() if "k077" in line and "damaged" in line]
    assert "Traceback" not in printed
    check(tmp_path / "out", pictures, expected)
    assert running.gone("ray")


@needs_proc
def test_the_driver_is_killed(start: Start, tmp_path: Path, pictures: Pictures, expected: Pictures) -> None:
    """The run ends without it. Repeating the command does the rest, also by the other engine."""
    running = start(*RAY, "-q")
    running.wait_for_shards(2)
    running.process.kill()
    running.end()
    assert running.gone("ray", but=AGENTS)
    left = list(running.output.glob("*.parquet"))
    assert 2 <= len(left) < SHARDS
    before = {path: path.read_bytes() for path in left}
    code, printed = start(*RAY).end()
    assert code == 1 and f"{SHARDS - len(left)} done, {len(left)} skipped, 0 failed" in printed
    check(tmp_path / "out", pictures, expected)
    assert before == {path: path.read_bytes() for path in left}
    start("--workers", "1", "-q", output="local").end()
    for path in (tmp_path / "local").iterdir():
        assert path.read_bytes() == (tmp_path / "out" / path.name).read_bytes()


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_a_cluster_that_cannot_be_reached(call: Call, source: Path, scheme: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        address = f"{scheme}127.0.0.1:{taken.getsockname()[1]}"
        result = call("dataset", "encode", "in", "--output", "out", "--engine", "ray", "--address", address)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"tokcodec: {address}: no Ray cluster can be reached: connection refused\n"
    assert not (source.parent / "out").exists()


@pytest.mark.parametrize("left", [True, False])
def test_auto_without_a_cluster(
    call: Call, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: bool
) -> None:
    """The address that `ray start` stored may belong to a killed cluster."""
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("ray._private.services.find_gcs_addresses", set)  # others may run clusters on this machine
    where, why = "auto", "Could not find any running Ray instance"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        if left:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            (tmp_path / "ray").mkdir()
            (tmp_path / "ray" / "ray_current_cluster").write_text(address)
            where, why = f"auto ({address})", "connection refused"
        result = call("dataset", "encode", "in", "--output", "out", "--engine", "ray", "--address", "auto")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"tokcodec: {where}: no Ray cluster can be reached: {why}\n"
    assert not (tmp_path / "out").exists()


def test_gpus_that_are_not_there(call: Call, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster that is started for the run gets no further machines, so Ray would wait forever."""
    done: list[Any] = []
    monkeypatch.setattr("ray.init", lambda *arguments, **options: None)
    monkeypatch.setattr("ray.cluster_resources", lambda: {"CPU": 2.0})
    monkeypatch.setattr("ray.shutdown", lambda: done.append("shutdown"))
    result = call("dataset", "encode", "in", "--output", "out", "--engine", "ray", "--num-gpus", "0.5")
    assert (result.exit_code, result.stderr) == (1, "tokcodec: --num-gpus 0.5: Ray finds 0 GPUs on this machine\n")
    assert done == ["shutdown"]
