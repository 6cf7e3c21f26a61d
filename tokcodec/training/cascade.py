"""Training of the cascade: variances, codebooks one after the other, then all together on fresh crops.

Step 1 walks the tokens in order: each takes the `dims` coefficients with the largest remaining (weighted) variance
and learns its codebook by k-means. Step 2 runs batches of new crops through the whole cascade and moves every
codeword towards the mean of what it was chosen for (exponential moving averages as in VQ-VAE, arXiv 1711.00937), so
that all tokens see what the others leave. A tile counts by the power `-weight_power` of its remaining error: mean
PSNR is a mean of logarithms.

The first codebooks would learn the training pictures by heart: three pictures a codeword. They see sums of two tiles
instead (the idea of mixup, arXiv 1710.09412), of which there are more than enough, with the variances of one.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..tokenizers.cascade import CascadeConfig, CascadeTokenizer, Codebooks
from ..tokenizers.transform import TileTransform
from .data import crop_vectors, random_crop

log = logging.getLogger(__name__)

INIT_STEP, TABLE_STEP = 1 << 29, 1 << 30
"""Step numbers whose crops start the codebooks and fit the entropy tables: no training step gets there."""


@dataclass(frozen=True)
class CascadeTraining:
    """How a cascade is trained; the defaults made the shipped model."""

    steps: int = 54
    crops: int = 1024
    """Crops per step; each is used as it is and mirrored."""
    init_crops: int = 16000
    init_iterations: int = 4
    weight_power: float = 0.8
    mixed_tokens: int = 32
    """Tokens that train on sums of two tiles."""
    mix: float = 0.4
    """Share m of the second tile in such a sum; the first has (1 - m^2)^0.5, so that variances stay."""
    mixes: int = 2
    """Times that each crop is mixed in a step."""
    decay: float = 0.995
    """Of the moving averages, reached by way of 1 - 1 / (20 + step)."""
    dead: float = 0.05
    """A codeword with a smaller moving count is put on a random residual."""
    seed: int = 0


def uncoded_energy(
    pictures: Sequence[torch.Tensor], transform: TileTransform, rng: np.random.Generator, count: int = 64
) -> float:
    """Mean squared pixel values (summed over a tile) that the transform leaves out."""
    total = 0.0
    for index in rng.integers(0, len(pictures), count):
        crop = random_crop(pictures[index], rng)[None]
        total += float((crop**2).sum() - (transform.forward(crop) ** 2).sum())
    return total / count


class Moves:
    """What the codewords of one step are pulled towards: weighted sums of the targets that chose them."""

    def __init__(self, codebooks: torch.Tensor) -> None:
        self.search = Codebooks(codebooks)
        self.sums, self.chosen = torch.zeros_like(codebooks), torch.zeros_like(codebooks[..., 0])
        self.fresh: dict[int, torch.Tensor] = {}
        """The last targets of each group."""

    def add(self, group: int, word: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> None:
        """Note targets float32 N x d that chose the codewords int64 N of a group."""
        self.sums[group].index_add_(0, word, target * weight[:, None])
        self.chosen[group].index_add_(0, word, weight)
        self.fresh[group] = target


class CascadeTrainer:
    """A cascade in training: `tensors` and `step` are all its state, `tokenizer()` gives the model as it stands."""

    def __init__(self, pictures: Sequence[torch.Tensor], config: CascadeConfig, training: CascadeTraining) -> None:
        self.pictures, self.config, self.training = pictures, config, training
        self.transform = TileTransform(config.luma, config.chroma)
        self.group = config.groups()
        self.floor = uncoded_energy(pictures, self.transform, np.random.default_rng([training.seed, 1]))
        self.tensors: dict[str, torch.Tensor] = {}
        self.step = 0

    def tokenizer(self) -> CascadeTokenizer:
        return CascadeTokenizer(self.config, self.tensors)

    def weights(self, energy: torch.Tensor) -> torch.Tensor:
        """Weight of each tile from its remaining squared error, mean 1."""
        weight = (energy + self.floor).clamp_min(1e-3) ** -self.training.weight_power
        return weight / weight.mean()

    def sample(self, step: int, crops: int) -> torch.Tensor:
        """Crops of step `step`: the same for the same seed, whatever ran before. float32 2 * crops x D."""
        rng = np.random.default_rng([self.training.seed, 2, step])
        return crop_vectors(self.pictures, rng.integers(0, len(self.pictures), crops).tolist(), rng, self.transform)

    # -- step 1: one codebook after the other ------

    def initialise(self) -> None:
        """Choose the coefficients of every token and give the codebooks a first value by k-means."""
        config, started = self.config, time.monotonic()
        rng = np.random.default_rng([self.training.seed, 3])
        residual = self.sample(INIT_STEP, self.training.init_crops)
        mean = residual.mean(0)
        residual = (residual - mean).T.contiguous()
        dims = torch.zeros(config.n_tokens, config.dims, dtype=torch.int64)
        scale = torch.ones(config.n_tokens)
        codebooks = torch.zeros(self.group[-1] + 1, config.codewords, config.dims)
        counts = torch.zeros(self.group[-1] + 1, config.codewords)
        for token in range(config.n_tokens):
            if token < 16 or token % 8 == 0:
                weight = self.weights((residual * residual).sum(0))
                variance = torch.stack([(row * row * weight).mean() for row in residual])
            dims[token] = variance.argsort(descending=True)[: config.dims]
            target = residual[dims[token]].T.contiguous()
            scale[token] = variance[dims[token]].sum().sqrt()
            group = self.group[token]
            if token == 0 or group != self.group[token - 1]:
                codebooks[group], counts[group] = kmeans(
                    target / scale[token], weight, config.codewords, self.training.init_iterations, rng
                )
            word = Codebooks(codebooks[group][None]).nearest(0, target / scale[token])
            left = target - codebooks[group][word] * scale[token]
            residual[dims[token]] = left.T
            variance[dims[token]] = (left * left * weight[:, None]).mean(0)
            if token % 16 == 15:
                log.info("initialised %d tokens in %.0f s", token + 1, time.monotonic() - started)
        self.tensors = {
            "mean": mean,
            "dims": dims,
            "scale": scale,
            "group": torch.tensor(self.group),
            "codebooks": codebooks,
            # In units of one step, as the moving averages are.
            "counts": counts.clamp_min(1e-3) * (self.training.crops / self.training.init_crops),
        }

    # -- step 2: all codebooks together ------

    def train_step(self) -> float:
        """One batch through the whole cascade: moves the codewords; returns the mean squared error left in a tile."""
        config, training = self.config, self.training
        rng = np.random.default_rng([training.seed, 4, self.step])
        plain = (self.sample(self.step, training.crops) - self.tensors["mean"]).T.contiguous()
        early = min(training.mixed_tokens, config.n_tokens)
        moves = Moves(self.tensors["codebooks"])
        for _ in range(training.mixes):
            other = plain[:, torch.from_numpy(rng.permutation(plain.shape[1]))]
            self.walk(math.sqrt(1 - training.mix**2) * plain + training.mix * other, moves, range(early), early)
        energy = self.walk(plain, moves, range(early, config.n_tokens), config.n_tokens)
        codebooks, counts = self.tensors["codebooks"], self.tensors["counts"]
        decay = min(training.decay, 1 - 1 / (20 + self.step))
        # codebooks * counts is the moving sum, so the codewords themselves are all the state there is.
        total = counts * decay + moves.chosen * (1 - decay)
        codebooks.mul_((counts * decay / total)[..., None]).add_(moves.sums * ((1 - decay) / total)[..., None])
        counts.copy_(total)
        self.revive(moves.fresh, rng)
        self.step += 1
        return float(energy.mean()) + self.floor

    def walk(self, residual: torch.Tensor, moves: Moves, learning: range, stop: int) -> torch.Tensor:
        """Take float32 D x N (overwritten) through the first `stop` tokens; note what the `learning` ones see.

        Returns the squared error left in each tile, float32 N.
        """
        tensors = self.tensors
        energy = (residual * residual).sum(0)
        for token in range(stop):
            if token % 8 == 0:
                weight = self.weights(energy)
            group, dims, scale = self.group[token], tensors["dims"][token], tensors["scale"][token]
            target = residual[dims].T.contiguous() / scale
            word = moves.search.nearest(group, target)
            if token in learning:
                moves.add(group, word, target, weight)
            left = target - tensors["codebooks"][group][word]
            energy += scale**2 * ((left * left).sum(1) - (target * target).sum(1))
            residual[dims] = (left * scale).T
        return energy

    def revive(self, fresh: dict[int, torch.Tensor], rng: np.random.Generator) -> None:
        """Put codewords that nothing chooses on random residuals of this step."""
        codebooks, counts = self.tensors["codebooks"], self.tensors["counts"]
        for group, target in fresh.items():
            dead = (counts[group] < self.training.dead * float(counts[group].mean())).nonzero()[:, 0]
            if len(dead):
                picks = torch.from_numpy(rng.integers(0, len(target), len(dead)))
                codebooks[group, dead] = target[picks]
                counts[group, dead] = counts[group].mean() * 0.5


def kmeans(
    points: torch.Tensor, weight: torch.Tensor, words: int, iterations: int, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weighted Lloyd iterations: float32 N x d and weights N -> codebook words x d, and the weight of each word."""
    codebook = points[torch.from_numpy(rng.choice(len(points), words, replace=len(points) < words))] * 0.7
    for _ in range(iterations):
        index = Codebooks(codebook[None]).nearest(0, points)
        count = torch.zeros(words).index_add_(0, index, weight)
        total = torch.zeros_like(codebook).index_add_(0, index, points * weight[:, None])
        alive = count > 0
        codebook[alive] = total[alive] / count[alive, None]
        dead = int((~alive).sum())
        if dead:
            codebook[~alive] = points[torch.from_numpy(rng.integers(0, len(points), dead))] * 0.7
    return codebook, count
