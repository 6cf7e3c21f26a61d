"""The network of the perceptual distance."""

import pytest

torch = pytest.importorskip("torch")

from tokcodec.search.distance import WEIGHTS, distances, load_distance, quantised, restored  # noqa: E402


def pictures(number: int) -> "torch.Tensor":
    return torch.rand(number, 3, 64, 64, generator=torch.Generator().manual_seed(3))


def test_equal_pictures_have_no_distance_and_others_have_one() -> None:
    net, x = load_distance("cpu"), pictures(2)
    same, other = distances(net(x), net(x)), distances(net(x), net(x.flip(0)))
    assert all(value.abs().max() < 1e-5 for value in same)
    assert all(value.min() > 0.01 for value in other)


def test_more_noise_is_farther() -> None:
    net, x = load_distance("cpu"), torch.nn.functional.avg_pool2d(pictures(1), 8).repeat_interleave(8, 2)
    x = x.repeat_interleave(8, 3)
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(4))
    near, far = (distances(net(x), net(x + strength * noise)) for strength in (0.02, 0.1))
    assert all(a < b for a, b in zip(near, far, strict=True))


def test_weights_are_small_and_come_back_to_within_half_a_step() -> None:
    assert WEIGHTS.stat().st_size < 500_000
    weights = {name: value.clone() for name, value in load_distance("cpu").state_dict().items()}
    stored = quantised(weights)
    for name, value in restored(stored).items():
        step = stored.get(f"{name}.step", torch.tensor(1e-2))
        assert ((value - weights[name]).abs() <= step / 2 + 1e-6).all()
