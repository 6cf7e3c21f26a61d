"""How far colours lie apart for the eye, as a loss: OKLab over large fields of a tile.

OKLab (B. Ottosson, "A perceptual color space for image processing", 2020) is nearly uniform, and has no branches that
would stop a gradient, unlike CIEDE2000.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

FIELDS = 8
"""Fields along a tile's side."""
DARKEST = 1e-3
"""Smallest response of a cone: the slope of a cube root has no bound near 0."""

_CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_OKLAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)


def oklab(x: torch.Tensor) -> torch.Tensor:
    """Colours of sRGB in OKLab: float32 N x 3 x H x W in [0, 1] (beyond it is clamped) -> N x 3 x H x W."""
    x = x.clamp(0, 1)
    linear = torch.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    cones = torch.einsum("cd,ndhw->nchw", linear.new_tensor(_CONES), linear).clamp_min(DARKEST) ** (1 / 3)
    return torch.einsum("cd,ndhw->nchw", linear.new_tensor(_OKLAB), cones)


def colour_distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Mean squared distance in OKLab of the mean colours of FIELDS x FIELDS fields.

    Args:
        a: tiles, float32 N x 3 x T x T in [0, 1].
        b: other tiles of the same shape.

    Returns:
        float32 N.
    """
    small = [oklab(F.avg_pool2d(x, x.shape[-1] // FIELDS)) for x in (a, b)]
    return (small[0] - small[1]).square().sum(1).mean((1, 2))
