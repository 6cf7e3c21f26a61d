"""The manifest of a model, `model.json`: names of the files beside it, limits, and the checks of what it states."""

from __future__ import annotations

import json
import math
import re
from itertools import pairwise
from typing import Any

from ..container.header import HASH_SIZE, MAX_TOKENS
from ..pictures.limits import DEFAULT_TILE, TILE_SIDES

MANIFEST_FORMAT = 1
MANIFEST, TABLES, WEIGHTS, CARD = "model.json", "tables.safetensors", "model.safetensors", "README.md"
MAX_MANIFEST_BYTES = 1 << 20
"""A manifest has about 1 kB. Larger files are not read."""
MAX_FILES = 64
"""Largest number of files that a manifest lists."""
MAX_SCALES = 16
"""Largest number of scales, which are sets of tables and codewords."""
MAX_BOUND = 1 << 14
"""Largest bound of a scale in pixels, since no tile covers more along a side."""
MAX_RADIX = 1 << 16
"""Largest radix of a digit. Each value has a count of at least 1, and the counts sum to 2**16."""
MAX_VOCABULARY = 1 << 31
MAX_WEIGHT = 1000.0  # of an error; the smallest is its inverse
MAX_WEIGHTS = 16
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # of a model: safe as a folder name on every system


def parse_manifest(text: bytes) -> Any:
    """What a manifest's JSON holds. Raises ValueError, also for a key that occurs twice, and RecursionError."""
    return json.loads(text, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object. Raises ValueError if a key occurs twice, since readers differ in which one they use."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice")
    return found


def check_manifest(manifest: Any) -> None:
    """Check every entry of a manifest.

    Raises ValueError, with the name of the key, if one is missing or wrong.
    """
    if not isinstance(manifest, dict):
        raise ValueError("not a JSON object")
    if manifest.get("format") != MANIFEST_FORMAT:
        raise ValueError(f"manifest format {manifest.get('format')!r} is not {MANIFEST_FORMAT}: needs another tokcodec")

    def take(key: str, kind: type) -> Any:
        if type(manifest.get(key)) is not kind:  # exact: true is not a number
            raise ValueError(f"{key!r} is missing or not of type {kind.__name__}")
        return manifest[key]

    name, files, radices, hashed = take("name", str), take("files", dict), take("radices", list), take("hashed", list)
    if not NAME.fullmatch(name):
        raise ValueError("'name' must be letters, digits, '.', '_' and '-', at most 64")
    if not radices or not all(type(radix) is int and 2 <= radix <= MAX_RADIX for radix in radices):
        raise ValueError(f"'radices' must be numbers, 2..{MAX_RADIX}")
    if math.prod(radices) > MAX_VOCABULARY:
        raise ValueError(f"'radices' must make at most {MAX_VOCABULARY} tokens")
    tile = manifest.get("tile", DEFAULT_TILE)  # early manifests have none
    if type(tile) is not int or tile not in TILE_SIDES:
        raise ValueError(f"'tile' must be one of {', '.join(map(str, TILE_SIDES))} samples, not {tile!r}")
    weights = manifest.get("error_weights", [])  # most manifests have none
    if type(weights) is not list or not all(
        type(weight) in (int, float) and 1 / MAX_WEIGHT <= weight <= MAX_WEIGHT for weight in weights
    ):
        raise ValueError(f"'error_weights' must be numbers, {1 / MAX_WEIGHT:g}..{MAX_WEIGHT:g}")
    if len(weights) > MAX_WEIGHTS:
        raise ValueError(f"'error_weights' must be at most {MAX_WEIGHTS}, not {len(weights)}")
    scales = take("scales", list)
    if len(scales) >= MAX_SCALES:
        raise ValueError(f"'scales' must make at most {MAX_SCALES} sets of codewords, not {len(scales) + 1}")
    if not all(type(bound) is int and 0 < bound <= MAX_BOUND for bound in scales) or any(
        below >= bound for bound, below in pairwise(scales)
    ):
        raise ValueError(f"'scales' must be numbers of pixels, 1..{MAX_BOUND}, falling")
    n_tokens, default_tokens = take("n_tokens", int), take("default_tokens", int)
    if not 1 <= default_tokens <= n_tokens <= MAX_TOKENS:
        raise ValueError(f"must hold: 1 <= 'default_tokens' <= 'n_tokens' <= {MAX_TOKENS}")
    ordered = take("ordered", bool)
    if not ordered and default_tokens != n_tokens:
        raise ValueError(f"'default_tokens' must be 'n_tokens', {n_tokens}, where tokens are not 'ordered'")
    if not re.fullmatch(f"[0-9a-f]{{{2 * HASH_SIZE}}}", take("hash", str)):
        raise ValueError(f"'hash' must be {HASH_SIZE} bytes in hexadecimal")
    if not hashed or not all(type(prefix) is str for prefix in hashed):
        raise ValueError("'hashed' must name at least one prefix")
    if len(files) > MAX_FILES:
        raise ValueError(f"'files' must list at most {MAX_FILES}, not {len(files)}")
    if not {TABLES, WEIGHTS} <= files.keys() or not all(
        NAME.fullmatch(file) and type(files[file]) is str for file in files
    ):
        raise ValueError(f"'files' must give the sha256 of {TABLES} and {WEIGHTS}, and no paths")
    for key in ("family", "licence", "description"):
        take(key, str)
