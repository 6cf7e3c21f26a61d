"""Write the conformance vectors of the default model: for a new model or format version only.

python formats/make_vectors.py
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

import tokcodec
from tokcodec.models import find_model

FOLDER = Path(__file__).parent / "vectors"
EVERY = 16
"""Pixels are stored of every 16th row and column."""
TOLERANCE = 2
"""Levels of 255 by which a decoder's pixels may differ: float arithmetic rounds differently on other machines."""


def make() -> dict[str, bytes]:
    """The files by name: one tile, many tiles, extreme sizes, cut files."""
    astronaut = Image.fromarray(skimage.data.astronaut())
    tile = astronaut.crop((96, 0, 352, 256))
    coffee = Image.fromarray(skimage.data.coffee())
    whole = tokcodec.encode(tile, tokens=256)
    files = {
        "tile-64": tokcodec.encode(tile, tokens=64),
        "tile-256": whole,
        "tile-256-cut-200": whole[:200],
        "tile-256-cut-10": whole[:10],
        "tiles-16": tokcodec.encode(astronaut, tokens=16),
        "tiles-16-cut-60": tokcodec.encode(astronaut, tokens=16)[:60],
        "pitch-96-4": tokcodec.encode(coffee.resize((300, 200)), tokens=4, pitch=96),
        "fit-24": tokcodec.encode(coffee, tokens=24, pitch="fit"),
        "thin-8": tokcodec.encode(coffee.resize((1, 300)), tokens=8),
        "flat-256": tokcodec.encode(astronaut, tokens=256, pitch="fit"),
        "dot-1": tokcodec.encode(Image.new("RGB", (1, 1), (200, 30, 90)), tokens=1),
    }
    return {f"{name}.tok": data for name, data in files.items()}


def describe(data: bytes) -> dict[str, object]:
    """What a decoder must find in a file: all fields, the tokens held, and pixels of the fidelity look."""
    info = tokcodec.info(data)
    look = "fidelity"
    pixels = np.asarray(tokcodec.decode(data, look=look, warn=lambda text: None))[::EVERY, ::EVERY]
    return {
        "bytes": len(data),
        "width": info.width,
        "height": info.height,
        "pitch": info.pitch,
        "columns": info.columns,
        "rows": info.rows,
        "tokens_per_tile": info.tokens,
        "held": info.held,
        "tokens": [[int(token) for token in row if token >= 0] for row in tokcodec.read_tokens(data)],
        "look": look,
        "every": EVERY,
        "tolerance": TOLERANCE,
        "pixels": pixels.tolist(),
    }


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    model = find_model()
    listing: dict[str, object] = {"model": model.name, "model_hash": model.hash.hex(), "files": {}}
    for name, data in make().items():
        (FOLDER / name).write_bytes(data)
        listing["files"][name] = describe(data)  # type: ignore[index]
    text = json.dumps(listing, separators=(",", ":")).replace('},"', '},\n"').replace('"files":{', '"files":{\n')
    (FOLDER / "vectors.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
