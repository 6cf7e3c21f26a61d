"""The list of codecs, by name."""

from __future__ import annotations

import pytest

from bench.codecs.registry import make_codecs


def test_codecs_by_name() -> None:
    found = make_codecs({"codecs": ("webp", "jpeg-down")})
    assert list(found) == [
        *("webp", "webp-pillow"),
        *("jpeg-down", "webp-down", "webp-lossless-down", "webp-pillow-down"),
    ]
    with pytest.raises(ValueError, match=r"no codec 'gif' .* tokcodec$"):
        make_codecs({"codecs": ("gif",)})
