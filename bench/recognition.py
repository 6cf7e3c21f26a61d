"""Recognition: whether a classifier gives the same answer for a decoded picture as for its original.

The classifier is EfficientNet-lite0 (arXiv 1905.11946). Its answer for the original counts as right. It sees the
centre square of a picture, as wide as the shorter side, resized to 224x224 (Pillow's antialiased bicubic). The distance
of its features is measured too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from tokcodec.training.features import Classifier, feature_distance

NETWORK = "efficientnet-lite0"
SIDE = 224
STAGES, ALL_STAGES = slice(1, 5), 7
"""Stages 2 to 5 of seven are compared. The first mainly responds to edges, and the last two decide the answer."""


@dataclass(frozen=True)
class Seen:
    """The classifier's output: features of the compared stages, and its five best classes, best first."""

    features: list[torch.Tensor]
    classes: tuple[int, ...]


def classifier_input(pixels: NDArray[Any]) -> torch.Tensor:
    """uint8 HxWx3 -> float32 1 x 3 x 224 x 224 in [0, 1], the centre square."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    # Crop first: with `box`, Pillow's filter would also use pixels outside the square.
    square = Image.fromarray(pixels[top : top + side, left : left + side])
    seen = np.array(square.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    return torch.from_numpy(seen).permute(2, 0, 1)[None].float() / 255


class Recogniser:
    """The classifier. Raises tokcodec.errors.MissingPackageError if its packages are not installed."""

    def __init__(self) -> None:
        self._classifier = Classifier(NETWORK)

    def look(self, pixels: NDArray[Any]) -> Seen:
        """The classifier's output for a uint8 HxWx3 picture."""
        with torch.inference_mode():
            stages = self._classifier.stages(classifier_input(pixels), ALL_STAGES)
            return Seen(stages[STAGES], tuple(self._classifier.scores(stages[-1])[0].topk(5).indices.tolist()))

    def compare(self, original: Seen, decoded: Seen) -> dict[str, float]:
        """Measures of a decoded picture against its original.

        `top1` is 1.0 if the best class is the same. `top5` is 1.0 if the original's best class is among the decoded
        picture's five best. `features_lite0` is 1 - cosine similarity over channels, averaged over space and stages.
        """
        answer = original.classes[0]
        with torch.inference_mode():
            distance = float(feature_distance(original.features, decoded.features)[0])
        return {
            "top1": float(decoded.classes[0] == answer),
            "top5": float(answer in decoded.classes),
            "features_lite0": max(0.0, distance),
        }
