#!/usr/bin/env bash
# Hugging Face datasets: a map that never touches the picture stores it anew, as JPEG of quality 75.
#
# Expected: `map` adds the column that the function returns and leaves the others as they are.
# True: if the function reads the picture, to look at its width, the column is encoded again by Pillow with its defaults.
# A JPEG of quality 95 is replaced by one of quality 75, about half the bytes, without a message, even though the function
# returns only a number. Reading through `Image(decode=False)` leaves the bytes alone.
# Why it matters to a codec: a data set that is used to compare codecs is no longer the one that was downloaded, and a
# lossy format whose encoder is not idempotent loses more in every map.
# Versions: datasets 5.2.0, pillow 13.0.0. Date: 2026-11-28.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check datasets==5.2.0 pillow==13.0.0 numpy==2.4.4
venv/bin/python - <<'PYTHON'
import io

import datasets
import numpy as np
from PIL import Image

datasets.disable_progress_bars()
rng = np.random.default_rng(0)
picture = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)).resize((256, 192), Image.Resampling.BICUBIC)
stream = io.BytesIO()
picture.save(stream, "JPEG", quality=95)
original = stream.getvalue()
features = datasets.Features(image=datasets.Image())
data = datasets.Dataset.from_dict({"image": [{"bytes": original, "path": None}]}, features=features)


def stored(rows):
    return rows.cast_column("image", datasets.Image(decode=False))[0]["image"]["bytes"]


def psnr(encoded):
    pixels = np.asarray(Image.open(io.BytesIO(encoded)), float)
    return 10 * np.log10(255**2 / np.mean((pixels - np.asarray(picture, float)) ** 2))


mapped = stored(data.map(lambda row: {"width": row["image"].width}))
unread = stored(data.map(lambda row: {"label": 1}))
undecoded = data.cast_column("image", datasets.Image(decode=False)).map(lambda row: {"size": len(row["image"]["bytes"])})
undecoded = undecoded[0]["image"]["bytes"]
print(f"original {len(original)} bytes, {psnr(original):.1f} dB")
print(f"after a map that reads the width: {len(mapped)} bytes, {psnr(mapped):.1f} dB")
print(f"after a map that does not read it: {len(unread)} bytes, with decode=False: {len(undecoded)} bytes")
if len(mapped) < 0.8 * len(original) and undecoded == original:
    print("holds: reading a picture in map replaces its bytes")
else:
    raise SystemExit("changed: the bytes stay")
PYTHON
