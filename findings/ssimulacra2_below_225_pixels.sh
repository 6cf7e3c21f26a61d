#!/usr/bin/env bash
# ssimulacra2 (PyPI): the score jumps by 17 points when a picture grows from 224 to 225 pixels a side.
#
# Expected: one more row and column changes a score by a fraction of a point.
# True: the metric compares six scales, and the weights of its sum are a flat list over scales. Pictures below 225 pixels
# a side have fewer scales in this package, and the weights are then taken for other maps than they were fitted for. The
# same texture with the same noise: see the figures that this prints.
# Why it matters to a codec: previews and tiles have 64 to 224 pixels. Their scores by this package can be compared
# neither with those of larger pictures nor with published ones.
# Versions: ssimulacra2 0.3.0, pillow 13.0.0. Date: 2026-11-28.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check ssimulacra2==0.3.0 pillow==13.0.0 numpy==2.4.4
venv/bin/python - <<'PYTHON'
import numpy as np
from PIL import Image
from ssimulacra2 import compute_ssimulacra2

rng = np.random.default_rng(0)
texture = Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).resize((256, 256), Image.Resampling.BICUBIC)
noise = rng.normal(0, 12, (256, 256, 3))
damaged = Image.fromarray((np.asarray(texture) + noise).clip(0, 255).astype(np.uint8))
scores = {}
for side in (208, 216, 224, 225, 232, 240):
    for name, image in (("a", texture), ("b", damaged)):
        image.crop((0, 0, side, side)).save(f"{name}.png")
    scores[side] = compute_ssimulacra2("a.png", "b.png")
    print(f"{side} pixels a side: {scores[side]:.1f}")
near = max(abs(scores[216] - scores[224]), abs(scores[225] - scores[232]))
jump = abs(scores[225] - scores[224])
if jump > 3 * near:
    print(f"holds: {jump:.1f} points from 224 to 225 pixels, at most {near:.1f} elsewhere")
else:
    raise SystemExit(f"changed: {jump:.1f} points from 224 to 225 pixels")
PYTHON
