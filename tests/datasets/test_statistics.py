"""Statistics of tokens: estimates for known distributions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.datasets.make import Here, make_parquet, png
from tokcodec.datasets import statistics
from tokcodec.datasets.runs import plan_encoding
from tokcodec.datasets.statistics import entropy_bits, information, language, measure, table, zipf_exponent
from tokcodec.options import EncodeOptions

TILES = 20_000


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_entropy_is_corrected_for_small_samples(rng: np.random.Generator) -> None:
    values = rng.integers(0, 256, 2000)
    counts = np.bincount(values)
    shares = counts[counts > 0] / 2000
    plain = -(shares * np.log2(shares)).sum()
    assert abs(entropy_bits(counts) - 8) < 0.01 < 0.08 < 8 - plain
    assert entropy_bits(np.array([5, 0])) == 0 == entropy_bits(np.zeros(4, int))


def test_information_of_what_tells_nothing_is_none(rng: np.random.Generator) -> None:
    values, context = rng.integers(0, 64, (2, TILES))
    far = np.roll(np.arange(TILES), TILES // 2)
    assert abs(information(values, context, far)) < 0.03
    half = np.where(rng.random(TILES) < 0.5, values, context)  # every second value is that of the context
    same = np.r_[0.5 + 0.5 / 64, np.full(63, 0.5 / 64)]
    true = 6 + (same * np.log2(same)).sum()
    assert information(half, values, far) == pytest.approx(true, abs=0.05)


def test_known_dependences(rng: np.random.Generator) -> None:
    digits = rng.integers(0, 8, (TILES, 3, 2))
    digits[:, 1, 0] = digits[:, 0, 1]  # the second token's first digit is the first one's second: 3 bits
    left = np.arange(TILES) - 1
    left[::4] = -1  # four tiles a row
    beside = left >= 0
    digits[beside, 2, 1] = digits[left[beside], 2, 0]  # 3 bits where there is a tile to the left
    found = measure(digits @ [8, 1], left, np.arange(TILES) // 4, (8, 8), "known")
    assert found.before == pytest.approx([0, 3, 0], abs=0.02)
    assert found.neighbour == pytest.approx([0, 0, 3], abs=0.02)
    assert found.digits == pytest.approx([0, 0, 0], abs=0.02)
    assert found.entropy == pytest.approx([6, 6, 6], abs=0.02)
    assert (found.vocabulary, found.pairs, found.unused) == (64, TILES * 3 // 4, [0, 0, 0])
    assert "| mean | 6.00 | 5.00 | 5.00 |" in table(found)


def test_codes_that_never_occur(rng: np.random.Generator) -> None:
    tokens = rng.integers(0, 16, (5000, 1))
    found = measure(tokens, np.full(5000, -1), np.arange(5000), (64,))
    assert (
        found.unused == [0.75] and found.expected_unused[0] < 1e-30 and found.entropy[0] == pytest.approx(4, abs=0.01)
    )


def test_missing_tokens_are_not_counted(rng: np.random.Generator) -> None:
    tokens = np.c_[rng.integers(0, 16, 4000), np.where(np.arange(4000) < 2000, 3, -1)]
    found = measure(tokens, np.full(4000, -1), np.arange(4000), (16,))
    assert found.entropy[1] == 0 and found.entropy[0] == pytest.approx(4, abs=0.01)


def test_the_exponent() -> None:
    ranks = np.arange(1, 4097)
    assert zipf_exponent(ranks**-1.2 / (ranks**-1.2).sum()) == pytest.approx(1.2)
    assert zipf_exponent(np.full(4096, 1 / 4096)) == pytest.approx(0)


def test_of_a_data_set(tiny: object, tmp_path: Path) -> None:
    source = make_parquet(tmp_path / "a.parquet", [png(i, 96, 64) for i in range(6)] + [b""])
    options = EncodeOptions(model="tiny", pitch=32, tokens=5)
    list(plan_encoding([str(source)], str(tmp_path / "out"), options).outcomes(Here()))
    found = language(str(tmp_path / "out"))
    assert (found.tiles, found.pairs, len(found.entropy), found.vocabulary) == (36, 24, 5, 64)
    assert language(str(tmp_path / "out"), limit=7).tiles == 12
    assert statistics.table(found).count("\n") == 8
