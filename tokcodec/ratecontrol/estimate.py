"""Estimates without decoding: LPIPS, and the gain of the fidelity network.

Fitted by least squares over 24 photographs of the training set with model base-2 (`bench.studies.estimate_fit`).
"""

from __future__ import annotations

import math

CONSTANT, PER_DB, PER_OCTAVE = 0.654, -0.0192, -0.0160
"""LPIPS: a constant, and slopes per dB of PSNR and per doubling of the tokens per pixel."""
ERROR = 0.08
"""Root mean square error of `estimated_lpips` on these photographs."""
LINE = 0.897, -0.0242
"""LPIPS from the PSNR alone: constant and slope."""
GAIN, PER_FALL, PER_SHARE = -0.326, 0.545, -0.077
"""Gain of the network in dB: a constant, and slopes over `fall` and over the logarithm of `share`."""


def estimated_lpips(psnr: float, tokens_per_pixel: float) -> float:
    """LPIPS (squeeze) of the default look, from the predicted PSNR in dB and the density of tokens."""
    return min(1.0, max(0.0, CONSTANT + PER_DB * psnr + PER_OCTAVE * math.log2(tokens_per_pixel)))


def network_gain(fall: float, share: float) -> float:
    """dB by which the fidelity network is better than the sum of the codewords alone.

    Args:
        fall: natural logarithm of the error after one token divided by the error after the used ones. It is large for
            smooth pictures, where the network gains most.
        share: mean share of the tokens that is used, above 0 and at most 1.
    """
    return max(0.0, GAIN + PER_FALL * fall + PER_SHARE * math.log(share))
