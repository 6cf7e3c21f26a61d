#!/usr/bin/env bash
# AVIF by Pillow: 275 bytes of the smallest file are boxes, whatever the picture.
#
# Expected: a format made for the web spends little beside the coded picture, as WebP with its 20 bytes.
# True: `ftyp` has 32 bytes, `meta` 235 and the header of `mdat` 8, before the first byte of AV1. A picture of 16x16
# pixels in one colour takes 312 bytes, WebP takes 54 for it.
# Why it matters to a codec: comparisons of placeholders in AVIF measure boxes. The data itself is small: the format's
# "mini" box replaces all of these boxes by some 36 bytes, but Pillow does not write it.
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

from PIL import Image

picture = Image.new("RGB", (16, 16), (120, 90, 60))
sizes = {}
for kind, options in (("AVIF", {"quality": 30}), ("WEBP", {"quality": 30})):
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    sizes[kind] = len(stream.getvalue())
    if kind == "AVIF":
        data = stream.getvalue()
boxes, position = {}, 0
while position < len(data):
    (length,) = struct.unpack(">I", data[position : position + 4])
    boxes[data[position + 4 : position + 8].decode()] = length
    position += length
coded = boxes["mdat"] - 8
print(f"AVIF {sizes['AVIF']} bytes: {boxes}, of which AV1 data {coded}; WebP {sizes['WEBP']} bytes")
if sizes["AVIF"] - coded > 200:
    print(f"holds: {sizes['AVIF'] - coded} bytes are boxes")
else:
    raise SystemExit("changed: the boxes are small")
PYTHON
