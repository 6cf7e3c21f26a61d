"""`python -m bench.studies.datasets PICTURES...`: measures speed and memory of `tokcodec dataset encode`, as ratios.

PICTURES are folders, .tar or .parquet files. The first pictures are written as JPEGs (quality 90) to Parquet files and
to a folder for `encode -r`. The printed page describes the comparisons and their limits. The exit status is 1 if a
limit is missed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import click

from .figures import page
from .measure import environment, jpegs, memory, speed, write_shard

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


@click.command()
@click.argument("sources", metavar="PICTURES...", nargs=-1, required=True)
@click.option("--pictures", type=click.IntRange(1), default=2000, show_default=True, help="Pictures to encode.")
@click.option("--shards", type=click.IntRange(1), default=8, show_default=True, help="Number of Parquet files.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="Timings of each command.")
@click.option(
    "--rows",
    type=click.IntRange(1),
    default=10_000,
    show_default=True,
    help="Rows of the shard for the measurement of memory.",
)
@click.option("--tokens", type=int, help="Tokens per tile. Default: the model's choice.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="File for the page.")
def main(
    sources: tuple[str, ...], pictures: int, shards: int, rounds: int, rows: int, tokens: int | None, out: Path | None
) -> None:
    """Measure speed and memory of `tokcodec dataset encode` on PICTURES: folders, .tar or .parquet files."""
    settings = ["--tokens", str(tokens)] if tokens else []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("in", "photos"):
            (folder / part).mkdir()
        files = list(islice(jpegs(list(sources), pictures), pictures))
        for i, data in enumerate(files):
            (folder / "photos" / f"{i:05d}.jpg").write_bytes(data)
        for i in range(shards):
            write_shard(folder / "in" / f"{i:02d}.parquet", files[i::shards])
        write_shard(folder / "one.parquet", files[:1])
        figures = speed(folder, rounds, settings)
        figures.peaks += memory(folder, files, rows, settings)
    text = page(figures, files, shards, rounds, settings)
    print(text, flush=True)
    if out is not None:
        out.write_text(text, encoding="utf-8")
    if find_spec("torch") is not None:
        import torch

        if torch.cuda.is_available():
            subprocess.run([sys.executable, "-c", CUDA], check=True, env=environment())
    sys.exit(0 if all(kept for *_, kept in figures.verdicts()) else 1)


if __name__ == "__main__":
    main()
