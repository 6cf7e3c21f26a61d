"""Memory for a file that declares 16383x16383 pixels: refused in little, and drawn in what the picture itself takes."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

import tokcodec
from tokcodec.container.header import parse_header
from tokcodec.contents import pack
from tokcodec.models.registry import find_model
from tokcodec.pictures.limits import FIT, MAX_SIDE
from tokcodec.pictures.tiling import Grid

from .commands import TOKCODEC, environment, print_table

PIXELS = MAX_SIDE**2
PICTURE_MB = 4 * PIXELS / (1 << 20)
"""Pillow has four bytes for each pixel."""
LIMITS_MB = {"refused": 200.0, "drawn": 2 * PICTURE_MB}
"""Drawn: beside the picture a row of tiles in float, the file that is made of it, and torch for many tiles."""

MEASURE = """
import sys
from bench.memory import peak_mb
from tokcodec.cli import cli
try:
    cli(sys.argv[1:], prog_name="tokcodec")
finally:  # getrusage would tell the peak of the process that started this one, where that is larger
    print(peak_mb())
"""


def giant(pitch: int, tokens: int) -> bytes:
    """A file of the largest picture, each tile of which is one photograph."""
    model = find_model()
    image = Image.fromarray(skimage.data.astronaut())
    one = tokcodec.encode(image, pitch="fit", tokens=tokens)
    header = replace(parse_header(one), pitch=pitch, width=MAX_SIDE, height=MAX_SIDE)
    tiles = Grid.for_picture(MAX_SIDE, MAX_SIDE, pitch).tiles
    return pack(header, model, np.repeat(tokcodec.read_tokens(one), tiles, axis=0))


def measured(arguments: list[str], folder: Path) -> tuple[int, str, float]:
    """Exit code, messages and peak memory in MB (0 where it is not known) of the command."""
    command = [TOKCODEC[0], "-c", MEASURE, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    peak = done.stdout.split()[-1]
    return done.returncode, done.stderr.strip(), 0.0 if peak == "None" else float(peak)


def study(folder: Path) -> bool:
    """Print the table; whether the limits are kept."""
    rows, good = [], True
    raised = ["--max-pixels", str(PIXELS)]
    files = {"one tile": (giant(FIT, 256), "png"), "pitch 512, 1024 tiles": (giant(512, 16), "jpg")}
    for number, (name, (data, suffix)) in enumerate(files.items()):
        tok = f"giant-{number}.tok"
        (folder / tok).write_bytes(data)
        cases = [
            (["decode", tok, "-o", "giant.png"], 1, "refused"),
            (["info", tok], 0, "refused"),
            (["truncate", tok, "--tokens", "8", "-o", "giant.tok"], 0, "refused"),
            (["decode", *raised, tok, "-o", f"giant.{suffix}"], 0, "drawn"),
        ]
        for arguments, code, kind in cases:
            found, said, peak = measured(arguments, folder)
            lines = said.splitlines()
            right = found == code and len(lines) <= 1 and peak < LIMITS_MB[kind]
            good = good and right
            shown = " ".join(arguments)
            note = said if code else ""
            rows.append(
                [name, f"`{shown}`", found, note, f"{peak:.0f}", f"{LIMITS_MB[kind]:.0f}", "ok" if right else "MISSED"]
            )
            for path in folder.glob("giant.*"):
                path.unlink()
    print(f"\nmemory for {MAX_SIDE}x{MAX_SIDE} pixels; the picture alone: {PICTURE_MB:.0f} MB")
    print_table(["file", "command", "exit code", "says", "peak MB", "limit", ""], rows)
    return good
