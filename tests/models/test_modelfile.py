"""One model's folder: the manifest, hashes, damage, writing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.models.make import TENSORS, edit, make
from tokcodec.container.header import Header
from tokcodec.container.tables import FrequencyTables, pack_tables
from tokcodec.errors import (
    ModelFileError,
    OutputError,
    TokError,
)
from tokcodec.models.modelfile import Model, model_hash, read_model
from tokcodec.models.registry import find_model
from tokcodec.tensorfile import read_about


def test_written_models_read_back(place: Path) -> None:
    model = make(place / "small")
    assert sorted(file.name for file in model.path.iterdir()) == [
        "README.md",
        "model.json",
        "model.safetensors",
        "tables.safetensors",
    ]
    assert (model.name, model.family, model.n_tokens, model.radices) == ("small", "cascade", 8, (8, 8))
    assert (model.ordered, model.default_tokens, model.licence) == (True, 4, "CC0-1.0")
    assert model.id == model.hash[0] and len(model.hash) == 32
    assert [table.radices for table in model.tables] == [(8, 8)] and model.tables is model.tables
    model.verify()
    assert len({model, find_model("small")}) == 1
    assert find_model("small") == model == find_model(model.path) == find_model(str(model.path))
    assert model.weights_path.is_file()


def test_hash_golden() -> None:
    """The definition, spelled out by hand."""
    tables = FrequencyTables((2,), [np.array([[1, 65535]])])
    stream = (
        bytes.fromhex("01000000 01000000 02000000 01000000 ffff0000")
        + b"a\0float32\0\0" + bytes.fromhex("0000803f")
        + b"b\0int8\x002,1\0" + bytes.fromhex("ff01")
        + b"c\0float16\x001\0" + bytes.fromhex("003c")
    )  # fmt: skip
    tensors = {
        "c": np.array([1], dtype=">f2"),
        "b": np.array([[-1], [1]], dtype=np.int8),
        "a": np.array(1, dtype=np.float32),
    }
    assert model_hash([tables], tensors) == hashlib.sha256(stream).digest()


def test_the_hash_covers_the_tables_of_every_scale_in_order(place: Path) -> None:
    flat, fitted = FrequencyTables.uniform(8, (8, 8)), FrequencyTables.fit(np.array([[0] * 8]), (8, 8))
    hashes = [make(place / "a").hash]
    for name, tables in (("b", [flat, fitted]), ("c", [fitted, flat])):
        model = make(place / name, tables=tables, scales=[64])
        assert [table.to_bytes() for table in model.tables] == [table.to_bytes() for table in tables]
        hashes.append(model.hash)
    assert len(set(hashes)) == 3


def test_a_file_has_the_tables_of_its_scale_or_flat_ones(place: Path) -> None:
    fitted = [FrequencyTables.fit(np.full((1, 8), token), (8, 8)) for token in (0, 1, 2)]
    model = make(place / "scaled", tables=fitted, scales=[128, 64])
    assert model.scales == (128, 64)
    for scale in range(3):
        header = Header(model.id, 4, 256, 320, 200)
        assert model.tables_of(header, scale) is model.tables[scale]
        flat = model.tables_of(replace(header, flat=True), scale)
        assert flat.to_bytes() == FrequencyTables.uniform(8, (8, 8)).to_bytes()


def test_hash_depends_on_what_decodes_and_on_nothing_else(place: Path) -> None:
    model = make(place / "a")
    other_encoder = TENSORS | {"encoder.weight": np.zeros(3), "codes": np.array([0, 0, 1], dtype=np.int8)}
    assert make(place / "b", tensors=other_encoder, family="x", default_tokens=1).hash == model.hash
    assert make(place / "c", salt=1).hash != model.hash
    assert make(place / "d", tables=[FrequencyTables.uniform(8, (64,))]).hash != model.hash
    assert make(place / "e", tables=[FrequencyTables.fit(np.array([[0] * 8]), (8, 8))]).hash != model.hash
    wide = {key: tensor.astype(np.float64) for key, tensor in TENSORS.items()}
    assert make(place / "f", tensors=wide).hash != model.hash


def test_transposed_tensors_hash_and_store_by_value(place: Path) -> None:
    tensors = {"decoder.weight": np.arange(6, dtype=np.float32).reshape(2, 3).T}
    make(place / "a", tensors=tensors, hashed=["decoder."]).verify()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(format=2), "manifest format 2 is not 1: needs another tokcodec"),
        (lambda m: m.pop("format"), "manifest format None"),
        (lambda m: m.pop("family"), "'family' is missing or not of type str"),
        (lambda m: m.update(ordered=1), "'ordered' is missing or not of type bool"),
        (lambda m: m.update(n_tokens=True), "'n_tokens' is missing or not of type int"),
        (lambda m: m.update(n_tokens=257), "'n_tokens' <= 256"),
        (lambda m: m.update(default_tokens=9), "'default_tokens' <= 'n_tokens'"),
        (lambda m: m.update(default_tokens=0), "'default_tokens'"),
        (lambda m: m.update(error_weights=3), "'error_weights' must be numbers"),
        (lambda m: m.update(error_weights=[1, 0]), "'error_weights' must be numbers"),
        (lambda m: m.update(error_weights=[1, True]), "'error_weights' must be numbers"),
        (lambda m: m.update(error_weights=[1] * 17), "'error_weights' must be at most 16"),
        (lambda m: m.update(ordered=False), "'default_tokens' must be 'n_tokens', 8, where tokens are not 'ordered'"),
        (lambda m: m.update(radices=[8, 1]), "'radices' must be numbers, 2..65536"),
        (lambda m: m.update(radices=["8"]), "'radices'"),
        (lambda m: m.update(radices=[]), "'radices'"),
        (lambda m: m.pop("scales"), "'scales' is missing or not of type list"),
        (lambda m: m.update(scales=64), "'scales' is missing or not of type list"),
        (lambda m: m.update(scales=[64.0]), "'scales' must be numbers of pixels"),
        (lambda m: m.update(scales=[True]), "'scales' must be numbers of pixels"),
        (lambda m: m.update(scales=[0]), "'scales' must be numbers of pixels"),
        (lambda m: m.update(scales=[16385]), "1..16384, falling"),
        (lambda m: m.update(scales=[48, 96]), "falling"),
        (lambda m: m.update(scales=[96, 96]), "falling"),
        (lambda m: m.update(hash="00"), "'hash' must be 32 bytes"),
        (lambda m: m.update(hash="Z" * 64), "'hash' must be 32 bytes"),
        (lambda m: m.update(hashed=[]), "'hashed'"),
        (lambda m: m.update(name="../up"), "'name' must be"),
        (lambda m: m["files"].pop("tables.safetensors"), "'files' must give"),
        (lambda m: m["files"].update({"../x": "00"}), "'files' must give"),
        (lambda m: m["files"].update({"model.safetensors": 3}), "'files' must give"),
    ],
)
def test_wrong_manifests(place: Path, change: Callable[[dict[str, Any]], object], message: str) -> None:
    model = make(place / "small")
    edit(model, change)
    with pytest.raises(ModelFileError) as caught:
        read_model(model.path)
    assert message in str(caught.value) and str(model.path / "model.json") in str(caught.value)


@pytest.mark.parametrize("text", [b"", b"[]", b"3", b"\xff\xfe\x00", b"[" * 100_000, b" " * (1 << 20) + b"{}"])
def test_what_is_no_manifest(place: Path, text: bytes) -> None:
    model = make(place / "small")
    (model.path / "model.json").write_bytes(text)
    with pytest.raises(ModelFileError, match=r"model\.json"):
        read_model(model.path)


@pytest.mark.parametrize("file", ["tables.safetensors", "model.safetensors"])
def test_a_changed_or_missing_file_is_named(place: Path, file: str) -> None:
    model = make(place / "small")
    data = bytearray((model.path / file).read_bytes())
    data[-1] ^= 1
    (model.path / file).write_bytes(data)
    with pytest.raises(ModelFileError, match=rf"small.{file}: damaged or changed"):
        model.verify()
    (model.path / file).unlink()
    with pytest.raises(ModelFileError, match=rf"small.{file}: cannot be read"):
        model.verify()


def test_damaged_tables_are_not_used_even_without_verify(place: Path) -> None:
    model = make(place / "small")
    (model.path / "tables.safetensors").write_bytes(
        pack_tables([FrequencyTables.fit(np.array([[0] * 8]), (8, 8))])
    )
    with pytest.raises(ModelFileError, match="damaged or changed"):
        _ = model.tables
    checksum = hashlib.sha256((model.path / "tables.safetensors").read_bytes()).hexdigest()
    edit(model, lambda m: m["files"].update({"tables.safetensors": checksum}))
    changed = read_model(model.path)
    with pytest.raises(ModelFileError, match="the hash does not belong to these tables and weights"):
        changed.verify()
    for change in ({"radices": [64]}, {"radices": [8, 8], "n_tokens": 9}, {"n_tokens": 8, "scales": [64]}):
        edit(model, lambda m, change=change: m.update(change))
        with pytest.raises(ModelFileError, match="do not have the shape"):
            _ = read_model(model.path).tables


def replace_weights(model: Model, data: bytes) -> Model:
    model.weights_path.write_bytes(data)
    edit(model, lambda m: m["files"].update({"model.safetensors": hashlib.sha256(data).hexdigest()}))
    return read_model(model.path)


def test_weights_that_are_not_safetensors_or_not_decoding(place: Path) -> None:
    model = make(place / "small")
    with pytest.raises(ModelFileError, match=r"model\.safetensors: not usable as weights"):
        replace_weights(model, b"\x80\x04pickle").verify()
    from safetensors.numpy import save

    with pytest.raises(ModelFileError, match="no tensor begins with any of"):
        replace_weights(model, save({"encoder.weight": np.zeros(3)})).verify()
    with pytest.raises(ModelFileError, match="the hash does not belong"):
        replace_weights(model, save({"decoder.weight": np.zeros(3)})).verify()


def test_write_model_refuses_what_could_not_be_read_again(place: Path) -> None:
    for changes, message in (
        ({"name": "a b"}, "'name'"),
        ({"default_tokens": 9}, "'default_tokens'"),
        ({"ordered": False}, "'default_tokens' must be 'n_tokens'"),
        ({"hashed": ["none."]}, "no tensor begins with"),
        ({"n_tokens": 257}, "<= 256"),
    ):
        with pytest.raises(ValueError, match=message) as caught:
            make(place / "small", **changes)
        assert not isinstance(caught.value, TokError)
    assert not place.exists() or not list(place.iterdir())


def test_write_model_replaces_only_models_and_only_when_told(place: Path) -> None:
    old = make(place / "small")
    with pytest.raises(OutputError, match="exists already"):
        make(place / "small", salt=1)
    new = make(place / "small", salt=1, overwrite=True)
    assert read_model(old.path) == new and new.hash != old.hash
    (place / "photos").mkdir()
    with pytest.raises(OutputError, match="exists already"):
        make(place / "photos", overwrite=True)
    assert sorted(child.name for child in place.iterdir()) == ["photos", "small"]


def test_a_failed_write_leaves_the_old_model(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = make(place / "small")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tokcodec.models.modelfile.write_atomic", full)
    with pytest.raises(OutputError, match="cannot be written"):
        make(place / "small", salt=1, overwrite=True)
    monkeypatch.undo()
    assert [child.name for child in place.iterdir()] == ["small"]
    read_model(old.path).verify()


def test_card_and_metadata(place: Path) -> None:
    from safetensors import safe_open

    model = make(place / "small", card="# Small\n", metadata={"layers": "3"})
    assert (model.path / "README.md").read_text() == "# Small\n"
    with safe_open(model.weights_path, framework="numpy") as file:
        assert read_about(file.metadata()) == {"layers": "3"}


# Files and their models
