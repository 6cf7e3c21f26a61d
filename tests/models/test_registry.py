"""Installed models: the search path, damage, and the model of a file."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.models.make import header_of, make, shipped
from tokcodec.container.tables import FrequencyTables
from tokcodec.errors import (
    HeaderCheckError,
    ModelFileError,
    TokError,
    TruncatedHeaderError,
    UnknownModelError,
)
from tokcodec.models import registry
from tokcodec.models.modelfile import Model, model_hash
from tokcodec.models.registry import candidates, damaged, find_model, installed, resolve


def test_search_order_and_duplicates(place: Path) -> None:
    assert installed() == [] and damaged() == {}
    first = make(shipped(place) / "one")
    make(place / "one", salt=1)
    copy = make(place / "copy", name="copy")
    assert copy.hash == first.hash
    assert [model.path for model in installed()] == [first.path, copy.path]
    assert find_model("one") == first
    assert [model.name for model in candidates(first.id)] == ["one"]
    assert candidates(first.id ^ 1) == []


def test_a_checkouts_models_are_found_and_other_folders_beside_a_package_are_not(place: Path) -> None:
    package = place.parent / "package"
    make(package / "models" / "one")
    assert installed() == []
    (package / "pyproject.toml").touch()
    assert [model.name for model in installed()] == ["one"]


def test_the_users_folder_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOKCODEC_MODELS", raising=False)
    assert registry.user_folder().parts[-2:] == ("tokcodec", "models")


def test_default_model(place: Path) -> None:
    with pytest.raises(UnknownModelError, match=f"no model named '{registry.DEFAULT_MODEL}'; installed: none$"):
        find_model()
    model = make(place / registry.DEFAULT_MODEL)
    assert find_model() == find_model(None) == model


def test_unknown_names_list_what_there_is(place: Path) -> None:
    model = make(place / "small")
    with pytest.raises(UnknownModelError) as caught:
        find_model("large")
    assert str(caught.value) == f"no model named 'large'; installed: small ({model.id:02x})"
    with pytest.raises(UnknownModelError, match=r"not a model's folder \(no model.json\)"):
        find_model(place)
    with pytest.raises(UnknownModelError, match="not a model's folder"):
        find_model(model.path / "model.json")


def test_damaged_folders_are_skipped_and_named(place: Path) -> None:
    good, bad = make(place / "good"), make(place / "bad", salt=1)
    (bad.path / "model.json").write_text("{")
    (place / "no-model").mkdir()
    (place / "file").touch()
    assert installed() == [good]
    assert list(damaged()) == [bad.path]
    with pytest.raises(ModelFileError, match=r"bad.model\.json: not a manifest"):
        find_model("bad")
    with pytest.raises(UnknownModelError, match=r"installed: good \(..\); skipped .*bad.model\.json: not a manifest"):
        find_model("other")


def same_id(place: Path, model: Model, name: str) -> Model:
    """Another model whose hash begins with the same byte."""
    for salt in range(1, 20_000):
        tensors = {"decoder.x": np.array([salt])}
        if model_hash([FrequencyTables.uniform(8, (8, 8))], tensors)[0] == model.id:
            return make(place / name, tensors=tensors, hashed=["decoder."])
    raise AssertionError("no such salt")


def test_resolve_finds_the_model_among_those_of_one_id(place: Path) -> None:
    first = make(place / "first")
    second = same_id(place, first, "second")
    assert second.id == first.id and second.hash != first.hash
    assert {model.name for model in candidates(first.id)} == {"first", "second"}
    for model in (first, second):
        header, found = resolve(header_of(model) + b"payload")
        assert found == model and header.tokens == 4 and header.width == 320
    shutil.rmtree(first.path)
    with pytest.raises(HeaderCheckError) as caught:
        resolve(header_of(first))
    assert str(caught.value) == f"header damaged, or made with another model than 'second' (id {first.id:02x})"


def test_resolve_without_the_model_says_what_is_needed(place: Path) -> None:
    model = make(place / "small")
    data = header_of(model)
    shutil.rmtree(model.path)
    other = make(place / "other", salt=1)
    assert other.id != model.id
    with pytest.raises(UnknownModelError) as caught:
        resolve(data)
    assert str(caught.value) == (
        f"needs model id {model.id:02x}, which is not installed (`tokcodec models import` installs others); "
        f"installed: other ({other.id:02x})"
    )
    with pytest.raises(UnknownModelError, match=rf"made with model id {model.id:02x}, not with 'other' \(id "):
        resolve(data, other)


def test_resolve_with_a_given_model_needs_no_installed_one(place: Path) -> None:
    model = make(place.parent / "elsewhere" / "small")
    data = header_of(model)
    assert resolve(data, model)[1] == model
    with pytest.raises(UnknownModelError, match=r"installs others\); installed: none"):
        resolve(data)


def test_every_flipped_header_bit_is_noticed(place: Path) -> None:
    data = header_of(make(place / "small"))
    for bit in range(80):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(TokError):
            resolve(bytes(flipped))


def test_every_cut_header_is_an_error(place: Path) -> None:
    data = header_of(make(place / "small"))
    for length in range(10):
        with pytest.raises(TruncatedHeaderError if length else TokError):
            resolve(data[:length])


def test_more_tokens_than_the_model_has(place: Path) -> None:
    model = make(place / "small")
    with pytest.raises(HeaderCheckError, match=r"declares 9 tokens per tile; 'small' \(id ..\) has 8"):
        resolve(header_of(model, tokens=9))


def test_the_users_folder_may_begin_with_their_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(registry.MODELS_VARIABLE, "~/models")
    assert registry.user_folder() == tmp_path / "models"
