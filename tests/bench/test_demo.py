"""The demo needs only the base installation, and prints the figures of the files that it writes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]
EXTRAS = ("matplotlib", "pyarrow", "ray", "scipy", "skimage", "torch")
WITHOUT_EXTRAS = f"import sys; sys.modules.update(dict.fromkeys({EXTRAS})); sys.argv.pop(0); import runpy"
DEMO = f"{WITHOUT_EXTRAS}; runpy.run_path(sys.argv[0], run_name='__main__')"


def test_demo(tmp_path: Path) -> None:
    command = [sys.executable, "-c", DEMO, str(ROOT / "bench" / "demo.py"), str(tmp_path)]
    printed = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    found = re.search(r"^(\d+) bytes, ([\d.]+) bits per pixel, PSNR ([\d.]+) dB", printed, re.MULTILINE)
    assert found is not None, printed
    size = (tmp_path / "astronaut.tok").stat().st_size
    original = np.asarray(Image.open(tmp_path / "astronaut.jpg").convert("RGB"), float)
    decoded = np.asarray(Image.open(tmp_path / "decoded.png"), float)
    psnr = 10 * np.log10(255**2 / np.mean((decoded - original) ** 2))
    assert int(found[1]) == size < 1000
    assert np.isclose(float(found[2]), 8 * size / original[..., 0].size, atol=1e-4)
    assert np.isclose(float(found[3]), psnr, atol=0.01) and psnr > 15
