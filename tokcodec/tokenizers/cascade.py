"""Our own tokenizer: a cascade of vector quantisers over the DCT of a tile.

Token t names one of 4096 codewords, each a small vector added to `dims` coefficients that carry most of what the
tokens before it left over (residual vector quantisation, Juang & Gray 1982; as a layered code: Barnes, Rizvi &
Nasrabadi 1996). The decoder is a sum, so any prefix of the tokens is a coarser picture; the encoder takes the closest
codeword to what is left, token by token.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from safetensors.torch import load_file

from ..errors import ModelFileError
from ..modelfile import Model
from .base import Tokenizer
from .look import LookNet, look_from, small_picture
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


class Codebooks:
    """Codebooks laid out for searching: float32 G x K x d."""

    CHUNK = 512
    """Targets searched at a time: keeps the scores inside the cache."""

    def __init__(self, words: torch.Tensor) -> None:
        self.words = words
        self._transposed = words.transpose(1, 2).contiguous()
        self._half = -0.5 * (words * words).sum(2)

    def nearest(self, group: int, targets: torch.Tensor) -> torch.Tensor:
        """Index of the closest codeword of a group: float32 N x d -> int64 N."""
        half, transposed = self._half[group], self._transposed[group]
        return torch.cat([torch.addmm(half, part, transposed).argmax(1) for part in targets.split(self.CHUNK)])


class CascadeTokenizer(Tokenizer):
    """A cascade with its tables as tensors.

    mean: float [D]; dims: int [T, d] coefficient numbers; scale: float [T]; group: int [T]; codebooks: float [G, K,
    d], or int8 with their step size in float [G].
    """

    def __init__(
        self,
        config: CascadeConfig,
        tensors: dict[str, torch.Tensor],
        device: torch.device | str = "cpu",
        look: LookNet | None = None,
    ) -> None:
        self.config, self.look = config, look
        if look is not None:
            self.looks = ("perceptual", "fidelity")
        self.n_tokens = config.n_tokens
        self.device = torch.device(device)
        self.transform = TileTransform(config.luma, config.chroma, self.device)
        self.mean = tensors["mean"].to(self.device, torch.float32)
        self.dims = tensors["dims"].to(self.device, torch.int64)
        self.scale = tensors["scale"].to(self.device, torch.float32)
        self.group = tensors["group"].to(self.device, torch.int64)
        words = tensors["codebooks"].to(self.device, torch.float32)
        self.codebooks = Codebooks(
            words * tensors["step"].to(self.device)[:, None, None] if "step" in tensors else words
        )

    @torch.inference_mode()
    def encode(self, x: torch.Tensor) -> torch.Tensor:
        self.check_tiles(x)
        return self.quantise(self.transform.forward(x.to(self.device, torch.float32)))

    def quantise(self, vectors: torch.Tensor) -> torch.Tensor:
        """Vectors to tokens, each the nearest codeword to what is left: float32 N x D -> int64 N x n_tokens."""
        residual = (vectors - self.mean).T.contiguous()
        tokens = torch.empty(self.n_tokens, len(vectors), dtype=torch.int64, device=self.device)
        for token, group in enumerate(self.group.tolist()):
            dims, scale = self.dims[token], self.scale[token]
            target = residual[dims].T / scale
            tokens[token] = self.codebooks.nearest(group, target)
            residual[dims] = ((target - self.codebooks.words[group, tokens[token]]) * scale).T
        return tokens.T

    @torch.inference_mode()
    def decode(self, tokens: torch.Tensor, look: str | None = None) -> torch.Tensor:
        self.check_tokens(tokens, self.config.codewords)
        vectors = self.vectors(tokens.to(self.device))
        if self.check_look(look) == "fidelity" or self.look is None:
            return self.transform.inverse(vectors).clamp_(0, 1)
        counts = torch.full((len(tokens),), tokens.shape[1], device=self.device)
        return self.draw(self.look, vectors, counts).clamp_(0, 1)

    def draw(self, net: LookNet, vectors: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        """The perceptual look of vectors float32 N x D made from `counts` tokens: N x 3 x 256 x 256, not clamped."""
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
        look = look_from(stored, device, dtype)
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
    return CascadeTokenizer(CascadeConfig(n_tokens, codewords, dims, luma, chroma), tensors, device, look)
