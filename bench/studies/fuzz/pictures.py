"""Reads damaged picture files: each must give a picture or a TokError, within limits of time and memory.

    python -m bench.studies.fuzz.pictures [--files 20000] [--seed 0] [--journal FILE]

The files are small pictures of many kinds (`originals`), damaged by the mutations of `mutants`. The checksums of PNG
chunks are corrected in half of the files, since decoders refuse chunks with wrong ones. File i of a seed is the same
everywhere with the same version of Pillow. Each chunk of files is read in a process of its own, since decoders are
compiled code. The exit status is 1 if a file gave anything else, a process died, or a limit was exceeded.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import random
import struct
import sys
import warnings
import zlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from PIL import Image

import tokcodec
from bench.report.cells import markdown_lines
from tokcodec.errors import TokError
from tokcodec.pictures.images import read_picture
from tokcodec.pictures.profiles import SRGB_POINTS, gamma_curve, rgb_profile

from .mutants import cut, delete, flip, insert, splice
from .outcomes import Tally, give_memory_back, tally
from .runs import Journal, chunks

MUTATIONS = flip, flip, flip, cut, insert, delete, splice
MAX_PIXELS = 1 << 20
LIMIT_SECONDS, LIMIT_MB = 2.0, 256.0
"""Limits of processor time for a file, and of the growth of the process."""
SIZE = 48, 32


@lru_cache(maxsize=1)
def originals() -> dict[str, bytes]:
    """Files of the usual kinds by name, drawn here and written by Pillow."""
    y, x = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    drawn = np.stack([5 * x, 7 * y, 128 + 100 * np.sin(x / 5) * np.cos(y / 4)], -1).clip(0, 255).astype(np.uint8)
    rgb = Image.fromarray(drawn)
    grey = rgb.convert("L")
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    clear = rgb.copy()
    clear.putalpha(grey)
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = rgb_profile(SRGB_POINTS, gamma_curve(1.8))
    files: dict[str, bytes] = {}

    def add(name: str, image: Image.Image, format: str, **options: Any) -> None:
        stream = io.BytesIO()
        image.save(stream, format, **options)
        files[f"{format} {name}"] = stream.getvalue()

    for name, image in (("colour", rgb), ("grey", grey), ("alpha", clear), ("palette", rgb.quantize(16)), ("16", deep)):
        add(name, image, "PNG", exif=exif)
        add(name, image, "TIFF")
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd"):
        add(compression, rgb, "TIFF", compression=compression, icc_profile=profile)
    add("16 lzw", deep, "TIFF", compression="tiff_lzw")
    add("fax", grey.convert("1"), "TIFF", compression="group4")
    add("CMYK", rgb.convert("CMYK"), "TIFF")
    add("pages", rgb, "TIFF", save_all=True, append_images=[grey])
    add("profile", rgb, "PNG", icc_profile=profile)
    add("animation", rgb, "PNG", save_all=True, append_images=[rgb.rotate(180)])
    add("colour", rgb, "JPEG", exif=exif, icc_profile=profile)
    add("grey", grey, "JPEG")
    add("progressive", rgb, "JPEG", progressive=True, subsampling=0)
    add("CMYK", rgb.convert("CMYK"), "JPEG")
    add("lossy", rgb, "WEBP", exif=exif)
    add("lossless", clear, "WEBP", lossless=True, icc_profile=profile)
    add("animation", rgb, "WEBP", save_all=True, append_images=[rgb.rotate(180)])
    for name, image in (("colour", rgb), ("alpha", clear), ("grey", grey)):
        add(name, image, "AVIF", speed=10)
    return files


def mutant(seed: int, number: int) -> tuple[str, bytes]:
    """File `number` of a seed, after the name of its original."""
    rng = random.Random(f"pictures/{seed}/{number}")
    files = originals()
    name = rng.choice(sorted(files))
    others = [data for other, data in files.items() if other.split()[0] == name.split()[0]]
    data = files[name]
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice(MUTATIONS)(rng, data, others)
    return name, repair_png(data) if number % 2 and name.startswith("PNG") else data


def repair_png(data: bytes) -> bytes:
    """The file with correct checksums of its chunks, up to the first whose end cannot be found."""
    found, at = bytearray(data), 8
    while at + 12 <= len(found):
        end = at + 8 + struct.unpack_from(">I", found, at)[0]
        if end + 4 > len(found):
            break
        struct.pack_into(">I", found, end, zlib.crc32(found[at + 4 : end]))
        at = end + 4
    return bytes(found)


def examine(data: bytes) -> str:
    """The outcome of reading a file: "read", "read with notes", or the class of the TokError. Raises the others."""
    notes: list[str] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture = read_picture(io.BytesIO(data), max_pixels=MAX_PIXELS, warn=notes.append)
    except TokError as error:
        if not str(error) or "\n" in str(error):
            raise AssertionError(f"not one line for the user: {error!r}") from error
        return type(error).__name__
    if picture.mode != "RGB" or not 1 <= picture.width * picture.height <= MAX_PIXELS:
        raise AssertionError(f"a picture of mode {picture.mode} and {picture.size}")
    return "read with notes" if notes else "read"


def work(numbers: range, seed: int) -> dict[str, Any]:
    """The outcomes of the files with these numbers. Runs in a process of its own."""
    give_memory_back()
    for data in originals().values():  # loads all modules, whose time and memory no file should be charged with
        examine(data)
    return tally(((number, mutant(seed, number)[1]) for number in numbers), examine).to_json()


def survive(numbers: range, seed: int) -> Tally:
    """As `work`. If the process dies, the chunk is halved until the file is found."""
    try:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            return Tally.from_json(pool.submit(work, numbers, seed).result())
    except BrokenProcessPool:
        found = Tally()
        if len(numbers) == 1:
            found.outcomes["BUG: the process died"] += 1
            found.bugs[numbers.start] = "the process died"
            return found
        middle = len(numbers) // 2
        for half in (numbers[:middle], numbers[middle:]):
            found.add(survive(half, seed))
        return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table. Returns 0 if every file gave a picture or a TokError within the limits, otherwise 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000, help="number of files (default 20000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the mutations (default 0)")
    parser.add_argument("--journal", type=Path, metavar="FILE", help="store results here to resume")
    options = parser.parse_args(arguments)
    facts = {"tokcodec": tokcodec.__version__, "pillow": PIL.__version__, "seed": options.seed}
    journal = Journal(options.journal, options.seed, facts)
    for chunk in chunks(options.files):
        if chunk not in journal.done:
            journal.note(chunk, {"pictures": survive(chunk, options.seed)})
    found = journal.total(options.files)["pictures"]
    versions = f"tokcodec {tokcodec.__version__}, Pillow {PIL.__version__}"
    print(f"{versions}, {len(originals())} originals, seed {options.seed}")
    rows = [[name, n, f"{100 * n / found.files:.2f} %"] for name, n in found.outcomes.most_common()]
    print(f"\npictures of {found.files} files\n", *markdown_lines(["outcome", "files", "share"], rows), sep="\n")
    (slow, slowest), (grown, largest) = found.slowest, found.largest
    print(f"\nmean {1e3 * found.seconds / found.files:.2f} ms of processor time a file")
    names = {number: mutant(options.seed, number)[0] for number in (slowest, largest)}
    print(f"slowest {1e3 * slow:.0f} ms (limit {1e3 * LIMIT_SECONDS:.0f}): {names[slowest]}, file {slowest}")
    print(f"largest {grown:.1f} MB (limit {LIMIT_MB:.0f}): {names[largest]}, file {largest}")
    for number, text in list(found.bugs.items())[:20]:
        print(f"file {number}, {mutant(options.seed, number)[0]}: {text}")
    return int(bool(found.bugs) or slow > LIMIT_SECONDS or grown > LIMIT_MB)


if __name__ == "__main__":
    sys.exit(main())
