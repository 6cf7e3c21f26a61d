"""The looks: small convolutional networks that correct the sum of a tile's codewords, one network for each look.

The inputs of a network are the decoded coefficients as a 64 x 64 picture, the number of tokens and the scale. Its
output is added to the 256 x 256 pixels. The file is the same for all looks: `perceptual` looks most natural, `fidelity`
has the least squared error. The network is a U-net (arXiv 1505.04597) of residual blocks with sub-pixel upsampling
(arXiv 1609.05158).

It is written once, for the layers of `convolutions` (NumPy) and of `networks` (torch).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .arrays import Array, stack

INPUT = 64
"""Side of the network's input picture: one sample for each luma coefficient."""
LOOKS = ("perceptual", "fidelity")
"""The looks of our own models. The first is the default."""
LIGHT = "light"
"""The look with a network small enough for browsers. Not used by the Python decoder."""
STRIP = 8
"""Samples of the input across a strip, which is a tile of which only a line is shown."""
TENTS = 9
"""Inputs of the network for the number of tokens: one for each power of two up to 256."""


UNFOLDED = ("middle", "last")
"""Convolutions after the first upsampling. Their inputs differ from row to row even if the rows of a picture do not."""


class Layers(Protocol):
    """Layers with weights, by their names in a model's file. Pictures between layers have a type of their own.

    Weights are named as in torch's modules: NAME.weight and NAME.bias.
    """

    def names(self) -> Iterable[str]:
        """The names of all weights."""

    def enter(self, x: Array) -> Any:
        """Convert float N x C x H x W to a picture."""

    def leave(self, x: Any) -> Array:
        """Convert a picture to float32 N x C x H x W."""

    def vector(self, x: NDArray[np.float32]) -> Any:
        """Convert float32 N x C to an input of `linear`."""

    def linear(self, name: str, x: Any) -> Any:
        """Apply a matrix and a bias: N x C -> N x C'."""

    def conv(self, name: str, x: Any) -> Any:
        """Apply a convolution: 3 x 3 at equal size, 1 x 1, or 2 x 2 to half the size."""

    def conv_shuffle(self, name: str, x: Any) -> Any:
        """Apply a 3 x 3 convolution and rearrange four channels to 2 x 2 samples, as torch's `pixel_shuffle`."""

    def silu(self, x: Any) -> Any:
        """Compute x * sigmoid(x)."""

    def gain(self, x: Any, factors: Any) -> Any:
        """Multiply each channel by a factor, N x C."""

    def enlarge(self, x: Any) -> Any:
        """Repeat every sample 2 x 2 times."""


def prefix(look: str) -> str:
    """Prefix of a look's tensors in a model's weights. The hash omits them: they do not change tokens or files."""
    return f"look.{look}."


def weights_of(look: str, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The weights of a look, without the prefix. Empty if the model does not have the look."""
    start = prefix(look)
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def quantised(name: str, weight: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """A weight as it is stored: NAME.weight as int8 with NAME.step, float32, for each output; a bias as float32.

    Args:
        name: NAME.weight or NAME.bias.
        weight: floats; the first axis is that of the outputs.
    """
    exact = weight.astype(np.float32)
    if not name.endswith(".weight"):
        return {name: exact}
    flat = exact.reshape(len(exact), -1)
    step = np.maximum(np.abs(flat).max(1) / 127, np.float32(1e-12)).astype(np.float32)
    return {
        name: np.rint(flat / step[:, None]).astype(np.int8).reshape(exact.shape),
        f"{name.removesuffix('weight')}step": step,
    }


def restored(weights: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The weights of a look as floats: the inverse of `quantised`. Weights that are floats stay.

    Raises:
        ValueError: there is not one step for each output.
    """
    found = dict(weights)
    for name, weight in weights.items():
        step_name = f"{name.removesuffix('weight')}step"
        if weight.dtype != np.int8 or not name.endswith(".weight") or step_name not in weights:
            continue
        step = found.pop(step_name)
        if step.shape != weight.shape[:1]:
            raise ValueError(f"{step_name} has the shape {list(step.shape)}, not {list(weight.shape[:1])}")
        found[name] = weight.astype(np.float32) * step.reshape(-1, *[1] * (weight.ndim - 1)).astype(np.float32)
    return found


def condition(counts: Sequence[int], scale: int, scales: int) -> NDArray[np.float32]:
    """The inputs of a network besides the picture: a tent for each power of two of the count, and the scale.

    Args:
        counts: tokens of each of N tiles.
        scale: the scale of the tiles, 0 to scales - 1.
        scales: number of scales of the model.

    Returns:
        float32 N x (TENTS + scales).
    """
    tents = 1 - np.abs(np.log2(np.asarray(counts, np.float64))[:, None] - np.arange(TENTS))
    which = np.tile(np.arange(scales) == scale, (len(tents), 1))
    return np.concatenate([tents.clip(0), which], 1).astype(np.float32)


def correction(layers: Layers, small: Array, conditions: NDArray[np.float32]) -> Array:
    """Apply the network of a look.

    Args:
        layers: the layers of the network.
        small: the tiles as small pictures, N x 3 x 64 x 64 in about [-1, 1].
        conditions: the other inputs, from `condition`.

    Returns:
        The correction to add to the pixels, N x 3 x 256 x 256.
    """
    names = set(layers.names())

    def blocks(level: int, x: Any) -> Any:
        """x + conv(silu(conv(x))), with a gain for each channel that depends on the conditions."""
        block = 0
        while f"{(name := f'blocks.{level}.{block}')}.first.weight" in names:
            y = layers.silu(layers.conv(f"{name}.first", layers.silu(x)))
            x = x + layers.conv(f"{name}.second", layers.gain(y, layers.linear(f"{name}.gain", known)))
            block += 1
        return x

    known = layers.silu(layers.linear("condition.0", layers.vector(conditions)))
    fine = blocks(0, layers.conv("stem", layers.enter(small)))
    middle = blocks(1, layers.conv("down.0", fine))
    coarse = blocks(2, layers.conv("down.1", middle))
    x = blocks(3, layers.enlarge(layers.conv("up.0", coarse)) + middle)
    x = blocks(4, layers.enlarge(layers.conv("up.1", x)) + fine)
    x = layers.silu(layers.conv_shuffle("widen", layers.silu(x)))
    # A convolution after the last shuffle connects the four phases of a pixel block and so avoids a grid pattern.
    x = layers.silu(layers.conv_shuffle("middle", x))
    return layers.leave(layers.conv("last", x))


def folded(weights: Mapping[str, NDArray[Any]], axis: int) -> dict[str, NDArray[Any]]:
    """Weights of a network for pictures that are constant along an axis.

    The 3 x 3 kernels are summed along the axis, so that the borders there have no influence.

    Args:
        weights: weights of a look.
        axis: 2 if all rows of the pictures are equal, 3 if all columns are.
    """
    result = dict(weights)
    for name, weight in weights.items():
        if weight.ndim == 4 and weight.shape[2] == 3 and name.split(".")[0] not in UNFOLDED:
            result[name] = np.zeros(weight.shape, np.float32)
            centre = result[name][:, :, 1] if axis == 2 else result[name][..., 1]
            centre[:] = weight.sum(axis, dtype=np.float32)
    return result


def strip_correction(layers: Layers, small: Array, conditions: NDArray[np.float32], axis: int) -> Array:
    """Apply the network of a look to tiles of which only one line is shown, at an eighth of the cost.

    Args:
        layers: the layers of the network with weights of `folded`.
        small: the tiles as for `correction`.
        conditions: as for `correction`.
        axis: the axis across the line: 2 for a row of pixels, 3 for a column.

    Returns:
        The correction to add to all pixels across the line, N x 3 x 1 x 256 or N x 3 x 256 x 1.
    """
    line = small.mean(axis)
    drawn = correction(layers, stack([line] * STRIP, axis), conditions)
    middle = 2 * STRIP  # upsampling repeats after 4 samples
    part = drawn[:, :, middle - 2 : middle + 2] if axis == 2 else drawn[..., middle - 2 : middle + 2]
    return stack([part.mean(axis)], axis)
