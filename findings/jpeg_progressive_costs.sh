#!/usr/bin/env bash
# JPEG by Pillow: the progressive file is larger than the baseline one, up to 20 kB, and by 240 bytes at the least.
#
# Expected: progressive files are smaller, or as small, except for the tiniest.
# True: with optimised tables in both, progressive files of smooth pictures from 32 to 512 pixels a side were larger at
# every quality tried: 66 % at 361 bytes, 13 % at 4 kB, 3 % at 19 kB. Each of the ten scans has its own header and tables.
# Why it matters to a codec: "JPEG, progressive, optimised" is a common line of plots at low rates. It is a handicap there.
# Versions: pillow 13.0.0 (libjpeg-turbo 3). Date: 2026-11-28.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check pillow==13.0.0 numpy==2.4.4
venv/bin/python - <<'PYTHON'
import io

import numpy as np
from PIL import Image

rng = np.random.default_rng(0)
base = np.zeros((512, 512, 3))
for cells in (8, 16, 32, 64):
    part = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
    base += np.asarray(part.resize((512, 512), Image.Resampling.BICUBIC), float) / cells
base = Image.fromarray(((base - base.min()) / np.ptp(base) * 255).astype(np.uint8))


def size(image, quality, progressive):
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality, optimize=True, progressive=progressive)
    return len(stream.getvalue())


smallest, larger, count = None, 0, 0
for side in (32, 64, 128, 256, 512):
    image = base.resize((side, side), Image.Resampling.LANCZOS)
    pairs = [(size(image, quality, False), size(image, quality, True)) for quality in (10, 30, 75)]
    print(f"{side} pixels a side, baseline -> progressive: " + ", ".join(f"{a} -> {b}" for a, b in pairs))
    larger += sum(b > a for a, b in pairs)
    count += len(pairs)
if larger >= count - 1:
    print(f"holds: {larger} of {count} files are larger when they are progressive")
else:
    raise SystemExit(f"changed: {larger} of {count} files are larger")
PYTHON
