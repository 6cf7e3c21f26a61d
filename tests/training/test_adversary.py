"""The adversary: it learns to tell pictures apart, whoever draws can follow it, and its state is all there is."""

from __future__ import annotations

import torch

from tokcodec.training.adversary import Adversary, PatchNet


def make(seed: int = 0) -> Adversary:
    torch.manual_seed(seed)
    return Adversary(torch.device("cpu"), rate=2e-3)


def pictures(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Noisy ones and flat ones of the same colours."""
    generator = torch.Generator().manual_seed(seed)
    flat = torch.rand(4, 3, 1, 1, generator=generator).expand(-1, -1, 64, 64)
    return flat + 0.2 * torch.randn(4, 3, 64, 64, generator=generator), flat


def test_scores_are_of_patches() -> None:
    net, x = PatchNet(), torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    net.eval()  # no more power iterations
    scores = net(x, x)
    assert scores.shape == (1, 1, 16, 16)
    changed = x.clone()
    changed[..., 64:72, 64:72] += 0.5
    places = (net(changed, changed) - scores).abs()[0, 0] > 1e-7
    reach = places.nonzero()
    assert len(reach) and reach.min() >= 5 and reach.max() <= 11


def test_it_learns_to_tell_them_apart() -> None:
    adversary, weight = make(), torch.ones(4)
    losses = [float(adversary.learn(*pictures(seed), pictures(seed)[1], weight)) for seed in range(40)]
    assert losses[-1] < 0.5 * losses[0]
    noisy, flat = pictures(99)
    assert (adversary.realness(noisy, flat) > adversary.realness(flat, flat) + 0.5).all()


def test_a_pair_without_weight_teaches_nothing() -> None:
    adversary = make()
    before = {name: value.clone() for name, value in adversary.net.named_parameters()}
    noisy, flat = pictures(0)
    assert adversary.learn(noisy, flat, flat, torch.zeros(4)) == 0
    assert all(torch.equal(value, before[name]) for name, value in adversary.net.named_parameters())


def test_realness_pulls_the_picture_and_not_the_network() -> None:
    adversary, (drawn, sums) = make(), pictures(1)
    drawn.requires_grad_(True)
    adversary.realness(drawn, sums).sum().backward()
    assert drawn.grad is not None and drawn.grad.abs().max() > 0
    assert all(value.grad is None and value.requires_grad for value in adversary.net.parameters())


def test_the_state_is_all_there_is() -> None:
    one, other, weight = make(0), make(1), torch.ones(4)
    for seed in range(3):
        one.learn(*pictures(seed), pictures(seed)[1], weight)
    other.load({name: value.clone() for name, value in one.tensors().items()})
    losses = [adversary.learn(*pictures(7), pictures(7)[1], weight) for adversary in (one, other)]
    assert torch.equal(*losses)
    for name, value in one.tensors().items():
        assert torch.equal(value, other.tensors()[name]), name
