"""`python bench/demo.py DIR`: runs the commands that encode a photograph at 64 tokens and decode it again.

Needs only the base installation.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image

from tokcodec.ratecontrol.quality import psnr

PHOTOGRAPH = Path(__file__).parents[1] / "formats" / "web" / "samples" / "astronaut.jpg"
TOKENS = "64"


def run(*arguments: str, folder: Path) -> None:
    """Print a command and run it. Its messages go to standard output. Raises CalledProcessError if it fails."""
    print("$ tokcodec", *arguments, flush=True)
    subprocess.run([sys.executable, "-m", "tokcodec", *arguments], cwd=folder, check=True, stderr=subprocess.STDOUT)


def main(folder: Path) -> None:
    """Write astronaut.jpg, astronaut.tok and decoded.png to a folder. Print bytes, bits per pixel and PSNR."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(PHOTOGRAPH, folder / "astronaut.jpg")
    run("encode", "--force", "--tokens", TOKENS, "astronaut.jpg", folder=folder)
    run("decode", "--force", "astronaut.tok", "-o", "decoded.png", folder=folder)
    with Image.open(PHOTOGRAPH) as original, Image.open(folder / "decoded.png") as decoded:
        quality = psnr(original.convert("RGB"), decoded)
        width, height = original.size
    size = (folder / "astronaut.tok").stat().st_size
    bpp = 8 * size / (width * height)
    print(f"{size} bytes, {bpp:.4f} bits per pixel, PSNR {quality:.2f} dB: see {folder / 'decoded.png'}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python bench/demo.py DIR")
    main(Path(sys.argv[1]))
