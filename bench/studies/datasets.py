"""Speed and memory of `tokcodec dataset encode`, in one run, as ratios.

    python -m bench.studies.datasets PICTURES... [--pictures 2000] [--shards 8] [--rounds 3] [--rows 10000]

PICTURES are folders, .tar or .parquet files; so many of them become JPEGs (quality 90) in Parquet files, and in a
folder for `encode -r`. Compared are whole commands with their start: processes with one and with two workers, a Ray
cluster on this machine with two, `encode -r`, and as the floor two processes that only decode the JPEGs. The ways take
turns, and of each the fastest round counts. Further lines are without the start, which a run that has one picture alone
to encode takes: Ray's cluster takes seconds to start here, one that is there already has them behind it. Processes are
judged by whole commands, Ray against processes without the start of either. Then the peak memory of a worker for a
shard and for one of four times as many rows. Where there is a CUDA device: its tiles a second and where the time goes.
Exit code 1 when a limit is missed.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tokcodec.datasets.sources.listing import find_shards
from tokcodec.datasets.sources.reader import read_samples

TOKCODEC = [sys.executable, "-m", "tokcodec"]
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
TWO_WORKERS, RAY, MEMORY = 1.8, 0.9, 1.25
"""Limits: pictures a second by two workers over one, by Ray over two workers, both without their start; memory of a
large shard over a small one."""

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
from pathlib import Path
from tokcodec.cli import cli
from tokcodec.datasets.engines import local
class Here:
    def __init__(self, *sizes): pass
    def run(self, function, tasks): yield from map(function, tasks)
local.Local = Here
try:
    cli(sys.argv[1:], prog_name="tokcodec")
finally:  # getrusage would tell the peak of the process that started this one, where that is larger
    lines = Path("/proc/self/status").read_text().splitlines()
    print(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
"""
"""A run in one process, so that its own peak is the worker's; on Linux."""

CUDA = """
import sys, time
import numpy as np, torch
from tokcodec.pictures.tiling import TILE
from tokcodec.tokenizers import load_tokenizer
from tokcodec.tokenizers.tiles import BATCH, tokenise, pixels
tokenizer = load_tokenizer(None, "cuda")
tiles = np.random.default_rng(0).integers(0, 256, (BATCH, TILE, TILE, 3), dtype=np.uint8)
def timed(work, rounds=20):
    work(); torch.cuda.synchronize(); started = time.perf_counter()
    for _ in range(rounds): work()
    torch.cuda.synchronize()
    return (time.perf_counter() - started) / rounds
whole, scaled = timed(lambda: tokenise(tokenizer, tiles, 64)), timed(lambda: pixels(tiles))
copied = timed(lambda: torch.from_numpy(pixels(tiles)).to("cuda")) - scaled
rest = whole - scaled - copied
print(f"{torch.cuda.get_device_name()}: {BATCH / whole:.0f} tiles/s in batches of {BATCH}: "
      f"{scaled / whole:.0%} to float32, {copied / whole:.0%} to the device, {rest / whole:.0%} tokeniser and back")
"""


def jpegs(sources: list[str], number: int) -> Iterator[bytes]:
    """The first pictures of the sources as JPEGs."""
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
    """A Parquet file of one large row group, the hardest to read; rows: repeats the pictures."""
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    with pq.ParquetWriter(path, pa.schema([("image", kind)])) as writer:
        total = rows or len(pictures)
        images = [{"bytes": pictures[i % len(pictures)], "path": None} for i in range(total)]
        writer.write_table(pa.table({"image": pa.array(images, kind)}), row_group_size=total)


def seconds(*commands: list[str]) -> float:
    """Of commands at the same time. Raises CalledProcessError when one fails."""
    started = time.perf_counter()
    running = [subprocess.Popen(one, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True) for one in commands]
    for process in running:
        _, printed = process.communicate()
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, process.args, stderr=printed)
    return time.perf_counter() - started


def speed(folder: Path, number: int, shards: int, rounds: int, settings: list[str]) -> bool:
    """Print the table; whether the limits are kept."""
    paths = sorted(str(path) for path in (folder / "in").iterdir())
    one = str(folder / "one.parquet")

    def dataset(name: str, source: str, *arguments: str) -> list[str]:
        output = str(folder / f"{name}-{time.monotonic_ns()}")
        return [*TOKCODEC, "dataset", "encode", "-q", source, "--output", output, *settings, *arguments]

    source, ray = str(folder / "in"), ["--engine", "ray", "--workers", "2"]
    ways: dict[str, Callable[[], list[list[str]]]] = {
        "decode JPEGs, 2 processes": lambda: [[sys.executable, "-c", DECODE, *paths[i::2]] for i in range(2)],
        "encode -r": lambda: [
            [
                *TOKCODEC,
                "encode",
                "-q",
                "-f",
                "-r",
                *settings,
                str(folder / "photos"),
                "--output-dir",
                str(folder / "r"),
            ]
        ],
        "local, 1 worker": lambda: [dataset("1", source, "--workers", "1")],
        "local, 2 workers": lambda: [dataset("2", source, "--workers", "2")],
        "start of local": lambda: [dataset("start", one, "--workers", "1")],
    }
    if find_spec("ray") is not None:
        ways["Ray, 2 workers"] = lambda: [dataset("ray", source, *ray)]
        ways["start of Ray"] = lambda: [dataset("start", one, *ray)]
    fastest = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for name, commands in ways.items():
            fastest[name] = min(fastest[name], seconds(*commands()))
    starts = {name: fastest.pop(name) for name in list(fastest) if name.startswith("start of")}
    for name, took in list(fastest.items()):
        if (start := f"start of {name.split(',')[0]}") in starts:
            fastest[f"{name}, without start"] = took - starts[start]
    print(
        f"{number} JPEGs in {shards} Parquet files, {os.cpu_count()} cores, {' '.join(settings) or 'default options'}"
    )
    print(
        "| way | seconds | pictures/s | over local, 1 worker | over local, 2 workers |\n| --- | --- | --- | --- | --- |"
    )
    for name, took in fastest.items():
        single, double = (fastest[f"local, {way}"] / took for way in ("1 worker", "2 workers"))
        print(f"| {name} | {took:.2f} | {number / took:.1f} | {single:.2f} | {double:.2f} |", flush=True)
    print("; ".join(f"{name}: {took:.2f} s" for name, took in starts.items()))
    kept = verdict("2 workers over 1", fastest["local, 1 worker"] / fastest["local, 2 workers"], TWO_WORKERS)
    if "Ray, 2 workers" in fastest:
        ratio = fastest["local, 2 workers, without start"] / fastest["Ray, 2 workers, without start"]
        kept &= verdict("Ray over 2 workers, without the starts", ratio, RAY)
    return kept


def memory(folder: Path, pictures: list[bytes], rows: int, settings: list[str]) -> bool:
    """Print the peaks; whether that of the large shard is near that of the small one."""
    peaks = []
    for count in (max(rows // 4, 1), rows):
        path = folder / f"rows{count}.parquet"
        write_shard(path, pictures, count)
        arguments = ["dataset", "encode", "-q", str(path), "--output", str(folder / f"memory{count}"), *settings]
        command = [sys.executable, "-c", MEASURE, *arguments]
        done = subprocess.run(command, env=ENVIRONMENT | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
        peaks.append(int(done.stdout.split()[-1]) / 1024)
        print(f"peak of a worker, shard of {count} rows, {path.stat().st_size / 1e6:.0f} MB: {peaks[-1]:.0f} MB")
    return verdict("memory of the large over the small shard", peaks[1] / peaks[0], MEMORY, most=True)


def verdict(what: str, value: float, limit: float, most: bool = False) -> bool:
    good = value <= limit if most else value >= limit
    print(f"{what}: {value:.2f}, limit {limit}  {'ok' if good else 'MISSED'}", flush=True)
    return good


def main() -> int:
    """Print the tables; 0 if every limit is kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+", metavar="PICTURES", help="folders, .tar or .parquet files")
    parser.add_argument("--pictures", type=int, default=2000, help="how many are encoded (default 2000)")
    parser.add_argument("--shards", type=int, default=8, help="Parquet files that hold them (default 8)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each way is timed (default 3)")
    parser.add_argument(
        "--rows", type=int, default=10_000, help="of the shard whose memory is measured (default 10000)"
    )
    parser.add_argument("--tokens", type=int, help="tokens per tile (default: the model's)")
    options: Any = parser.parse_args()
    settings = ["--tokens", str(options.tokens)] if options.tokens else []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("in", "photos"):
            (folder / part).mkdir()
        pictures = list(islice(jpegs(options.sources, options.pictures), options.pictures))
        for i, data in enumerate(pictures):
            (folder / "photos" / f"{i:05d}.jpg").write_bytes(data)
        for i in range(options.shards):
            write_shard(folder / "in" / f"{i:02d}.parquet", pictures[i :: options.shards])
        write_shard(folder / "one.parquet", pictures[:1])
        kept = speed(folder, len(pictures), options.shards, options.rounds, settings)
        kept &= memory(folder, pictures, options.rows, settings)
    if find_spec("torch") is not None:
        import torch

        if torch.cuda.is_available():
            subprocess.run([sys.executable, "-c", CUDA], check=True, env=ENVIRONMENT)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
