"""Recognition: whether a classifier gives the same answer for a decoded picture as for its original.

The classifier is EfficientNet-lite0 (arXiv 1905.11946). Its answer for the original counts as right. It sees the
centre square of a picture, as wide as the shorter side, resized to 224x224 (Pillow's antialiased bicubic). The distance
of its features is measured too, and of those of EfficientNet-lite2, on which no codec was trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from tokcodec.training.features import Classifier, feature_distance

FEATURES = {"features_lite0": "efficientnet-lite0", "features_lite2": "efficientnet-lite2"}
"""Networks by the name of the distance of their features. The first one also gives the answers."""
SIDE = 224
STAGES, ALL_STAGES = slice(1, 5), 7
"""Stages 2 to 5 of seven are compared. The first mainly responds to edges, and the last two decide the answer."""


@dataclass(frozen=True)
class Seen:
    """What the networks find in a picture."""

    features: dict[str, list[torch.Tensor]]
    """Outputs of the compared stages, by the names of FEATURES."""
    classes: tuple[int, ...]
    """The five best classes, best first."""


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
    """The classifiers. Raises tokcodec.errors.MissingPackageError if their packages are not installed."""

    def __init__(self) -> None:
        self._networks = {name: Classifier(network) for name, network in FEATURES.items()}

    def look(self, pixels: NDArray[Any]) -> Seen:
        """The output of the classifiers for a uint8 HxWx3 picture."""
        first, *others = self._networks
        x = classifier_input(pixels)
        with torch.inference_mode():
            stages = self._networks[first].stages(x, ALL_STAGES)
            features = {name: self._networks[name].stages(x, STAGES.stop)[STAGES] for name in others}
            classes = self._networks[first].scores(stages[-1])[0].topk(5).indices.tolist()
            return Seen({first: stages[STAGES]} | features, tuple(classes))

    def compare(self, original: Seen, decoded: Seen) -> dict[str, float]:
        """Measures of a decoded picture against its original.

        `top1` is 1.0 if the best class is the same. `top5` is 1.0 if the original's best class is among the decoded
        picture's five best. `features_lite0` and `features_lite2` are 1 - cosine similarity over channels, averaged
        over space and stages.
        """
        answer = original.classes[0]
        with torch.inference_mode():
            distances = {
                name: float(feature_distance(features, decoded.features[name])[0])
                for name, features in original.features.items()
            }
        return {
            "top1": float(decoded.classes[0] == answer),
            "top5": float(answer in decoded.classes),
            **{name: max(0.0, distance) for name, distance in distances.items()},
        }
