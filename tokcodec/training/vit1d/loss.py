"""The losses between drawn tiles and their originals."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from ...ratecontrol.lpips import LPIPS
from ..features import Classifier, feature_distance
from .settings import Training1d

STAGES = 5
"""Stages of a classifier whose features are compared. The last has a sixteenth of the tile's side."""


class Loss1d:
    """Squared error, LPIPS, and features of classifiers, weighted by the settings.

    Args:
        training: settings.
        lpips: needed if its weight is not 0.
        classifiers: those of `training.classifiers`.
    """

    def __init__(self, training: Training1d, lpips: LPIPS | None, classifiers: Sequence[Classifier]) -> None:
        self.training, self.lpips, self.classifiers = training, lpips, classifiers

    def __call__(
        self, drawn: torch.Tensor, tiles: torch.Tensor, share: torch.Tensor, step: int
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The loss of a batch, and its parts.

        Args:
            drawn: what the network draws, float32 N x 3 x T x T.
            tiles: the originals, float32 N x 3 x T x T in [0, 1].
            share: share of the tokens that each tile is drawn from, float32 N, above 0.
            step: number of the step, which chooses the classifier.

        Returns:
            The loss, a scalar, and each part of it by its name, scalars too.
        """
        training, fade = self.training, share.clamp(max=1) ** self.training.fading
        parts = {"squared": F.mse_loss(drawn, tiles)}
        loss = training.squared * parts["squared"]
        if self.lpips is not None and training.lpips:
            parts["lpips"] = (fade * self.lpips(drawn, tiles)).mean()
            loss = loss + training.lpips * parts["lpips"]
        if training.feature:
            classifier = self.classifiers[step % len(self.classifiers)]
            distance = feature_distance(classifier.stages(drawn, STAGES), classifier.stages(tiles, STAGES))
            parts["feature"] = (fade * distance).mean()
            loss = loss + training.feature * parts["feature"]
        return loss, parts


def semantic_features(classifier: Classifier, tiles: torch.Tensor, grid: int) -> torch.Tensor:
    """What the decoder's features are compared with: float32 N x 3 x T x T in [0, 1] -> N x grid**2 x channels."""
    last = classifier.stages(tiles, STAGES)[-1]
    return F.adaptive_avg_pool2d(last, grid).flatten(2).transpose(1, 2)


def semantic_distance(found: torch.Tensor, wanted: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """How far features are from a classifier's, less and less with more tokens.

    Args:
        found: features of the decoder, float32 N x P x channels.
        wanted: features of the classifier, of the same shape.
        share: share of the tokens of each tile, float32 N.

    Returns:
        A scalar: 1 - cosine similarity, times 1 - share.
    """
    distance = 1 - F.cosine_similarity(found, wanted, dim=2).mean(1)
    return ((1 - share).clamp(min=0) * distance).mean()
