"""Data sets as pyarrow datasets, and in numbers."""

from __future__ import annotations

from pathlib import Path

import pyarrow.compute as pc
import pytest

from tests.datasets.make import DAMAGED, Here, make_parquet, make_tar, png, rows
from tokcodec import datasets
from tokcodec.datasets import read
from tokcodec.datasets.reading import describe, kind_of
from tokcodec.datasets.runs import plan_encoding
from tokcodec.errors import MissingPackageError, SourceError
from tokcodec.options import EncodeOptions


@pytest.fixture
def tokens(tiny: object, tmp_path: Path) -> Path:
    sources = [
        make_parquet(tmp_path / "a.parquet", [png(0), DAMAGED, b""], label=[1, 2, 3]),
        make_tar(tmp_path / "b.tar", {"0.png": png(3, 600, 300), "0.cls": b"5", "1.png": DAMAGED}),
    ]
    options = EncodeOptions(model="tiny")
    list(plan_encoding([str(one) for one in sources], str(tmp_path / "tokens"), options).outcomes(Here()))
    return tmp_path / "tokens"


def test_columns_that_one_shard_lacks_are_null(tokens: Path) -> None:
    table = read(tokens).to_table(filter=pc.field("error").is_null())
    assert table.select(["key", "label", "cls"]).to_pylist() == [
        {"key": "a-00000000", "label": 1, "cls": None},
        {"key": "0", "label": None, "cls": "5"},
    ]
    assert len(list(read(str(tokens)).get_fragments())) == 2


def test_numbers(tokens: Path) -> None:
    found = describe(str(tokens))
    good = [row for row in rows(tokens) if row["tok"]]
    size, pixels = sum(len(row["tok"]) for row in good), 48 * 32 + 600 * 300
    assert found["errors"] == {
        "damaged or unsupported PNG picture": 2,
        "the file is empty": 1,
    }
    assert (found["shards"], found["samples"], found["bytes"], found["pixels"]) == (2, 5, size, pixels)
    assert found["bpp"] == pytest.approx(8 * size / pixels)
    assert (found["tiles"], found["tokens"], found["samples_by_tokens"]) == (3, 24, {8: 1, 16: 1})
    assert found["model"] == "tiny" and found["options"]["tokens"] == 8


def test_the_same_errors_have_one_kind() -> None:
    lines = [f"tokcodec: a{i}: {i}x{i} = {i * i} pixels exceed the limit" for i in (10, 20)]
    assert {kind_of(line) for line in lines} == {"NxN = N pixels exceed the limit"}


def test_two_models_are_not_one_data_set(tokens: Path, tmp_path: Path) -> None:
    other = plan_encoding([str(tmp_path / "b.tar")], str(tmp_path / "other"), EncodeOptions(tokens=2))
    list(other.outcomes(Here()))
    (tmp_path / "other" / "b.parquet").rename(tokens / "c.parquet")
    with pytest.raises(SourceError, match=r"c\.parquet: made with model base-3 \(.*\), not tiny \("):
        read(tokens)


def test_the_names_of_the_package() -> None:
    import tokcodec.datasets

    assert all(getattr(tokcodec.datasets, name) for name in tokcodec.datasets.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = tokcodec.datasets.nonsense


def test_without_pyarrow_the_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokcodec.errors.find_spec", lambda name: None)
    for name in ("Encoder", "Decoder", "read"):
        monkeypatch.delitem(vars(datasets), name, raising=False)
        with pytest.raises(MissingPackageError, match=r"pip install 'tokcodec\[data\]'"):
            getattr(datasets, name)
