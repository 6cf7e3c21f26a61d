"""Bad files through formats/web/tok.js in Node: only a TokError may come out, and the tokens must be Python's.

    python -m bench.studies.fuzz.web [--files 100000] [--seed 0] [--journal FILE]

The files are those of `python -m bench.studies.fuzz` with the same seed, read with the default model; every hundredth
is drawn too. Where Python reads tokens tok.js must read the same ones, and refuse what Python refuses. Exit code 1 when
it does not, when anything but a TokError came out, or when a limit is missed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import struct
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

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
"""Tokens are read of files that declare no more: 2^12 tiles of 16x16. tok.js is for pages, and takes ten times as long
as Python for many tiles."""
LIMITS = {"tokens": (4.0, 256.0), "pixels": (8.0, 512.0)}
"""Seconds for one file, and MB of heap and arrays after it (garbage may lie there still)."""


@cache
def model_file() -> bytes:
    """The default model for the web with all tokens of all scales."""
    return pack_web(find_model(), find_model().n_tokens, all_scales=True)


def work(numbers: range, seed: int, node: str) -> Tallies:
    """What tok.js makes of the files of these numbers."""
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
    """Where Python reads something else."""
    texts = []
    for container, found in (("tok", line["found"]), ("bare", line["bare"])):
        expected = _digest(data, container)
        if (expected is None) != isinstance(found, str) or (expected is not None and found != expected):
            texts.append(f"{container}: {found}, but Python {expected}")
    return texts


def _digest(data: bytes, container: str) -> list[int] | None:
    """Tiles, tokens held and a number made of them, as in web.mjs; None for what is refused with the default model."""
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; 0 if tok.js is as good as Python and every limit is kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000, help="how many (default 100000)")
    parser.add_argument("--seed", type=int, default=0, help="other files for another number (default 0)")
    parser.add_argument("--journal", type=Path, metavar="FILE", help="note here what is done, and go on from it")
    options = parser.parse_args(arguments)
    node = shutil.which("node")
    if node is None:
        parser.error("node is not installed (Debian: apt-get install nodejs)")
    with installed():
        journal = Journal(options.journal, options.seed)
        for numbers in chunks(options.files):
            if numbers not in journal.done:
                journal.note(numbers, work(numbers, options.seed, node))
        version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        print(f"tokcodec {tokcodec.__version__}, Node {version}, seed {options.seed}")
        return print_tables(journal.total(options.files), options.seed, LIMITS)


if __name__ == "__main__":
    sys.exit(main())
