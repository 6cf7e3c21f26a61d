"""Verification finds all damage in a data set, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.datasets.make import DAMAGED, Here, make_parquet, png
from tokcodec.datasets.runs import plan_encoding
from tokcodec.datasets.shards.tokens import find_token_shards, model_of
from tokcodec.datasets.shards.verify import Verified, VerifyTask, verify_shard
from tokcodec.errors import UnknownModelError
from tokcodec.models.modelfile import Model
from tokcodec.options import EncodeOptions


@pytest.fixture
def tokens(tiny: Model, tmp_path: Path) -> Path:
    source = make_parquet(tmp_path / "a.parquet", [png(0), DAMAGED, png(2), png(3)])
    list(plan_encoding([str(source)], str(tmp_path / "tokens"), EncodeOptions(model="tiny")).outcomes(Here()))
    return tmp_path / "tokens"


def verify(tokens: Path) -> Verified:
    (shard,) = find_token_shards(str(tokens))
    return verify_shard(VerifyTask(shard, model_of([shard])))


def change(tokens: Path, column: str, row: int, value: Any) -> None:
    path = tokens / "a.parquet"
    table = pq.ParquetFile(path).read()
    values = table.column(column).to_pylist()
    values[row] = value(values[row])
    index = table.column_names.index(column)
    pq.write_table(table.set_column(index, table.field(index), pa.array(values, table.field(index).type)), path)


def test_a_whole_one(tokens: Path) -> None:
    found = verify(tokens)
    assert (found.outcome.samples, found.outcome.errors, found.outcome.failure) == (4, 0, None)
    assert len(np.unique(found.keys)) == 4


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("tok", lambda data: data[:-2], "the file is cut"),
        ("tok", lambda data: b"x" + data, "not a .tok file"),
        ("tok", lambda data: data[:5], "header"),
        ("tok", lambda data: None, "empty file"),
        ("tok", lambda data: data[:-1] + bytes([data[-1] ^ 255]), "the tokens are not those of the file"),
        ("width", lambda width: width + 1, "width, height or tiles are not those of the file"),
        ("tokens", lambda tokens: [*tokens[:-1], tokens[-1] ^ 1], "the tokens are not those of the file"),
        ("tokens", lambda tokens: None, "the tokens are not those of the file"),
    ],
)
def test_damage(tokens: Path, column: str, value: Any, words: str) -> None:
    change(tokens, column, 2, value)
    found = verify(tokens).outcome
    assert found.errors == 1 and words in found.lines[0], found.lines
    assert found.lines[0].startswith("tokcodec: a-00000002: ")


def test_a_key_that_is_there_twice(tokens: Path) -> None:
    change(tokens, "key", 2, lambda key: "a-00000000")
    assert len(np.unique(verify(tokens).keys)) == 3


def test_a_damaged_shard(tokens: Path) -> None:
    (shard,) = find_token_shards(str(tokens))
    data = bytearray((tokens / "a.parquet").read_bytes())
    data[4:200] = bytes(196)
    (tokens / "a.parquet").write_bytes(data)
    found = verify_shard(VerifyTask(shard, model_of([shard])))
    assert found.outcome.failure is not None and "cannot be read" in str(found.outcome.failure)


def test_a_model_that_is_not_installed(tokens: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TOKCODEC_MODELS", str(tmp_path))
    with pytest.raises(UnknownModelError, match="needs model tiny"):
        model_of(find_token_shards(str(tokens)))
