"""Photographs for the training of a tiny 1D tokenizer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tokcodec.training.vit1d.settings import Size, Training1d

SIZE = Size(tile=128, patch=32, width=64, encoder_layers=1, decoder_layers=1, n_tokens=8, codebook=16, hidden=8)
TRAINING = Training1d(steps=6, batch=4, rate=3e-3, warm_up=2, average=0.5, window=2, soft=2)


def smooth_picture(seed: int, side: int = 132) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((side, side), Image.Resampling.BILINEAR)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fewest photographs that a training takes."""
    folder = tmp_path_factory.mktemp("photos")
    for seed in range(100):
        smooth_picture(seed).save(folder / f"{seed:03d}.png", compress_level=1)
    return folder


@pytest.fixture(scope="session")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs for the figures."""
    folder = tmp_path_factory.mktemp("held-out")
    for seed in range(200, 204):
        smooth_picture(seed).save(folder / f"{seed}.png")
    return folder
