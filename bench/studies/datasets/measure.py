"""Writes pictures as shards, and times the ways to encode them in turn."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tokcodec.datasets.sources.listing import find_shards
from tokcodec.datasets.sources.reader import read_samples

from .figures import THERE, Figures
from .processor import ProcessorTime

TOKCODEC = [sys.executable, "-m", "tokcodec"]
SETTLE = 10  # seconds until a cluster's own processes have started
NICENESS = "RAY_worker_niceness"
"""Ray's variable for the priority of its workers. With the default of 15, the times would tell what else runs here."""

DECODE = """
import io, sys
import pyarrow.parquet as pq
from PIL import Image
for path in sys.argv[1:]:
    for batch in pq.ParquetFile(path).iter_batches(128, use_threads=False):
        for image in batch.column("image").to_pylist():
            Image.open(io.BytesIO(image["bytes"])).convert("RGB")
"""
MEASURE = """
import sys
from bench.memory import peak_mb
from tokcodec.cli import cli
from tokcodec.datasets.engines import local
class Here:
    def __init__(self, *sizes): pass
    def run(self, function, tasks): yield from map(function, tasks)
local.Local = Here
try:
    cli(sys.argv[1:], prog_name="tokcodec")
finally:  # getrusage would report the peak of the parent process if that is larger
    print(peak_mb())
"""
"""A run in one process, whose peak is then that of the worker. Linux only."""


def jpegs(sources: list[str], number: int) -> Iterator[bytes]:
    """Yield the first `number` pictures of the sources as JPEGs."""
    for shard in find_shards(sources):
        for samples in read_samples(shard):
            for data in samples.pictures:
                if isinstance(data, bytes):
                    stream = io.BytesIO()
                    Image.open(io.BytesIO(data)).convert("RGB").save(stream, "JPEG", quality=90)
                    yield stream.getvalue()
                    number -= 1
                if not number:
                    return


def write_shard(path: Path, pictures: list[bytes], rows: int | None = None) -> None:
    """Write a Parquet file with one large row group, the worst case for a reader. The pictures repeat up to `rows`."""
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    with pq.ParquetWriter(path, pa.schema([("image", kind)])) as writer:
        total = rows or len(pictures)
        images = [{"bytes": pictures[i % len(pictures)], "path": None} for i in range(total)]
        writer.write_table(pa.table({"image": pa.array(images, kind)}), row_group_size=total)


def environment() -> dict[str, str]:
    """Environment of the commands: the present one, which has Ray's address, without numbers of threads."""
    return {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}


def seconds(*commands: list[str]) -> tuple[float, float]:
    """Seconds and processor seconds of commands that run at the same time. Raises RuntimeError if one fails."""
    with ProcessorTime() as processor:
        started = time.perf_counter()
        running = [subprocess.Popen(one, env=environment(), stderr=subprocess.PIPE, text=True) for one in commands]
        for process in running:
            _, printed = process.communicate()
            if process.returncode:
                raise RuntimeError(f"{process.args!r} ended with {process.returncode}: {printed}")
        took = time.perf_counter() - started
    return took, processor.seconds


def speed(folder: Path, rounds: int, settings: list[str]) -> Figures:
    """Time the ways in turn."""
    paths = sorted(str(path) for path in (folder / "in").iterdir())
    source, one = str(folder / "in"), str(folder / "one.parquet")
    figures = Figures()

    def timed(name: str, *commands: list[str], start: bool = False) -> None:
        keep = (figures.starts, figures.start_processor) if start else (figures.seconds, figures.processor)
        for took, fastest in zip(seconds(*commands), keep, strict=True):
            fastest[name] = min(took, fastest.get(name, took))

    def dataset(name: str, *arguments: str, there: bool = False) -> None:
        for start in (True, False):
            output = str(folder / f"out-{time.monotonic_ns()}")
            command = [*TOKCODEC, "dataset", "encode", "-q", one if start else source, "--output", output]
            # each has its own: the workers of a new cluster run already, and end with the first run that uses them
            where: AbstractContextManager[list[str]] = cluster() if there else nullcontext([])
            with where as address:
                timed(name, [*command, *settings, *arguments, *address], start=start)

    os.environ[NICENESS] = "0"
    recursive = [*TOKCODEC, "encode", "-q", "-f", "-r", *settings, str(folder / "photos"), "--output-dir"]
    for _ in range(rounds):
        timed("decode JPEGs, 2 processes", *([sys.executable, "-c", DECODE, *paths[i::2]] for i in range(2)))
        timed("encode -r", [*recursive, str(folder / "r")])
        dataset("local, 1 worker", "--workers", "1")
        dataset("local, 2 workers", "--workers", "2")
        if find_spec("ray") is not None:
            dataset("Ray, 2 workers", "--engine", "ray", "--workers", "2")
            dataset(THERE, "--engine", "ray", "--workers", "2", there=True)
    return figures


@contextmanager
def cluster() -> Iterator[list[str]]:
    """Run a Ray cluster with two cores in this block, and give options with its address when its processes run."""
    import ray

    from tokcodec.datasets.engines.ray import STORE_BYTES

    quiet: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
    ray.init("local", num_cpus=2, object_store_memory=STORE_BYTES, **quiet)
    try:
        time.sleep(SETTLE)
        yield ["--address", ray.get_runtime_context().gcs_address]
    finally:
        ray.shutdown()


def memory(folder: Path, pictures: list[bytes], rows: int, settings: list[str]) -> Iterator[tuple[int, float, float]]:
    """Yield rows, MB of the file and peak in MB of a small and a large shard."""
    for count in (max(rows // 4, 1), rows):
        path = folder / f"rows{count}.parquet"
        write_shard(path, pictures, count)
        arguments = ["dataset", "encode", "-q", str(path), "--output", str(folder / f"memory{count}"), *settings]
        command = [sys.executable, "-c", MEASURE, *arguments]
        done = subprocess.run(command, env=environment() | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
        yield count, path.stat().st_size / 1e6, float(done.stdout.split()[-1])
