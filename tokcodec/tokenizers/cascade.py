"""Our own tokenizer: a cascade of vector quantisers over the DCT of a tile.

Token t names one of 4096 codewords, each a small vector added to `dims` coefficients that carry most of what the
tokens before it left over (residual vector quantisation, Juang & Gray 1982; as a layered code: Barnes, Rizvi &
Nasrabadi 1996). The decoder is a sum, so any prefix of the tokens is a coarser picture; the encoder takes the closest
codeword to what is left, token by token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from safetensors.torch import load_file

from ..errors import ModelFileError
from ..modelfile import Model
from ..tables import FrequencyTables
from .base import Tokenizer
from .look import LOOKS, LookNet, looks_from, small_picture
from .transform import TileTransform


@dataclass(frozen=True)
class CascadeConfig:
    """Shape of a cascade; the defaults are the shipped model's."""

    n_tokens: int = 256
    codewords: int = 4096
    dims: int = 32
    luma: int = 64
    chroma: int = 32

    def groups(self) -> list[int]:
        """Codebook of each token: the first have their own, later ones share, for their statistics are alike."""
        out: list[int] = []
        for token in range(self.n_tokens):
            share = 1 if token < 8 else 2 if token < 16 else 4 if token < 32 else 8
            out.append(out[-1] + (token % share == 0) if out else 0)
        return out


RATE_WEIGHT = 0.013
"""Part of a tile's remaining squared error, divided by the number of the token, that one bit is worth to the encoder:
about what the error falls by with every bit more."""


class Codebooks:
    """Codebooks laid out for searching: float32 G x K x d; bits: what naming each codeword costs, float32 G x K."""

    CHUNK = 512
    """Targets searched at a time: keeps the scores inside the cache."""

    def __init__(self, words: torch.Tensor, bits: torch.Tensor | None = None) -> None:
        self.words = words
        self.bits = torch.zeros_like(words[..., 0]) if bits is None else bits
        # One product gives both: the price of a bit goes in as one more coordinate.
        self._transposed = torch.cat([words, -self.bits[..., None]], 2).transpose(1, 2).contiguous()
        self._half = -0.5 * (words * words).sum(2)

    def nearest(self, group: int, targets: torch.Tensor) -> torch.Tensor:
        """Index of the closest codeword of a group: float32 N x d -> int64 N."""
        return self.search(group, targets, targets.new_zeros(len(targets)))[0]

    def search(self, group: int, targets: torch.Tensor, price: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Index of the codeword with the least half squared distance plus price times bits, price float32 N.

        Returns it, int64 N, and half of the squared length that the codeword takes away, float32 N.
        """
        half, transposed = self._half[group], self._transposed[group]
        parts = torch.cat([targets, price[:, None]], 1).split(self.CHUNK)
        scores = [torch.addmm(half, part, transposed) for part in parts]
        found = [_argmax(part) for part in scores]
        best = torch.cat([part.gather(1, index[:, None])[:, 0] for part, index in zip(scores, found, strict=True)])
        words = torch.cat(found)
        return words, best + price * self.bits[group, words]


def _argmax(scores: torch.Tensor) -> torch.Tensor:
    """Place of the first largest value of each row; on a CPU NumPy finds it many times faster than torch."""
    return torch.from_numpy(scores.numpy().argmax(1)) if scores.device.type == "cpu" else scores.argmax(1)


class CascadeTokenizer(Tokenizer):
    """A cascade with its tables as tensors.

    mean: float [D]; dims: int [T, d] coefficient numbers; scale: float [T]; group: int [T]; codebooks: float [G, K,
    d], or int8 with their step size in float [G]. bits: cost of each codeword, float [G, K]; without it the encoder
    minds the error alone.
    """

    def __init__(
        self,
        config: CascadeConfig,
        tensors: dict[str, torch.Tensor],
        device: torch.device | str = "cpu",
        nets: Mapping[str, LookNet] | None = None,
        bits: torch.Tensor | None = None,
    ) -> None:
        self.config = config
        self.nets = dict(nets or {})
        # Without a network of its own the fidelity look is the bare sum of the codewords.
        self.looks = tuple(look for look in LOOKS if look in self.nets or look == "fidelity")
        self.mends = "fidelity" in self.nets
        self.n_tokens = config.n_tokens
        self.device = torch.device(device)
        self.transform = TileTransform(config.luma, config.chroma, self.device)
        self.mean = tensors["mean"].to(self.device, torch.float32)
        self.dims = tensors["dims"].to(self.device, torch.int64)
        self.scale = tensors["scale"].to(self.device, torch.float32)
        self.group = tensors["group"].to(self.device, torch.int64)
        words = tensors["codebooks"].to(self.device, torch.float32)
        self.codebooks = Codebooks(
            words * tensors["step"].to(self.device)[:, None, None] if "step" in tensors else words,
            None if bits is None else bits.to(self.device, torch.float32),
        )

    @torch.inference_mode()
    def encode(self, x: torch.Tensor, count: int | None = None) -> torch.Tensor:
        self.check_tiles(x)
        return self.quantise(self.transform.forward(x.to(self.device, torch.float32)), count)

    @torch.inference_mode()
    def encode_curves(self, x: torch.Tensor, count: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """As the base class says; the errors are those of the bare sum of codewords, before it is clamped."""
        self.check_tiles(x)
        x = x.to(self.device, torch.float32)
        vectors = self.transform.forward(x)
        # The transform is orthonormal: the pixels' energy beyond that of the coded coefficients stays for good.
        outside = x.square().sum((1, 2, 3)) - vectors.square().sum(1)
        first = (vectors - self.mean).square().sum(1) + outside.clamp_min(0)
        saved = torch.empty(len(self.group[:count]), len(x), device=self.device)
        tokens = self.quantise(vectors, count, saved)
        errors = first.double()[:, None] - torch.nn.functional.pad(saved.T.double(), (1, 0)).cumsum(1)
        return tokens, errors.clamp_min(0).float()

    def quantise(
        self, vectors: torch.Tensor, count: int | None = None, saved: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Vectors to tokens, float32 N x D -> int64 N x count (None: all), each the codeword that leaves least.

        A bit counts as RATE_WEIGHT / (its token's number) of what is left, so that at equal bytes less is left.
        saved: float32 count x N to fill with the squared error that each token takes away.
        """
        residual = (vectors - self.mean).T.contiguous()
        left = residual.square().sum(0)
        groups = self.group[:count].tolist()
        tokens = torch.empty(len(groups), len(vectors), dtype=torch.int64, device=self.device)
        for token, group in enumerate(groups):
            dims, scale = self.dims[token], self.scale[token]
            target = residual[dims].T / scale
            price = left * (RATE_WEIGHT / (2 * (token + 1))) / scale.square()
            tokens[token], score = self.codebooks.search(group, target, price)
            residual[dims] = ((target - self.codebooks.words[group, tokens[token]]) * scale).T
            taken = 2 * scale.square() * score
            left = (left - taken).clamp_min(0)
            if saved is not None:
                saved[token] = taken
        return tokens.T

    @torch.inference_mode()
    def decode(self, tokens: torch.Tensor, look: str | None = None) -> torch.Tensor:
        self.check_tokens(tokens, self.config.codewords)
        vectors = self.vectors(tokens.to(self.device))
        net = self.nets.get(self.check_look(look))
        if net is None:
            return self.transform.inverse(vectors).clamp_(0, 1)
        counts = torch.full((len(tokens),), tokens.shape[1], device=self.device)
        return self.draw(net, vectors, counts).clamp_(0, 1)

    def draw(self, net: LookNet, vectors: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        """What a network makes of vectors float32 N x D of `counts` tokens: N x 3 x 256 x 256, not clamped."""
        drawn: torch.Tensor = net(small_picture(self.transform.unpack(vectors)), counts)
        return drawn + self.transform.inverse(vectors)

    def vectors(self, tokens: torch.Tensor) -> torch.Tensor:
        """Sum the codewords: int64 N x k -> coefficient vectors float32 N x D, with the mean."""
        count = tokens.shape[1]
        words = self.codebooks.words[self.group[:count], tokens] * self.scale[:count, None]
        out = self.mean.repeat(len(tokens), 1)
        return out.index_add_(1, self.dims[:count].flatten(), words.flatten(1))


def pack_tensors(config: CascadeConfig, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors to ship: codebooks as int8 with one step size each, and everything that the shape follows from."""
    step = tensors["codebooks"].abs().amax((1, 2)) / 127
    return {
        "planes": torch.tensor([config.luma, config.chroma], dtype=torch.int16),
        "mean": tensors["mean"].half(),
        "dims": tensors["dims"].to(torch.int16),
        "scale": tensors["scale"].float(),
        "group": tensors["group"].to(torch.int16),
        "codebooks": (tensors["codebooks"] / step[:, None, None]).round().to(torch.int8),
        "step": step,
    }


def load(model: Model, device: torch.device, dtype: torch.dtype) -> CascadeTokenizer:
    """The cascade in a model's folder. Raises ModelFileError when tensors are missing or do not fit together."""
    path = model.weights_path
    stored = load_file(path)
    tensors = {name.removeprefix("decoder."): tensor for name, tensor in stored.items()}
    try:
        nets = looks_from(stored, device, dtype)
        luma, chroma = (int(side) for side in tensors["planes"])
        groups, codewords, dims = tensors["codebooks"].shape
        n_tokens = len(tensors["scale"])
    except (KeyError, ValueError, RuntimeError) as error:
        raise ModelFileError(f"{path}: not a cascade ({str(error).splitlines()[0]})") from error
    shapes = {
        "mean": (luma**2 + 2 * chroma**2,),
        "dims": (n_tokens, dims),
        "group": (n_tokens,),
        "step": (groups,),
    }
    for name, shape in shapes.items():
        if name not in tensors or tensors[name].shape != shape:
            raise ModelFileError(f"{path}: {name} is missing or not of shape {shape}")
    for name, end in (("dims", shapes["mean"][0]), ("group", groups)):
        if not 0 <= int(tensors[name].min()) <= int(tensors[name].max()) < end:
            raise ModelFileError(f"{path}: {name} must lie in 0..{end - 1}")
    if (model.tables.radices, model.tables.n_tokens) != ((codewords,), n_tokens):
        raise ModelFileError(f"{path}: the entropy tables are not for {n_tokens} tokens of {codewords} values")
    bits = codeword_bits(model.tables, tensors["group"].long(), groups)
    return CascadeTokenizer(CascadeConfig(n_tokens, codewords, dims, luma, chroma), tensors, device, nets, bits)


def codeword_bits(tables: FrequencyTables, group: torch.Tensor, groups: int) -> torch.Tensor:
    """What the entropy tables charge for the codewords, on average over the tokens of each group: float32 G x K."""
    counts = torch.from_numpy(tables.counts[0].astype(np.float32))
    summed = counts.new_zeros(groups, counts.shape[1]).index_add_(0, group, counts)
    return -(summed / summed.sum(1, keepdim=True)).log2()
