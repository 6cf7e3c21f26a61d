"""Trains the network of `search.distance`, which learns the features of two larger networks.

LPIPS (arXiv 1801.03924) and EfficientNet-lite0 compute the features of pairs once: a crop, and the same crop drawn by a
look. The network learns the features, and above all their differences within a pair, which determine the distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from ..models.modelfile import read_model
from ..ratecontrol.lpips import LPIPS
from ..search.distance import CLASSIFIER, DistanceNet, quantised
from ..search.distance import LPIPS as LPIPS_WIDTHS
from ..tokenizers.cascade import CascadeTokenizer, load
from .averages import averaged_model
from .data import load_pictures, load_validation, random_crop
from .features import Classifier
from .journal import Journal
from .look_run import random_counts
from .settings import DistanceTraining

SIDE = 128
"""Side of the inputs of the networks, in samples."""
STAGES = sum(map(len, CLASSIFIER))
FEWEST = 8
"""Smallest number of tokens of a drawn tile."""


@dataclass(frozen=True)
class Pairs:
    """Crops and drawn crops, with the features of the classifier and of LPIPS to learn."""

    pictures: torch.Tensor  # float16 2 x N x 3 x SIDE x SIDE
    classifier: list[torch.Tensor]  # float16 2 x N x C x H x W each
    lpips: list[torch.Tensor]


class DistanceRun:
    """A training run on pictures uint8 3 x H x W, see `data.load_pictures`."""

    def __init__(
        self,
        tokenizer: CascadeTokenizer,
        pictures: Sequence[torch.Tensor],
        lpips: LPIPS,
        folder: Path,
        training: DistanceTraining | None = None,
    ) -> None:
        self.tokenizer, self.pictures, self.lpips = tokenizer, pictures, lpips
        self.training = training or DistanceTraining()
        self.journal = Journal(folder, "distance", "distance")
        self.classifier = Classifier("efficientnet-lite0")
        self.rng = np.random.default_rng(self.training.seed)
        self.axes: list[torch.Tensor] = []
        torch.manual_seed(self.training.seed)
        self.net = DistanceNet()
        for module in self.net.modules():
            if isinstance(module, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                torch.nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        for head in self.net.heads:  # features begin small
            head.weight.data.mul_(0.3)  # type: ignore[operator]
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def pair(self, picture: torch.Tensor) -> list[torch.Tensor]:
        """Two pairs of one picture, float32 2 x 3 x SIDE x SIDE each."""
        training, rng = self.training, self.rng
        tile = random_crop(picture, rng).clamp(0, 1)
        tokens = self.tokenizer.encode(tile[None])
        count = max(FEWEST, random_counts(1, tokens.shape[1], rng)[0])
        look = "fidelity" if rng.random() < training.fidelity else "perceptual"
        both = torch.stack([tile, self.tokenizer.decode(tokens[:, :count], look)[0]])
        found = []
        for _ in range(2):
            if rng.random() < training.reduced:
                found.append(F.avg_pool2d(both, 2))
            else:
                top, left = rng.integers(0, tile.shape[1] - SIDE + 1, 2)
                found.append(both[..., top : top + SIDE, left : left + SIDE])
        return found

    @torch.no_grad()
    def taught(self, pairs: list[torch.Tensor]) -> Pairs:
        """Make pairs with their features. The first call determines the principal components of LPIPS's features."""
        pictures = torch.stack(pairs, 1)
        number = pictures.shape[1]
        classifier = self.classifier.stages(pictures.flatten(0, 1), STAGES)
        weighted = [
            features * head.clamp(min=0).sqrt()
            for features, head in zip(self.lpips.features(pictures.flatten(0, 1)), self.lpips.heads, strict=True)
        ]
        if not self.axes:
            widths = [width for level in LPIPS_WIDTHS for width in level]
            for features, width in zip(weighted, widths, strict=True):
                change = (features[:number] - features[number:]).transpose(0, 1).flatten(1)
                self.axes.append(torch.linalg.svd(change @ change.T)[0][:, :width])
        lpips = [torch.einsum("nchw,ck->nkhw", f, axes) for f, axes in zip(weighted, self.axes, strict=True)]

        def halves(x: torch.Tensor) -> torch.Tensor:
            part: torch.Tensor = x.half().unflatten(0, (2, number))
            return part

        return Pairs(pictures.half(), list(map(halves, classifier)), list(map(halves, lpips)))

    def loss(self, pairs: Pairs, rows: torch.Tensor) -> torch.Tensor:
        """The loss of some pairs."""
        pictures = pairs.pictures[:, rows].float().flatten(0, 1)
        classifier, lpips = self.net(pictures)
        parts = []
        for found, wanted in zip(classifier, pairs.classifier, strict=True):
            x, y = _fitting(found, wanted[:, rows])
            u, v = F.normalize(x, dim=2, eps=1e-6), F.normalize(y, dim=2, eps=1e-6)
            change = v[0] - v[1]
            missed = ((u[0] - u[1] - change).square().sum(1).mean()) / change.square().sum(1).mean().clamp(min=1e-3)
            parts += [2 * (1 - F.cosine_similarity(x, y, dim=2, eps=1e-6).mean()), 0.5 * missed]
        for found, wanted in zip(lpips, pairs.lpips, strict=True):
            x, y = _fitting(found, wanted[:, rows])
            change = y[0] - y[1]
            missed = (x[0] - x[1] - change).square().sum(1).mean() / change.square().sum(1).mean().clamp(min=1e-5)
            away = (x - y).square().sum(2).mean((1, 2, 3)) / y.square().sum(2).mean((1, 2, 3)).clamp(min=1e-5)
            parts += [0.5 * missed, 0.15 * away.sum()]
        loss: torch.Tensor = torch.stack(parts).sum()
        return loss

    def train(self) -> dict[str, torch.Tensor]:
        """Compute the pairs, do all steps, and return the averaged weights."""
        training, waiting, stored = self.training, list[torch.Tensor](), list[Pairs]()
        for picture in self.pictures:
            waiting += self.pair(picture)
            if len(waiting) >= training.stored:
                stored.append(self.taught(waiting))
                waiting = []
        optimiser = torch.optim.AdamW(self.net.parameters(), training.rate, betas=(0.9, 0.98), weight_decay=1e-3)
        averaged = averaged_model(self.net, training.average)
        for step in range(training.steps):
            cosine = float(np.cos(np.pi / 2 * step / training.steps)) ** 2
            for group in optimiser.param_groups:
                group["lr"] = training.rate * min(1, (step + 1) / 50) * (0.02 + 0.98 * cosine)
            pairs = stored[int(self.rng.integers(len(stored)))]
            rows = torch.from_numpy(self.rng.permutation(pairs.pictures.shape[1])[: training.batch])
            loss = self.loss(pairs, rows)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), 3.0)
            optimiser.step()
            averaged.update_parameters(self.net)
            if step % 100 == 99:
                self.journal.record(step=step + 1, loss=round(float(loss), 3))
        weights: dict[str, torch.Tensor] = averaged.module.state_dict()
        return weights


def write_distance(weights: dict[str, torch.Tensor], path: Path) -> None:
    """Write the weights as `search.distance` reads them."""
    save_file(quantised(weights), path)


def train_distance(
    model: Path,
    sources: Sequence[Path],
    valid: Sequence[Path],
    training: DistanceTraining,
    lpips_weights: Path | None,
    out: Path,
) -> None:
    """Train the network and write its weights.

    Args:
        model: folder of the model whose looks draw the pictures.
        sources: training pictures, folders or tar archives.
        valid: validation pictures, which are never trained on.
        training: the settings.
        lpips_weights: SqueezeNet's weights of LPIPS. None: from the usual places.
        out: file of the weights. The log is in the folder OUT.training.
    """
    found = read_model(model)
    found.verify()
    tokenizer = load(found, torch.device("cpu"), torch.float32)
    _, seen = load_validation(valid)
    pictures = load_pictures(sources, seen)
    folder = out.with_name(out.name + ".training")
    run = DistanceRun(tokenizer, pictures, LPIPS("squeeze", lpips_weights), folder, training)
    write_distance(run.train(), out)


def _fitting(found: torch.Tensor, wanted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Predicted features 2 N x C x H x W and a teacher's 2 x N x C x H' x W', cut to equal size and shape."""
    rows, columns = (min(found.shape[at], wanted.shape[at]) for at in (-2, -1))
    return found.unflatten(0, wanted.shape[:2])[..., :rows, :columns], wanted[..., :rows, :columns].float()
