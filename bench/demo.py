"""Encode scikit-image's astronaut at 64 tokens and decode it again, by the commands that a user would type.

python bench/demo.py DIR
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

TOKENS = "64"


def run(*arguments: str, folder: Path) -> None:
    """Show a command and run it; what it says goes to the same place. Raises CalledProcessError when it fails."""
    print("$ tokcodec", *arguments, flush=True)
    subprocess.run([sys.executable, "-m", "tokcodec", *arguments], cwd=folder, check=True, stderr=subprocess.STDOUT)


def main(folder: Path) -> None:
    """Leave astronaut.png, astronaut.tok and decoded.png in a folder, and print bytes, bits per pixel and PSNR."""
    folder.mkdir(parents=True, exist_ok=True)
    original = skimage.data.astronaut()
    Image.fromarray(original).save(folder / "astronaut.png")
    run("encode", "--force", "--tokens", TOKENS, "astronaut.png", folder=folder)
    run("decode", "--force", "astronaut.tok", "-o", "decoded.png", folder=folder)
    with Image.open(folder / "decoded.png") as picture:
        error = np.mean((np.asarray(picture, np.float64) - original) ** 2)
    size = (folder / "astronaut.tok").stat().st_size
    height, width, _ = original.shape
    psnr = 10 * np.log10(255**2 / error)
    bpp = 8 * size / (width * height)
    print(f"{size} bytes, {bpp:.4f} bits per pixel, PSNR {psnr:.2f} dB: see {folder / 'decoded.png'}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python bench/demo.py DIR")
    main(Path(sys.argv[1]))
