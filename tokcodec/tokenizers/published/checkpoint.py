"""What a published checkpoint must hold, and what is wrong with one that does not."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ...errors import ModelFileError

NAMED_MISFITS = 3
"""Number of entries that an error names per kind of misfit: enough to recognise the file."""
ALIKE = 0.2
"""Least share of its entries that a checkpoint has in common with the variant to which it is compared."""

Shapes = Mapping[str, tuple[int, ...]]


class UnknownCheckpointError(ModelFileError):
    """The entries of a checkpoint are those of no known tokenizer."""


class Layout(Hashable, Protocol):
    """The numbers that determine every shape of a state dict."""

    @property
    def n_tokens(self) -> int:
        """Tokens of a tile."""

    @property
    def tile(self) -> int:
        """Samples along a tile's side."""

    @property
    def radices(self) -> tuple[int, ...]:
        """Number of values of each digit of a token."""

    @property
    def codes(self) -> str:
        """The values of a token in short, for the metadata of a file: "4096x12"."""

    def build(self) -> nn.Module:
        """The network. Its `state_dict()` has the entries of a checkpoint."""


@dataclass(frozen=True)
class Variant:
    """One published checkpoint."""

    title: str
    """Name of the checkpoint."""
    layout: Layout
    """The numbers that determine the shapes of its tensors."""
    ordered: bool
    """Whether any prefix of its tokens decodes."""
    default_tokens: int
    """Tokens per tile by default."""
    note: str
    """A note on the tokens for users."""
    terms: str = ""
    """Terms of use of the authors, as an addition to the stated licence."""
    looks: tuple[str, ...] = ("fidelity",)
    """Ways to draw its tokens, the default first."""


def expected_shapes(layout: Layout) -> dict[str, tuple[int, ...]]:
    """The shapes of a checkpoint's entries, by name."""
    return dict(_shapes(layout))


@lru_cache(maxsize=64)
def _shapes(layout: Layout) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {name: tuple(entry.shape) for name, entry in layout.build().state_dict().items()}


def likeness(layout: Layout, shapes: Shapes) -> float:
    """Share of entries that the checkpoints of a layout have in common with these shapes: 1 if they are the same."""
    expected = _shapes(layout)
    alike = sum(name in shapes and same(shapes[name], shape) for name, shape in expected.items())
    return alike / len(expected.keys() | shapes.keys())


def same(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    """Whether two shapes differ only by axes of length 1, as those of a vector and of a batch with one vector."""
    return [side for side in first if side != 1] == [side for side in second if side != 1]


def checked_tensors(entries: Mapping[Any, Any]) -> dict[str, Tensor]:
    """The entries of a file as tensors.

    Counters of batches, which have no influence on inference, are left out.

    Raises:
        ModelFileError: an entry is not a dense floating-point tensor.
    """
    state = {}
    for name, entry in entries.items():
        if not isinstance(name, str) or not isinstance(entry, Tensor):
            raise ModelFileError(f"not a state dict: the entry {name!r} is a {type(entry).__name__}, not a tensor")
        if name.endswith(".num_batches_tracked"):
            continue
        if entry.layout != torch.strided or not entry.is_floating_point():
            raise ModelFileError(
                f"the entry `{printable_name(name)}` is {entry.dtype}, {entry.layout}, not dense and floating-point"
            )
        state[name] = entry.detach().contiguous()
    return state


def shapes_of(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """The shapes of entries by name."""
    return {name: tuple(entry.shape) for name, entry in state.items()}


def misfits(layout: Layout, found: Shapes) -> str:
    """The first missing, unexpected and misshapen entries of a checkpoint, for an error. Empty if it fits."""
    return "; ".join(_misfits(_shapes(layout), found))


def _misfits(expected: Shapes, found: Shapes) -> Iterator[str]:
    missing = [name for name in expected if name not in found]
    unexpected = [name for name in found if name not in expected]
    misshapen = [
        f"{name} is {_text(found[name])} instead of {_text(shape)}"
        for name, shape in expected.items()
        if name in found and not same(found[name], shape)
    ]
    for kind, names in (("missing", missing), ("unexpected", unexpected), ("misshapen", misshapen)):
        if names:
            rest = f" and {len(names) - NAMED_MISFITS} more" if len(names) > NAMED_MISFITS else ""
            yield f"{kind}: " + ", ".join(printable_name(name) for name in names[:NAMED_MISFITS]) + rest


def printable_name(name: str) -> str:
    """A name from a file, safe and short enough for one line of a terminal."""
    return re.sub(r"[^\x20-\x7e]", "?", name)[:120]


def _text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a scalar"
