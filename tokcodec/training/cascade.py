"""Training of the cascade: variances, codebooks one after the other, then all together on fresh crops.

Step 1 walks the tokens in order: each takes the `dims` coefficients with the largest remaining (weighted) variance
and learns its codebook by k-means. Step 2 runs batches of new crops through the whole cascade and moves every
codeword towards the mean of what it was chosen for (exponential moving averages as in VQ-VAE, arXiv 1711.00937), so
that all tokens see what the others leave. A tile counts by the power `-weight_power` of its remaining error: mean
PSNR is a mean of logarithms.
"""

from __future__ import annotations

import logging
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

    steps: int = 60
    crops: int = 1024
    """Crops per step; each is used as it is and mirrored."""
    init_crops: int = 16000
    init_iterations: int = 4
    weight_power: float = 0.8
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
        tensors, config, step = self.tensors, self.config, self.step
        residual = (self.sample(step, self.training.crops) - tensors["mean"]).T.contiguous()
        energy = (residual * residual).sum(0)
        codebooks, counts = tensors["codebooks"], tensors["counts"]
        search = Codebooks(codebooks)
        sums, chosen = torch.zeros_like(codebooks), torch.zeros_like(counts)
        fresh: dict[int, torch.Tensor] = {}
        for token in range(config.n_tokens):
            if token % 8 == 0:
                weight = self.weights(energy)
            group, dims, scale = self.group[token], tensors["dims"][token], tensors["scale"][token]
            target = residual[dims].T.contiguous() / scale
            word = search.nearest(group, target)
            sums[group].index_add_(0, word, target * weight[:, None])
            chosen[group].index_add_(0, word, weight)
            fresh[group] = target
            left = target - codebooks[group][word]
            energy += scale**2 * ((left * left).sum(1) - (target * target).sum(1))
            residual[dims] = (left * scale).T
        decay = min(self.training.decay, 1 - 1 / (20 + step))
        # codebooks * counts is the moving sum, so the codewords themselves are all the state there is.
        total = counts * decay + chosen * (1 - decay)
        codebooks.mul_((counts * decay / total)[..., None]).add_(sums * ((1 - decay) / total)[..., None])
        counts.copy_(total)
        self.revive(fresh, np.random.default_rng([self.training.seed, 4, step]))
        self.step += 1
        return float(energy.mean()) + self.floor

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
