"""Error curves: the predicted ones are what decoding gives, the measured ones come close to them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import TINY_CODEWORDS, TINY_TOKENS
from tokcodec.models.modelfile import Model
from tokcodec.pictures.tiling import Grid
from tokcodec.ratecontrol.curves import find_curves, measure, shares
from tokcodec.ratecontrol.quality import mean_squared_error
from tokcodec.tokenizers.base import Tokenizer
from tokcodec.tokenizers.cascade import CascadeConfig, CascadeTokenizer
from tokcodec.tokenizers.tiles import draw


@pytest.fixture
def tokenizer(tiny: Model) -> Tokenizer:
    """Of the shape of `tiny`, with words so small that no decoded value is clamped."""
    size = 16 * 16 + 2 * 8 * 8
    words = torch.randn(1, TINY_CODEWORDS, 24, generator=torch.Generator().manual_seed(1))
    words[0, 0] = 0  # so that no token makes it worse
    tensors = {
        "mean": torch.zeros(size).index_fill_(0, torch.tensor([0]), 200.0),
        "dims": torch.arange(TINY_TOKENS * 24).reshape(TINY_TOKENS, 24) % size,
        "scale": torch.full((TINY_TOKENS,), 0.7),
        "group": torch.zeros(TINY_TOKENS),
        "codebooks": words,
    }
    return CascadeTokenizer(CascadeConfig(TINY_TOKENS, TINY_CODEWORDS, 24, 16, 8), tensors)


@pytest.fixture
def photograph() -> Image.Image:
    """300 x 200 pixels, smooth on the left, busy on the right; far from black and white, so that nothing is clamped."""
    rng = np.random.default_rng(3)
    pixels = np.full((200, 300, 3), 120.0) + np.linspace(-20, 20, 300)[None, :, None]
    pixels[:, 150:] += rng.normal(0, 12, (50, 38, 3)).repeat(4, 0).repeat(4, 1)[:, :150]
    return Image.fromarray(pixels.round().astype(np.uint8))


def test_predicted_errors_are_those_of_decoding(tokenizer: Tokenizer) -> None:
    tiles = torch.rand(3, 3, 256, 256, generator=torch.Generator().manual_seed(1)) * 0.2 + 0.3
    found = tokenizer.encode_curves(tiles)
    assert found is not None
    tokens, errors = found
    assert torch.equal(tokens, tokenizer.encode(tiles))
    assert errors.shape == (3, tokenizer.n_tokens + 1) and errors.dtype == torch.float32
    for count in (1, 2, 7, tokenizer.n_tokens):
        decoded = tokenizer.decode(tokens[:, :count], "fidelity")
        real = (decoded - tiles).square().sum((1, 2, 3))
        assert torch.allclose(errors[:, count], real, rtol=1e-3)


def test_measured_errors_agree_at_the_lengths_decoded(tokenizer: Tokenizer) -> None:
    tiles = torch.rand(2, 3, 256, 256, generator=torch.Generator().manual_seed(2)) * 0.2 + 0.3
    found = tokenizer.encode_curves(tiles)
    assert found is not None
    measured = measure(tokenizer, found[0], tiles)
    assert measured.shape == found[1].shape
    assert bool((measured[:, 1:].diff(dim=1) <= 0).all())
    for count in (1, 2, 4, 8, 16):
        assert torch.allclose(measured[:, count], found[1][:, count], rtol=2e-3)


def test_a_tokenizer_that_cannot_predict_is_measured(
    tiny: Model, tokenizer: Tokenizer, photograph: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    predicted = find_curves(photograph, 128, tiny, tokenizer)
    monkeypatch.setattr(type(tokenizer), "encode_curves", Tokenizer.encode_curves)
    measured = find_curves(photograph, 128, tiny, tokenizer)
    assert np.array_equal(predicted.tokens, measured.tokens)
    assert measured.errors[:, 16].sum() == pytest.approx(predicted.errors[:, 16].sum(), rel=0.01)


@pytest.mark.parametrize("step", [0, 96])
def test_the_sum_predicts_the_error_of_the_picture(
    tiny: Model, tokenizer: Tokenizer, photograph: Image.Image, step: int
) -> None:
    curves = find_curves(photograph, step, tiny, tokenizer)
    for count in (1, 16):
        decoded = draw(tokenizer, curves.grid, curves.tokens, np.full(curves.tiles, count, dtype=np.int64), "fidelity")
        real = mean_squared_error(photograph, decoded)
        assert curves.errors[:, count].sum() + curves.floor == pytest.approx(real, rel=0.15)


def test_wide_tiles_lose_what_no_token_mends(tiny: Model, tokenizer: Tokenizer) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), dtype=np.uint8))
    assert find_curves(noise, 0, tiny, tokenizer).floor > 0.05
    assert find_curves(noise.crop((0, 0, 256, 256)), 0, tiny, tokenizer).floor == 0


def test_bits_grow_with_the_tokens(tiny: Model, tokenizer: Tokenizer, photograph: Image.Image) -> None:
    curves = find_curves(photograph, 128, tiny, tokenizer)
    assert np.array_equal(curves.bits, np.tile(5.0 * np.arange(17), (curves.tiles, 1)).astype(np.float32))


@pytest.mark.parametrize("size", [(256, 256), (768, 512), (100, 900)])
@pytest.mark.parametrize("pitch", [0, 64, 256])
def test_shares_sum_to_the_picture(size: tuple[int, int], pitch: int) -> None:
    grid = Grid.for_picture(*size, pitch)
    found = shares(grid)
    assert found.shape == (grid.tiles,)
    assert found.sum() == pytest.approx(1)
    assert found.max() <= (32 / 30) ** 2 * found.min() * (1 + 1e-9)


def test_mean_squared_error_of_known_pictures() -> None:
    a, b = (Image.new("RGB", (7, 601), (value, value, value)) for value in (0, 51))
    assert mean_squared_error(a, b) == pytest.approx(0.04)
    assert mean_squared_error(a, a) == 0
