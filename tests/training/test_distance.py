"""Training of the network of the perceptual distance."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from tokcodec.search.distance import CLASSIFIER, LPIPS, DistanceNet, restored  # noqa: E402
from tokcodec.training.distance import SIDE, DistanceRun, Pairs, write_distance  # noqa: E402


@pytest.fixture
def run() -> DistanceRun:
    """A run with only the network, since the teachers need other packages."""
    made = object.__new__(DistanceRun)
    made.net = DistanceNet()
    return made


def features(widths: tuple[tuple[int, ...], ...]) -> list["torch.Tensor"]:
    return [
        torch.randn(2, 1, width, SIDE >> level, SIDE >> level).half()
        for level, group in enumerate(widths, 1)
        for width in group
    ]


def test_the_loss_falls_by_its_gradient(run: DistanceRun) -> None:
    torch.manual_seed(0)
    pairs = Pairs(torch.rand(2, 1, 3, SIDE, SIDE).half(), features(CLASSIFIER), features(LPIPS))
    optimiser = torch.optim.Adam(run.net.parameters(), 1e-3)
    losses = []
    for _ in range(4):
        loss = run.loss(pairs, torch.arange(1))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]


def test_what_the_network_predicts_itself_has_no_loss(run: DistanceRun) -> None:
    torch.manual_seed(0)
    pictures = torch.rand(2, 1, 3, SIDE, SIDE).half()
    with torch.no_grad():
        own = run.net(pictures.float().flatten(0, 1))
        pairs = Pairs(pictures, *([x.unflatten(0, (2, 1)) for x in part] for part in own))
        assert float(run.loss(pairs, torch.arange(1))) == pytest.approx(0, abs=1e-3)


def test_written_weights_are_read(run: DistanceRun, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    write_distance(dict(run.net.state_dict()), tmp_path / "weights.safetensors")
    DistanceNet().load_state_dict(restored(load_file(tmp_path / "weights.safetensors")))
