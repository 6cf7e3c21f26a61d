"""Entropy tables that are learned from pictures: a new model, whose files are smaller."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

from tests.conftest import TINY_CODEWORDS, TINY_SHAPE, TINY_TOKENS, tiny_scales
from tokcodec.container.tables import FrequencyTables
from tokcodec.errors import ModelFileError, OutputError, PictureError
from tokcodec.models.modelfile import Model, read_model, write_model
from tokcodec.models.weights import load_weights, weights_about
from tokcodec.tokenizers.cascade import CascadeConfig, pack_tensors
from tokcodec.tokenizers.fitting import refit


@pytest.fixture
def single(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    """A model with one scale and uniform tables, the only one of the user."""
    monkeypatch.setenv("TOKCODEC_MODELS", str(tmp_path / "models"))
    config = CascadeConfig(n_tokens=TINY_TOKENS, codewords=TINY_CODEWORDS, scales=(), **TINY_SHAPE)
    return write_model(
        tmp_path / "models" / "single",
        name="single",
        family="cascade",
        tables=[FrequencyTables.uniform(TINY_TOKENS, (TINY_CODEWORDS,) * 2)],
        tensors={f"decoder.{name}": part for name, part in pack_tensors(config, tiny_scales(8.0)[:1]).items()},
        hashed=["decoder."],
        ordered=True,
        default_tokens=8,
        licence="CC0-1.0",
        description="For tests.",
        card="# single\n\n- entropy tables: uniform\n- more\n",
        metadata={"source": "nowhere"},
    )


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(20):
        Image.fromarray(random.integers(0, 256, (4, 5, 3), dtype=np.uint8)).resize((64, 48)).save(
            folder / f"{number}.png"
        )
    return folder


def test_a_new_model_beside_the_old_one(single: Model, photos: Path) -> None:
    seen: list[tuple[int, int]] = []
    fitted, before, after = refit(single, photos, "fitted", progress=lambda *done: seen.append(done))
    assert before == pytest.approx(6) and after < before - 0.2
    assert fitted.path.parent == single.path.parent and fitted.hash != single.hash and seen[-1] == (20, 20)
    assert read_model(single.path).hash == single.hash
    for model in (single, fitted):
        model.verify()
    old, new = load_weights(single.weights_path), load_weights(fitted.weights_path)
    assert old.keys() == new.keys() and all(np.array_equal(old[name], new[name]) for name in old)
    assert weights_about(fitted.weights_path) == {"source": "nowhere"}
    card = (fitted.path / "README.md").read_text()
    assert card == "# single\n\n- entropy tables: learned from 20 pictures\n- more\n"
    assert (fitted.ordered, fitted.default_tokens, fitted.licence) == (True, 8, "CC0-1.0")


def test_a_model_is_replaced_only_on_request(single: Model, photos: Path) -> None:
    with pytest.raises(OutputError, match="files made with single need its present tables"):
        refit(single, photos)
    refit(single, photos, "fitted")
    with pytest.raises(OutputError, match="a model named 'fitted' exists already"):
        refit(single, photos, "fitted")
    replaced, _, _ = refit(single, photos, overwrite=True)
    assert replaced.path == single.path and read_model(single.path).hash == replaced.hash != single.hash


def test_what_cannot_be_fitted(single: Model, tiny: Model, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="for each of its scales, which training fits"):
        refit(tiny, photos, "other")
    (tmp_path / "empty").mkdir()
    with pytest.raises(PictureError, match="no picture to fit tables on"):
        refit(single, tmp_path / "empty", "other")
    assert not (single.path.parent / "other").exists()


def test_the_command(call: Callable[..., Result], single: Model, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKCODEC_MODELS", str(single.path.parent))
    refused = call("models", "fit-tables", str(photos), "--model", "single")
    assert refused.exit_code == 1 and "give the new model another --name" in refused.stderr
    done = call("models", "fit-tables", str(photos), "--model", "single", "--name", "fitted")
    assert done.exit_code == 0 and "bits per token on these pictures" in done.stderr
    assert "fitted" in call("models", "list").stdout
    assert call("models", "fit-tables", str(photos)).exit_code == 2
