"""Fixtures: the weights of a small known variant, a folder with its checkpoint, and an empty folder of models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402

from tests.tokenizers.importing.tiny import LAYOUT  # noqa: E402
from tests.tokenizers.published.plain_titok import random_weights  # noqa: E402
from tokcodec.models import registry  # noqa: E402
from tokcodec.tokenizers.published.checkpoint import Variant  # noqa: E402
from tokcodec.tokenizers.published.titok import Titok  # noqa: E402
from tokcodec.tokenizers.published.titok_modules import TitokNet  # noqa: E402


@pytest.fixture(scope="module")
def weights() -> Any:
    with torch.device("meta"):
        net = TitokNet(LAYOUT)
    return random_weights(net)


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder of models, and a small known variant."""
    monkeypatch.setitem(Titok.variants, "tiny", Variant("Tiny-4", LAYOUT, True, 3, "three tokens are kept by default"))
    monkeypatch.setenv(registry.MODELS_VARIABLE, str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def checkpoint(tmp_path: Path, weights: Any) -> Path:
    folder = tmp_path / "Tiny"
    folder.mkdir()
    save_file(weights, folder / "model.safetensors")
    return folder
