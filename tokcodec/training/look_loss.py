"""The loss of the training of a look, and the figures that judge its pictures.

Perceptual: squared error, the distance of features of two image classifiers in turn, and some LPIPS (arXiv 1801.03924).
The networks see the whole tile averaged 2 x 2, or a random part of it, mirrored and changed in contrast at random, so
that the look does not learn patterns that only improve a metric. Light: the same, for a network that is small enough
for a web page. Fidelity: the logarithm of the squared error of each tile, as in PSNR. In all of them the planes of
colour are weighted as in the model's manifest, and the mean colours of large fields count once more, in OKLab.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch.nn import functional as F

from ..pictures.tiling import TILE
from ..ratecontrol.lpips import LPIPS
from ..tokenizers.transform import COLOURS
from .colour import colour_distance
from .features import Classifier, feature_distance
from .settings import LookTraining

LOSS_STAGES, VALID_STAGES = 5, slice(1, 5)
"""Stages of a classifier whose features the loss and the validation figures compare."""


class LookLoss:
    """The loss of one training.

    Args:
        training: its settings.
        lpips: needed if features are compared.
        device: where the classifiers compute.
        weights: weights of the squared errors of the planes, see `CascadeTokenizer`. Default: equal ones.

    Raises:
        ValueError: `lpips` is needed and not given.
        MissingPackageError: a classifier's package is not installed.
    """

    def __init__(
        self, training: LookTraining, lpips: LPIPS | None, device: torch.device, weights: Sequence[float] = ()
    ) -> None:
        if lpips is None and training.features:
            raise ValueError("the perceptual look is trained with LPIPS")
        self.training, self.lpips = training, lpips
        planes = np.sqrt(weights or (1.0,) * len(COLOURS))[:, None] * COLOURS
        self.planes = torch.from_numpy(planes).float().to(device)
        self.classifiers = [Classifier(name).to(device) for name in training.features]

    def __call__(
        self, drawn: torch.Tensor, tiles: torch.Tensor, shares: Sequence[float], step: int
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The loss of a batch, and its parts.

        Args:
            drawn: float32 N x 3 x 256 x 256, what the network draws.
            tiles: float32 N x 3 x 256 x 256 in [0, 1], the originals.
            shares: share of the tokens that each tile is drawn from, above 0 and at most 1.
            step: number of the step, which chooses the classifier and the random view.

        Returns:
            The loss, a scalar, and each part of it by its name, float32 N.
        """
        training = self.training
        squared = torch.einsum("cd,ndhw->nchw", self.planes, drawn - tiles).square().mean((1, 2, 3))
        colour = colour_distance(drawn, tiles)
        if self.lpips is None or not self.classifiers:
            loss = squared + training.colour * colour
            return loss.add(2e-7).log().mean(), {"squared": squared, "colour": colour}
        view = self.view(len(tiles), np.random.default_rng([training.seed, 12, step]))
        seen, shown = view(tiles), view(drawn)
        classifier = self.classifiers[step % len(self.classifiers)]
        feature = feature_distance(classifier.stages(shown, LOSS_STAGES), classifier.stages(seen, LOSS_STAGES))
        lpips = self.lpips(shown, seen)
        share = torch.tensor(shares, device=tiles.device)
        loss = (
            training.squared * (squared + training.colour * colour)
            + training.feature * share**training.fading * feature
            + training.lpips * share**training.lpips_fading * lpips
        )
        return loss.mean(), {"squared": squared, "colour": colour, "feature": feature, "lpips": lpips}

    def view(self, number: int, rng: np.random.Generator) -> Callable[[torch.Tensor], torch.Tensor]:
        """A random view of `number` tiles: the whole reduced to `part` samples a side, or a random part of this side.

        It may be mirrored, and the contrast of each tile is changed. Returns the function that maps N x 3 x 256 x 256
        to N x 3 x part x part, and does the same to all batches that are compared.
        """
        part = self.training.part
        reduced, mirror = bool(rng.integers(0, 2)), bool(rng.integers(0, 2))
        top, left = rng.integers(0, TILE + 1 - part, 2)
        gain = rng.uniform(1 - self.training.contrast, 1 + self.training.contrast, (number, 1, 1, 1))

        def take(x: torch.Tensor) -> torch.Tensor:
            contrast = torch.tensor(gain, dtype=torch.float32, device=x.device)
            x = F.avg_pool2d(x, TILE // part) if reduced else x[..., top : top + part, left : left + part]
            return 0.5 + contrast * ((x.flip(3) if mirror else x) - 0.5)

        return take

    def judge(self, drawn: torch.Tensor, tile: torch.Tensor) -> list[float]:
        """Figures of one drawn tile, both float32 1 x 3 x 256 x 256 on one device.

        Returns PSNR in dB, and if features are compared LPIPS, LPIPS at half the size, and the distance of features by
        each classifier.
        """
        figures = [-10 * torch.log10(F.mse_loss(drawn, tile))]
        if self.lpips is not None:
            small, seen = F.avg_pool2d(drawn, 2), F.avg_pool2d(tile, 2)
            figures += [self.lpips(drawn, tile), self.lpips(small, seen)]
            for classifier in self.classifiers:
                both = (classifier.stages(x, VALID_STAGES.stop)[VALID_STAGES] for x in (small, seen))
                figures.append(feature_distance(*both))
        return [float(value) for value in figures]
