"""Chooses how the columns of a shard of tokens are stored in Parquet, by its first row group."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..columns import KEY, TOK, TOKENS

DICTIONARY_VALUES = 4096
"""Largest number of different tokens for a dictionary, which takes 12 bits each. With more, its page and its numbers
take more than BYTE_STREAM_SPLIT with zstd, which stores the low and the high bytes of tokens separately."""
DICTIONARY_USES = 8
"""Smallest number of tokens per different token for which a dictionary is smaller."""


def writer_options(table: pa.Table) -> dict[str, Any]:
    """The arguments of `pyarrow.parquet.ParquetWriter` for a shard.

    Args:
        table: its first row group. Without a column of tokens the options are pyarrow's defaults with zstd.

    Returns:
        Keyword arguments. Files of one schema are readable alike by whatever reads Parquet.
    """
    options: dict[str, Any] = {"compression": "zstd"}
    if TOKENS not in table.column_names:
        return options
    leaves = _leaves(table.schema)
    of_tokens = next(leaf for leaf in leaves if leaf.startswith(f"{TOKENS}."))
    encodings = {TOK: "DELTA_LENGTH_BYTE_ARRAY"}  # PLAIN has four bytes for each length
    plain = {KEY, TOK}  # a dictionary would hold every value and number it
    tokens = table[TOKENS].combine_chunks().flatten()
    different = pc.count_distinct(tokens).as_py()
    if different > DICTIONARY_VALUES or len(tokens) < DICTIONARY_USES * different:
        encodings[of_tokens] = "BYTE_STREAM_SPLIT"
        plain.add(of_tokens)
    return options | {"column_encoding": encodings, "use_dictionary": [leaf for leaf in leaves if leaf not in plain]}


def _leaves(schema: pa.Schema) -> list[str]:
    """The paths of a schema's columns in Parquet, such as `tokens.list.element`."""
    stream = io.BytesIO()
    pq.write_table(schema.empty_table(), stream)
    found = pq.read_metadata(io.BytesIO(stream.getvalue())).schema
    return [found.column(number).path for number in range(len(found))]
