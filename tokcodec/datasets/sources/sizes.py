"""About how many bytes the rows of a table take, as their values alone show: the same in any batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

FIXED = 8
"""Bytes of a number."""


def row_bytes(table: pa.Table) -> NDArray[np.int64]:
    """Bytes of each row, int64 [rows]; a value of a dictionary counts wherever it is used."""
    return sum(map(_value_bytes, table.columns), np.zeros(len(table), np.int64))


def _value_bytes(values: Any) -> NDArray[np.int64]:
    """Bytes of each value of an array, int64 [values]; FIXED for types without a length."""
    if isinstance(values, pa.ChunkedArray):
        return np.concatenate([np.empty(0, np.int64), *map(_value_bytes, values.chunks)])
    kind = values.type
    if isinstance(values, pa.ExtensionArray):
        return _value_bytes(values.storage)
    if pa.types.is_dictionary(kind):
        if not len(values.dictionary):
            return np.zeros(len(values), np.int64)
        return np.where(values.is_null(), 0, _value_bytes(values.dictionary)[_filled(values.indices)])
    if pa.types.is_binary_view(kind) or pa.types.is_string_view(kind):
        return _value_bytes(values.cast(pa.large_binary()))
    if pa.types.is_struct(kind):
        return sum(map(_value_bytes, values.flatten()), np.zeros(len(values), np.int64))
    if pa.types.is_map(kind):
        return _value_bytes(values.cast(pa.list_(pa.struct([kind.key_field, kind.item_field]))))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        lengths = _filled(pc.list_value_length(values))
        ends = np.cumsum(lengths)
        sums = np.concatenate([[0], np.cumsum(_value_bytes(values.flatten()))]).astype(np.int64)
        return np.asarray(sums[ends] - sums[ends - lengths])
    if any(test(kind) for test in (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_string)) or (
        pa.types.is_large_string(kind) or pa.types.is_fixed_size_binary(kind)
    ):
        return _filled(pc.binary_length(values))
    return np.full(len(values), FIXED, np.int64)


def _filled(lengths: pa.Array) -> NDArray[np.int64]:
    return np.asarray(lengths.fill_null(0).to_numpy(zero_copy_only=False), np.int64)
