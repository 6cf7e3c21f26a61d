"""Encode a photograph of this repository at 64 tokens and decode it again, by the commands that a user would type.

python bench/demo.py DIR

It needs the base installation alone.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

PHOTOGRAPH = Path(__file__).parents[1] / "formats" / "web" / "samples" / "astronaut.jpg"
TOKENS = "64"


def run(*arguments: str, folder: Path) -> None:
    """Show a command and run it. Its messages go to the same place. Raises CalledProcessError when it fails."""
    print("$ tokcodec", *arguments, flush=True)
    subprocess.run([sys.executable, "-m", "tokcodec", *arguments], cwd=folder, check=True, stderr=subprocess.STDOUT)


def main(folder: Path) -> None:
    """Leave astronaut.jpg, astronaut.tok and decoded.png in a folder, and print bytes, bits per pixel and PSNR."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(PHOTOGRAPH, folder / "astronaut.jpg")
    run("encode", "--force", "--tokens", TOKENS, "astronaut.jpg", folder=folder)
    run("decode", "--force", "astronaut.tok", "-o", "decoded.png", folder=folder)
    with Image.open(PHOTOGRAPH) as original, Image.open(folder / "decoded.png") as decoded:
        error = np.mean((np.asarray(decoded, np.float64) - np.asarray(original.convert("RGB"))) ** 2)
        width, height = original.size
    size = (folder / "astronaut.tok").stat().st_size
    psnr = 10 * np.log10(255**2 / error)
    bpp = 8 * size / (width * height)
    print(f"{size} bytes, {bpp:.4f} bits per pixel, PSNR {psnr:.2f} dB: see {folder / 'decoded.png'}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python bench/demo.py DIR")
    main(Path(sys.argv[1]))
