"""A vit1d model as a tokenizer. Its tokens are chosen in float32, and drawn in float32 or bfloat16."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ...errors import ModelFileError
from ...models.modelfile import Model
from ...models.weights import load_weights
from ..arrays import Array, like
from ..base import Tokenizer
from ..published.tokenizer import encoded
from .modules import Vit1dNet, layout_of

BATCH = 32
"""Number of tiles encoded or decoded at once."""


class Vit1d(Tokenizer):
    """Our own 1D transformer tokenizer.

    Args:
        state: the weights by name, in any floating-point type.
        ordered: whether the first tokens decode without the others. Default: True.
        device: torch's device. Default: "cpu".
        dtype: precision of the decoder, float32 or bfloat16. Default: float32.

    Raises:
        ModelFileError: the weights are not those of such a network.
        ValueError: the dtype is another one.
    """

    family = "vit1d"

    def __init__(
        self,
        state: Mapping[str, Tensor],
        ordered: bool = True,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if dtype not in (torch.float32, torch.bfloat16):
            raise ValueError(f"dtype must be float32 or bfloat16, not {dtype}")
        levels = tuple(state["quantize.levels"].flatten().tolist()) if "quantize.levels" in state else ()
        if not all(type(level) is int and 2 <= level <= 1 << 16 for level in levels):
            raise ModelFileError("not weights of a vit1d model: quantize.levels are not numbers of at least 2")
        layout = layout_of({name: tuple(entry.shape) for name, entry in state.items()}, levels)
        self.n_tokens, self.tile, self.ordered, self.device = layout.n_tokens, layout.tile, ordered, str(device)
        with torch.device("meta"):
            self.net = Vit1dNet(layout)
        self.net.load_state_dict(
            {name: entry.float() if entry.is_floating_point() else entry for name, entry in state.items()}, assign=True
        )
        self.net.eval().requires_grad_(False).to(self.device)
        self.net.decoder.to(dtype)
        self.vocabulary = 1
        for radix in self.net.quantize.radices:
            self.vocabulary *= radix

    def encode(self, x: Array, count: int | None = None, scale: int = 0) -> Array:
        """float [N, 3, T, T] in [0, 1] -> int64 [N, count]. A smaller count is not faster."""
        self.check_tiles(x)
        count = self.check_count(count)
        tiles = torch.as_tensor(x).to(self.device, torch.float32)
        return like(encoded(self.net, tiles, BATCH)[:, :count], x)

    def decode(self, tokens: Array, look: str | None = None, scale: int = 0) -> Array:
        """int [N, k], 1 <= k <= n_tokens -> float32 [N, 3, T, T] in [0, 1]. There is one look."""
        self.check_look(look)
        self.check_tokens(tokens, self.vocabulary)
        if not self.ordered and tokens.shape[1] < self.n_tokens:
            raise ValueError(f"{self.model_name or 'the model'} was trained with all of its {self.n_tokens} tokens")
        batches = torch.split(torch.as_tensor(tokens).long(), BATCH)
        with torch.inference_mode():
            parts = [self.net.decode(batch.to(self.device)).float() for batch in batches]
        return like(torch.cat(parts).clamp_(0, 1), tokens)


def load(model: Model, device: torch.device, dtype: torch.dtype) -> Vit1d:
    """Load a model of this family.

    Args:
        model: the model.
        device: torch's device.
        dtype: precision of the decoder, float32 or bfloat16.

    Raises:
        ModelFileError: the weights cannot be read or do not fit.
    """
    stored = load_weights(model.weights_path)
    state = {name: torch.from_numpy(tensor) for name, tensor in stored.items()}
    try:
        return Vit1d(state, model.ordered, device, dtype)
    except ModelFileError as error:
        raise ModelFileError(f"{model.weights_path}: {error}") from error
