"""Models that somebody has made to fail: whatever a manifest or a tensor says, it works or is one line.

All checksums and the hash fit, so that nothing is refused for them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load_file

import tokcodec
from tokcodec.container.tables import load_tables
from tokcodec.errors import TokError
from tokcodec.models.modelfile import model_hash
from tokcodec.tensorfile import save_tensors

NUMBERS = st.sampled_from([-(1 << 63), -1, 0, 1, 2, 3, 7, 8, 9, 63, 64, 65, 255, 256, 257, 1 << 16, 1 << 31, 1 << 62])
VALUES = st.one_of(
    NUMBERS,
    st.none(),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.lists(NUMBERS, max_size=4),
    st.dictionaries(st.text(max_size=3), NUMBERS, max_size=2),
)
TYPES = ("bool", "int8", "uint8", "int16", "uint16", "int32", "int64", "uint64", "float16", "float32", "float64")


@st.composite
def changed(draw: st.DrawFn, tensors: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Tensors of which one is missing, has another type or shape, or a value of another kind."""
    name = draw(st.sampled_from(sorted(tensors)))
    tensor = tensors[name].copy()
    match draw(st.sampled_from(("missing", "type", "cut", "axes", "value", "fill", "scalar"))):
        case "missing":
            return {key: value for key, value in tensors.items() if key != name}
        case "type":
            tensor = tensor.astype(draw(st.sampled_from(TYPES)))
        case "cut":
            axis = draw(st.integers(0, tensor.ndim - 1))
            tensor = np.take(tensor, range(draw(st.integers(0, tensor.shape[axis]))), axis)
        case "axes":
            tensor = tensor[None] if draw(st.booleans()) else tensor.T
        case "scalar":
            tensor = tensor.reshape(-1)[0].reshape(())
        case kind:
            value = draw(st.sampled_from((-1, 0, 1, 127, np.nan, np.inf, -np.inf, 6e4)))
            with np.errstate(invalid="ignore"):
                bad = np.array(value).astype(tensor.dtype)
            if kind == "fill":
                tensor[...] = bad
            else:
                tensor.flat[draw(st.integers(0, tensor.size - 1))] = bad
    return tensors | {name: tensor}


def write(folder: Path, manifest: dict[str, Any], weights: dict[str, NDArray[Any]], tables: bytes) -> None:
    """The files of a model, with checksums and a hash that fit as far as tables can be read."""
    folder.mkdir(exist_ok=True)
    files = {"tables.safetensors": tables, "model.safetensors": save_tensors(weights)}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    try:
        decoding = {name: tensor for name, tensor in weights.items() if name.startswith("decoder.")}
        digest = model_hash(load_tables(folder / "tables.safetensors"), decoding).hex()
    except TokError:
        digest = "00" * 32
    fitting = {"hash": digest, "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}}
    (folder / "model.json").write_text(json.dumps(fitting | manifest))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_model_works_or_is_one_line(tiny_folder: Path, tmp_path: Path, data: st.DataObject) -> None:
    source = tiny_folder / "tiny"
    manifest = json.loads((source / "model.json").read_text())
    del manifest["hash"], manifest["files"]
    weights = load_file(source / "model.safetensors")
    tables = load_file(source / "tables.safetensors")
    match data.draw(st.sampled_from(("manifest", "weights", "tables"))):
        case "manifest":
            manifest[data.draw(st.sampled_from([*manifest, "hash", "files", "tile"]))] = data.draw(VALUES)
        case "weights":
            weights = data.draw(changed(weights))
        case _:
            tables = data.draw(changed(tables))
    folder = tmp_path / "model"
    shutil.rmtree(folder, ignore_errors=True)
    write(folder, manifest, weights, save_tensors(tables))
    try:
        file = tokcodec.encode(Image.new("RGB", (9, 9), "red"), tokens=2, model=folder, warn=lambda text: None)
        assert tokcodec.decode(file, model=folder).size == (9, 9)
    except TokError as error:
        assert "\n" not in str(error)
    except ValueError as error:  # what was asked for does not go with this model
        assert str(error).startswith("tokens must be")
