"""Our own tokenizer: a cascade of vector quantisers over the DCT of a tile; NumPy alone, or torch.

Token t names a codeword for each of two halves of those coefficients that carry most of what the tokens before it left
over (residual vector quantisation, Juang & Gray 1982; as a layered code: Barnes, Rizvi & Nasrabadi 1996; product
codewords: Jegou et al. 2011). The decoder is a sum, so any prefix of the tokens is a coarser picture. A tile that
covers few source pixels has codewords of its own scale.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from ..container.tables import TOTAL, FrequencyTables
from ..cores import spread, threads
from ..errors import ModelFileError
from ..models.modelfile import Model
from .arrays import Array, concat, like
from .base import Tokenizer
from .cascade_file import Tensors, read_cascade
from .codewords import Codewords
from .convolutions import NumpyLayers
from .look import INPUT, LOOKS, Layers, condition, correction
from .look_limits import check_look
from .transform import TileTransform

if TYPE_CHECKING:
    import torch

Result = TypeVar("Result")

SEARCHED = 8
"""Tiles that a thread looks for tokens of at a time: more take no less time each."""


@dataclass(frozen=True)
class CascadeConfig:
    """Shape of a cascade; the defaults are the shipped model's."""

    n_tokens: int = 256
    codewords: int = 64
    half: int = 8
    luma: int = 64
    chroma: int = 32
    scales: tuple[int, ...] = (192, 96, 48)
    """Source pixels a tile below which the next set of codewords serves it."""


class CascadeTokenizer(Tokenizer):
    """A cascade with its sets of codewords and its looks' weights as NumPy arrays.

    tensors: planes int [2], mean float [S, D], dims int [S, T, 2 h], words int8 [S, T, 2, K, h] and their step size
    float [S, T, 2], as `pack_tensors` makes them. looks: a network's weights by look. tables: of every scale, for what
    naming a codeword costs; without them the encoder minds the error alone. device: None for NumPy, else torch's, and
    dtype its networks'. source: where they are from, for error messages.
    """

    def __init__(
        self,
        tensors: Tensors,
        looks: Mapping[str, Tensors] | None = None,
        tables: tuple[FrequencyTables, ...] | None = None,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
        source: str = "tensors",
    ) -> None:
        self._weights, self._torch, self._dtype, self._source = dict(looks or {}), device, dtype, source
        # Without a network of its own the fidelity look is the bare sum of the codewords.
        self.looks = tuple(look for look in LOOKS if look in self._weights or look == "fidelity")
        self.mends = "fidelity" in self._weights
        self.device = "cpu" if device is None else str(device)
        self.tile_by_tile = device is None
        self._tensors, self._tables = tensors, tables
        self.scales, self.n_tokens, _, self.radix, _ = tensors["words"].shape
        luma, chroma = (int(side) for side in tensors["planes"])
        self.transform = TileTransform(luma, chroma, self._array)
        self.drawing = TileTransform(luma, chroma, self._float32)
        self._codewords: dict[int, Codewords] = {}
        self._networks: dict[str, Layers] = {}
        self._making = threading.Lock()  # of codewords and networks: by one thread, however many need them

    def __reduce__(self) -> tuple[Any, ...]:
        """For `pickle`: made anew from its tensors, without what was laid out for searching and drawing."""
        made_of = self._tensors, self._weights, self._tables, self._torch, self._dtype, self._source
        return type(self), made_of, {"model_name": self.model_name, "token_values": self.token_values}

    # ---- tokens

    def encode(self, x: Array, count: int | None = None, scale: int = 0) -> Array:
        return self._encode(x, count, scale)[0]

    def encode_curves(self, x: Array, count: int | None = None, scale: int = 0) -> tuple[Array, Array]:
        """As the base class says; the errors are those of the bare sum of codewords, before it is clamped."""
        return self._encode(x, count, scale)

    def _encode(self, x: Array, count: int | None, scale: int) -> tuple[Array, Array]:
        self.check_tiles(x)
        count = self.check_count(count)
        size = max(1, min(SEARCHED, -(-len(x) // threads()))) if self.tile_by_tile else max(1, len(x))
        with self._no_gradients():
            parts = [x[start : start + size] for start in range(0, max(1, len(x)), size)]
            found = list(self._each(lambda part: self._search(part, count, scale), parts))
            tokens, errors = (concat(parts, 0) for parts in zip(*found, strict=True))
            return like(tokens, x), like(errors, x)

    def _search(self, x: Array, count: int, scale: int) -> tuple[Array, Array]:
        """Tokens, and the errors that they leave, of some tiles."""
        pixels = self._own(x, np.float64)
        vectors = self.transform.forward(pixels)
        tokens, errors = self.codewords(scale).encode(vectors, count)
        # The transform is orthonormal: the pixels' energy beyond that of the coded coefficients stays for good.
        outside = (pixels * pixels).sum((1, 2, 3)) - (vectors * vectors).sum(1)
        return tokens, (errors + outside[:, None]).clip(0, None)

    def codewords(self, scale: int) -> Codewords:
        """The codewords of a scale, laid out for searching when they are first asked for."""
        with self._making:
            if scale not in self._codewords:
                mean, dims, words, step = (self._tensors[name][scale] for name in ("mean", "dims", "words", "step"))
                self._codewords[scale] = Codewords(
                    mean,
                    dims,
                    words * step[..., None, None].astype(np.float64),
                    None if self._tables is None else codeword_bits(self._tables[scale]),
                    self._array,
                )
            return self._codewords[scale]

    # ---- pixels

    def decode(self, tokens: Array, look: str | None = None, scale: int = 0) -> Array:
        self.check_tokens(tokens, self.radix**2)
        look = self.check_look(look)
        size = 1 if self.tile_by_tile else max(1, len(tokens))
        with self._no_gradients():
            own = self._own(tokens, np.int64)
            parts = [own[start : start + size] for start in range(0, max(1, len(own)), size)]
            return like(concat(list(self._each(lambda part: self._draw(part, look, scale), parts)), 0), tokens)

    def _draw(self, tokens: Array, look: str, scale: int) -> Array:
        """Pixels of some tiles."""
        vectors = self.vectors(tokens, scale)
        if look not in self._weights:
            drawn = self.drawing.inverse(vectors)
        else:
            told = condition([tokens.shape[1]] * len(tokens), scale, self.scales)
            drawn = self.draw(self.network(look), vectors, told)
        return drawn.clip(0, 1)

    def vectors(self, tokens: Array, scale: int) -> Array:
        """Sum of the codewords: int64 N x k -> coefficients float32 N x D."""
        return self._own(self.codewords(scale).vectors(tokens), np.float32)

    def draw(self, network: Layers, vectors: Array, told: npt.NDArray[np.float32]) -> Array:
        """What a network makes of vectors float32 N x D and `look.condition`: N x 3 x 256 x 256, not clamped."""
        if not len(vectors):
            return self.drawing.inverse(vectors)
        small = small_picture(self.drawing, vectors)
        if isinstance(network, NumpyLayers):  # one at a time
            drawn = concat([correction(network, small[i : i + 1], told[i : i + 1]) for i in range(len(small))], 0)
        else:
            drawn = correction(network, small, told)
        return drawn + self.drawing.inverse(vectors)

    def weights(self, look: str) -> Tensors | None:
        """A look's weights, None where the model has none."""
        return self._weights.get(look)

    def network(self, look: str) -> Layers:
        """The network of a look, made when it is first asked for. Raises ModelFileError where weights do not fit."""
        with self._making:
            if look not in self._networks:
                weights = self._weights[look]
                try:
                    check_look(weights, self.scales)
                    layers: Layers = NumpyLayers(weights)
                    if self._torch is not None:
                        from .networks import LookNet

                        layers = LookNet.from_weights(weights).ready(self._torch, self._dtype)
                except (KeyError, ValueError, RuntimeError) as error:
                    reason = f"{error} is missing" if isinstance(error, KeyError) else str(error).splitlines()[0]
                    raise ModelFileError(f"{self._source}: the look {look!r} does not fit ({reason})") from error
                self._networks[look] = layers
            return self._networks[look]

    # ---- arrays

    def _each(self, work: Callable[[Array], Result], parts: Sequence[Array]) -> Iterator[Result]:
        """The results of some work on each part: with NumPy by all cores, while torch has threads of its own."""
        return spread(work, parts) if self.tile_by_tile else map(work, parts)

    def _float32(self, x: npt.NDArray[Any]) -> Array:
        return self._array(np.asarray(x, np.float32))

    def _array(self, x: npt.NDArray[Any]) -> Array:
        if self._torch is None:
            return x
        import torch

        return torch.from_numpy(np.ascontiguousarray(x)).to(self._torch)

    def _own(self, x: Array, dtype: type[np.generic]) -> Array:
        """An array of any kind as the kind to compute with."""
        if self._torch is None:
            return np.asarray(x if isinstance(x, np.ndarray) else x.detach().cpu().numpy(), dtype)
        import torch

        return torch.as_tensor(x).to(self._torch, getattr(torch, dtype.__name__))

    def _no_gradients(self) -> AbstractContextManager[Any]:
        if self._torch is None:
            return nullcontext()
        import torch

        return torch.no_grad()


def small_picture(transform: TileTransform, vectors: Array) -> Array:
    """The network's input: brightness and colours of 64 x 64 samples, about [-1, 1], nothing lost."""
    small = transform.picture(vectors, INPUT) * (2 / 3**0.5)
    small[:, 0] -= 1
    return small


def codeword_bits(tables: FrequencyTables) -> npt.NDArray[np.float64]:
    """What the entropy tables charge for naming each codeword: float64 T x 2 x K."""
    return -np.log2(np.stack(tables.counts, 1) / TOTAL)


def pack_tensors(config: CascadeConfig, scales: list[Tensors]) -> dict[str, npt.NDArray[Any]]:
    """The tensors to ship, of all scales: mean float [D], dims int [T, 2 h] and words float [T, 2, K, h] of each.

    Words become int8 with one step size for each digit.
    """
    words = np.stack([np.asarray(scale["words"]) for scale in scales])
    step = (np.abs(words).max((3, 4)) / 127).astype(np.float32)
    return {
        "planes": np.array([config.luma, config.chroma], np.int16),
        "mean": np.stack([np.asarray(scale["mean"]) for scale in scales]).astype(np.float16),
        "dims": np.stack([np.asarray(scale["dims"]) for scale in scales]).astype(np.int16),
        "words": np.rint(words / step[..., None, None]).astype(np.int8),
        "step": step,
    }


def load(model: Model, device: torch.device | None, dtype: torch.dtype | None) -> CascadeTokenizer:
    """The cascade in a model's folder. Raises ModelFileError as `read_cascade`."""
    tensors, looks = read_cascade(model)
    return CascadeTokenizer(tensors, looks, model.tables, device, dtype, source=str(model.weights_path))
