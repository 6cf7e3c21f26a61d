"""Limits the cost of a look's network, which is computed from the shapes of its weights.

A third-party model may have any network that fits the graph of `look.correction`. Here the graph runs over layers that
have only shapes. They check that each layer fits the next, and add up the cost of a tile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .look import INPUT, condition, correction

MAX_MULTIPLICATIONS = 3_000_000_000
"""Multiplications for a tile. Our largest network has 725 million."""
MAX_NUMBERS = 16 << 20
"""Numbers in the outputs of all layers, for a tile. Our largest network has 2.5 million."""
MAX_CHANNELS = 512
"""Channels of a layer. Our largest network has 96."""
MAX_LAYERS = 128
"""Layers of a network. Our largest has 33."""


@dataclass(frozen=True)
class Shape:
    """Shape of a picture between two layers, or of a vector."""

    height: int
    """1 for a vector."""
    width: int
    """1 for a vector."""
    channels: int
    """Channels of a picture, or numbers of a vector."""

    def __add__(self, other: Shape) -> Shape:
        if self != other:
            raise ValueError(f"a sum of {self} and {other}")
        return self

    def __str__(self) -> str:
        return f"{self.height}x{self.width}x{self.channels}"


class ShapeLayers:
    """The layers of `look.Layers` for shapes instead of pictures."""

    def __init__(self, weights: Mapping[str, NDArray[Any]]) -> None:
        self._weights, self.used = weights, set[str]()
        self.multiplications = self.numbers = self.layers = 0

    def names(self) -> Iterable[str]:
        return self._weights

    def enter(self, x: Any) -> Shape:
        return Shape(INPUT, INPUT, 3)

    def leave(self, x: Shape) -> Shape:
        return x

    def vector(self, x: NDArray[np.float32]) -> Shape:
        return Shape(1, 1, x.shape[1])

    def linear(self, name: str, x: Shape) -> Shape:
        return self._layer(name, x, Shape(1, 1, self._outputs(name)), ())

    def conv(self, name: str, x: Shape) -> Shape:
        kernel = {"down": 2, "up": 1}.get(name.split(".")[0], 3)
        side = (x.height // 2, x.width // 2) if kernel == 2 else (x.height, x.width)
        return self._layer(name, x, Shape(*side, self._outputs(name)), (kernel, kernel))

    def conv_shuffle(self, name: str, x: Shape) -> Shape:
        x = self.conv(name, x)
        if x.channels % 4:
            raise ValueError(f"{x.channels} channels are not four for each")
        return Shape(2 * x.height, 2 * x.width, x.channels // 4)

    def silu(self, x: Shape) -> Shape:
        return x

    def gain(self, x: Shape, factors: Shape) -> Shape:
        if x.channels != factors.channels:
            raise ValueError(f"{factors.channels} gains for {x.channels} channels")
        return x

    def enlarge(self, x: Shape) -> Shape:
        return Shape(2 * x.height, 2 * x.width, x.channels)

    def _outputs(self, name: str) -> int:
        return len(np.atleast_1d(self._weights[f"{name}.bias"]))

    def _layer(self, name: str, x: Shape, out: Shape, kernel: tuple[int, ...]) -> Shape:
        """Check the weights of a layer, and count it."""
        for part, shape in (("weight", (out.channels, x.channels, *kernel)), ("bias", (out.channels,))):
            found = self._weights[f"{name}.{part}"].shape
            if found != shape:
                raise ValueError(f"{name}.{part} has the shape {list(found)}, not {list(shape)}")
            self.used.add(f"{name}.{part}")
        if not 1 <= out.channels <= MAX_CHANNELS:
            raise ValueError(f"{name} has {out.channels} channels, and at most {MAX_CHANNELS} are allowed")
        positions = out.height * out.width
        self.multiplications += positions * out.channels * x.channels * prod(kernel)
        self.numbers += positions * out.channels
        self.layers += 1
        for what, cost, most in (
            ("multiplications", self.multiplications, MAX_MULTIPLICATIONS),
            ("numbers between its layers", self.numbers, MAX_NUMBERS),
            ("layers", self.layers, MAX_LAYERS),
        ):
            if cost > most:
                raise ValueError(f"it needs more than {most} {what} for a tile")
        return out


def check_look(weights: Mapping[str, NDArray[Any]], scales: int) -> ShapeLayers:
    """Check the weights of a look, and return the cost of a tile.

    Args:
        weights: As `look.weights_of` gives them.
        scales: Sets of codewords of the model.

    Raises:
        KeyError: A weight is missing.
        ValueError: A weight has another shape or type, or values that are not finite, or belongs to no layer; or the
            network costs more than the limits of this module.
    """
    layers = ShapeLayers(weights)
    drawn: Any = correction(layers, None, condition([1], 0, scales))
    if drawn.channels != 3:
        raise ValueError(f"it draws {drawn.channels} channels")
    for name, weight in weights.items():
        if name not in layers.used:
            raise ValueError(f"{name[:120]!r} belongs to no layer")
        if not np.issubdtype(weight.dtype, np.floating) or not np.isfinite(weight).all():
            raise ValueError(f"{name} holds values that are not finite floating-point numbers")
    return layers
