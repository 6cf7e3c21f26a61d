"""Files of both shipped models decode with no option: in the library, the command, Pillow and data sets."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

import tokcodec
from tests.vectors import FILES, contents
from tokcodec.models.registry import DEFAULT_MODEL, find_model

Call = Callable[..., Result]
DOTS = {"base-2": "dot-1.tok", "base-3": "base-3/dot-1.tok"}
"""A file of one pixel by model."""


@pytest.fixture(params=DOTS)
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def check(picture: Image.Image, model: str) -> None:
    """The pixel is near the one that the model of the file draws in the fidelity look. The other model's is not."""
    expected = FILES[DOTS[model]]["pixels"][0][0]
    assert picture.size == (1, 1) and np.abs(np.asarray(picture.convert("RGB"), int)[0, 0] - expected).max() < 15


def test_the_default_is_the_newest() -> None:
    assert find_model().name == DEFAULT_MODEL == "base-3"
    assert tokcodec.info(tokcodec.encode(Image.new("RGB", (2, 2)), tokens=1)).model == DEFAULT_MODEL


def test_the_library(model: str) -> None:
    data = contents(DOTS[model])
    check(tokcodec.decode(data), model)
    assert tokcodec.info(data).model == model and tokcodec.truncate(data, tokens=1) == data
    assert tokcodec.read_tokens(data).tolist() == FILES[DOTS[model]]["tokens"]


def test_the_command(call: Call, tmp_path: Path, model: str) -> None:
    (tmp_path / "a.tok").write_bytes(contents(DOTS[model]))
    assert call("decode", "a.tok").exit_code == 0
    check(Image.open(tmp_path / "a.png"), model)
    assert call("decode", "--progressive", "stages", "a.tok").exit_code == 0
    check(Image.open(tmp_path / "stages" / "001.png"), model)
    assert f"model {model}" in call("info", "a.tok").stdout
    assert call("pack", "a.tok", "-o", "a.npz").exit_code == 0
    assert call("pack", "--unpack", "a.npz", "--output-dir", "out").exit_code == 0
    assert (tmp_path / "out" / "a.tok").read_bytes() == contents(DOTS[model])


def test_pillow(pillow_plugin: None, model: str) -> None:
    with Image.open(io.BytesIO(contents(DOTS[model]))) as picture:
        assert picture.info["model"] == model
        check(picture, model)


def test_a_data_set_of_both() -> None:
    pa: Any = pytest.importorskip("pyarrow")
    from tokcodec.datasets import Decoder

    batch = pa.table({"tok": [contents(name) for name in DOTS.values()]})
    for made, model in zip(Decoder()(batch).column("image").to_pylist(), DOTS, strict=True):
        check(Image.open(io.BytesIO(made["bytes"])), model)
