"""Speed and memory of `tokcodec dataset encode`, in one run, as ratios; with `--out` as a page.

    python -m bench.studies.datasets PICTURES... [--pictures 2000] [--shards 8] [--rounds 3] [--rows 10000] [--out FILE]

PICTURES are folders, .tar or .parquet files; so many of them become JPEGs (quality 90) in Parquet files, and in a
folder for `encode -r`. What is compared and how it is judged stands in the page. Exit code 1 when a limit is missed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

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


def main() -> int:
    """Print the page; 0 if every limit is kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+", metavar="PICTURES", help="folders, .tar or .parquet files")
    parser.add_argument("--pictures", type=int, default=2000, help="how many are encoded (default 2000)")
    parser.add_argument("--shards", type=int, default=8, help="Parquet files that hold them (default 8)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each way is timed (default 3)")
    parser.add_argument(
        "--rows", type=int, default=10_000, help="of the shard whose memory is measured (default 10000)"
    )
    parser.add_argument("--tokens", type=int, help="tokens per tile (default: the model's)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the page there too")
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
        figures = speed(folder, options.rounds, settings)
        figures.peaks += memory(folder, pictures, options.rows, settings)
    text = page(figures, pictures, options.shards, options.rounds, settings)
    print(text, flush=True)
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    if find_spec("torch") is not None:
        import torch

        if torch.cuda.is_available():
            subprocess.run([sys.executable, "-c", CUDA], check=True, env=environment())
    return 0 if all(kept for *_, kept in figures.verdicts()) else 1


if __name__ == "__main__":
    sys.exit(main())
