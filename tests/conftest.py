"""Fixtures shared by several test modules: a model of a few kilobytes and a command line to call."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from PIL import Image

from tokcodec.container.entropy import encode_tokens
from tokcodec.container.header import Header, pack_header
from tokcodec.container.tables import FrequencyTables
from tokcodec.contents import scale_of
from tokcodec.models.modelfile import Model, write_model
from tokcodec.models.registry import MODELS_VARIABLE
from tokcodec.pictures.tiling import Grid


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the published tokenizers in full size to `make test-published`: they need minutes and gigabytes."""
    if "published" not in config.option.markexpr:
        for item in items:
            if item.get_closest_marker("published"):
                item.add_marker(pytest.mark.skip(reason="full size: `make test-published`"))
    items[:] = slow_first(items, getattr(config, "workerinput", {}).get("workercount", 1))


def slow_first(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """The tests in an order by which all workers of pytest-xdist end together.

    Each worker is given a contiguous part, and who is done takes over later tests of another (`--dist worksteal`). So
    each part begins with modules that have slow tests. Modules stay whole, because their tests share what they set up.
    """
    modules = {item.path for item in items if item.get_closest_marker("slow")}
    slow = [item for item in items if item.path in modules]
    fast = [item for item in items if item.path not in modules]
    return [
        item
        for worker in range(workers)
        for some in (slow, fast)
        for item in some[len(some) * worker // workers : len(some) * (worker + 1) // workers]
    ]


TINY_TOKENS, TINY_CODEWORDS, TINY_VOCABULARY = 16, 8, 64
TINY_SCALES = (32,)
TINY_SHAPE: dict[str, int] = {"half": 12, "luma": 16, "chroma": 8}


def tiny_scales(spread: float) -> list[dict[str, NDArray[Any]]]:
    """Random codewords of the two scales of `tiny`: each coefficient is touched by one token."""
    rng, half = np.random.default_rng(1), TINY_SHAPE["half"]
    size = TINY_SHAPE["luma"] ** 2 + 2 * TINY_SHAPE["chroma"] ** 2
    mean = np.zeros(size)
    mean[0] = 200.0
    return [
        {
            "mean": mean,
            "dims": np.arange(TINY_TOKENS * 2 * half).reshape(TINY_TOKENS, 2 * half) % size,
            "words": spread * rng.standard_normal((TINY_TOKENS, 2, TINY_CODEWORDS, half)),
        }
        for _ in range(len(TINY_SCALES) + 1)
    ]


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models that holds one, `tiny`: a cascade of 16 random tokens of 6 bits, 8 of them by default.

    It has a second set of codewords for tiles that cover less than 32 x 32 pixels.
    """
    from tokcodec.tokenizers.cascade import CascadeConfig, pack_tensors

    config = CascadeConfig(n_tokens=TINY_TOKENS, codewords=TINY_CODEWORDS, scales=TINY_SCALES, **TINY_SHAPE)
    folder = tmp_path_factory.mktemp("models")
    write_model(
        folder / "tiny",
        name="tiny",
        family="cascade",
        tables=[FrequencyTables.uniform(TINY_TOKENS, (TINY_CODEWORDS,) * 2)] * (len(TINY_SCALES) + 1),
        tensors={f"decoder.{name}": tensor for name, tensor in pack_tensors(config, tiny_scales(8.0)).items()},
        hashed=["decoder."],
        scales=TINY_SCALES,
        ordered=True,
        default_tokens=8,
        licence="CC0-1.0",
        description="For tests.",
    )
    return folder


@pytest.fixture
def tiny(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    """The model `tiny`, installed for the time of the test, in processes that it starts too."""
    from tokcodec.models.registry import find_model

    monkeypatch.setenv(MODELS_VARIABLE, str(tiny_folder))
    return find_model("tiny")


@pytest.fixture
def make_tok(tiny: Model) -> Callable[..., bytes]:
    """Bytes of a `.tok` of random tokens of the model `tiny`, made without torch."""

    def make(width: int = 40, height: int = 30, tokens: int = 8, pitch: int = 256, seed: int = 0) -> bytes:
        tiles = Grid.for_picture(width, height, pitch).tiles
        coded = np.random.default_rng(seed).integers(0, TINY_VOCABULARY, (tiles, tokens))
        header = Header(model_id=tiny.id, tokens=tokens, pitch=pitch, width=width, height=height)
        return pack_header(header, tiny.hash) + encode_tokens(coded, tiny.tables_of(header, scale_of(header, tiny)))

    return make


@pytest.fixture
def picture() -> bytes:
    """A PNG of 40x30 pixels."""
    pixels = np.add.outer(np.arange(30) * 5, np.arange(40) * 2)[..., None].repeat(3, 2).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def call(tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run `tokcodec ARGUMENTS` within this process, in the folder tmp_path; stdin may be given."""
    from tokcodec.cli import cli

    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, stdin: bytes | None = None) -> Result:
        return CliRunner().invoke(cli, arguments, input=stdin, prog_name="tokcodec")

    return run


@pytest.fixture
def pillow_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registers `.tok` with Pillow for the time of a test."""
    import tokcodec.pillow

    Image.init()
    for name in ("ID", "OPEN", "SAVE", "EXTENSION", "MIME"):
        monkeypatch.setattr(Image, name, getattr(Image, name).copy())
    tokcodec.pillow.register()
