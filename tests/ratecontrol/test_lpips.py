"""LPIPS: the published check values, and the errors for missing or wrong weights."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from tokcodec.errors import ModelFileError
from tokcodec.ratecontrol import lpips

WEIGHTS = os.environ.get(lpips.WEIGHTS_ENV)
needs_weights = pytest.mark.skipif(not WEIGHTS, reason=f"${lpips.WEIGHTS_ENV} does not name the LPIPS weights")


def random_weights(net: str) -> dict[str, torch.Tensor]:
    """A state dict of the right names and shapes."""
    generator = torch.Generator().manual_seed(0)
    parts = torch.nn.ModuleDict({"features": torch.nn.Sequential(*lpips._LAYERS[net]())})
    state = {name: torch.randn(p.shape, generator=generator) * 0.05 for name, p in parts.named_parameters()}
    for index, channels in enumerate(lpips._CHANNELS[net]):
        state[f"lin{index}.model.1.weight"] = torch.rand(1, channels, 1, 1, generator=generator)
    return state


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "squeeze.safetensors"
    save_file(random_weights("squeeze"), path)
    return path


@needs_weights
@pytest.mark.parametrize(("name", "expected"), [("lpips-p0.png", 0.7110476), ("lpips-p1.png", 0.1479016)])
def test_check_values(name: str, expected: float) -> None:
    folder = Path(str(WEIGHTS)).parent
    if not (folder / name).exists():
        pytest.skip(f"no {name} beside the weights")
    first, second = (
        torch.from_numpy(np.array(Image.open(folder / n).convert("RGB"))).permute(2, 0, 1)[None] / 255
        for n in ("lpips-ref.png", name)
    )
    net = lpips.LPIPS("squeeze")
    assert float(net(first, second)) == pytest.approx(expected, abs=1e-6)
    assert float(net(first, first)) == 0


@needs_weights
def test_heads_have_the_pinned_digest() -> None:
    assert lpips.heads_digest(lpips.load_weights()) == lpips._HEADS_DIGEST["squeeze"]


@pytest.mark.parametrize("net", lpips.NETS)
def test_every_net_has_the_features_of_its_paper(net: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(random_weights(net), path)
    model = lpips.LPIPS(net, path)
    features = model.features(torch.rand(2, 3, 96, 64))
    assert [f.shape[1] for f in features] == list(lpips._CHANNELS[net])
    lengths = torch.linalg.vector_norm(features[0], dim=1)
    assert bool(((lengths < 1e-6) | ((lengths - 1).abs() < 1e-4)).all())


def test_distance_is_symmetric_and_grows_with_noise(weights: Path) -> None:
    net = lpips.LPIPS("squeeze", weights)
    torch.manual_seed(0)
    x = torch.rand(1, 3, 64, 64)
    noise = torch.randn_like(x)
    near, far = ((x + noise * s).clamp(0, 1) for s in (0.02, 0.3))
    assert float(net(x, near)) == pytest.approx(float(net(near, x)), rel=1e-5)
    assert 0 < float(net(x, near)) < float(net(x, far))
    assert torch.allclose(
        net.compare(net.features(x), net.features(torch.cat((near, far)))),
        torch.cat((net(x, near), net(x, far))),
        rtol=1e-4,
    )


def test_gradient_is_finite_where_features_vanish(weights: Path) -> None:
    net = lpips.LPIPS("squeeze", weights)
    x = torch.zeros(1, 3, 64, 64, requires_grad=True)
    net(x, torch.rand(1, 3, 64, 64)).backward()
    assert x.grad is not None
    assert bool(x.grad.isfinite().all())
    assert all(p.grad is None for p in net.parameters())


def test_absent_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(lpips.WEIGHTS_ENV, raising=False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(lpips.WeightsMissingError, match="squeezenet1_1"):
        lpips.load_weights("squeeze")
    with pytest.raises(lpips.WeightsMissingError, match="nothing"):
        lpips.load_weights("squeeze", tmp_path / "nothing.pth")


def test_hub_cache_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(lpips.WEIGHTS_ENV, raising=False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    state = random_weights("alex")
    heads = {name: value for name, value in state.items() if name.startswith("lin")}
    backbone = {name: value for name, value in state.items() if name not in heads}
    backbone["classifier.1.bias"] = torch.ones(1)  # torchvision's files hold more than the features
    torch.save(backbone, tmp_path / "checkpoints" / "alexnet-owt-7be5be79.pth")
    torch.save(heads, tmp_path / "checkpoints" / "lpips_v0.1_alex.pth")
    assert lpips.LPIPS("alex").net == "alex"


def test_wrong_weights(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="alex"):
        lpips.LPIPS("alex", weights)
    state = random_weights("squeeze")
    del state["lin3.model.1.weight"]
    save_file(state, weights)
    with pytest.raises(ModelFileError, match=r"lin3\.model\.1\.weight"):
        lpips.LPIPS("squeeze", weights)
    for name, content in (("junk.safetensors", b"junk"), ("junk.pth", b"junk"), ("empty.pth", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelFileError, match=name):
            lpips.load_weights("squeeze", tmp_path / name)


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path) -> None:
    class Runs:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, ("true",)

    path = tmp_path / "evil.pth"
    torch.save({"features.0.weight": Runs()}, path)
    with pytest.raises(ModelFileError):
        lpips.load_weights("squeeze", path)


def test_unknown_net_and_unpinned_download() -> None:
    with pytest.raises(ValueError, match="resnet"):
        lpips.LPIPS("resnet")
    with pytest.raises(ValueError, match="pinned"):
        lpips.download("alex")


def test_large_and_endless_files_are_refused(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(lpips.WeightsMissingError, match="not a file"):
        lpips.load_weights("squeeze", "/dev/zero")
    torch.save({}, tmp_path / "large.pth")
    monkeypatch.setattr(lpips, "MAX_BYTES", 10)
    for path in (weights, tmp_path / "large.pth"):
        with pytest.raises(ModelFileError, match=f"{path.name}: .* bytes, and at most 10 are read"):
            lpips.load_weights("squeeze", path)
