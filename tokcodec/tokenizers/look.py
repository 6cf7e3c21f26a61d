"""The looks: small convolutional networks that draw over the bare sum of a tile's codewords, one for each taste.

A network sees the decoded coefficients as a 64 x 64 picture, the number of tokens and the scale, and adds a correction
to the 256 x 256 pixels. Same tokens, same file: `perceptual` pleases the eye, `fidelity` has the least squared error. A
U-net (arXiv 1505.04597) of residual blocks with sub-pixel upsampling (arXiv 1609.05158).

Written once, over the layers of `convolutions` (NumPy) or of `networks` (torch).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .arrays import Array

INPUT = 64
"""Side of the picture that the network sees: one sample for each luma coefficient."""
LOOKS = ("perceptual", "fidelity")
"""The default first."""
LIGHT = "light"
"""A look of which the network is small enough for a web page; Python does not draw with it."""
TENTS = 9
"""Numbers that tell the network how many tokens there are: one for each power of two up to 256."""


class Layers(Protocol):
    """Layers with weights, by their names in a model's file; pictures are of a kind of their own between two of them.

    Weights are named as torch's modules name them: NAME.weight and NAME.bias.
    """

    def names(self) -> Iterable[str]:
        """Of all weights."""

    def enter(self, x: Array) -> Any:
        """A picture from float N x C x H x W."""

    def leave(self, x: Any) -> Array:
        """The inverse: to float32."""

    def vector(self, x: npt.NDArray[np.float32]) -> Any:
        """What `linear` takes from float32 N x C."""

    def linear(self, name: str, x: Any) -> Any:
        """A matrix product: N x C -> N x C'."""

    def conv(self, name: str, x: Any) -> Any:
        """A convolution: 3 x 3 at equal size, 1 x 1, or 2 x 2 to half the size."""

    def silu(self, x: Any) -> Any:
        """x * sigmoid(x)"""

    def gain(self, x: Any, factors: Any) -> Any:
        """Each channel times a factor N x C."""

    def enlarge(self, x: Any) -> Any:
        """Every sample four times."""

    def shuffle(self, x: Any) -> Any:
        """Four channels to 2 x 2 samples, as torch's `pixel_shuffle`."""


def prefix(look: str) -> str:
    """Of a look's tensors in a model's weights. The hash leaves them out, since tokens and files stay the same."""
    return f"look.{look}."


def weights_of(look: str, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """A look's weights by their own names; empty where the model does not have it."""
    start = prefix(look)
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def condition(counts: Sequence[int], scale: int, scales: int) -> npt.NDArray[np.float32]:
    """What the network is told beside the picture: a tent for each power of two of the count, and which scale it is.

    counts: tokens of N tiles; float32 N x (TENTS + scales).
    """
    tents = 1 - np.abs(np.log2(np.asarray(counts, np.float64))[:, None] - np.arange(TENTS))
    which = np.tile(np.arange(scales) == scale, (len(tents), 1))
    return np.concatenate([tents.clip(0), which], 1).astype(np.float32)


def correction(layers: Layers, small: Array, told: npt.NDArray[np.float32]) -> Array:
    """The network: N x 3 x 64 x 64 in about [-1, 1] and `condition` -> what to add to the pixels, N x 3 x 256 x 256."""
    names = set(layers.names())

    def blocks(level: int, x: Any) -> Any:
        """x + conv(silu(conv(x))), with a gain for each channel from what the network is told."""
        block = 0
        while f"{(name := f'blocks.{level}.{block}')}.first.weight" in names:
            y = layers.silu(layers.conv(f"{name}.first", layers.silu(x)))
            x = x + layers.conv(f"{name}.second", layers.gain(y, layers.linear(f"{name}.gain", known)))
            block += 1
        return x

    known = layers.silu(layers.linear("condition.0", layers.vector(told)))
    fine = blocks(0, layers.conv("stem", layers.enter(small)))
    middle = blocks(1, layers.conv("down.0", fine))
    coarse = blocks(2, layers.conv("down.1", middle))
    x = blocks(3, layers.enlarge(layers.conv("up.0", coarse)) + middle)
    x = blocks(4, layers.enlarge(layers.conv("up.1", x)) + fine)
    x = layers.silu(layers.shuffle(layers.conv("widen", layers.silu(x))))
    # A convolution after the last shuffle, so that the four phases of a pixel block see one another: no grid.
    x = layers.silu(layers.shuffle(layers.conv("middle", x)))
    return layers.leave(layers.conv("last", x))
