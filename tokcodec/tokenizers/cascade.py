"""Our own tokenizer: a cascade of vector quantisers over the DCT of a tile.

Token t names one of 4096 codewords, each a small vector added to `dims` coefficients that carry most of what the
tokens before it left over (residual vector quantisation, Juang & Gray 1982; as a layered code: Barnes, Rizvi &
Nasrabadi 1996). The decoder is a sum, so any prefix of the tokens is a coarser picture. The encoder looks for the
first tokens together, by beam search, and from there takes the closest codeword to what is left, token by token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from safetensors.torch import load_file

from ..container.tables import FrequencyTables
from ..errors import ModelFileError
from ..models.modelfile import Model
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
BEAM = (4, 16, 32)
"""Paths that are kept after each of the first tokens, the last number from there on. More would serve 16 tokens better
and 1 token worse."""
BEAM_TOKENS = 16
"""Tokens that are looked for together, however many are asked for: more tokens begin with the same."""


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

    def scores(self, group: int, targets: torch.Tensor, price: torch.Tensor) -> torch.Tensor:
        """What each codeword is worth: half of the squared length that it takes from a target, less its bits' price.

        Targets float32 N x d, price of a bit for each float32 N -> float32 N x K.
        """
        return torch.addmm(self._half[group], torch.cat([targets, price[:, None]], 1), self._transposed[group])

    def taken(self, group: int, targets: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """Half of the squared length that codewords take from targets: float32 ... x d, int64 ... -> float32 ..."""
        words = self.words[group, index]
        return (words * targets).sum(-1) + self._half[group, index]

    def nearest(self, group: int, targets: torch.Tensor, price: torch.Tensor | None = None) -> torch.Tensor:
        """Index of the codeword with the best score, without a price the closest: float32 N x d -> int64 N."""
        price = targets.new_zeros(len(targets)) if price is None else price
        parts = zip(targets.split(self.CHUNK), price.split(self.CHUNK), strict=True)
        return torch.cat([_argmax(self.scores(group, *part)) for part in parts])


def _argmax(scores: torch.Tensor) -> torch.Tensor:
    """Place of the first largest value of each row; on a CPU NumPy finds it many times faster than torch."""
    return torch.from_numpy(scores.numpy().argmax(1)) if scores.device.type == "cpu" else scores.argmax(1)


def _largest(scores: torch.Tensor, number: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Path and codeword of the largest scores of each tile: N x P x K -> int64 N x (at most) number, twice."""
    # They lie at the codewords whose best paths are the best: far fewer to sort.
    words = scores.amax(1).topk(min(number, scores.shape[2]), 1).indices
    best = scores.gather(2, words[:, None].expand(-1, scores.shape[1], -1)).flatten(1)
    best = best.topk(min(number, best.shape[1]), 1).indices
    return best // words.shape[1], words.gather(1, best % words.shape[1])


def _price(token: int, scale: float) -> float:
    """Of a bit, in half squared lengths of a token's scaled targets, as a part of the squared error that is left."""
    return RATE_WEIGHT / (2 * (token + 1) * scale**2)


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
        """Vectors to tokens, float32 N x D -> int64 N x count (None: all), codewords that leave least.

        A bit counts as RATE_WEIGHT / (its token's number) of what is left, so that at equal bytes less is left.
        saved: float32 count x N to fill with the squared error that each token takes away.
        """
        groups, scales = self.group[:count].tolist(), self.scale.tolist()
        residual = vectors - self.mean
        first = torch.cat([self.search(part) for part in residual.split(Codebooks.CHUNK // BEAM[-1])]).T
        tokens = torch.empty(len(groups), len(vectors), dtype=torch.int64, device=self.device)
        residual = residual.T.contiguous()
        left = residual.square().sum(0)
        for token, (group, scale) in enumerate(zip(groups, scales, strict=False)):
            dims = self.dims[token]
            target = residual[dims].T / scale
            if token < len(first):
                tokens[token] = first[token]
            else:
                tokens[token] = self.codebooks.nearest(group, target, left * _price(token, scale))
            taken = self.codebooks.taken(group, target, tokens[token]) * (2 * scale**2)
            residual[dims] = ((target - self.codebooks.words[group, tokens[token]]) * scale).T
            left = (left - taken).clamp_min(0)
            if saved is not None:
                saved[token] = taken
        return tokens.T

    def search(self, residual: torch.Tensor) -> torch.Tensor:
        """The first tokens by beam search: float32 N x D -> int64 N x BEAM_TOKENS, the path that leaves least."""
        number = min(BEAM_TOKENS, self.n_tokens)
        # Only the coefficients that these tokens touch.
        touched, places = self.dims[:number].unique(return_inverse=True)
        left = residual.square().sum(1, keepdim=True)
        rest, rows = residual[:, None, touched], torch.arange(len(residual), device=self.device)[:, None]
        paths = torch.empty(len(residual), 1, 0, dtype=torch.int64, device=self.device)
        for token, (group, scale) in enumerate(zip(self.group[:number].tolist(), self.scale.tolist(), strict=False)):
            targets, price = (rest[:, :, places[token]] / scale).flatten(0, 1), left.flatten() * _price(token, scale)
            scores = self.codebooks.scores(group, targets, price).unflatten(0, left.shape)
            scores -= left[:, :, None] / (2 * scale**2)
            parent, word = _largest(scores, 1 if token == number - 1 else BEAM[min(token, len(BEAM) - 1)])
            paths = torch.cat([paths[rows, parent], word[:, :, None]], 2)
            targets = targets.unflatten(0, left.shape)[rows, parent]
            left = left[rows, parent] - self.codebooks.taken(group, targets, word) * (2 * scale**2)
            rest = rest[rows, parent]
            rest[:, :, places[token]] = (targets - self.codebooks.words[group, word]) * scale
        return paths[:, 0]

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
