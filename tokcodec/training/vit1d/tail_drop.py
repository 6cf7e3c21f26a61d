"""Tail Token Drop: how many of its first tokens each tile of a step is drawn from (arXiv 2501.10064)."""

from __future__ import annotations

import numpy as np
import torch

from .settings import Training1d


def kept_tokens(training: Training1d, n_tokens: int, step: int, places: range, batch: int) -> torch.Tensor:
    """The numbers of tokens that tiles of a step are drawn from.

    `uniform` takes 1 to all tokens equally often, those of the padding included. `powers` takes the powers of two below
    all tokens, and all, equally often (as FlexTok, arXiv 2502.13967). In both, one of `training.full` tiles has all.

    Args:
        training: settings.
        n_tokens: all tokens, without the padding.
        step: number of the step.
        places: places of the tiles in the step's batch.
        batch: tiles of the step in all processes.

    Returns:
        int64, one number for each place. It depends on seed, step and place alone.
    """
    powers = [1 << power for power in range(n_tokens.bit_length()) if 1 << power < n_tokens]
    kept = []
    for place in places:
        rng = np.random.default_rng([training.seed, 22, step, place])
        if training.tail_drop == "none" or (step * batch + place) % training.full == 0:
            kept.append(n_tokens)
        elif training.tail_drop == "powers":
            kept.append(int(rng.choice([*powers, n_tokens])))
        else:
            kept.append(int(rng.integers(1, n_tokens + training.padding + 1)))
    return torch.tensor(kept)
