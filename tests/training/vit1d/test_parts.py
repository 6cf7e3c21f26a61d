"""The parts of the training of a 1D tokenizer: tail drop, the codes, the losses."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from tests.training.vit1d.conftest import SIZE, TRAINING
from tokcodec.tokenizers.vit1d.modules import Vit1dNet
from tokcodec.tokenizers.vit1d.quantisers import Codebook, FiniteScalars
from tokcodec.training.vit1d.adversary import Discriminator, adaptive_weight, hinge
from tokcodec.training.vit1d.codes import Codes
from tokcodec.training.vit1d.forward import Forward
from tokcodec.training.vit1d.loss import Loss1d, semantic_distance
from tokcodec.training.vit1d.ranks import Ranks
from tokcodec.training.vit1d.report import counts_of
from tokcodec.training.vit1d.run import layout_of_size
from tokcodec.training.vit1d.settings import Training1d
from tokcodec.training.vit1d.standard import standardise
from tokcodec.training.vit1d.start import covered, initialise, sinusoids
from tokcodec.training.vit1d.tail_drop import kept_tokens

CPU = Ranks(torch.device("cpu"))


def kept(training: Training1d, steps: int = 100, batch: int = 8) -> Counter[int]:
    """How often each number of tokens is kept."""
    return Counter(int(k) for step in range(steps) for k in kept_tokens(training, 8, step, range(batch), batch))


def test_uniform_tail_drop_keeps_one_to_all_tokens() -> None:
    found = kept(TRAINING)
    assert sorted(found) == list(range(1, 9))
    assert found[8] > 200  # a fourth is guaranteed
    assert all(45 <= found[count] <= 110 for count in range(1, 8))  # 75 expected


def test_powers_keep_powers_of_two_alone() -> None:
    assert sorted(kept(replace(TRAINING, tail_drop="powers"))) == [1, 2, 4, 8]


def test_without_tail_drop_all_tokens_are_kept() -> None:
    assert list(kept(replace(TRAINING, tail_drop="none"))) == [8]


def test_padding_keeps_all_tokens_more_often() -> None:
    found = kept(replace(TRAINING, padding=8))
    assert max(found) == 16 and found[8] > 200
    assert sum(number for count, number in found.items() if count >= 8) > 450  # 200 and 9 of 16 of 600


@pytest.mark.parametrize("batch", [1, 3])
def test_full_passes_are_guaranteed_for_small_batches(batch: int) -> None:
    for places in (range(batch), range(batch - 1, batch)):
        found = [kept_tokens(replace(TRAINING, full=2), 8, step, places, batch) for step in range(20)]
        assert any(8 in part for part in found) and any(int(part.min()) < 8 for part in found)


def test_tokens_of_a_place_do_not_depend_on_the_processes() -> None:
    both = kept_tokens(TRAINING, 8, 5, range(8), 8)
    halves = [kept_tokens(TRAINING, 8, 5, places, 8) for places in (range(4), range(4, 8))]
    assert torch.equal(both, torch.cat(halves))


def test_counts_of_figures() -> None:
    assert counts_of(1) == [1] and counts_of(8) == [1, 2, 4, 8] and counts_of(10) == [1, 2, 4, 8, 10]


# ---- codes


def clusters(codes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit vectors around a few directions: float32 1 x N x 4, and the directions."""
    generator = torch.Generator().manual_seed(0)
    directions = F.normalize(torch.randn(codes, 4, generator=generator), dim=1)
    vectors = directions.repeat(40, 1) + 0.02 * torch.randn(40 * codes, 4, generator=generator)
    return F.normalize(vectors, dim=1)[None], directions


def test_codes_move_to_the_vectors_and_unused_ones_are_replaced() -> None:
    book = Codebook(8, 4).requires_grad_(False)
    torch.nn.init.constant_(book.embedding.weight, 0.5)  # all the same: only one is ever chosen
    vectors, directions = clusters(4)
    codes = Codes(book, vectors.shape[1], replace(TRAINING, decay=0.7, window=20), CPU)
    for step in range(120):
        codes.update(vectors, book.nearest(vectors), step)
    assert codes.use >= 0.5
    assert float((directions @ book.embedding.weight.T).amax(1).min()) > 0.99


def test_use_is_that_of_the_last_window() -> None:
    scalars = FiniteScalars((4, 4))
    codes = Codes(scalars, 2, replace(TRAINING, window=2), CPU)
    for step, chosen in enumerate(([0, 1], [1, 2], [5, 5], [5, 5])):
        codes.update(torch.zeros(1, 2, 2), torch.tensor([chosen]), step)
        if step == 1:
            assert codes.use == 3 / 16
    assert codes.use == 1 / 16
    other = Codes(scalars, 2, TRAINING, CPU)
    other.load_state_dict(codes.state_dict())
    assert (other.use, other.bits) == (codes.use, codes.bits)


def test_bits_see_tokens_that_are_the_same_for_all_tiles() -> None:
    scalars = FiniteScalars((4, 4))
    codes = Codes(scalars, 16, replace(TRAINING, window=1), CPU)
    same = torch.arange(16).expand(8, -1)
    codes.update(torch.zeros(8, 16, 2), same, 0)
    assert codes.use == 1 and codes.bits == 0
    mixed = torch.stack([torch.arange(16).roll(tile) for tile in range(8)])
    codes.update(torch.zeros(8, 16, 2), mixed, 1)
    assert codes.use == 1 and codes.bits == pytest.approx(3)


# ---- the start


def test_positions_tell_near_patches_from_far_ones() -> None:
    positions = sinusoids(4, 64)
    assert positions.std(1).tolist() == pytest.approx([1] * 16)
    likeness = F.cosine_similarity(positions[5], positions, dim=1)  # of the second in the second row
    assert int(likeness.argmax()) == 5 and float(likeness[6]) > float(likeness[7]) > float(likeness[15])


@pytest.mark.parametrize("grid", [4, 6])
def test_first_latents_cover_the_tile_from_coarse_to_fine(grid: int) -> None:
    weights = covered(grid, 200)
    assert torch.allclose(weights.sum(1), torch.ones(200))
    patches = (weights > 0).sum(1).tolist()
    assert patches[:5] == [grid**2] + [grid**2 / 4] * 4
    single = [int(row.argmax()) for row, number in zip(weights, patches, strict=True) if number == 1]
    assert set(single) == set(range(grid**2))


def test_pictures_pass_through_the_first_weights() -> None:
    """What tiles have in common does not drown what they differ in: neither in the encoder nor in the decoder."""
    torch.manual_seed(0)
    net = Vit1dNet(replace(layout_of_size(SIZE), width=128, encoder_layers=2, decoder_layers=2))
    initialise(net)
    found = []
    for part in (net.encoder, net.decoder):
        part.ln_post.register_forward_hook(lambda module, inputs, output: found.append(output))
    with torch.no_grad():
        net.encoder(torch.rand(32, 3, 128, 128) * torch.rand(32, 3, 1, 1))
        net.decoder.features(F.normalize(torch.randn(32, 8, 12), dim=2))
    assert all(float(output.var(0).mean()) > 0.1 for output in found)


def test_the_output_of_the_encoder_is_standardised() -> None:
    encoder = Vit1dNet(layout_of_size(SIZE)).encoder
    generator = torch.Generator().manual_seed(0)
    for step in range(100):
        raw = 5 + 3 * torch.randn(16, 8, 12, generator=generator)
        standardise(encoder, (raw - encoder.mean) / encoder.deviation, step, CPU)
    assert float(encoder.mean.mean()) == pytest.approx(5, abs=0.2)
    assert float(encoder.deviation.mean()) == pytest.approx(3, abs=0.2)
    for step in range(300):
        standardise(encoder, torch.zeros(1, 8, 12), step, CPU)
    assert float(encoder.deviation.min()) > 0  # also where all tiles are alike


# ---- losses


def test_the_loss_has_its_parts() -> None:
    class Difference(torch.nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return (x - y).abs().mean((1, 2, 3))

    tiles, drawn = torch.zeros(2, 3, 8, 8), torch.full((2, 3, 8, 8), 0.5)
    training = replace(TRAINING, squared=2.0, lpips=1.0, fading=1.0)
    loss, parts = Loss1d(training, Difference(), [])(drawn, tiles, torch.tensor([0.5, 1.0]), 0)  # type: ignore[arg-type]
    assert parts["squared"] == 0.25 and parts["lpips"] == pytest.approx(0.375)
    assert float(loss) == pytest.approx(0.5 + 0.375)


def test_semantic_regularisation_fades_towards_all_tokens() -> None:
    found, wanted = torch.ones(2, 4, 3), -torch.ones(2, 4, 3)
    distances = [float(semantic_distance(found, wanted, torch.full((2,), share))) for share in (0.25, 0.75, 1.0, 1.5)]
    assert distances == pytest.approx([1.5, 0.5, 0.0, 0.0])
    assert float(semantic_distance(found, found, torch.full((2,), 0.25))) == pytest.approx(0, abs=1e-6)


def test_the_adversary_has_a_weight_that_balances_gradients() -> None:
    judge, last = Discriminator(), torch.ones(1, requires_grad=True)
    scores = judge(torch.rand(2, 3, 32, 32))
    assert scores.shape == (2, 1, 4, 4)
    assert float(hinge(torch.tensor([2.0, -2.0]))) == 0 and float(hinge(torch.tensor([-1.0, 1.0]))) == 2
    weight = adaptive_weight((6 * last).sum(), (2 * last).sum(), last, CPU)
    assert float(weight) == pytest.approx(3, rel=1e-4)


def test_gradients_reach_every_weight_through_the_codes() -> None:
    torch.manual_seed(0)
    forward = Forward(Vit1dNet(layout_of_size(SIZE)), torch.float32, channels=5)
    initialise(forward)
    forward.net.quantize.requires_grad_(False)
    tiles, kept = torch.rand(2, 3, 128, 128), torch.tensor([1, 8])
    soft = forward(tiles, kept, torch.tensor(0.0))
    passed = forward(tiles, kept, torch.tensor(1.0))
    assert torch.equal(soft.tokens, passed.tokens) and not torch.allclose(soft.drawn, passed.drawn)
    drawn = forward.net.decode(passed.tokens[1:])
    assert torch.allclose(passed.drawn[1:], drawn, atol=1e-5)  # what training draws is what the tokenizer draws
    assert passed.drawn.shape == (2, 3, 128, 128) and passed.aligned is not None
    assert passed.tokens.shape == (2, 8) and not passed.codes.requires_grad
    (passed.drawn.square().mean() + passed.aligned.mean()).backward()
    for name, parameter in forward.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
