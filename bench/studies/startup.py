"""Speed and memory of the command, in one run: what a user waits for, as ratios to what cannot be avoided.

    python -m bench.studies.startup [--rounds 7] [--model NAME]

Whole processes are compared with a process that only imports what they need. The commands take turns, and of each the
fastest round counts, so that other work on the machine disturbs all alike. Exit code 1 when a limit is missed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import skimage.data
from PIL import Image

RATIO_LIMIT = 2.0
TILE_LIMIT_MS = 60.0
MEMORY_LIMIT_MB = 2000.0
LARGE = (4000, 3000)  # 12 megapixels
PHOTOGRAPH = (768, 512)
PYTHON = sys.executable
TOKCODEC = [PYTHON, "-m", "tokcodec"]
# An installed package has its bytecode; a variable that forbids to write it would have ours compiled at every start.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def measure(command: list[str]) -> tuple[float, float]:
    """Seconds and peak memory in MB of a process. Raises CalledProcessError when it fails."""
    started = time.perf_counter()
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if code := os.waitstatus_to_exitcode(status):
        raise subprocess.CalledProcessError(code, command)
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10  # of ru_maxrss: bytes there, kilobytes elsewhere
    return seconds, usage.ru_maxrss / unit


def verdict(what: str, value: float, limit: float, unit: str) -> bool:
    """Print a line of the table; whether the value is within the limit."""
    good = value < limit
    print(f"{what:44} {value:8.2f} {unit:3} limit {limit:6.0f}  {'ok' if good else 'MISSED'}", flush=True)
    return good


def processes(folder: Path, rounds: int, model: list[str]) -> bool:
    """Whole commands against bare imports."""
    Image.fromarray(skimage.data.astronaut()).resize(PHOTOGRAPH).save(folder / "photograph.png")
    photograph, tok, out = (str(folder / name) for name in ("photograph.png", "photograph.tok", "out.png"))
    encode = [*TOKCODEC, "encode", "-f", *model, photograph, "-o", tok]
    measure(encode)
    light = [PYTHON, "-c", "import numpy, PIL.Image, click"]
    heavy = [PYTHON, "-c", "import torch"]
    size = "x".join(map(str, PHOTOGRAPH))
    cases = {
        "tokcodec --help / imports": ([*TOKCODEC, "--help"], light),
        "tokcodec --version / imports": ([*TOKCODEC, "--version"], light),
        "tokcodec info / imports": ([*TOKCODEC, "info", tok], light),
        f"tokcodec encode {size} / import torch": (encode, heavy),
        f"tokcodec decode {size} / import torch": ([*TOKCODEC, "decode", "-f", tok, "-o", out], heavy),
    }
    commands = {tuple(command): command for case in cases.values() for command in case}
    fastest = dict.fromkeys(commands, float("inf"))
    for _ in range(rounds):
        for key, command in commands.items():
            fastest[key] = min(fastest[key], measure(command)[0])
    print(f"import numpy, PIL.Image, click: {fastest[tuple(light)]:.3f} s; import torch: {fastest[tuple(heavy)]:.3f} s")
    kept = []
    for name, (command, base) in cases.items():
        kept.append(verdict(name, fastest[tuple(command)] / fastest[tuple(base)], RATIO_LIMIT, "x"))
    return all(kept)


def tiles(rounds: int, model: str | None) -> bool:
    """One 256x256 tile through the library, after loading."""
    import tokcodec

    tile = Image.fromarray(skimage.data.astronaut()[:256, 100:356])
    data = tokcodec.encode(tile, tokens=None, model=model)
    tokcodec.decode(data)

    def median_ms(work: Callable[[], object]) -> float:
        times = []
        for _ in range(3 * rounds):
            started = time.perf_counter()
            work()
            times.append(time.perf_counter() - started)
        return 1000 * statistics.median(times)

    encoding = median_ms(lambda: tokcodec.encode(tile, model=model))
    decoding = median_ms(lambda: tokcodec.decode(data))
    kept = [
        verdict("encode one tile", encoding, TILE_LIMIT_MS, "ms"),
        verdict("decode one tile", decoding, TILE_LIMIT_MS, "ms"),
    ]
    return all(kept)


def memory(folder: Path, model: list[str]) -> bool:
    """Peak memory of the command for a large photograph, at the default pitch."""
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


def main() -> int:
    """Print the table; 0 if every limit is kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="how often each command is timed (default 7)")
    parser.add_argument("--model", help="name of a model instead of the default one")
    options = parser.parse_args()
    model = ["--model", options.model] if options.model else []
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory() as folder:
        kept = [
            processes(Path(folder), options.rounds, model),
            tiles(options.rounds, options.model),
            memory(Path(folder), model),
        ]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
