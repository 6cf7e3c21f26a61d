"""The Pillow plug-in opens files: lazily, with Pillow's limits on pixels and our limits on tiles."""

from __future__ import annotations

import copy
import io
import os
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tokcodec
import tokcodec.pillow
from tests.pillow.check import same
from tokcodec.errors import UnknownModelError
from tokcodec.models.registry import MODELS_VARIABLE
from tokcodec.pillow import TokImageError, TokImageFile

ROOT = Path(__file__).parents[2]
Make = Callable[..., bytes]
pytestmark = pytest.mark.usefixtures("pillow_plugin")


def test_registered_once_however_often_it_is_called() -> None:
    tokcodec.pillow.register()
    assert Image.ID.count("TOK") == 1
    assert Image.registered_extensions()[".tok"] == "TOK" and Image.MIME["TOK"] == "image/x-tok"


@pytest.mark.parametrize("kind", ["path", "string", "stream", "bytes"])
def test_pixels_are_those_of_decode(kind: str, make_tok: Make, tmp_path: Path) -> None:
    data = make_tok(90, 40, pitch=32)
    path = tmp_path / "a b.tok"
    path.write_bytes(data)
    source: Any = {"path": path, "string": str(path), "stream": path.open("rb"), "bytes": io.BytesIO(data)}[kind]
    with Image.open(source) as image:
        assert isinstance(image, TokImageFile)
        assert (image.format, image.mode, image.size) == ("TOK", "RGB", (90, 40))
        assert image.get_format_mimetype() == "image/x-tok"
        assert same(image, tokcodec.decode(data))


def test_known_by_content_whatever_the_name(make_tok: Make, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(make_tok())
    with Image.open(path) as image:
        assert image.format == "TOK"


def test_info(make_tok: Make) -> None:
    data = make_tok(90, 40, tokens=5, pitch=32)
    with Image.open(io.BytesIO(data)) as image:
        assert image.info == {"tokens": 5, "pitch": 32, "bpp": 8 * len(data) / (90 * 40), "model": "tiny"}
    with Image.open(io.BytesIO(make_tok(pitch=0))) as image:
        assert image.info["pitch"] == "fit"


def test_opening_and_verifying_need_neither_torch_nor_weights(make_tok: Make, tmp_path: Path) -> None:
    (tmp_path / "a.tok").write_bytes(make_tok())
    code = (
        "import sys, tokcodec.pillow; from PIL import Image; tokcodec.pillow.register()\n"
        "image = Image.open('a.tok'); print(image.size, image.mode, image.info['model']); image.verify()\n"
        "assert 'torch' not in sys.modules"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (result.stdout, result.stderr) == ("(40, 30) RGB tiny\n", "")


def test_size_and_mode_without_the_model(make_tok: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_tok()
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path))
    with Image.open(io.BytesIO(data)) as image:
        assert (image.size, image.mode, image.info["tokens"]) == ((40, 30), "RGB", 8)
        assert "model" not in image.info
    for method in ("load", "verify"):
        with pytest.raises(TokImageError, match=f"needs model id {data[2]:02x}, which is not installed") as caught:
            getattr(Image.open(io.BytesIO(data)), method)()
        assert isinstance(caught.value.__cause__, UnknownModelError)


def test_decoded_once_and_only_when_needed(make_tok: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    decode = tokcodec.decode
    monkeypatch.setattr(tokcodec.pillow, "decode", lambda *a, **k: calls.append(1) or decode(*a, **k))
    image = Image.open(io.BytesIO(make_tok()))
    assert (image.width, image.height, image.getbands(), calls) == (40, 30, ("R", "G", "B"), [])
    whole = image.copy()
    image.load()
    image.putpixel((0, 0), (1, 2, 3))
    assert image.getpixel((0, 0)) == (1, 2, 3) != whole.getpixel((0, 0))
    image.convert("L").resize((5, 5))
    image.thumbnail((10, 10))
    assert image.size == (10, 8) and image.getpixel((9, 7)) is not None
    assert calls == [1]


@pytest.mark.parametrize(
    "use",
    [
        lambda image: image.copy(),
        lambda image: copy.copy(image),
        lambda image: pickle.loads(pickle.dumps(image)),
        lambda image: Image.fromarray(np.asarray(image)),
        lambda image: image.crop((0, 0, 40, 30)),
    ],
)
def test_every_use_loads_by_itself(use: Callable[[Image.Image], Image.Image], make_tok: Make) -> None:
    data = make_tok()
    assert same(use(Image.open(io.BytesIO(data))), tokcodec.decode(data))


def test_the_file_is_closed_as_pillow_does_it(make_tok: Make, tmp_path: Path) -> None:
    path = tmp_path / "a.tok"
    path.write_bytes(make_tok())
    for finish in (Image.Image.load, TokImageFile.verify, TokImageFile.close):
        image: Any = Image.open(path)
        stream = image.fp
        finish(image) if finish is not Image.Image.load else image.load()
        assert stream.closed and image.fp is None
    mine = io.BytesIO(make_tok())
    Image.open(mine).load()
    assert not mine.closed
    with Image.open(path) as image:
        pass
    with pytest.raises(ValueError, match="closed image"):
        image.load()


def test_a_file_that_changes_after_opening_keeps_its_size(make_tok: Make, tmp_path: Path) -> None:
    path = tmp_path / "a.tok"
    path.write_bytes(make_tok())
    with Image.open(path) as image:
        path.write_bytes(make_tok(3000, 2000))
        image.load()
        assert image.im.size == image.size == (40, 30)


def test_the_limits_are_those_of_the_last_registration(make_tok: Make) -> None:
    data = make_tok(90, 40, pitch=16)
    tiles = tokcodec.info(data).tiles
    limits: dict[str, Any]
    for limits, text in [({"max_tiles": tiles - 1}, "--max-tiles"), ({"max_pixels": 90 * 40 - 1}, "--max-pixels")]:
        tokcodec.pillow.register(**limits)
        image = Image.open(io.BytesIO(data))
        assert image.size == (90, 40)
        with pytest.raises(TokImageError, match=text):
            image.load()
    tokcodec.pillow.register()
    assert Image.open(io.BytesIO(data)).convert("L").size == (90, 40)
    with pytest.raises(ValueError, match="at least 1"):
        tokcodec.pillow.register(max_tiles=0)


def test_a_warning_made_an_error_comes_through_the_encoder(make_tok: Make) -> None:
    image = Image.open(io.BytesIO(make_tok()[:-3]))
    with warnings.catch_warnings():
        warnings.simplefilter("error", tokcodec.TokWarning)
        with pytest.raises(tokcodec.TokWarning, match="the file is cut"):
            tokcodec.encode(image, model="tiny")
