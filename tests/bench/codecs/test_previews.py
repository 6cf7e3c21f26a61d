"""ThumbHash and BlurHash: their sizes, and a picture that resembles the original."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from bench.codecs.interface import Codec
from bench.codecs.previews import preview_codecs
from bench.metrics import Meter
from tests.bench.codecs.test_classical import Pixels, scene


@pytest.mark.parametrize("codec", preview_codecs(), ids=lambda codec: codec.label)
def test_previews(codec: Codec, tile: Pixels) -> None:
    wide = np.ascontiguousarray(tile[:100, :200])
    (point,) = codec.points(scene(wide))
    assert point.error is None
    assert point.decoded is not None
    assert point.decoded.shape == wide.shape
    assert point.size is not None
    assert 15 <= point.size <= 25 if codec.label == "thumbhash" else point.size == 36
    assert Meter(wide).psnr(point.decoded) > 10
    size, image = codec.render(Image.fromarray(wide), point.setting)
    assert size == point.size
    assert image.size == (200, 100)
