#!/usr/bin/env bash
# JPEG XL: of two neighbouring qualities the higher one is often the smaller file, or the worse picture.
#
# Expected: bytes and PSNR grow with the quality, so that a bisection finds the best file below a limit of bytes.
# True: on a picture of 64x64 pixels and qualities 1 to 60 a step up makes the file smaller or the picture worse in half
# of the steps, and 37 of the 60 files are worse than one of a lower quality that is no larger.
# Why it matters to a codec: a search for "the best JPEG XL of at most N bytes" by bisection reports a rival that is
# weaker than it is. All qualities must be tried.
# Versions: pillow-jxl-plugin 1.3.8, pillow 13.0.0. Date: 2026-11-28.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check pillow-jxl-plugin==1.3.8 pillow==13.0.0 numpy==2.4.4
venv/bin/python - <<'PYTHON'
import io

import numpy as np
import pillow_jxl  # noqa: F401
from PIL import Image

rng = np.random.default_rng(0)
picture = np.zeros((64, 64, 3))
for cells in (2, 4, 8, 16, 32):
    part = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
    picture += np.asarray(part.resize((64, 64), Image.Resampling.BICUBIC), float) / cells
picture = ((picture - picture.min()) / np.ptp(picture) * 255).astype(np.uint8)
points = []
for quality in range(1, 61):
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JXL", quality=quality)
    drawn = np.asarray(Image.open(io.BytesIO(stream.getvalue())).convert("RGB"), float)
    points.append((len(stream.getvalue()), 10 * np.log10(255**2 / np.mean((drawn - picture) ** 2))))
steps = list(zip(points, points[1:]))
smaller = sum(after[0] < before[0] for before, after in steps)
worse = sum(after[1] < before[1] for before, after in steps)
beaten = sum(any(low[0] <= point[0] and low[1] > point[1] for low in points[:i]) for i, point in enumerate(points))
print(f"{len(steps)} steps of quality: {smaller} make the file smaller, {worse} the picture worse")
print(f"{beaten} of {len(points)} files are worse than one of a lower quality that is no larger")
if smaller + worse >= 6 and beaten:
    print("holds: neither bytes nor PSNR grow with the quality")
else:
    raise SystemExit("changed: both grow with the quality")
PYTHON
