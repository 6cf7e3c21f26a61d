"""Training of codewords: k-means, the first words of a scale, and steps that move all of them together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.training.test_training import CONFIG, TRAINING, as_tensor, smooth_picture
from tokcodec.tokenizers.codewords import Codewords
from tokcodec.tokenizers.transform import coefficient_weights
from tokcodec.training.cascade import INIT_STEP, LATE, ScaleTrainer, kmeans, nearest, weighted_sums
from tokcodec.training.settings import CascadeTraining

CENTRES = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])


def clusters(each: int = 50) -> torch.Tensor:
    noise = torch.randn(4 * each, 2, generator=torch.Generator().manual_seed(0))
    return CENTRES.repeat(each, 1) + 0.1 * noise


def trainer(scale: int = 0, training: CascadeTraining = TRAINING) -> ScaleTrainer:
    """A trainer with its first words."""
    made = ScaleTrainer([as_tensor(smooth_picture(seed)) for seed in range(4)], CONFIG, training, scale)
    made.initialise()
    return made


# ---- k-means


def test_kmeans_finds_separate_clusters() -> None:
    # Some seeds start two words in one cluster; this one does not.
    words, counts = kmeans(clusters(), torch.ones(200), 4, 10, np.random.default_rng(3))
    assert torch.cdist(CENTRES, words).min(1).values.max() < 0.1
    assert counts.tolist() == [50] * 4


def test_weights_count_in_kmeans() -> None:
    """Points without weight have no influence, and the others have one in proportion to their weight."""
    points = torch.tensor([[0.0], [1.0], [9.0]])
    words, counts = kmeans(points, torch.tensor([3.0, 1.0, 0.0]), 1, 5, np.random.default_rng(0))
    assert words.tolist() == [[0.25]] and counts.tolist() == [4]


def test_fewer_points_than_words() -> None:
    words, counts = kmeans(CENTRES, torch.ones(4), 6, 5, np.random.default_rng(0))
    assert words.shape == (6, 2) and bool(words.isfinite().all()) and counts.sum() == 4


def test_nearest_and_sums_by_hand() -> None:
    points = torch.tensor([[1.0, 0.0], [9.0, 8.0], [0.0, 2.0]])
    chosen = nearest(points, CENTRES)
    assert chosen.tolist() == [0, 3, 0]
    counts, sums = weighted_sums(points, chosen, torch.tensor([1.0, 2.0, 3.0]), 4)
    assert counts.tolist() == [4, 0, 0, 2]
    assert sums.tolist() == [[1, 6], [0, 0], [0, 0], [18, 16]]


# ---- weights of colour


def test_the_words_are_those_of_weighted_coefficients_and_their_own_scale() -> None:
    config = replace(CONFIG, weights=(1.0, 2.0, 4.0))
    made = ScaleTrainer([as_tensor(smooth_picture(seed)) for seed in range(4)], config, TRAINING, 0)
    made.initialise()
    weights = coefficient_weights(config.luma, config.chroma, config.weights)
    vectors = made.sample(0, 50).double().numpy()
    ours = Codewords(**made.arrays(), weights=weights)
    tokens, errors = ours.encode(vectors, config.n_tokens)
    left = vectors - ours.vectors(tokens)
    assert np.allclose(errors[:, -1], (left * left).sum(1), rtol=1e-4)
    # Of the weighted error no more is left than by words that were trained without weights.
    plain = Codewords(**trainer().arrays())
    others = vectors - plain.vectors(plain.encode(vectors, config.n_tokens)[0])
    assert (left * left * weights).sum() < (others * others * weights).sum()


# ---- one token after the other


def test_the_first_token_takes_what_varies_most() -> None:
    """The coefficients are divided between the halves in turn, so that neither is better."""
    made = trainer()
    vectors = made.sample(INIT_STEP, TRAINING.init_crops)
    residual = vectors - vectors.mean(0)
    weight = made.weights((residual * residual).sum(1), 0)
    order = (residual * residual * weight[:, None]).mean(0).argsort(descending=True).tolist()
    assert made.tensors["dims"][0].tolist() == [order[0], order[3], order[1], order[2]]
    assert torch.allclose(made.tensors["mean"], vectors.mean(0), atol=1e-3)


@pytest.mark.parametrize("scale", [0, 1])
def test_first_words_leave_less_with_every_token(scale: int) -> None:
    made = trainer(scale)
    tensors = made.tensors
    assert {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items()} == {
        "mean": ((96,), torch.float32),
        "dims": ((10, 4), torch.int64),
        "words": ((10, 2, 8, 2), torch.float32),
        "counts": ((10, 2, 8), torch.float32),
    }
    assert all(len(set(dims.tolist())) == 4 for dims in tensors["dims"]) and bool((tensors["counts"] > 0).all())
    _, errors = Codewords(**made.arrays()).encode(made.sample(0, 50).double().numpy(), CONFIG.n_tokens)
    assert (np.diff(errors.mean(0)) < 0).all() and errors[:, -1].mean() < 0.7 * errors[:, 0].mean()


def test_the_scales_learn_from_crops_of_their_own() -> None:
    one, other = trainer(0), trainer(1)
    assert not torch.equal(one.sample(0, 4), other.sample(0, 4))
    assert torch.equal(one.sample(0, 4), trainer(0).sample(0, 4))
    assert not torch.equal(one.sample(0, 4), one.sample(1, 4))


def test_a_tile_counts_by_a_power_of_what_remains() -> None:
    """Of its scale, and falling from the first token to a late one: below 0 hard tiles count for more."""
    energy = torch.tensor([10.0, 1000.0])
    training = replace(TRAINING, weight_powers=(0.8, 0.4), late_powers=(0.8, -0.2))
    for scale, token, power in (
        (0, 0, 0.8), (0, 99, 0.8), (1, 0, 0.4), (1, LATE // 2, 0.1), (1, LATE, -0.2), (1, 99, -0.2)
    ):  # fmt: skip
        made = ScaleTrainer([as_tensor(smooth_picture(0))], CONFIG, training, scale)
        weights = made.weights(energy, token)
        ratio = (energy + made.floor) ** -power
        assert weights.mean() == pytest.approx(1) and torch.allclose(weights, ratio / ratio.mean())


# ---- all together


def test_a_step_moves_each_word_to_the_mean_of_what_chose_it() -> None:
    """Words move completely if no past is kept, and by a tenth at first."""
    past, none = trainer(), trainer(training=replace(TRAINING, decay=0.0, dead=0.0))
    start = {name: tensor.clone() for name, tensor in past.tensors.items()}
    vectors = past.sample(0, TRAINING.crops)
    tokens, errors = Codewords(**past.arrays()).encode(vectors.double().numpy(), CONFIG.n_tokens)
    weight = past.weights(torch.from_numpy(errors[:, 0]).float(), 0)
    part = (vectors - start["mean"])[:, start["dims"][0, :2]]
    for made in (past, none):
        made.train_step()
        assert made.step == 1
    chosen = torch.from_numpy(tokens[:, 0] // CONFIG.codewords)
    for word in range(CONFIG.codewords):
        rows = chosen == word
        if not rows.any():
            continue
        mean = (part[rows] * weight[rows, None]).sum(0) / weight[rows].sum()
        assert torch.allclose(none.tensors["words"][0, 0, word], mean, rtol=1e-3, atol=1e-2)
        old, new = 0.9 * start["counts"][0, 0, word], 0.1 * weight[rows].sum()
        expected = (old * start["words"][0, 0, word] + new * mean) / (old + new)
        assert torch.allclose(past.tensors["words"][0, 0, word], expected, rtol=1e-3, atol=1e-2)
        assert past.tensors["counts"][0, 0, word] == pytest.approx(float(old + new), rel=1e-4)


@pytest.mark.parametrize("count", [0.0, 1e-6])
def test_dead_words_are_put_where_the_tiles_are(count: float) -> None:
    made = trainer()
    largest = made.tensors["words"].abs().max()
    made.tensors["words"][:, :, 3] = 1e6
    made.tensors["counts"][:, :, 3] = count
    made.train_step()
    revived = made.tensors["words"][:, :, 3]
    assert bool(revived.isfinite().all()) and revived.abs().max() < 10 * largest
    others = made.tensors["counts"][:, :, [0, 1, 2, 4, 5, 6, 7]]
    assert bool((made.tensors["counts"][:, :, 3] > 0.2 * others.mean(2)).all())


def test_steps_lower_the_error() -> None:
    made = trainer(training=replace(TRAINING, crops=64, init_iterations=1))
    fresh = made.sample(1000, 200).double().numpy()

    def left() -> float:
        return float(Codewords(**made.arrays()).encode(fresh, CONFIG.n_tokens)[1][:, -1].mean())

    before = left()
    reported = [made.train_step()["squared_error"] for _ in range(10)]
    assert left() < before
    assert reported[0] == pytest.approx(before + made.floor, rel=0.3)
