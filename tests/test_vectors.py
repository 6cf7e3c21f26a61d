"""Conformance: every vector and every prefix of it gives the recorded tokens with both readers."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tokcodec
from tokcodec.container.bare import BARE_SIZE
from tokcodec.container.counts import tile_counts, token_order
from tokcodec.container.header import HEADER_SIZE
from tokcodec.contents import pack
from tokcodec.models.registry import find_model
from tokcodec.tokfile import read

FORMATS = Path(__file__).parent.parent / "formats"
LISTING = json.loads((FORMATS / "vectors" / "vectors.json").read_text())
FILES: dict[str, dict[str, Any]] = LISTING["files"]


@pytest.fixture(scope="module")
def reader() -> ModuleType:
    """The plain Python decoder of the specification."""
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


FROZEN = "35609ae181b468422c790bf041da86c5849eca06d85b8c9e1776572f4cb8ae90"


def test_vectors_are_frozen() -> None:
    """Bytes and tokens since 1.0.0, which every 1.x reads. New vectors have other names and a new hash."""
    digest = hashlib.sha256()
    for name in sorted(FILES):
        tokens = json.dumps([FILES[name]["tokens"], FILES[name]["levels"]])
        digest.update(b"\0".join([name.encode(), contents(name), tokens.encode()]))
    assert digest.hexdigest() == FROZEN


def test_no_vector_is_forgotten() -> None:
    assert {path.name for path in (FORMATS / "vectors").glob("*.tok")} == set(FILES)


def test_the_specification_shows_the_smallest() -> None:
    text = (FORMATS / "tok-v1.md").read_text(encoding="utf-8")
    assert contents("dot-1.tok").hex(" ").upper() in text and LISTING["model_hash"][:8] in text


def test_every_kind_is_there() -> None:
    kinds = {(e["container"], e["flat"], e["adaptive"]) for e in FILES.values()}
    assert kinds == {("tok", f, a) for f in (False, True) for a in (False, True)} | {
        ("bare", f, False) for f in (False, True)
    }


@pytest.mark.parametrize("name", FILES)
def test_fields_and_tokens(name: str) -> None:
    expected, data = FILES[name], contents(name)
    found = read(data, container=expected["container"])
    header = found.header
    assert (header.width, header.height, header.pitch, header.tokens, header.flat, header.adaptive) == tuple(
        expected[k] for k in ("width", "height", "pitch", "tokens_per_tile", "flat", "adaptive")
    )
    assert (None if found.levels is None else found.levels.tolist()) == expected["levels"]
    assert found.held == expected["held"] and len(data) == expected["bytes"]
    assert [[t for t in row if t >= 0] for row in found.coded.tolist()] == expected["tokens"]
    if expected["container"] == "tok":
        info = tokcodec.info(data)
        assert (info.columns, info.rows, info.held) == tuple(expected[k] for k in ("columns", "rows", "held"))


@pytest.mark.parametrize("name", FILES)
def test_complete_files_are_packed_again_alike(name: str) -> None:
    found = read(contents(name), container=FILES[name]["container"])
    if found.held == found.declared:
        again = pack(found.header, found.model, found.coded, found.levels, container=FILES[name]["container"])
        assert again == contents(name)


@pytest.mark.parametrize("name", FILES)
def test_pixels_within_tolerance(name: str) -> None:
    expected = FILES[name]
    form = {"look": expected["look"], "container": expected["container"]}
    decoded = np.asarray(tokcodec.decode(contents(name), warn=lambda text: None, **form), int)
    found = decoded[:: expected["every"], :: expected["every"]]
    assert np.abs(found - np.array(expected["pixels"])).max() <= expected["tolerance"]


@pytest.mark.parametrize("name", FILES)
def test_every_prefix_holds_a_beginning_of_the_tokens(name: str) -> None:
    data, container = contents(name), FILES[name]["container"]
    header_size = BARE_SIZE if container == "bare" else HEADER_SIZE
    whole, before = read(data, container=container), 0
    levels = np.zeros(whole.tiles, int) if whole.levels is None else whole.levels
    order = token_order(tile_counts(whole.header.tokens, levels))
    tiles, ranks = (np.concatenate(parts)[: whole.held] for parts in zip(*order, strict=True))
    for length in range(header_size, len(data) + 1):
        found = read(data[:length], container=container)
        held = found.held
        assert before <= held and np.count_nonzero(found.coded >= 0) == held
        at = tiles[:held], ranks[:held]
        assert np.array_equal(found.coded[at], whole.coded[at])
        before = held
    assert before == FILES[name]["held"]
    for length in range(header_size):
        with pytest.raises(tokcodec.TokError):
            read(data[:length], container=container)


@pytest.mark.parametrize("name", FILES)
def test_the_independent_reader_agrees(name: str, reader: ModuleType) -> None:
    model = find_model(LISTING["model"])
    sets = [[[row.tolist() for row in digit] for digit in tables.counts] for tables in model.tables]
    if FILES[name]["container"] == "bare":
        tokens, held = reader.read_bare(contents(name), sets)
    else:
        tokens, held = reader.read_tokens(contents(name), sets, model.scales, model.hash)
    assert (tokens, held) == (FILES[name]["tokens"], FILES[name]["held"])
