"""Small models for tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokcodec.container.header import Header, pack_header
from tokcodec.container.tables import FrequencyTables
from tokcodec.models.modelfile import Model, write_model

TENSORS: dict[str, NDArray[Any]] = {
    "encoder.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "decoder.weight": np.arange(6, dtype=np.float16).reshape(3, 2),
    "decoder.scale": np.array(2.5, dtype=np.float32),
    "codes": np.array([-1, 0, 1], dtype=np.int8),
}


def make(folder: Path, *, name: str | None = None, salt: int = 0, n_tokens: int = 8, **changes: Any) -> Model:
    arguments: dict[str, Any] = {
        "name": name or folder.name,
        "family": "cascade",
        "tables": [FrequencyTables.uniform(n_tokens, (8, 8))],
        "tensors": TENSORS | {"codes": np.array([salt % 128, 0, 1], dtype=np.int8)},
        "hashed": ["decoder.", "codes"],
        "ordered": True,
        "default_tokens": 4,
        "licence": "CC0-1.0",
        "description": "For tests.",
    }
    return write_model(folder, **(arguments | changes))


def shipped(place: Path) -> Path:
    return place.parent / "package" / "tokcodec" / "_models"


def header_of(model: Model, tokens: int = 4) -> bytes:
    return pack_header(Header(model.id, tokens, 256, 320, 200), model.hash)


def edit(model: Model, change: Callable[[dict[str, Any]], object]) -> None:
    path = model.path / "model.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))
