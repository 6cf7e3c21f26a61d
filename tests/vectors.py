"""The conformance vectors of both shipped models: their files, and what each holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parents[1] / "formats" / "vectors"
FOLDERS = {"base-2": VECTORS, "base-3": VECTORS / "base-3"}
"""By the model's name: those of base-2 lie where they lay in 1.0."""
LISTINGS: dict[str, dict[str, Any]] = {
    name: json.loads((folder / "vectors.json").read_text(encoding="utf-8")) for name, folder in FOLDERS.items()
}
FILES: dict[str, dict[str, Any]] = {
    (FOLDERS[name] / file).relative_to(VECTORS).as_posix(): expected | {"model": name}
    for name, listing in LISTINGS.items()
    for file, expected in listing["files"].items()
}
"""What each file holds, by its path in formats/vectors. A bare file needs its model, and others name it."""


def contents(name: str) -> bytes:
    """The bytes of a vector."""
    return (VECTORS / name).read_bytes()


def form(name: str) -> dict[str, Any]:
    """The options with which a reader opens a vector: container, and the model of a bare file."""
    expected = FILES[name]
    bare = expected["container"] == "bare"
    return {"container": expected["container"], "model": expected["model"] if bare else None}
