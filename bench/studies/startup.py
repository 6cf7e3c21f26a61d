"""`python -m bench.studies.startup`: time and memory of the command, against limits.

The time of a command is given as a ratio to that of a process that only imports the packages it needs. The commands
take turns and the fastest round of each counts, so that other work on the machine slows all of them down alike.
The exit status is 1 if a limit is missed.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import numpy as np
import skimage.data
from PIL import Image

TILE_LIMITS_MS = {"encode, 64 tokens": 8.0, "encode, 256 tokens": 20.0, "decode": 30.0}
MEMORY_LIMIT_MB = 2000.0
LARGE = (4000, 3000)  # 12 megapixels
PYTHON = sys.executable
TOKCODEC = [PYTHON, "-m", "tokcodec"]
# An installed package has its bytecode. Without this variable a checkout has it too.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def measure(command: list[str]) -> tuple[float, float]:
    """Seconds and peak memory in MB of a process. Raises CalledProcessError if it fails."""
    started = time.perf_counter()
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if code := os.waitstatus_to_exitcode(status):
        raise subprocess.CalledProcessError(code, command)
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10  # ru_maxrss is in bytes on macOS, in kilobytes elsewhere
    return seconds, usage.ru_maxrss / unit


def verdict(what: str, value: float, limit: float, unit: str) -> bool:
    """Print a line of the table. True if the value is within the limit."""
    good = value < limit
    print(f"{what:44} {value:8.2f} {unit:3} limit {limit:6.1f}  {'ok' if good else 'MISSED'}", flush=True)
    return good


def processes(folder: Path, rounds: int, model: list[str]) -> bool:
    """Compare whole commands with bare imports. True if all limits are kept."""
    base = [PYTHON, "-c", "import numpy, PIL.Image, click"]
    tok = str(folder / "256x256.tok")
    cases = {
        "--help": ([*TOKCODEC, "--help"], 1.7),
        "--version": ([*TOKCODEC, "--version"], 1.7),
        "info": ([*TOKCODEC, "info", tok], 1.7),
    }
    for size, encoding, decoding in (((256, 256), 3.0, 3.5), ((768, 512), 4.0, 6.0)):
        name = "x".join(map(str, size))
        photograph, tok = str(folder / f"{name}.png"), str(folder / f"{name}.tok")
        Image.fromarray(skimage.data.astronaut()).resize(size).save(photograph)
        encode = [*TOKCODEC, "encode", "-f", "--tokens", "64", *model, photograph, "-o", tok]
        measure(encode)
        cases[f"encode --tokens 64, {name}"] = encode, encoding
        cases[f"decode, {name}"] = [*TOKCODEC, "decode", "-f", tok, "-o", str(folder / "out.png")], decoding
    fastest = {name: float("inf") for name in ("base", *cases)}
    for _ in range(rounds):
        for name, command in (("base", base), *((name, case[0]) for name, case in cases.items())):
            fastest[name] = min(fastest[name], measure(command)[0])
    print(f"import numpy, PIL.Image, click: {fastest['base']:.3f} s; the next lines are ratios to it")
    kept = [verdict(name, fastest[name] / fastest["base"], limit, "x") for name, (_, limit) in cases.items()]
    return all(kept)


def tiles(rounds: int, model: str | None) -> bool:
    """Encode and decode one 256x256 tile in a loaded library. True if all limits are kept."""
    import tokcodec

    tile = Image.fromarray(skimage.data.astronaut()[:256, 100:356])
    data = tokcodec.encode(tile, tokens=None, model=model)
    work = {
        "encode, 64 tokens": lambda: tokcodec.encode(tile, tokens=64, model=model),
        "encode, 256 tokens": lambda: tokcodec.encode(tile, tokens=256, model=model),
        "decode": lambda: tokcodec.decode(data),
    }
    limits = TILE_LIMITS_MS.items()
    kept = [verdict(f"one tile, {name}", median_ms(work[name], rounds), limit, "ms") for name, limit in limits]
    return all(kept)


def median_ms(work: Callable[[], object], rounds: int) -> float:
    """Median milliseconds of a call, without the first one."""
    work()
    times = []
    for _ in range(3 * rounds):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times)


def torch_pays(rounds: int, model: str | None) -> None:
    """Print the number of tiles from which drawing with torch on the CPU saves more time than its import takes."""
    from tokcodec.tokenizers import MANY_DRAWN, load_tokenizer

    tokens = np.random.default_rng(0).integers(0, 4096, (8, 64))
    numpy, torch = load_tokenizer(model, "cpu"), load_tokenizer(model, "cpu", drawing=1 << 20)
    each = [median_ms(partial(tokenizer.decode, tokens), rounds) / 8 for tokenizer in (numpy, torch)]
    extra = measure([PYTHON, "-c", "import numpy, torch"])[0] - measure([PYTHON, "-c", "import numpy"])[0]
    many = 1000 * extra / (each[0] - each[1]) if each[0] > each[1] else float("inf")
    print(f"drawing a tile: NumPy {each[0]:.1f} ms, torch {each[1]:.1f} ms; import torch {extra:.2f} s")
    print(f"torch pays from {many:.0f} tiles on; load_tokenizer takes it from {MANY_DRAWN}")


def memory(folder: Path, model: list[str]) -> bool:
    """Measure the peak memory for a large photograph at the default pitch. True if the limit is kept."""
    Image.fromarray(skimage.data.astronaut()).resize(LARGE, Image.Resampling.BICUBIC).save(folder / "large.jpg")
    picture, tok, out = (str(folder / name) for name in ("large.jpg", "large.tok", "out.jpg"))
    encoding = measure([*TOKCODEC, "encode", "-f", *model, picture, "-o", tok])
    decoding = measure([*TOKCODEC, "decode", "-f", tok, "-o", out])
    name = f"{LARGE[0]}x{LARGE[1]}"
    print(f"{name}: encode {encoding[0]:.1f} s, decode {decoding[0]:.1f} s")
    kept = [
        verdict(f"peak memory, encode {name}", encoding[1], MEMORY_LIMIT_MB, "MB"),
        verdict(f"peak memory, decode {name}", decoding[1], MEMORY_LIMIT_MB, "MB"),
    ]
    return all(kept)


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=7, show_default=True, help="Rounds of each command.")
@click.option("--model", help="Name of the model; default: the default model.")
def main(rounds: int, model: str | None) -> None:
    """Measure time and memory of the command; the exit status is 1 if a limit is missed."""
    chosen = ["--model", model] if model else []
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory() as folder:
        kept = [
            processes(Path(folder), rounds, chosen),
            tiles(rounds, model),
            memory(Path(folder), chosen),
        ]
    torch_pays(rounds, model)
    sys.exit(0 if all(kept) else 1)


if __name__ == "__main__":
    main()
