"""The encodings of a shard's columns: near the ideal bits for every vocabulary, and read back as written."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tokcodec.datasets.columns import TOKENS
from tokcodec.datasets.shards.writer import TableWriter


def shard(vocabulary: int, rows: int, tokens: int) -> pa.Table:
    rng = np.random.default_rng(vocabulary)
    values = pa.array(rng.integers(0, vocabulary, rows * tokens).astype(np.uint16))
    column = pa.ListArray.from_arrays(pa.array(np.arange(rows + 1, dtype=np.int32) * tokens), values)
    sizes = rng.integers(40, 50, rows)
    return pa.table(
        {
            "key": [f"photos/{number:06d}.jpg" for number in range(rows)],
            "tok": pa.array([rng.bytes(int(size)) for size in sizes], pa.binary()),
            "tokens": column,
            "label": pa.array(rng.integers(0, 10, rows)),
        }
    )


def written(table: pa.Table, at_once: int) -> bytes:
    stream = io.BytesIO()
    with TableWriter(stream, table.schema, {b"made": b"here"}) as writer:
        for start in range(0, len(table), at_once):
            writer.write(table.slice(start, at_once))
    return stream.getvalue()


def column_bytes(data: bytes, name: str) -> int:
    facts = pq.read_metadata(io.BytesIO(data))
    groups = [facts.row_group(number) for number in range(facts.num_row_groups)]
    columns = [group.column(i) for group in groups for i in range(group.num_columns)]
    return sum(one.total_compressed_size for one in columns if one.path_in_schema.split(".")[0] == name)


@pytest.mark.parametrize("vocabulary", [64, 1024, 4096, 8192, 64_000, 65_536])
def test_many_tokens_take_little_more_than_the_ideal_bits(vocabulary: int) -> None:
    rows, tokens = 10_000, 64
    data = written(table := shard(vocabulary, rows, tokens), 4096)
    assert column_bytes(data, TOKENS) <= 1.02 * rows * tokens * np.log2(vocabulary) / 8
    assert column_bytes(data, "tok") <= 1.02 * sum(len(one) for one in table["tok"].to_pylist())
    assert pq.read_table(io.BytesIO(data)).equals(table)


def test_a_small_shard_has_no_dictionary_that_is_larger_than_its_tokens() -> None:
    table = shard(4096, 100, 64)
    data = written(table, 7)
    assert column_bytes(data, TOKENS) <= 1.2 * 100 * 64 * 12 / 8
    assert pq.read_table(io.BytesIO(data)).equals(table)
    assert written(table, 100) == data


def test_other_columns_keep_their_dictionaries() -> None:
    facts = pq.read_metadata(io.BytesIO(written(shard(64, 100, 8), 100))).row_group(0)
    columns = {facts.column(i).path_in_schema: facts.column(i) for i in range(facts.num_columns)}
    assert [path for path, column in columns.items() if column.has_dictionary_page] == ["tokens.list.element", "label"]


def test_no_rows_at_all() -> None:
    table = shard(64, 0, 8)
    assert pq.read_table(io.BytesIO(written(table, 1))).equals(table)
