"""Error curves: predicted ones equal those of decoding, and measured ones are close to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.conftest import TINY_CODEWORDS, TINY_SCALES, TINY_SHAPE, TINY_TOKENS, tiny_scales
from tokcodec.container.tables import FrequencyTables
from tokcodec.models.modelfile import Model
from tokcodec.pictures.tiling import Grid, cut
from tokcodec.ratecontrol.curves import find_curves, measure, shares
from tokcodec.ratecontrol.quality import mean_squared_error
from tokcodec.tokenizers.base import Tokenizer
from tokcodec.tokenizers.cascade import CascadeConfig, CascadeTokenizer, pack_tensors
from tokcodec.tokenizers.tiles import draw, pixels


@pytest.fixture
def tokenizer(tiny: Model) -> Tokenizer:
    """Of the shape of `tiny`, with words so small that no decoded value is clamped."""
    scales = tiny_scales(0.7)
    for scale in scales:
        scale["words"][:, :, 0] = 0  # so that no token makes it worse
        scale["mean"][0] = 222  # their mean, about
    config = CascadeConfig(TINY_TOKENS, TINY_CODEWORDS, **TINY_SHAPE, scales=TINY_SCALES)
    return CascadeTokenizer(pack_tensors(config, scales))


@pytest.fixture
def photograph() -> Image.Image:
    """300 x 200 pixels, smooth on the left, busy on the right; far from black and white, so that nothing is clamped."""
    rng = np.random.default_rng(3)
    pixels = np.full((200, 300, 3), 120.0) + np.linspace(-20, 20, 300)[None, :, None]
    pixels[:, 150:] += rng.normal(0, 12, (50, 38, 3)).repeat(4, 0).repeat(4, 1)[:, :150]
    return Image.fromarray(pixels.round().astype(np.uint8))


def test_predicted_errors_are_those_of_decoding(tokenizer: Tokenizer) -> None:
    tiles = (np.random.default_rng(1).random((3, 3, 256, 256)) * 0.2 + 0.3).astype(np.float32)
    for scale in (0, 1):
        found = tokenizer.encode_curves(tiles, scale=scale)
        assert found is not None
        tokens, errors = found
        assert np.array_equal(tokens, tokenizer.encode(tiles, scale=scale))
        assert errors.shape == (3, tokenizer.n_tokens + 1)
        for count in (1, 2, 7, tokenizer.n_tokens):
            decoded = tokenizer.decode(tokens[:, :count], "fidelity", scale)
            assert np.allclose(errors[:, count], np.square(decoded - tiles).sum((1, 2, 3)), rtol=1e-3)


def test_measured_errors_agree_at_the_lengths_decoded(tokenizer: Tokenizer) -> None:
    tiles = (np.random.default_rng(2).random((2, 3, 256, 256)) * 0.2 + 0.3).astype(np.float32)
    for scale in (0, 1):
        found = tokenizer.encode_curves(tiles, scale=scale)
        assert found is not None
        measured = measure(tokenizer, found[0], tiles, scale)
        assert measured.shape == found[1].shape and measured.dtype == np.float32
        assert (np.diff(measured[:, 1:], axis=1) <= 0).all()
        for count in (1, 2, 4, 8, 16):
            assert np.allclose(measured[:, count], found[1][:, count], rtol=2e-3)


def test_a_tokenizer_that_cannot_predict_is_measured(
    tiny: Model, tokenizer: Tokenizer, photograph: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    predicted = find_curves(photograph, 128, tiny, tokenizer)
    assert predicted.errors.dtype == np.float32
    monkeypatch.setattr(type(tokenizer), "encode_curves", Tokenizer.encode_curves)
    measured = find_curves(photograph, 128, tiny, tokenizer)
    assert np.array_equal(predicted.tokens, measured.tokens)
    assert measured.errors[:, 16].sum() == pytest.approx(predicted.errors[:, 16].sum(), rel=0.01)


@pytest.mark.parametrize("pitch", [0, 96, 24])
def test_the_sum_predicts_the_error_of_the_picture(
    tiny: Model, tokenizer: Tokenizer, photograph: Image.Image, pitch: int
) -> None:
    curves = find_curves(photograph, pitch, tiny, tokenizer)
    for count in (1, 16):
        counts = np.full(curves.tiles, count, dtype=np.int64)
        decoded = draw(tokenizer, curves.grid, curves.tokens, counts, "fidelity", scale=curves.scale)
        real = mean_squared_error(photograph, decoded)
        assert curves.errors[:, count].sum() + curves.floor == pytest.approx(real, rel=0.15)


def test_wide_tiles_lose_detail_that_tokens_cannot_restore(tiny: Model, tokenizer: Tokenizer) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), dtype=np.uint8))
    assert find_curves(noise, 0, tiny, tokenizer).floor > 0.05
    assert find_curves(noise.crop((0, 0, 256, 256)), 0, tiny, tokenizer).floor == 0


def test_bits_grow_with_the_tokens(tiny: Model, tokenizer: Tokenizer, photograph: Image.Image) -> None:
    curves = find_curves(photograph, 128, tiny, tokenizer)
    assert np.array_equal(curves.bits, np.tile(6.0 * np.arange(17), (curves.tiles, 1)).astype(np.float32))


@pytest.mark.parametrize("container", ["tok", "bare"])
def test_small_tiles_have_the_codewords_of_their_scale(tiny: Model, tokenizer: Tokenizer, container: str) -> None:
    """The tiles are in a file whose header has the size."""
    picture = Image.fromarray(np.random.default_rng(5).integers(90, 160, (20, 24, 3), dtype=np.uint8))
    curves = find_curves(picture, 0, tiny, tokenizer, container=container)
    assert curves.scale == (1 if container == "tok" else 0)
    tile = pixels(cut(picture, curves.grid))
    assert np.array_equal(curves.tokens, tokenizer.encode(tile, scale=curves.scale))
    assert not np.array_equal(curves.tokens, tokenizer.encode(tile, scale=1 - curves.scale))


def test_bits_are_those_of_the_scales_tables(tiny: Model, tokenizer: Tokenizer) -> None:
    """The cost by the tables if it is lower, otherwise that of equal counts."""
    picture = Image.fromarray(np.random.default_rng(5).integers(90, 160, (20, 24, 3), dtype=np.uint8))
    tokens = find_curves(picture, 0, tiny, tokenizer).tokens
    fitted = [FrequencyTables.fit(np.repeat(row, 9, 0), tiny.radices) for row in (63 - tokens, tokens)]
    expected = np.cumsum(fitted[1].bits(tokens), axis=1)
    for tables, bits in ((fitted, expected), (fitted[::-1], 6.0 * np.arange(1, 17)[None])):
        model = replace(tiny)
        model.__dict__["tables"] = tuple(tables)
        assert np.allclose(find_curves(picture, 0, model, tokenizer).bits[:, 1:], bits)


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
