"""Recognition: whether a classifier answers to a decoded picture as to its original, and how far its features moved.

The classifier is EfficientNet-lite0 (arXiv 1905.11946); its answer to the original counts as right, even if wrong.
It sees the centre square of a picture, as wide as the shorter side, resized to 224x224 (Pillow's bicubic, which is
antialiased): a whole picture keeps its proportions, and what lies left and right of the square does not count.
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
"""Stages 2 to 5 of seven are compared: the first responds to edges mainly, the last two make up the answer."""


@dataclass(frozen=True)
class Seen:
    """The classifier's output for a picture: features of the compared stages, and its five best classes, best first."""

    features: list[torch.Tensor]
    classes: tuple[int, ...]


def classifier_input(pixels: NDArray[Any]) -> torch.Tensor:
    """uint8 HxWx3 -> float32 1 x 3 x 224 x 224 in [0, 1], the centre square."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    # Cut out first: Pillow's `box` would let in what lies beside it.
    square = Image.fromarray(pixels[top : top + side, left : left + side])
    seen = np.array(square.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    return torch.from_numpy(seen).permute(2, 0, 1)[None].float() / 255


class Recogniser:
    """The classifier, loaded once. Raises tokcodec.errors.MissingPackageError where its packages are not installed."""

    def __init__(self) -> None:
        self._classifier = Classifier(NETWORK)

    def look(self, pixels: NDArray[Any]) -> Seen:
        """What the classifier sees in a uint8 HxWx3 picture."""
        with torch.inference_mode():
            stages = self._classifier.stages(classifier_input(pixels), ALL_STAGES)
            return Seen(stages[STAGES], tuple(self._classifier.scores(stages[-1])[0].topk(5).indices.tolist()))

    def compare(self, original: Seen, decoded: Seen) -> dict[str, float]:
        """`top1`: 1.0 if the best class is the same; `top5`: 1.0 if the original's is among the decoded picture's five
        best; `features_lite0`: 1 - cosine similarity over channels, mean over space and stages, 0 for equal pictures.
        """
        answer = original.classes[0]
        with torch.inference_mode():
            distance = float(feature_distance(original.features, decoded.features)[0])
        return {
            "top1": float(decoded.classes[0] == answer),
            "top5": float(answer in decoded.classes),
            "features_lite0": max(0.0, distance),
        }
