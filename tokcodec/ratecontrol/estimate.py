"""What rate control guesses before it decodes: LPIPS without its network, and what a look's network mends.

Least squares over 24 photographs of the training set with model base-2, by `python -m bench.studies.estimate_fit`.
"""

from __future__ import annotations

import math

CONSTANT, PER_DB, PER_OCTAVE = 0.654, -0.0192, -0.0160
ERROR = 0.08
"""Root mean square error of `estimated_lpips` on these photographs."""
LINE = 0.897, -0.0242
"""LPIPS from the PSNR alone: constant and slope."""
GAIN, PER_FALL, PER_SHARE = -0.326, 0.545, -0.077


def estimated_lpips(psnr: float, tokens_per_pixel: float) -> float:
    """LPIPS (squeeze) of the default look, from the predicted PSNR in dB and the density of tokens."""
    return min(1.0, max(0.0, CONSTANT + PER_DB * psnr + PER_OCTAVE * math.log2(tokens_per_pixel)))


def network_gain(fall: float, share: float) -> float:
    """dB by which the fidelity network is better than the bare sum of the codewords.

    fall: natural logarithm of the error after one token over the error after those used: a picture that is easy to code
    is smooth, and the network knows smooth pictures; share: mean part of the tokens that is used.
    """
    return max(0.0, GAIN + PER_FALL * fall + PER_SHARE * math.log(share))
