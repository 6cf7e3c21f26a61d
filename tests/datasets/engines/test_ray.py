"""A real Ray cluster of two workers on this machine: what the local engine writes, and nothing lost by kills."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.datasets.engines.check import check
from tests.datasets.engines.conftest import SHARDS, Start, needs_proc

pytest.importorskip("ray", reason="needs Ray: pip install 'tokcodec[ray]'")
pytestmark = pytest.mark.slow

Pictures = dict[str, bytes]
RAY = ["--engine", "ray", "--workers", "2"]
WORKING = "ray::encode_shard"
AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")
"""Ray's own, which do no work of ours: when their cluster is killed Ray lets them wait a minute for it before they end
(`publish_error(..., 60)` in ray/_private/utils.py)."""


@needs_proc
def test_a_worker_is_killed(start: Start, tmp_path: Path, pictures: Pictures, expected: Pictures) -> None:
    """Ray does its shard again: the run goes on to its end."""
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
    """Nothing goes on without it; the same command again does the rest, by the other engine as well."""
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


def test_map_batches(tiny_folder: Path, source: Path, tmp_path: Path, pictures: Pictures, expected: Pictures) -> None:
    """The recipe for those who have a pipeline: Parquet to Parquet by `Encoder`, and back by `Decoder`."""
    import ray

    from tests.datasets.make import rows
    from tokcodec.datasets import Decoder, Encoder

    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=100 << 20)
    try:
        arguments = {"model": str(tiny_folder / "tiny"), "pitch": 32}
        data = ray.data.read_parquet(str(source)).map_batches(
            Encoder, batch_format="pyarrow", batch_size=50, concurrency=1, fn_constructor_kwargs=arguments
        )
        data.write_parquet(str(tmp_path / "out"))
        back = ray.data.read_parquet(str(tmp_path / "out")).map_batches(
            Decoder,
            batch_format="pyarrow",
            concurrency=1,
            fn_constructor_kwargs={"format": "webp", "model": str(tiny_folder / "tiny")},
        )
        decoded = {row["key"]: row["image"] for row in back.take_all()}
    finally:
        ray.shutdown()
    assert {row["key"]: row["tok"] for row in rows(tmp_path / "out")} == {key: expected.get(key) for key in pictures}
    assert {key for key, image in decoded.items() if image is not None} == set(expected)
    assert decoded["k000"]["bytes"][:4] == b"RIFF"


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_a_cluster_that_cannot_be_reached(call: Callable[..., Result], source: Path, scheme: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        address = f"{scheme}127.0.0.1:{taken.getsockname()[1]}"
        result = call("dataset", "encode", "in", "--output", "out", "--engine", "ray", "--address", address)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"tokcodec: {address}: no Ray cluster can be reached: Connection refused\n"
    assert not (source.parent / "out").exists()
