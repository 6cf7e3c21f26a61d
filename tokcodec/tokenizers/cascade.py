"""Our own tokenizer: a cascade of vector quantisers over the DCT of a tile, with NumPy or torch.

Each token names two codewords. A codeword is a small vector that is added to half of the token's coefficients: those
with the largest error after the tokens before it (residual vector quantisation, Juang & Gray 1982; as a layered code:
Barnes, Rizvi & Nasrabadi 1996; product codewords: Jegou et al. 2011). The decoder is a sum, so any prefix of the tokens
is a coarser picture. Tiles of few source pixels have codewords of their own scale.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..container.tables import TOTAL, FrequencyTables
from ..cores import spread, threads
from ..errors import ModelFileError
from ..models.modelfile import Model
from .arrays import Array, concat, like
from .base import Tokenizer
from .cascade_file import Tensors, read_cascade
from .codewords import Codewords
from .convolutions import NumpyLayers
from .look import INPUT, LOOKS, Layers, condition, correction, folded, strip_correction
from .look_limits import check_look
from .transform import TileTransform, coefficient_weights

if TYPE_CHECKING:
    import torch

Result = TypeVar("Result")

SEARCHED = 32
"""Number of tiles whose tokens a thread searches together. More take less time per tile and more memory."""


@dataclass(frozen=True)
class CascadeConfig:
    """Shape of a cascade. The defaults are those of base-3."""

    n_tokens: int = 256
    """Tokens of a tile."""
    codewords: int = 64
    """Codewords for each half of a token."""
    half: int = 8
    """Coefficients that a codeword changes."""
    luma: int = 64
    """Side of the square of brightness coefficients that are coded."""
    chroma: int = 32
    """Side of the squares of colour coefficients that are coded."""
    scales: tuple[int, ...] = (192, 96, 48)
    """Source pixels along a tile's side below which the next set of codewords is used."""
    weights: tuple[float, float, float] = (1.0, 2.0, 4.0)
    """What the squared error of each plane of `transform.COLOURS` counts in the choice of codewords.

    An eye sees an error of colour sooner than one of brightness, and of green minus magenta soonest (CIEDE2000).
    base-2 has 1, 1, 1.
    """

    def error_weights(self) -> tuple[float, ...]:
        """`weights` as a model states them: empty if all count alike."""
        return self.weights if len(set(self.weights)) > 1 else ()


class CascadeTokenizer(Tokenizer):
    """A cascade with its codewords and the weights of its looks.

    Args:
        tensors: planes int [2], mean float [S, D], dims int [S, T, 2 h], words int8 [S, T, 2, K, h] and their step
            size float [S, T, 2], as `pack_tensors` makes them.
        looks: weights of the networks, by look. Default: no network.
        tables: entropy tables of every scale, for the cost of codewords. Default: the encoder ignores their cost.
        device: torch's device. Default: compute with NumPy.
        dtype: precision of the networks, with torch. Default: float32.
        source: name of the file, for error messages.
        weights: what the squared error of each plane of `transform.COLOURS` counts in the choice of tokens. Default:
            all count alike.
    """

    def __init__(
        self,
        tensors: Tensors,
        looks: Mapping[str, Tensors] | None = None,
        tables: tuple[FrequencyTables, ...] | None = None,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
        source: str = "tensors",
        weights: Sequence[float] = (),
    ) -> None:
        self._weights, self._torch, self._dtype, self._source = dict(looks or {}), device, dtype, source
        # Without a network the fidelity look is the sum of the codewords alone.
        self.looks = tuple(look for look in LOOKS if look in self._weights or look == "fidelity")
        self.mends = "fidelity" in self._weights
        self.device = "cpu" if device is None else str(device)
        self.tile_by_tile = device is None
        self._tensors, self._tables, self.error_weights = tensors, tables, tuple(weights)
        self.scales, self.n_tokens, _, self.radix, _ = tensors["words"].shape
        luma, chroma = (int(side) for side in tensors["planes"])
        self.transform = TileTransform(luma, chroma, self._array)
        self.drawing = TileTransform(luma, chroma, self._float32)
        self._codewords: dict[int, Codewords] = {}
        self._networks: dict[tuple[str, int | None], Layers] = {}
        self._making = threading.Lock()  # one thread makes codewords and networks for all

    def __reduce__(self) -> tuple[Any, ...]:
        """For `pickle`: the arguments of the class, without the arrays that are derived from them."""
        arguments: tuple[Any, ...] = self._tensors, self._weights, self._tables, self._torch, self._dtype
        arguments += self._source, self.error_weights
        return type(self), arguments, {"model_name": self.model_name, "token_values": self.token_values}

    # ---- tokens

    def encode(self, x: Array, count: int | None = None, scale: int = 0) -> Array:
        return self._encode(x, count, scale)[0]

    def encode_curves(self, x: Array, count: int | None = None, scale: int = 0) -> tuple[Array, Array]:
        """As in the base class. The errors are those of the sum of codewords, without a network and not clamped."""
        return self._encode(x, count, scale)

    def _encode(self, x: Array, count: int | None, scale: int) -> tuple[Array, Array]:
        self.check_tiles(x)
        count = self.check_count(count)
        size = max(1, min(SEARCHED, -(-len(x) // threads()))) if self.tile_by_tile else max(1, len(x))
        with self._no_gradients():
            parts = [x[start : start + size] for start in range(0, max(1, len(x)), size)]
            results = list(self._each(lambda part: self._search(part, count, scale), parts))
            tokens, errors = (concat(parts, 0) for parts in zip(*results, strict=True))
            return like(tokens, x), like(errors, x)

    def _search(self, x: Array, count: int, scale: int) -> tuple[Array, Array]:
        """Tokens of tiles, and the errors that remain after each."""
        size = 1 if self.tile_by_tile else max(1, len(x))  # the pixels of one tile stay in the cache
        parts = [self._coefficients(x[start : start + size]) for start in range(0, max(1, len(x)), size)]
        vectors, outside = (concat(parts, 0) for parts in zip(*parts, strict=True))
        tokens, errors = self.codewords(scale).encode(vectors, count)
        return tokens, (errors + outside[:, None]).clip(0, None)

    def _coefficients(self, x: Array) -> tuple[Array, Array]:
        """Coefficients of tiles, float64 N x D, and the energy of those that are not coded, float64 N."""
        pixels = self._own(x, np.float64)
        vectors = self.transform.forward(pixels)
        # The transform is orthonormal. This energy remains as error.
        return vectors, (pixels * pixels).sum((1, 2, 3)) - (vectors * vectors).sum(1)

    def codewords(self, scale: int) -> Codewords:
        """The codewords of a scale. The arrays for searching are made on the first call."""
        with self._making:
            if scale not in self._codewords:
                mean, dims, words, step = (self._tensors[name][scale] for name in ("mean", "dims", "words", "step"))
                luma, chroma = self.transform.luma, self.transform.chroma
                weights = coefficient_weights(luma, chroma, self.error_weights) if self.error_weights else None
                self._codewords[scale] = Codewords(
                    mean,
                    dims,
                    words * step[..., None, None].astype(np.float64),
                    None if self._tables is None else codeword_bits(self._tables[scale]),
                    self._array,
                    weights,
                )
            return self._codewords[scale]

    # ---- pixels

    def decode(self, tokens: Array, look: str | None = None, scale: int = 0) -> Array:
        return self._decode(tokens, look, scale)

    def decode_strip(self, tokens: Array, look: str | None = None, scale: int = 0, axis: int = 2) -> Array:
        return self._decode(tokens, look, scale, axis)

    def _decode(self, tokens: Array, look: str | None, scale: int, axis: int | None = None) -> Array:
        self.check_tokens(tokens, self.radix**2)
        look = self.check_look(look)
        size = 1 if self.tile_by_tile else max(1, len(tokens))
        with self._no_gradients():
            own = self._own(tokens, np.int64)
            parts = [own[start : start + size] for start in range(0, max(1, len(own)), size)]
            return like(concat(list(self._each(lambda part: self._draw(part, look, scale, axis), parts)), 0), tokens)

    def _draw(self, tokens: Array, look: str, scale: int, axis: int | None) -> Array:
        """Draw tiles: int64 N x k -> float32 N x 3 x 256 x 256 in [0, 1]. `axis`: across the strip, None for a tile."""
        vectors = self.vectors(tokens, scale)
        if look not in self._weights:
            drawn = self.drawing.inverse(vectors)
        else:
            conditions = condition([tokens.shape[1]] * len(tokens), scale, self.scales)
            drawn = self.draw(self.network(look, axis), vectors, conditions, axis)
        return drawn.clip(0, 1)

    def vectors(self, tokens: Array, scale: int) -> Array:
        """Sum of the codewords: int64 N x k -> coefficients float32 N x D."""
        return self._own(self.codewords(scale).vectors(tokens), np.float32)

    def draw(
        self, network: Layers, vectors: Array, conditions: NDArray[np.float32], axis: int | None = None
    ) -> Array:
        """Draw tiles with a network: float32 N x 3 x 256 x 256, not clamped.

        Args:
            network: the network of a look.
            vectors: coefficients, float32 N x D.
            conditions: the inputs of the network from `look.condition`, float32 [N, ...].
            axis: the axis across a strip, 2 or 3, for a network of the same axis. Default: draw whole tiles.
        """
        if not len(vectors):
            return self.drawing.inverse(vectors)
        small = small_picture(self.drawing, vectors)
        added = correction if axis is None else partial(strip_correction, axis=axis)
        if isinstance(network, NumpyLayers):  # one at a time
            drawn = concat([added(network, small[i : i + 1], conditions[i : i + 1]) for i in range(len(small))], 0)
        else:
            drawn = added(network, small, conditions)
        return drawn + self.drawing.inverse(vectors)

    def weights(self, look: str) -> Tensors | None:
        """The weights of a look. None if the model has none."""
        return self._weights.get(look)

    def network(self, look: str, axis: int | None = None) -> Layers:
        """The network of a look, made on the first call.

        Args:
            look: name of the look.
            axis: the axis across a strip, 2 or 3. Default: a network for whole tiles.

        Raises:
            ModelFileError: its weights do not fit.
        """
        with self._making:
            if (look, axis) not in self._networks:
                weights = self._weights[look]
                try:
                    check_look(weights, self.scales)
                    if axis is not None:
                        weights = folded(weights, axis)
                    layers: Layers = NumpyLayers(weights)
                    if self._torch is not None:
                        from .networks import LookNet

                        layers = LookNet.from_weights(weights).ready(self._torch, self._dtype)
                except (KeyError, ValueError, RuntimeError) as error:
                    reason = f"{error} is missing" if isinstance(error, KeyError) else str(error).splitlines()[0]
                    raise ModelFileError(f"{self._source}: the look {look!r} does not fit ({reason})") from error
                self._networks[look, axis] = layers
            return self._networks[look, axis]

    # ---- arrays

    def _each(self, work: Callable[[Array], Result], parts: Sequence[Array]) -> Iterator[Result]:
        """The results of `work` on each part: on all cores with NumPy, while torch has its own threads."""
        return spread(work, parts) if self.tile_by_tile else map(work, parts)

    def _float32(self, x: NDArray[Any]) -> Array:
        return self._array(np.asarray(x, np.float32))

    def _array(self, x: NDArray[Any]) -> Array:
        if self._torch is None:
            return x
        import torch

        return torch.from_numpy(np.ascontiguousarray(x)).to(self._torch)

    def _own(self, x: Array, dtype: type[np.generic]) -> Array:
        """Convert an array of any kind to the kind that this tokenizer computes with."""
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
    """The network's input: brightness and colours of 64 x 64 samples, about [-1, 1]. It keeps all coefficients."""
    small = transform.picture(vectors, INPUT) * (2 / 3**0.5)
    small[:, 0] -= 1
    return small


def codeword_bits(tables: FrequencyTables) -> NDArray[np.float64]:
    """Cost of each codeword in bits, by the entropy tables: float64 T x 2 x K."""
    return -np.log2(np.stack(tables.counts, 1) / TOTAL)


def pack_tensors(config: CascadeConfig, scales: list[Tensors]) -> dict[str, NDArray[Any]]:
    """The tensors of a model file. Codewords become int8, with one step size for each digit.

    Args:
        config: the shape of the cascade.
        scales: the tensors of each scale: mean float [D], dims int [T, 2 h] and words float [T, 2, K, h].
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
    """Load the cascade of a model.

    Args:
        model: the model.
        device: torch's device. None: compute with NumPy.
        dtype: precision of the networks, with torch. None: float32.

    Raises:
        ModelFileError: the files are damaged or do not fit, see `read_cascade`.
    """
    tensors, looks = read_cascade(model)
    source = str(model.weights_path)
    return CascadeTokenizer(tensors, looks, model.tables, device, dtype, source, model.error_weights)
