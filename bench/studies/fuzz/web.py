"""`python -m bench.studies.fuzz.web`: reads damaged files with formats/web/tok.js in Node, and compares with Python.

The files are those of `python -m bench.studies.fuzz` with the same seed, read with the default model. One in 100 is
drawn. tok.js must read the same tokens as Python and refuse the same files. The exit status is 1 if it does not, if
anything but a TokError was thrown, or if a limit is missed.
"""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import click
import numpy as np

import tokcodec
from tokcodec.errors import TokError
from tokcodec.models.registry import find_model
from tokcodec.tokenizers.web import pack_web
from tokcodec.tokfile import read

from .mutants import mutant, sources
from .outcomes import MAX_DRAWN, MOST_TILES, Tally
from .runs import Journal, Tallies, chunks, installed, is_drawn, print_tables

SCRIPT = Path(__file__).with_name("web.mjs")
MAX_PIXELS = 1 << 20
"""Tokens are read from files up to this size, 2^12 tiles of 16x16. For many tiles tok.js takes ten times as long as
Python."""
LIMITS = {"tokens": (4.0, 256.0), "pixels": (8.0, 512.0)}
"""Seconds per file, and MB of heap and arrays after it, garbage included."""


@cache
def model_file() -> bytes:
    """The default model for the web with all tokens of all scales."""
    return pack_web(find_model(), find_model().n_tokens, all_scales=True)


def work(numbers: range, seed: int, node: str) -> Tallies:
    """Tallies of what tok.js does with the files of these numbers."""
    using = sources()
    files = [mutant(seed, number, using) for number in numbers]
    drawn = [i for i, number in enumerate(numbers) if is_drawn(number)]
    limits = {"maxPixels": MAX_PIXELS, "maxDrawn": MAX_DRAWN, "mostTiles": MOST_TILES, "drawn": drawn}
    parts = [json.dumps(limits).encode(), model_file(), *files]
    stream = b"".join(struct.pack(">I", len(part)) + part for part in parts)
    done = subprocess.run([node, str(SCRIPT)], input=stream, capture_output=True, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    tallies = {"tokens": Tally(), "pixels": Tally()}
    for number, data, line in zip(numbers, files, lines, strict=False):
        _note(tallies, number, data, line)
    if len(lines) < len(files):
        number = numbers[len(lines)]
        tallies["tokens"].outcomes["BUG: Node ended"] += len(files) - len(lines)
        tallies["tokens"].bugs[number] = f"Node ended: {done.stderr.decode(errors='replace')[-500:]}"
    return tallies


def _note(tallies: Tallies, number: int, data: bytes, line: dict[str, Any]) -> None:
    """Count one line of the script's output."""
    kinds = [("tokens", [line["header"], line["found"], line["bare"]], line["seconds"][0])]
    if line["pixels"]:
        kinds.append(("pixels", line["pixels"], line["seconds"][1] - line["seconds"][0]))
    for kind, results, seconds in kinds:
        tally = tallies[kind]
        texts = [result for result in results if isinstance(result, str)]
        bugs = [text.removeprefix("BUG: ") for text in texts if text.startswith("BUG: ")]
        bugs += _differences(data, line) if kind == "tokens" else []
        if bugs:
            tally.bugs[number] = bugs[0]
        main = results[1] if kind == "tokens" else results[0]
        name = "tokens, as Python" if isinstance(main, list) else main.split(":")[0]
        tally.outcomes["BUG" if bugs else name] += 1
        tally.seconds += seconds
        tally.note((seconds, number), (line["megabytes"], number))


def _differences(data: bytes, line: dict[str, Any]) -> list[str]:
    """Differences between tok.js and Python."""
    texts = []
    for container, found in (("tok", line["found"]), ("bare", line["bare"])):
        expected = _digest(data, container)
        if (expected is None) != isinstance(found, str) or (expected is not None and found != expected):
            texts.append(f"{container}: {found}, but Python {expected}")
    return texts


def _digest(data: bytes, container: str) -> list[int] | None:
    """Tiles, number of tokens held and a hash of the tokens, as in web.mjs; None if the default model refuses them."""
    try:
        contents = read(data, find_model(), container=container, max_pixels=MAX_PIXELS)
    except TokError:
        return None
    number = 0
    for row in contents.coded[(contents.coded >= 0).any(1)] if contents.held else ():
        values = row[row >= 0].tolist()
        for value in (len(values), *values):
            number = (31 * number + value) & 0xFFFFFFFF
    return [contents.tiles, int(np.count_nonzero(contents.coded >= 0)), number]


@click.command()
@click.option("--files", type=click.IntRange(1), default=100_000, show_default=True, help="Number of files.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the files.")
@click.option("--journal", type=click.Path(dir_okay=False, path_type=Path), help="File of results to resume from.")
def main(files: int, seed: int, journal: Path | None) -> None:
    """Read damaged files with tok.js; the exit status is 1 if it differs from Python or misses a limit."""
    sys.exit(0 if run(files, seed, journal) else 1)


def run(files: int, seed: int, journal: Path | None = None) -> bool:
    """Print the tables. True if tok.js does the same as Python and every limit is kept."""
    node = shutil.which("node")
    if node is None:
        raise click.ClickException("node is not installed (Debian: apt-get install nodejs)")
    with installed():
        done = Journal(journal, seed)
        for numbers in chunks(files):
            if numbers not in done.done:
                done.note(numbers, work(numbers, seed, node))
        version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        print(f"tokcodec {tokcodec.__version__}, Node {version}, seed {seed}")
        return print_tables(done.total(files), seed, LIMITS)


if __name__ == "__main__":
    main()
