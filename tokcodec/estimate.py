"""LPIPS without its network: from what rate control knows anyway."""

from __future__ import annotations

import math

# Least squares over 14 photographs of the training set at pitches 256, 128, 64 and 12, 48, 160 tokens with model
# base-1 (`python -m bench.lpips_fit`): root mean square error 0.06 there, 0.04 on three Kodak pictures.
CONSTANT, PER_DB, PER_OCTAVE = 0.617, -0.0179, -0.0106
ERROR = 0.05
LINE = 0.76, -0.020
"""The same from the PSNR alone: constant and slope."""


def estimated_lpips(psnr: float, tokens_per_pixel: float) -> float:
    """LPIPS (squeeze) of the default look, from the PSNR of the fidelity look in dB and the density of tokens."""
    return min(1.0, max(0.0, CONSTANT + PER_DB * psnr + PER_OCTAVE * math.log2(tokens_per_pixel)))
