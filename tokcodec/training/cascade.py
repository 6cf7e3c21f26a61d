"""Trains the codewords of a cascade, one scale after the other: first by k-means for each token, then for all together.

Step 1 trains the tokens in order. Each takes the coefficients with the largest remaining (weighted) variance, divides
them between its two halves, and learns the words of each half by k-means. Step 2 encodes batches of new crops like the
encoder, and moves every word towards the mean of the vectors that chose it (exponential moving averages as in VQ-VAE,
arXiv 1711.00937), so that each token is trained on the errors that the others leave. The weight of a tile is a power of
its remaining error: mean PSNR is a mean of logarithms, but the errors of tiles of one picture add up.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..tokenizers.cascade import CascadeConfig
from ..tokenizers.codewords import Codewords
from ..tokenizers.transform import TileTransform, coefficient_weights
from .data import crop_vectors, random_crop
from .settings import CascadeTraining

log = logging.getLogger(__name__)

INIT_STEP, TABLE_STEP = 1 << 29, 1 << 30
"""Step numbers whose crops start the words and fit the entropy tables. No training step has such a number."""
REFRESHED = 16, 8
"""Variances are measured again for each of the first 16 tokens, then for every eighth."""
LATE = 48
"""From this token on, a tile's weight uses the late power."""


def transform_for(config: CascadeConfig) -> TileTransform:
    """The transform in torch's float32."""
    return TileTransform(config.luma, config.chroma, lambda array: torch.from_numpy(array).float())


class ScaleTrainer:
    """The words of one scale in training.

    `tensors` and `step` are its whole state: mean float32 [D], dims int64 [T, 2 h], words float32 [T, 2, K, h], counts
    float32 [T, 2, K]. Here every coefficient is multiplied by the root of its weight, so that squared errors are
    weighted ones.

    Args:
        pictures: training pictures, uint8 3 x H x W each.
        config: sizes of the model.
        training: settings.
        scale: number of the scale.
    """

    def __init__(
        self, pictures: Sequence[torch.Tensor], config: CascadeConfig, training: CascadeTraining, scale: int
    ) -> None:
        self.pictures, self.config, self.training, self.scale = pictures, config, training, scale
        self.transform = transform_for(config)
        self.root = torch.from_numpy(coefficient_weights(config.luma, config.chroma, config.weights)).sqrt().float()
        self.floor = self.uncoded_energy()
        self.tensors: dict[str, torch.Tensor] = {}
        self.step = 0

    def random(self, *purpose: int) -> np.random.Generator:
        """A generator for a purpose. It depends on the seed alone, not on what ran before."""
        return np.random.default_rng([self.training.seed, self.scale, *purpose])

    def uncoded_energy(self, count: int = 64) -> float:
        """Mean squared pixel values (summed over a tile) that the transform leaves out."""
        rng, total = self.random(1), 0.0
        for index in rng.integers(0, len(self.pictures), count):
            crop = random_crop(self.pictures[index], rng, scale=self.scale)[None]
            total += float((crop**2).sum() - (self.transform.forward(crop) ** 2).sum())
        return max(1.0, total / count)

    def weights(self, energy: torch.Tensor, token: int) -> torch.Tensor:
        """Weight of each tile for a token from its remaining squared error, mean 1."""
        first, late = self.training.weight_powers[self.scale], self.training.late_powers[self.scale]
        power = first + (late - first) * min(1.0, token / LATE)
        weight = (energy + self.floor).clamp_min(1e-3) ** -power
        return weight / weight.mean()

    def sample(self, step: int, crops: int) -> torch.Tensor:
        """Coefficient vectors of `crops` crops, which are the same for the same step: float32 2 crops x D."""
        return crop_vectors(self.pictures, crops, self.random(2, step), self.transform, self.scale)

    # -- step 1: one token after the other ------

    def initialise(self) -> None:
        """Choose the coefficients of every token and give the words a first value by k-means."""
        config, started = self.config, time.monotonic()
        rng, half = self.random(3), config.half
        residual = self.sample(INIT_STEP, self.training.init_crops) * self.root
        mean = residual.mean(0)
        residual = (residual - mean).T.contiguous()
        dims = torch.zeros(config.n_tokens, 2 * half, dtype=torch.int64)
        words = torch.zeros(config.n_tokens, 2, config.codewords, half)
        counts = torch.zeros(config.n_tokens, 2, config.codewords)
        # Dealt out like cards to two players of equal skill: a b b a a b b a ...
        second = torch.tensor([place % 4 in (1, 2) for place in range(2 * half)])
        for token in range(config.n_tokens):
            if token < REFRESHED[0] or token % REFRESHED[1] == 0:
                weight = self.weights((residual * residual).sum(0), token)
                variance = torch.stack([(row * row * weight).mean() for row in residual])
            order = variance.argsort(descending=True)[: 2 * half]
            dims[token] = torch.cat([order[~second], order[second]])
            for digit, part in enumerate(dims[token].split(half)):
                target = residual[part].T.contiguous()
                words[token, digit], counts[token, digit] = kmeans(
                    target, weight, config.codewords, self.training.init_iterations, rng
                )
                left = target - words[token, digit][nearest(target, words[token, digit])]
                residual[part] = left.T
                variance[part] = (left * left * weight[:, None]).mean(0)
            if token % 64 == 63:
                log.info("scale %d: %d tokens in %.0f s", self.scale, token + 1, time.monotonic() - started)
        # Counts in units of one step, as the moving averages are.
        counts = counts.clamp_min(1e-3) * (self.training.crops / self.training.init_crops)
        self.tensors = {"mean": mean, "dims": dims, "words": words, "counts": counts}

    # -- step 2: all tokens together ------

    def arrays(self) -> dict[str, NDArray[Any]]:
        """mean, dims and words of coefficients without weights, as `Codewords` takes them."""
        mean, dims, words = (self.tensors[name] for name in ("mean", "dims", "words"))
        root = self.root[dims].reshape(len(dims), 2, 1, self.config.half)
        return {"mean": (mean / self.root).numpy(), "dims": dims.numpy(), "words": (words / root).numpy()}

    def train_step(self) -> dict[str, float]:
        """Encode one batch by the whole cascade, move the words, and return the mean weighted error left in a tile."""
        training, half = self.training, self.config.half
        vectors = self.sample(self.step, training.crops) * self.root
        weighted = {name: tensor.numpy() for name, tensor in self.tensors.items() if name != "counts"}
        tokens, errors = Codewords(**weighted, array=torch.from_numpy).encode(vectors.double(), self.config.n_tokens)
        residual = (vectors - self.tensors["mean"]).T.contiguous()
        words, counts, dims = (self.tensors[name] for name in ("words", "counts", "dims"))
        decay = min(training.decay, 1 - 1 / (10 + self.step))
        rng = self.random(4, self.step)
        for token in range(self.config.n_tokens):
            weight = self.weights(errors[:, token].float(), token)
            digits = tokens[:, token] // self.config.codewords, tokens[:, token] % self.config.codewords
            for digit, (part, chosen) in enumerate(zip(dims[token].split(half), digits, strict=True)):
                target = residual[part].T.contiguous()
                residual[part] = (target - words[token, digit][chosen]).T
                count, total = weighted_sums(target, chosen, weight, self.config.codewords)
                # words * counts is the moving sum, so the words themselves are all the state there is.
                moving = counts[token, digit] * decay + count * (1 - decay)
                words[token, digit].mul_((counts[token, digit] * decay / moving)[:, None])
                words[token, digit].add_(total * ((1 - decay) / moving)[:, None])
                counts[token, digit] = moving
                dead = (moving < training.dead * float(moving.mean())).nonzero()[:, 0]
                if len(dead):
                    words[token, digit, dead] = target[torch.from_numpy(rng.integers(0, len(target), len(dead)))]
                    counts[token, digit, dead] = moving.mean() * 0.5
        self.step += 1
        return {"squared_error": float(errors[:, -1].mean()) + self.floor}


def nearest(points: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
    """Number of the closest word: float32 N x h, K x h -> int64 N."""
    return torch.addmm(-0.5 * (words * words).sum(1), points, words.T).argmax(1)


def weighted_sums(
    points: torch.Tensor, chosen: torch.Tensor, weight: torch.Tensor, words: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sum up the points that chose each word.

    Args:
        points: float32 N x h.
        chosen: number of the word that each point chose, int64 N.
        weight: weight of each point, float32 N.
        words: number of words, K.

    Returns:
        The sum of the weights of each word, float32 K, and the weighted sum of its points, float32 K x h.
    """
    count = torch.zeros(words).index_add_(0, chosen, weight)
    return count, torch.zeros(words, points.shape[1]).index_add_(0, chosen, points * weight[:, None])


def kmeans(
    points: torch.Tensor, weight: torch.Tensor, words: int, iterations: int, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weighted k-means by Lloyd's iterations.

    Args:
        points: float32 N x h.
        weight: weight of each point, float32 N.
        words: number of words, K.
        iterations: number of iterations, at least 1.
        rng: chooses the first words, and those that replace unused ones.

    Returns:
        The words, float32 K x h, and the sum of the weights of the points that chose each, float32 K.
    """
    # Random points lie too far out: a mean of several is closer to the middle.
    found = points[torch.from_numpy(rng.choice(len(points), words, replace=len(points) < words))] * 0.7
    for _ in range(iterations):
        count, total = weighted_sums(points, nearest(points, found), weight, words)
        alive = count > 0
        found[alive] = total[alive] / count[alive, None]
        dead = int((~alive).sum())
        if dead:
            found[~alive] = points[torch.from_numpy(rng.integers(0, len(points), dead))] * 0.7
    return found, count
