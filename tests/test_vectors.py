"""Conformance: every vector and every prefix of it gives the recorded tokens with both readers."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from types import ModuleType

import numpy as np
import pytest

import tokcodec
from tests.vectors import FILES, FOLDERS, LISTINGS, VECTORS, contents, form
from tokcodec.container.bare import BARE_SIZE
from tokcodec.container.counts import tile_counts, token_order
from tokcodec.container.header import HEADER_SIZE
from tokcodec.contents import pack
from tokcodec.models.registry import find_model
from tokcodec.tokfile import read

FORMATS = VECTORS.parent


@pytest.fixture(scope="module")
def reader() -> ModuleType:
    """The plain Python decoder of the specification."""
    spec = importlib.util.spec_from_file_location("reader", FORMATS / "reader.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", FOLDERS)
def test_the_model_is_the_one_the_vectors_name(name: str) -> None:
    model = find_model(name)
    assert (LISTINGS[name]["model"], LISTINGS[name]["model_hash"]) == (model.name, model.hash.hex())
    model.verify()


FROZEN = {
    "base-2": "35609ae181b468422c790bf041da86c5849eca06d85b8c9e1776572f4cb8ae90",
    "base-3": "154ba3e8796a58417a9bf598ae17306d25c44295551efee84492b77cc4f3fcd0",
}


@pytest.mark.parametrize("model", FOLDERS)
def test_vectors_are_frozen(model: str) -> None:
    """Bytes and tokens since the model's first release, which every 1.x reads. New vectors need a folder and a hash."""
    digest, files = hashlib.sha256(), LISTINGS[model]["files"]
    for name in sorted(files):
        tokens = json.dumps([files[name]["tokens"], files[name]["levels"]])
        digest.update(b"\0".join([name.encode(), (FOLDERS[model] / name).read_bytes(), tokens.encode()]))
    assert digest.hexdigest() == FROZEN[model]


def test_no_vector_is_forgotten() -> None:
    assert {path.relative_to(VECTORS).as_posix() for path in VECTORS.rglob("*.tok")} == set(FILES)


def test_both_models_have_the_same_vectors() -> None:
    assert set(LISTINGS["base-2"]["files"]) == set(LISTINGS["base-3"]["files"])


@pytest.mark.parametrize("name", FOLDERS)
def test_the_specification_shows_the_smallest(name: str) -> None:
    text = (FORMATS / "tok-v1.md").read_text(encoding="utf-8")
    smallest = (FOLDERS[name] / "dot-1.tok").read_bytes()
    assert smallest.hex(" ").upper() in text and LISTINGS[name]["model_hash"][:8] in text


@pytest.mark.parametrize("name", FOLDERS)
def test_every_kind_is_there(name: str) -> None:
    kinds = {(e["container"], e["flat"], e["adaptive"]) for e in LISTINGS[name]["files"].values()}
    assert kinds == {("tok", f, a) for f in (False, True) for a in (False, True)} | {
        ("bare", f, False) for f in (False, True)
    }


@pytest.mark.parametrize("name", FILES)
def test_fields_and_tokens(name: str) -> None:
    expected, data = FILES[name], contents(name)
    found = read(data, **form(name))
    header = found.header
    assert found.model.name == expected["model"]
    assert (header.width, header.height, header.pitch, header.tokens, header.flat, header.adaptive) == tuple(
        expected[k] for k in ("width", "height", "pitch", "tokens_per_tile", "flat", "adaptive")
    )
    assert (None if found.levels is None else found.levels.tolist()) == expected["levels"]
    assert found.held == expected["held"] and len(data) == expected["bytes"]
    assert [[t for t in row if t >= 0] for row in found.coded.tolist()] == expected["tokens"]
    if expected["container"] == "tok":
        info = tokcodec.info(data)
        assert (info.columns, info.rows, info.held) == tuple(expected[k] for k in ("columns", "rows", "held"))
        assert info.model == expected["model"]


@pytest.mark.parametrize("name", FILES)
def test_complete_files_are_packed_again_alike(name: str) -> None:
    found = read(contents(name), **form(name))
    if found.held == found.declared:
        again = pack(found.header, found.model, found.coded, found.levels, container=FILES[name]["container"])
        assert again == contents(name)


@pytest.mark.parametrize("name", FILES)
def test_pixels_within_tolerance(name: str) -> None:
    """By NumPy; `test_same_everywhere` has the other back ends."""
    expected = FILES[name]
    options = {"look": expected["look"], "device": "cpu", **form(name)}
    decoded = np.asarray(tokcodec.decode(contents(name), warn=lambda text: None, **options), int)
    found = decoded[:: expected["every"], :: expected["every"]]
    assert np.abs(found - np.array(expected["pixels"])).max() <= expected["tolerance"]


@pytest.mark.parametrize("name", FILES)
def test_every_prefix_holds_a_beginning_of_the_tokens(name: str) -> None:
    data, options = contents(name), form(name)
    header_size = BARE_SIZE if options["container"] == "bare" else HEADER_SIZE
    whole, before = read(data, **options), 0
    levels = np.zeros(whole.tiles, int) if whole.levels is None else whole.levels
    order = token_order(tile_counts(whole.header.tokens, levels))
    tiles, ranks = (np.concatenate(parts)[: whole.held] for parts in zip(*order, strict=True))
    for length in range(header_size, len(data) + 1):
        found = read(data[:length], **options)
        held = found.held
        assert before <= held and np.count_nonzero(found.coded >= 0) == held
        at = tiles[:held], ranks[:held]
        assert np.array_equal(found.coded[at], whole.coded[at])
        before = held
    assert before == FILES[name]["held"]
    for length in range(header_size):
        with pytest.raises(tokcodec.TokError):
            read(data[:length], **options)


@pytest.mark.parametrize("name", FILES)
def test_the_independent_reader_agrees(name: str, reader: ModuleType) -> None:
    model = find_model(FILES[name]["model"])
    sets = [[[row.tolist() for row in digit] for digit in tables.counts] for tables in model.tables]
    if FILES[name]["container"] == "bare":
        tokens, held = reader.read_bare(contents(name), sets)
    else:
        tokens, held = reader.read_tokens(contents(name), sets, model.scales, model.hash)
    assert (tokens, held) == (FILES[name]["tokens"], FILES[name]["held"])
