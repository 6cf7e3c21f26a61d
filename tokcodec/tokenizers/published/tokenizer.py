"""The part of the published tokenizers that is the same for all: devices, precision, batches and checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...container.tables import FrequencyTables
from ...errors import ModelFileError
from ..arrays import Array, like
from ..base import Tokenizer
from .checkpoint import (
    ALIKE,
    Layout,
    Shapes,
    UnknownCheckpointError,
    Variant,
    checked_tensors,
    expected_shapes,
    likeness,
    misfits,
    shapes_of,
)


class Published(Tokenizer):
    """A published checkpoint. The subclasses are the families.

    Args:
        state: the state dict.
        device: torch's device. Default: "cpu".
        dtype: precision of the decoder, float32 or bfloat16. The encoder always uses float32, since other rounding
            changes tokens. Default: float32.

    Raises:
        ModelFileError: the state dict is not that of a known checkpoint.
        ValueError: the dtype is another one.
    """

    family: ClassVar[str]
    """Name in a model's manifest."""
    variants: ClassVar[dict[str, Variant]]
    """The published checkpoints, by the key in a model's metadata."""
    hashed: ClassVar[tuple[str, ...]]
    """Prefixes of the entries that decoding uses."""
    encode_batch: ClassVar[int] = 1
    """Number of tiles encoded at once."""
    decode_batch: ClassVar[int] = 1
    """Number of tiles decoded at once."""

    def __init__(
        self, state: Mapping[str, Tensor], device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
    ) -> None:
        if dtype not in (torch.float32, torch.bfloat16):
            raise ValueError(f"dtype must be float32 or bfloat16, not {dtype}")
        checked = self.completed(checked_tensors(state))
        self.variant = self.variants[self.identify(shapes_of(checked))]
        layout = self.variant.layout
        self.n_tokens, self.tile, self.looks = layout.n_tokens, layout.tile, self.variant.looks
        self.batch = min(self.batch, 8 * self.encode_batch)  # a large model takes seconds for each tile
        self.values = int(torch.tensor(layout.radices).prod())
        self.device = str(device)
        with torch.device("meta"):
            net: Any = layout.build()
        shapes = expected_shapes(layout)
        net.load_state_dict({name: entry.float().reshape(shapes[name]) for name, entry in checked.items()}, assign=True)
        self.net = net.eval().requires_grad_(False).to(self.device)
        with torch.inference_mode():
            self.net.prepare(dtype)

    @classmethod
    def identify(cls, shapes: Shapes) -> str:
        """The key in `variants` of a state dict with these shapes.

        Raises:
            ModelFileError: it is none of them. The text names the nearest one, and the first missing, unexpected and
                misshapen entries.
        """
        key, share = cls.nearest(shapes)
        if share == 1:
            return key
        variant = cls.variants[key]
        if share < ALIKE:
            known = ", ".join(variant.title for variant in cls.variants.values())
            raise UnknownCheckpointError(f"not a known checkpoint: its entries are those of none of {known}")
        raise ModelFileError(cls.hint(shapes) or f"does not fit {variant.title}: {misfits(variant.layout, shapes)}")

    @classmethod
    def completed(cls, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The entries of a published file, with those of a model that such files do not hold."""
        return dict(state)

    @classmethod
    def aiming_at(cls, target_error: float, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The entries of a model whose encoder aims at an error. Raises ValueError if the family has no such model."""
        raise ValueError(f"{cls.family} models have no target error")

    @classmethod
    def first_tables(cls, layout: Layout) -> FrequencyTables:
        """Entropy tables of a model before any are learned: all values alike."""
        return FrequencyTables.uniform(layout.n_tokens, layout.radices)

    @classmethod
    def nearest(cls, shapes: Shapes) -> tuple[str, float]:
        """The key of the variant that is most like a state dict with these shapes, and the likeness, at most 1."""
        shares = {key: likeness(variant.layout, shapes) for key, variant in cls.variants.items()}
        key = max(shares, key=shares.__getitem__)
        return key, shares[key]

    @classmethod
    def hint(cls, shapes: Shapes) -> str:
        """What a checkpoint is that fits no variant, if it is a kind that users are known to try. Otherwise empty."""
        return ""

    def encode(self, x: Array, count: int | None = None, scale: int = 0) -> Array:
        """float [N, 3, T, T] in [0, 1] -> int64 [N, count]. A smaller count is not faster."""
        self.check_tiles(x)
        count = self.check_count(count)
        tiles = torch.as_tensor(x).to(self.device, torch.float32)
        return like(encoded(self.net, tiles, self.encode_batch)[:, :count], x)

    def decode(self, tokens: Array, look: str | None = None, scale: int = 0) -> Array:
        """int [N, k], 1 <= k <= n_tokens -> float32 [N, 3, T, T] in [0, 1]."""
        self.check_look(look)
        self.check_tokens(tokens, self.values)
        return like(self.reconstruct(torch.as_tensor(tokens).long(), look).clamp_(0, 1), tokens)

    def reconstruct(self, tokens: Tensor, look: str | None = None) -> Tensor:
        """As `decode`, but not clamped to [0, 1]."""
        self.check_tokens(tokens, self.values)
        if not self.variant.ordered and tokens.shape[1] < self.n_tokens:
            raise ValueError(f"{self.variant.title} needs all {self.n_tokens} tokens: {self.variant.note}")
        with torch.inference_mode():
            parts = [self.draw(part.to(self.device), look).float() for part in torch.split(tokens, self.decode_batch)]
        return torch.cat(parts)

    def draw(self, tokens: Tensor, look: str | None) -> Tensor:
        """Draw a batch: int64 [N, k] -> float [N, 3, T, T], about [0, 1]."""
        return self.net.decode(tokens)  # type: ignore[no-any-return]


def encoded(net: Any, tiles: Tensor, batch: int) -> Tensor:
    """Encode tiles in batches, in the full precision of float32, since other rounding changes tokens.

    Args:
        net: a network with `encode`.
        tiles: float32 [N, 3, T, T] in [0, 1].
        batch: number of tiles encoded at once, at least 1.

    Returns:
        int64 [N, n_tokens].
    """
    # A single tile would use another matrix routine, which rounds differently. It is doubled, so that its tokens are
    # the same as in a batch.
    doubled = tiles.repeat(2, 1, 1, 1) if len(tiles) == 1 < batch else tiles
    autocast = torch.autocast(tiles.device.type, enabled=False)
    with torch.inference_mode(), autocast, torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        parts = [net.encode(part) for part in torch.split(doubled, batch)]
    return torch.cat(parts)[: len(tiles)]  # outside of inference mode, for ordinary tensors
