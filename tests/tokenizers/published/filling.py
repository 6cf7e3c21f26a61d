"""Weights that follow from the names of entries, and golden values that public implementations gave for them.

The rule is that of `tests/golden/titok.json`. Values of the files in `tests/golden` are a part of the full output.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tokcodec.tokenizers.published.checkpoint import Layout, expected_shapes

GOLDEN = Path(__file__).parents[2] / "golden"


def filled(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Weights that depend on the entry's name and shape alone, float32."""
    x = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode()))).standard_normal(shape, dtype=np.float32)
    if len(shape) >= 2 and name.endswith("weight") and "embedding" not in name and "codebook" not in name:
        return x / np.sqrt(np.prod(shape[1:]), dtype=np.float32)
    if (name.endswith("weight") and len(shape) == 1) or name == "halting_mlp.2.bias":
        return 1 + np.float32(0.1) * x
    return np.float32(0.1 if name.endswith("bias") else 0.5) * x


def filled_state(layout: Layout, public: Callable[[str], str]) -> dict[str, torch.Tensor]:
    """The state dict of a layout, filled by the rule.

    Args:
        layout: the layout.
        public: from our name of an entry to the one by which it is filled.
    """
    return {name: torch.from_numpy(filled(public(name), shape)) for name, shape in expected_shapes(layout).items()}


def random_state(layout: Layout) -> dict[str, torch.Tensor]:
    """A state dict of a small layout, scaled so that activations keep their size."""
    return filled_state(layout, lambda name: name)


def golden(name: str) -> Any:
    """Golden values, arrays by name."""
    return np.load(GOLDEN / f"{name}.npz")


def astronaut(tile: int = 256) -> torch.Tensor:
    """The picture of the golden values, float32 1 x 3 x tile x tile in [0, 1]: whole for a tile of 512."""
    picture = pytest.importorskip("skimage.data").astronaut()
    picture = picture if tile == 512 else picture[:256, 128:384]
    return torch.from_numpy(picture.astype(np.float32) / 255).permute(2, 0, 1)[None]
