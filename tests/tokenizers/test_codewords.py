"""Codewords: decoding is a sum. Encoding finds the best first ones jointly, then the nearest, with a price for bits."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tokcodec.tokenizers import codewords
from tokcodec.tokenizers.codewords import BEAM_TOKENS, RATE_WEIGHT, Codewords

Floats = NDArray[np.float64]
SIZE, HALF, RADIX, TOKENS = 40, 3, 8, BEAM_TOKENS + 8


def parts(tokens: int = TOKENS, radix: int = RADIX, size: int = SIZE, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Random codewords of falling size. The last few coefficients are never used."""
    rng = np.random.default_rng(seed)
    return {
        "mean": rng.standard_normal(size),
        "dims": np.stack([rng.permutation(size - 4)[: 2 * HALF] for _ in range(tokens)]),
        "words": rng.standard_normal((tokens, 2, radix, HALF)) * np.linspace(1, 0.3, tokens)[:, None, None, None],
    }


def vectors(number: int = 50, size: int = SIZE, seed: int = 1) -> Floats:
    return 2 * np.random.default_rng(seed).standard_normal((number, size))


def bits(tokens: int = TOKENS, radix: int = RADIX) -> Floats:
    return 12 * np.random.default_rng(2).random((tokens, 2, radix))


def squared(x: Floats) -> Floats:
    return (x * x).sum(-1)


def test_vectors_are_the_mean_and_a_sum_of_codewords() -> None:
    given = parts()
    tokens = np.array([[3 * RADIX + 5, 7, 0, 7 * RADIX], [63, 62, 61, 60]])
    expected = np.stack([given["mean"]] * 2)
    for row, tile in enumerate(tokens):
        for position, token in enumerate(tile):
            for half, digit in enumerate(divmod(token, RADIX)):
                places = given["dims"][position][half * HALF :][:HALF]
                expected[row, places] += given["words"][position, half, digit]
    assert np.allclose(Codewords(**given).vectors(tokens), expected, atol=1e-12)


def test_no_token_is_the_mean() -> None:
    found = Codewords(**parts()).vectors(np.zeros((2, 0), np.int64))
    assert np.array_equal(found, np.stack([parts()["mean"]] * 2))


@pytest.mark.parametrize("array", [np.asarray, torch.as_tensor])
def test_no_tile_is_none(array: Any) -> None:
    words = Codewords(**parts(), array=array)
    tokens, errors = words.encode(array(vectors(0)), TOKENS)
    assert tuple(tokens.shape) == (0, TOKENS) and tuple(errors.shape) == (0, TOKENS + 1)
    assert tuple(words.vectors(tokens).shape) == (0, SIZE)


@pytest.mark.parametrize("priced", [False, True])
def test_errors_are_those_of_decoding(priced: bool) -> None:
    """Errors after every number of tokens, over all coefficients, without the cost of bits."""
    words, x = Codewords(**parts(), bits=bits() if priced else None), vectors()
    tokens, errors = words.encode(x, TOKENS)
    assert tokens.shape == (50, TOKENS) and tokens.dtype == np.int64 and errors.dtype == np.float64
    for count in range(TOKENS + 1):
        assert np.allclose(errors[:, count], squared(x - words.vectors(tokens[:, :count])))
    assert errors[:, -1].mean() < errors[:, 0].mean() / 3


def test_after_the_beam_each_token_is_the_nearest() -> None:
    """The nearest of each half: together the nearest pair."""
    given, x = parts(), vectors()
    words = Codewords(**given)
    tokens, _ = words.encode(x, TOKENS)
    for position in range(BEAM_TOKENS, TOKENS):
        residual = (x - words.vectors(tokens[:, :position]))[:, given["dims"][position]]
        pairs = np.concatenate(
            [np.repeat(given["words"][position, 0], RADIX, 0), np.tile(given["words"][position, 1], (RADIX, 1))], 1
        )
        distances = squared(residual[:, None] - pairs)
        assert np.array_equal(distances.argmin(1), tokens[:, position])


def test_a_beam_that_holds_every_path_finds_the_best_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codewords, "BEAM", (9, 81))
    words, x = Codewords(**parts(3, radix=3, size=10)), vectors(size=10)
    paths = np.array(list(product(range(9), repeat=3)))
    distances = squared(x[:, None] - words.vectors(paths))
    tokens, _ = words.encode(x, 3)
    assert np.array_equal(tokens, paths[distances.argmin(1)])
    # One after the other, the nearest would have been others.
    monkeypatch.setattr(codewords, "BEAM", (1,))
    assert (words.encode(x, 3)[0][:, 0] != tokens[:, 0]).any()


def test_the_beam_leaves_less_than_one_token_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    words, x = Codewords(**parts()), vectors(200)
    together = words.encode(x, BEAM_TOKENS)[1][:, -1]
    monkeypatch.setattr(codewords, "BEAM", (1,))
    alone = words.encode(x, BEAM_TOKENS)[1][:, -1]
    assert together.mean() < 0.99 * alone.mean() and (together < alone + 1e-9).mean() > 0.8


def test_bits_count_in_the_choice() -> None:
    """Squared distance plus the price of the bits, a part of the remaining error, computed directly."""
    given, price, x = parts(), bits(), vectors()
    words = Codewords(**given, bits=price)
    tokens, errors = words.encode(x, TOKENS)
    for position in range(BEAM_TOKENS, TOKENS):
        residual = (x - words.vectors(tokens[:, :position]))[:, given["dims"][position]].reshape(-1, 2, 1, HALF)
        distance = squared(residual - given["words"][position])
        weight = RATE_WEIGHT / (position + 1) * errors[:, position, None, None]
        digits = (distance + weight * price[position]).argmin(2)
        assert np.array_equal(digits @ [RADIX, 1], tokens[:, position])
    plain = Codewords(**given).encode(x, TOKENS)[0]

    def cost(tokens: NDArray[np.int64]) -> float:
        places = np.arange(TOKENS)
        return float((price[places, 0, tokens // RADIX] + price[places, 1, tokens % RADIX]).sum())

    assert cost(tokens) < 0.97 * cost(plain)


def test_bits_count_in_the_beam(monkeypatch: pytest.MonkeyPatch) -> None:
    """A first word that no error justifies is not chosen, with any number of paths."""
    given, price = parts(2), np.zeros((2, 2, RADIX))
    price[:, :, 0] = 1e6
    tokens, _ = Codewords(**given, bits=price).encode(vectors(300), 2)
    assert (tokens // RADIX != 0).all() and (tokens % RADIX != 0).all()
    free = Codewords(**given).encode(vectors(300), 2)[0]
    assert (free // RADIX == 0).any() and (free % RADIX == 0).any()


@pytest.mark.parametrize("count", [1, 2, BEAM_TOKENS - 1, BEAM_TOKENS, BEAM_TOKENS + 1, TOKENS])
def test_more_tokens_begin_with_the_same(count: int) -> None:
    words, x = Codewords(**parts(), bits=bits()), vectors()
    for found, whole in zip(words.encode(x, count), words.encode(x, TOKENS), strict=True):
        assert np.array_equal(found, whole[:, : found.shape[1]])


@pytest.mark.parametrize("number", [1, 2, 33])
def test_a_tile_does_not_depend_on_its_batch(number: int) -> None:
    words, x = Codewords(**parts(), bits=bits()), vectors(66)
    tokens, errors = words.encode(x, TOKENS)
    for start in range(0, 66, number):
        part = slice(start, start + number)
        found, left = words.encode(x[part], TOKENS)
        assert np.array_equal(found, tokens[part]) and np.allclose(left, errors[part])


def test_the_input_stays_as_it_is() -> None:
    x = vectors()
    Codewords(**parts()).encode(x, TOKENS)
    assert np.array_equal(x, vectors())


def test_numpy_and_torch_agree() -> None:
    x = vectors(200)
    ours, theirs = (Codewords(**parts(), bits=bits(), array=array) for array in (np.asarray, torch.from_numpy))
    tokens, errors = ours.encode(x, TOKENS)
    found, left = theirs.encode(torch.from_numpy(x), TOKENS)
    assert found.dtype == torch.int64 and left.dtype == torch.float64
    assert np.array_equal(found.numpy(), tokens) and np.allclose(left.numpy(), errors)
    assert np.allclose(theirs.vectors(found).numpy(), ours.vectors(tokens), atol=1e-12)


def test_golden_tokens() -> None:
    """Golden tokens: a picture has the same file in every version."""
    words = 4 * np.sin(np.arange(18 * 2 * 4 * 2) ** 2).reshape(18, 2, 4, 2)
    dims = np.arange(18 * 4).reshape(18, 4) % 12
    x = 10 * np.cos(np.arange(24) ** 2).reshape(2, 12)
    tokens, errors = Codewords(np.zeros(12), dims, words).encode(x, 18)
    assert tokens.tolist() == GOLDEN
    assert errors[:, [0, 1, 16, 18]].round(2).tolist() == GOLDEN_ERRORS


GOLDEN = [
    [2, 9, 2, 11, 13, 5, 4, 2, 11, 1, 11, 13, 10, 12, 5, 10, 0, 13],
    [1, 14, 14, 8, 14, 1, 10, 3, 3, 1, 1, 15, 10, 15, 14, 10, 15, 4],
]
GOLDEN_ERRORS = [[605.84, 520.9, 69.11, 51.5], [591.7, 553.86, 41.78, 50.12]]
"""After 0, 1, 16 and 18 tokens."""


def test_weights_change_what_is_chosen_and_not_what_is_reported() -> None:
    given, x = parts(), vectors()
    weights = np.where(np.arange(SIZE) % 3, 1.0, 5.0)
    root = np.sqrt(weights)
    scaled = given | {"mean": given["mean"] * root}
    scaled["words"] = given["words"] * root[given["dims"]].reshape(TOKENS, 2, 1, HALF)
    words = Codewords(**given, bits=bits(), weights=weights)
    tokens, errors = words.encode(x, TOKENS)
    # The search is that of coefficients multiplied by the roots of their weights.
    assert np.array_equal(tokens, Codewords(**scaled, bits=bits()).encode(x * root, TOKENS)[0])
    assert not np.array_equal(tokens, Codewords(**given, bits=bits()).encode(x, TOKENS)[0])
    for count in (0, 1, TOKENS):
        assert np.allclose(errors[:, count], squared(x - words.vectors(tokens[:, :count])))


def test_weights_of_one_change_nothing() -> None:
    given, x = parts(), vectors()
    plain = Codewords(**given, bits=bits()).encode(x, TOKENS)
    weighted = Codewords(**given, bits=bits(), weights=np.ones(SIZE)).encode(x, TOKENS)
    assert np.array_equal(plain[0], weighted[0])
    assert np.allclose(plain[1], weighted[1])
