#!/usr/bin/env bash
# Loaders of pictures leave out AVIF, or hand it over as bytes, without a message.
#
# Expected: what Pillow opens, a loader of pictures that uses Pillow loads. Pillow's wheels read AVIF since 11.3.
# True: Hugging Face's `imagefolder` takes the names of a list of its own, in which .avif is missing: nine of ten files are
# loaded, and nothing says that one was not. webdataset's `decode("pil")` has a list, too: an AVIF member arrives as bytes
# beside decoded pictures.
# Why it matters to a codec: a comparison of formats by such a loader drops a format, or fails far from the cause. Every
# new picture format meets the same lists.
# Versions: datasets 5.2.0, webdataset 1.0.2, pillow 13.0.0. Date: 2026-11-28.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check datasets==5.2.0 webdataset==1.0.2 pillow==13.0.0 numpy==2.4.4
venv/bin/python - <<'PYTHON'
import os

import datasets
import webdataset as wds
from PIL import Image

datasets.disable_progress_bars()
os.mkdir("pictures")
kinds = ["png", "jpg", "webp", "avif", "jp2", "tif", "bmp", "gif", "ppm", "jfif"]
for kind in kinds:
    Image.new("RGB", (16, 16), "red").save(f"pictures/{kind}.{kind}")
rows = datasets.load_dataset("imagefolder", data_dir="pictures", split="train", cache_dir="cache")
loaded = sorted(row["image"].format for row in rows)
print(f"imagefolder: {len(loaded)} of {len(kinds)} files: {', '.join(loaded)}")

with wds.TarWriter("pictures.tar") as tar:
    for kind in ("png", "webp", "avif"):
        with open(f"pictures/{kind}.{kind}", "rb") as file:
            tar.write({"__key__": kind, kind: file.read()})
types = {}
for sample in wds.WebDataset("pictures.tar", shardshuffle=False).decode("pil"):
    types[sample["__key__"]] = type(sample[sample["__key__"]]).__name__
print(f"webdataset: {types}")
if "AVIF" not in loaded and types["avif"] == "bytes" and types["webp"] == "Image":
    print("holds: both leave AVIF undecoded, in silence")
else:
    raise SystemExit("changed: AVIF is loaded")
PYTHON
