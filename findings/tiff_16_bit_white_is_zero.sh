#!/usr/bin/env bash
# Pillow: a TIFF in which zero is white is a negative if it has 16 bits, and right if it has 8.
#
# Expected: `PhotometricInterpretation` 0 (WhiteIsZero) is applied whatever the depth.
# True: at 8 bits Pillow inverts the values, at 16 bits it hands them over as stored, in mode I;16, without a warning.
# Scanners and microscopes write such files.
# Why it matters to a codec: the picture is encoded as its negative, and every check of sizes and modes passes.
# Versions: pillow 13.0.0. Date: 2026-11-28.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check pillow==13.0.0 numpy==2.4.4
venv/bin/python - <<'PYTHON'
import io
import struct

import numpy as np
from PIL import Image


def tiff(bits, values):
    """A little-endian TIFF of one uncompressed strip, in which zero is white."""
    height, width = values.shape
    data = values.tobytes()
    entries = {256: width, 257: height, 258: bits, 259: 1, 262: 0, 273: 8, 277: 1, 278: height, 279: len(data)}
    fields = b"".join(struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in entries.items())
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + struct.pack("<H", len(entries)) + fields + bytes(4)


found = {}
for bits, kind in ((8, "<u1"), (16, "<u2")):
    image = Image.open(io.BytesIO(tiff(bits, np.array([[0, 2**bits - 1]], kind))))
    found[bits] = np.asarray(image).tolist()[0]
    print(f"{bits} bits, stored 0 (white) and {2**bits - 1} (black): mode {image.mode}, values {found[bits]}")
if found[8] == [255, 0] and found[16] == [0, 65535]:
    print("holds: white is zero is applied at 8 bits and ignored at 16")
else:
    raise SystemExit("changed: both depths are read alike")
PYTHON
