"""A picture for the tests of the Pillow plug-in."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def sample() -> Image.Image:
    """A picture of 40x30 pixels."""
    ramp = np.add.outer(np.arange(30) * 5, np.arange(40) * 2).astype(np.uint8)
    return Image.fromarray(np.stack([ramp, ramp[::-1], 255 - ramp], 2))
