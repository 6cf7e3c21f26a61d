"""Conformance: every vector, and every prefix of it, gives the tokens that were written down, with either reader."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tokcodec
from tokcodec.bitstream import HEADER_SIZE
from tokcodec.models import find_model

FORMATS = Path(__file__).parent.parent / "formats"
LISTING = json.loads((FORMATS / "vectors" / "vectors.json").read_text())
FILES: dict[str, dict[str, Any]] = LISTING["files"]


@pytest.fixture(scope="module")
def reader() -> ModuleType:
    """The decoder in plain Python that lies beside the specification."""
    spec = importlib.util.spec_from_file_location("reader", FORMATS / "reader.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def contents(name: str) -> bytes:
    return (FORMATS / "vectors" / name).read_bytes()


def test_the_model_is_the_one_the_vectors_name() -> None:
    model = find_model(LISTING["model"])
    assert model.hash.hex() == LISTING["model_hash"]
    model.verify()


def test_no_vector_is_forgotten() -> None:
    assert {path.name for path in (FORMATS / "vectors").glob("*.tok")} == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_fields_and_tokens(name: str) -> None:
    expected, data = FILES[name], contents(name)
    info = tokcodec.info(data)
    assert (info.bytes, info.width, info.height, info.pitch) == tuple(
        expected[k] for k in ("bytes", "width", "height", "pitch")
    )
    assert (info.columns, info.rows, info.tokens, info.held) == tuple(
        expected[k] for k in ("columns", "rows", "tokens_per_tile", "held")
    )
    assert [[t for t in row if t >= 0] for row in tokcodec.read_tokens(data).tolist()] == expected["tokens"]


@pytest.mark.parametrize("name", FILES)
def test_pixels_within_tolerance(name: str) -> None:
    expected = FILES[name]
    decoded = np.asarray(tokcodec.decode(contents(name), look=expected["look"], warn=lambda text: None), int)
    found = decoded[:: expected["every"], :: expected["every"]]
    assert np.abs(found - np.array(expected["pixels"])).max() <= expected["tolerance"]


@pytest.mark.parametrize("name", FILES)
def test_every_prefix_holds_a_beginning_of_the_tokens(name: str) -> None:
    data = contents(name)
    whole = tokcodec.read_tokens(data)
    tiles, tokens = whole.shape
    sequence = whole.T.ravel()
    before = 0
    for length in range(HEADER_SIZE, len(data) + 1):
        held = tokcodec.info(data[:length]).held
        assert held is not None and before <= held
        assert np.array_equal(tokcodec.read_tokens(data[:length]).T.ravel()[:held], sequence[:held])
        before = held
    assert before == FILES[name]["held"] and tiles * tokens == len(sequence)
    for length in range(HEADER_SIZE):
        with pytest.raises(tokcodec.TokError):
            tokcodec.info(data[:length])


@pytest.mark.parametrize("name", FILES)
def test_the_independent_reader_agrees(name: str, reader: ModuleType) -> None:
    model = find_model(LISTING["model"])
    counts = [[row.tolist() for row in digit] for digit in model.tables.counts]
    tokens, held = reader.read_tokens(contents(name), counts, model.hash)
    assert held == FILES[name]["held"]
    assert [[t for t in row if t is not None and t >= 0] for row in tokens] == FILES[name]["tokens"]
