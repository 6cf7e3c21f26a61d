"""`python formats/make_vectors.py`: writes the conformance vectors of the default model, and its example in tok-v1.md.

They are in vectors/NAME, the folder of the model. Those of base-2, the first model, are in vectors/ and never change.
Run it only for a new model or a new version of the format.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
from PIL import Image

import tokcodec
from tokcodec.container.header import Header
from tokcodec.container.tables import join_digits
from tokcodec.contents import pack, scale_of
from tokcodec.models.registry import find_model
from tokcodec.pictures.limits import FIT
from tokcodec.pictures.tiling import Grid
from tokcodec.tokfile import read

TEXT = Path(__file__).parent / "tok-v1.md"
VECTORS = Path(__file__).parent / "vectors"
EVERY = 16
"""The vectors store the pixels of every 16th row and column."""
TOLERANCE = 2
"""Levels of 255 by which a decoder's pixels may differ, since floats are rounded differently on other machines."""


def make() -> dict[str, bytes]:
    """The files by name: one tile, many tiles, different counts, extreme sizes, cut files; bare-... are bare."""
    astronaut = Image.fromarray(skimage.data.astronaut())
    tile = astronaut.crop((96, 0, 352, 256))
    coffee = Image.fromarray(skimage.data.coffee())
    whole = tokcodec.encode(tile, tokens=256)
    adaptive = with_levels(tokcodec.encode(astronaut, tokens=256), 64, [0, 2, 5, 1])
    many = with_levels(tokcodec.encode(coffee, tokens=16, pitch=64), 16, [5, 0, 3, 7, 1, 6, 2, 4, 4])
    bare = tokcodec.encode(coffee, tokens=24, container="bare")
    files = {
        "tile-64": tokcodec.encode(tile, tokens=64),
        "tile-256": whole,
        "tile-256-cut-200": whole[:200],
        "tile-256-cut-10": whole[:10],
        "tiles-16": tokcodec.encode(astronaut, tokens=16),
        "tiles-16-cut-60": tokcodec.encode(astronaut, tokens=16)[:60],
        "pitch-96-4": tokcodec.encode(coffee.resize((300, 200)), tokens=4, pitch=96),
        "pitch-128-8": tokcodec.encode(coffee, tokens=8, pitch=128),
        "pitch-32-40": tokcodec.encode(coffee.crop((200, 100, 290, 160)), tokens=40, pitch=32),
        "fit-24": tokcodec.encode(coffee, tokens=24, pitch="fit"),
        "thin-8": tokcodec.encode(coffee.resize((1, 300)), tokens=8),
        "flat-256": tokcodec.encode(astronaut, tokens=256, pitch="fit"),
        "dot-1": tokcodec.encode(Image.new("RGB", (1, 1), (200, 30, 90)), tokens=1),
        "adaptive-64": adaptive,
        "adaptive-64-cut-100": adaptive[:100],
        "adaptive-64-cut-11": adaptive[:11],
        "adaptive-many-16": many,
        "adaptive-many-16-cut-300": many[:300],
        "adaptive-flat-64": with_levels(unlikely(512, 256, 256), 64, [0, 4]),
        "bare-24": bare,
        "bare-24-cut-20": bare[:20],
        "bare-flat-256": unlikely(300, 500, FIT, container="bare"),
        "bare-1": tokcodec.encode(tile, tokens=1, container="bare"),
    }
    return {f"{name}.tok": data for name, data in files.items()}


def with_levels(data: bytes, tokens: int, levels: list[int]) -> bytes:
    """A plain file made adaptive, with these levels in turn."""
    contents = read(data)
    header = replace(contents.header, tokens=tokens)
    return pack(header, contents.model, contents.coded, np.resize(levels, contents.tiles))


def unlikely(width: int, height: int, pitch: int, container: str = "tok") -> bytes:
    """A file of the least likely tokens by the model's tables, which is coded flat."""
    model = find_model()
    scale = scale_of(Header(model.id, 1, pitch, width, height), model, container)
    least = np.stack([counts.argmin(axis=1) for counts in model.tables[scale].counts], axis=-1)
    coded = np.tile(join_digits(least, model.radices), (Grid.for_picture(width, height, pitch).tiles, 1))
    return pack(Header(model.id, model.n_tokens, pitch, width, height), model, coded, container=container)


def describe(name: str, data: bytes) -> dict[str, object]:
    """The expected result of a decoder: all fields, the tokens held, and pixels of the fidelity look."""
    form: dict[str, Any] = {"container": "bare" if name.startswith("bare") else "tok"}
    contents = read(data, **form)
    header = contents.header
    grid = Grid.for_picture(header.width, header.height, header.pitch)
    look = "fidelity"
    pixels = np.asarray(tokcodec.decode(data, look=look, warn=lambda text: None, **form))[::EVERY, ::EVERY]
    return form | {
        "bytes": len(data),
        "width": header.width,
        "height": header.height,
        "pitch": header.pitch,
        "columns": grid.columns,
        "rows": grid.rows,
        "scale": contents.scale,
        "flat": header.flat,
        "adaptive": header.adaptive,
        "tokens_per_tile": header.tokens,
        "levels": None if contents.levels is None else contents.levels.tolist(),
        "held": contents.held,
        "tokens": [[token for token in row if token >= 0] for row in contents.coded.tolist()],
        "look": look,
        "every": EVERY,
        "tolerance": TOLERANCE,
        "pixels": pixels.tolist(),
    }


def example(name: str, data: bytes) -> str:
    """The paragraph of tok-v1.md with a file of the default model: a picture of one pixel with one token."""
    model = find_model()
    radices, bounds = " and ".join(map(str, model.radices)), ", ".join(map(str, model.scales))
    return (
        f"With the default model `{model.name}` (hash {model.hash.hex()[:8]}..., radices {radices}, bounds {bounds})\n"
        f"`vectors/{model.name}/{name}` is the same picture and the token {tokcodec.read_tokens(data)[0, 0]}:\n"
        f"`{data.hex(' ').upper()}`."
    )


def main() -> None:
    model = find_model()
    folder = VECTORS / model.name
    folder.mkdir(exist_ok=True)
    for path in folder.glob("*.tok"):
        path.unlink()
    listing: dict[str, object] = {"model": model.name, "model_hash": model.hash.hex(), "files": {}}
    files = make()
    for name, data in files.items():
        (folder / name).write_bytes(data)
        listing["files"][name] = describe(name, data)  # type: ignore[index]
    text = json.dumps(listing, separators=(",", ":")).replace('},"', '},\n"').replace('"files":{', '"files":{\n')
    (folder / "vectors.json").write_text(text + "\n")
    shown = example("dot-1.tok", files["dot-1.tok"])
    text, found = re.subn(
        r"With the default model `[^`]*` \(hash .*?`[0-9A-F ]+`\.",
        lambda _: shown,
        TEXT.read_text(encoding="utf-8"),
        flags=re.DOTALL,
    )
    assert found == 1
    TEXT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
