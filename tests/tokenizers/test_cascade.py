"""The cascade: decoding is a sum of codewords, encoding finds the best first ones, then the nearest each time."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
import torch

from tokcodec.container.tables import FrequencyTables
from tokcodec.errors import ModelFileError
from tokcodec.models.modelfile import Model, write_model
from tokcodec.tokenizers.cascade import (
    BEAM_TOKENS,
    CascadeConfig,
    CascadeTokenizer,
    Codebooks,
    codeword_bits,
    load,
    pack_tensors,
)
from tokcodec.tokenizers.transform import COLOURS, TileTransform, dct_matrix

CONFIG = CascadeConfig(n_tokens=12, codewords=16, dims=6, luma=8, chroma=4)
LONGER = replace(CONFIG, n_tokens=BEAM_TOKENS + 8)


def tensors(config: CascadeConfig = CONFIG) -> dict[str, torch.Tensor]:
    """A cascade over random coefficients with random codewords."""
    generator = torch.Generator().manual_seed(0)
    size = config.luma**2 + 2 * config.chroma**2
    mean = torch.zeros(size)
    mean[0] = 128 * 3**0.5  # mid-grey
    return {
        "mean": mean,
        "dims": torch.stack([torch.randperm(size, generator=generator)[: config.dims] for _ in range(config.n_tokens)]),
        "scale": torch.linspace(20, 2, config.n_tokens),
        "group": torch.tensor(config.groups()),
        "codebooks": torch.randn(config.groups()[-1] + 1, config.codewords, config.dims, generator=generator),
    }


@pytest.fixture
def tokenizer() -> CascadeTokenizer:
    return CascadeTokenizer(CONFIG, tensors())


def test_dct_rows_are_orthonormal() -> None:
    basis = dct_matrix(256)
    assert torch.allclose(basis @ basis.T, torch.eye(256), atol=1e-5)
    assert torch.allclose(COLOURS @ COLOURS.T, torch.eye(3), atol=1e-6)


def test_transform_keeps_low_frequencies_exactly_and_energy() -> None:
    transform = TileTransform(8, 4)
    vectors = torch.randn(3, transform.size)
    pixels = transform.inverse(vectors)
    assert torch.allclose(transform.forward(pixels), vectors, atol=1e-4)
    assert torch.allclose((pixels**2).sum((1, 2, 3)), (vectors**2).sum(1), rtol=1e-4)


def test_groups_share_codebooks_in_order() -> None:
    groups = CascadeConfig().groups()
    assert groups[:10] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 8]
    assert groups[-1] == 43 and len(groups) == 256
    assert all(0 <= b - a <= 1 for a, b in pairwise(groups))


def test_decoding_is_the_mean_and_a_sum_of_codewords(tokenizer: CascadeTokenizer) -> None:
    t = tensors()
    tokens = torch.tensor([[3, 15, 0, 7]])
    expected = t["mean"].clone()
    for position, token in enumerate(tokens[0].tolist()):
        expected[t["dims"][position]] += t["codebooks"][t["group"][position], token] * t["scale"][position]
    assert torch.allclose(tokenizer.vectors(tokens)[0], expected, atol=1e-4)
    pixels = tokenizer.decode(tokens)
    assert pixels.shape == (1, 3, 256, 256) and pixels.dtype == torch.float32
    assert torch.allclose(pixels, tokenizer.transform.inverse(expected[None]).clamp(0, 1), atol=1e-5)


def test_encoding_takes_the_nearest_codeword_each_time() -> None:
    """From where the beam search ends."""
    tokenizer, t = CascadeTokenizer(LONGER, tensors(LONGER)), tensors(LONGER)
    x = torch.rand(2, 3, 256, 256, generator=torch.Generator().manual_seed(1))
    tokens = tokenizer.encode(x)
    assert tokens.shape == (2, LONGER.n_tokens) and tokens.dtype == torch.int64
    residual = tokenizer.transform.forward(x) - t["mean"]
    for position in range(LONGER.n_tokens):
        words = t["codebooks"][t["group"][position]] * t["scale"][position]
        target = residual[:, t["dims"][position]]
        if position >= BEAM_TOKENS:
            assert torch.equal(torch.cdist(target, words).argmin(1), tokens[:, position])
        residual[:, t["dims"][position]] -= words[tokens[:, position]]


def test_the_first_tokens_are_the_best_together() -> None:
    """With so few codewords the beam holds every path, and the search finds the best of all."""
    config = replace(CONFIG, n_tokens=3, codewords=4, luma=2, chroma=1, dims=4)
    tokenizer = CascadeTokenizer(config, tensors(config))
    x = torch.rand(20, 3, 256, 256, generator=torch.Generator().manual_seed(8))
    x = 0.5 + (x - 0.5) * 0.2 + torch.randn(20, 3, 1, 1, generator=torch.Generator().manual_seed(9)) * 0.05
    paths = torch.tensor(list(product(range(4), repeat=3)))
    distances = torch.cdist(tokenizer.transform.forward(x), tokenizer.vectors(paths))
    assert torch.equal(tokenizer.encode(x), paths[distances.argmin(1)])
    # One after the other, the nearest would have been others.
    first = torch.cdist(tokenizer.transform.forward(x), tokenizer.vectors(torch.arange(4)[:, None])).argmin(1)
    assert (first != tokenizer.encode(x)[:, 0]).any()


def test_bits_count_in_the_choice_of_codewords() -> None:
    """Half squared distance plus price times bits, computed plainly; and what is taken away, without the price."""
    generator = torch.Generator().manual_seed(5)
    words, bits = torch.randn(2, 16, 6, generator=generator), 12 * torch.rand(2, 16, generator=generator)
    targets, price = torch.randn(50, 6, generator=generator), torch.rand(50, generator=generator)
    codebooks = Codebooks(words, bits)
    found = codebooks.nearest(1, targets, price)
    taken = codebooks.taken(1, targets, found)
    distance = (targets[:, None] - words[1]).square().sum(2) / 2
    assert torch.equal(found, (distance + price[:, None] * bits[1]).argmin(1))
    assert (found != distance.argmin(1)).any()
    left = distance[torch.arange(50), found]
    assert torch.allclose(taken, targets.square().sum(1) / 2 - left, atol=1e-4)


def test_errors_are_true_where_bits_count() -> None:
    bits = 20 * torch.rand(LONGER.groups()[-1] + 1, LONGER.codewords, generator=torch.Generator().manual_seed(6))
    minding, plain = CascadeTokenizer(LONGER, tensors(LONGER), bits=bits), CascadeTokenizer(LONGER, tensors(LONGER))
    x = torch.rand(3, 3, 256, 256, generator=torch.Generator().manual_seed(7))
    tokens, errors = minding.encode_curves(x)
    vectors = plain.transform.forward(x)
    outside = x.square().sum((1, 2, 3)) - vectors.square().sum(1)
    left = (vectors - plain.vectors(tokens)).square().sum(1) + outside
    assert torch.allclose(errors[:, -1], left, rtol=1e-3)

    def cost(tokens: torch.Tensor) -> float:
        return float(bits[minding.group, tokens].sum())

    assert cost(tokens) < cost(plain.encode(x))


def test_bits_of_codewords_are_those_of_their_group() -> None:
    counts = np.full((3, 4), 1 << 14, np.uint32)
    counts[1] = [1 << 15, 1 << 13, 1 << 13, 1 << 14]
    counts[2] = [1 << 15, 1 << 14, 1 << 13, 1 << 13]
    bits = codeword_bits(FrequencyTables((4,), [counts]), torch.tensor([0, 1, 1]), 2)
    assert bits[0].tolist() == [2, 2, 2, 2]
    assert torch.allclose(bits[1], -torch.log2(torch.tensor([8, 3, 2, 3]) / 16))


def test_a_tile_does_not_depend_on_its_batch(tokenizer: CascadeTokenizer) -> None:
    x = torch.rand(3, 3, 256, 256, generator=torch.Generator().manual_seed(2))
    assert torch.equal(tokenizer.encode(x)[1], tokenizer.encode(x[1:2])[0])
    assert torch.equal(tokenizer.encode(x)[:, :2], tokenizer.encode(x, 2))


@pytest.mark.parametrize(
    "tokens",
    [
        torch.zeros(1, 0, dtype=torch.int64),
        torch.zeros(1, 13, dtype=torch.int64),
        torch.zeros(1, 2),
        torch.full((1, 2), 16),
        torch.full((1, 2), -1),
        torch.zeros(3, dtype=torch.int64),
    ],
)
def test_wrong_tokens_are_refused(tokenizer: CascadeTokenizer, tokens: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="tokens must"):
        tokenizer.decode(tokens)


@pytest.mark.parametrize("shape", [(1, 3, 256, 255), (3, 256, 256), (1, 1, 256, 256)])
def test_wrong_tiles_are_refused(tokenizer: CascadeTokenizer, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="tiles must"):
        tokenizer.encode(torch.zeros(shape))


def write(folder: Path, changes: dict[str, np.ndarray | None] | None = None) -> Model:
    packed = {f"decoder.{key}": value.numpy() for key, value in pack_tensors(CONFIG, tensors()).items()}
    for key, value in (changes or {}).items():
        if value is None:
            del packed[f"decoder.{key}"]
        else:
            packed[f"decoder.{key}"] = value
    return write_model(
        folder,
        name="tiny",
        family="cascade",
        tables=FrequencyTables.uniform(CONFIG.n_tokens, (CONFIG.codewords,)),
        tensors=packed,
        hashed=["decoder."],
        ordered=True,
        default_tokens=4,
        licence="none",
        description="test",
    )


def test_a_written_model_decodes_like_its_tensors(tmp_path: Path, tokenizer: CascadeTokenizer) -> None:
    loaded = load(write(tmp_path / "tiny"), torch.device("cpu"), torch.float32)
    assert loaded.config == CONFIG
    tokens = torch.randint(0, 16, (2, 12), generator=torch.Generator().manual_seed(3))
    exact, stored = tokenizer.vectors(tokens), loaded.vectors(tokens)
    # int8 codewords: half a step of 1/127 of the largest for each of up to 12 words on a coefficient.
    assert (exact - stored).abs().max() < 1.5
    assert not torch.equal(exact, stored)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mean": None}, "mean is missing"),
        ({"planes": None}, "not a cascade"),
        ({"step": np.ones(3, np.float32)}, "step is missing or not of shape"),
        ({"dims": np.full((12, 6), 96, np.int16)}, r"dims must lie in 0\.\.95"),
        ({"group": np.full(12, -1, np.int16)}, "group must lie in"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(
    tmp_path: Path, changes: dict[str, np.ndarray | None], message: str
) -> None:
    with pytest.raises(ModelFileError, match=message):
        load(write(tmp_path / "tiny", changes), torch.device("cpu"), torch.float32)
