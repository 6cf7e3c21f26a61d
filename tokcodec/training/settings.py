"""Settings of the trainings, their defaults, and the names that they may use; imports nothing, for a fast `--help`."""

from __future__ import annotations

from dataclasses import dataclass

NETWORKS = ("efficientnet-lite0", "efficientnet-lite1")
"""Classifiers whose features a look can be trained on."""
SIZES = ("full", "light")
"""Sizes of a look's network, see `networks.SIZES`."""


@dataclass(frozen=True)
class CascadeTraining:
    """How a cascade is trained. The cards of the shipped models say what differed."""

    steps: int = 12
    """Steps for each scale, at least 0."""
    crops: int = 2048
    """Crops per step, at least 1. Each is used as it is and mirrored."""
    init_crops: int = 12000
    """Crops for the first codebooks, at least 1."""
    init_iterations: int = 8
    """Iterations of k-means for the first codebooks, at least 1."""
    weight_powers: tuple[float, ...] = (0.8, 0.4, 0.4, 0.4)
    """Negative power of a tile's remaining error that gives its weight for the first token, one for each scale. PSNR is
    a logarithm, but the errors of tiles that are parts of one picture add up."""
    late_powers: tuple[float, ...] = (0.8, 0.4, 0.4, -0.2)
    """The same from token `cascade.LATE` on. Among the smallest tiles the hard ones get most of the tokens."""
    decay: float = 0.98
    """Decay of the moving averages. It starts at 0.9 and grows as 1 - 1 / (10 + step)."""
    dead: float = 0.05
    """A codeword whose moving count is below this share of the mean is replaced by a random residual."""
    seed: int = 0
    """Seed of everything random."""


@dataclass(frozen=True)
class LookTraining:
    """How a look is trained. The defaults are those of the perceptual one."""

    look: str = "perceptual"
    """Name of the look."""
    steps: int = 6500
    """Steps in all, at least 1. The learning rate falls until the last one."""
    batch: int = 4
    """Crops per step, at least 1."""
    rate: float = 1e-3
    """Largest learning rate of AdamW."""
    features: tuple[str, ...] = NETWORKS
    """Classifiers whose features are compared, in turn. None of them: squared error alone."""
    squared: float = 4.3
    """Weight of the squared error."""
    colour: float = 1.0
    """Weight of the squared distance of colours in OKLab, beside the squared error."""
    feature: float = 0.75
    """Weight of the distance of features, with all tokens."""
    lpips: float = 0.11
    """Weight of LPIPS, with all tokens."""
    fading: float = 0.5
    """Power of the share of tokens that the features' weight is multiplied by: few tokens give little to draw from."""
    lpips_fading: float = 1.0
    """The same for LPIPS, which rewards grain where little is known."""
    size: str | None = None
    """Size of the network, one of SIZES. None: that of the network it starts from."""
    part: int = 128
    """Side of what the classifiers and LPIPS see, in samples."""
    contrast: float = 0.2
    """Largest random change of contrast before they see it."""
    whole: float = 0.8
    """Share of the steps with tiles of the first scale. The other scales share the rest equally."""
    borders: float = 0.0
    """Share of the steps with pairs of neighbouring tiles, joined as in a picture, and few tokens more often."""
    refined: float = 0.0
    """Share of the steps with tokens of `encode --effort 3`: its files gain, those without effort lose a little."""
    bfloat16: bool = False
    """Whether the network's layers compute in bfloat16 while it learns: half the time on CPUs that have it (AMX)."""
    average: float = 0.998
    """Largest decay of the averaged weights, which are the ones that ship."""
    seed: int = 0
    """Seed of everything random."""


TRAININGS = {
    "perceptual": LookTraining(),
    "fidelity": LookTraining("fidelity", steps=6000, batch=8, features=(), whole=0.45),
    "light": LookTraining("light", rate=2e-3, size="light"),
}
"""The default training of each look."""


@dataclass(frozen=True)
class DistanceTraining:
    """How the network that judges pictures is trained."""

    steps: int = 3870
    """Optimiser steps in all."""
    batch: int = 8
    """Pairs per step."""
    rate: float = 2e-3
    """Highest learning rate."""
    stored: int = 24
    """Pairs whose features are computed at a time."""
    reduced: float = 0.3
    """Share of pairs that are tiles averaged 2 x 2. The others are parts of tiles."""
    fidelity: float = 0.3
    """Share of the tiles that the fidelity look draws. The perceptual look draws the others."""
    average: float = 0.995
    """Decay of the averaged weights, which are the result."""
    seed: int = 5
    """Seed of everything random."""
