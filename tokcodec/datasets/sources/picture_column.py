"""The column of a Parquet file or a table that holds pictures."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa

from ...errors import SourceError
from ...pictures.suffixes import PICTURE_SUFFIXES

USUAL = ("image", "img", "picture", "photo", "jpg", "png", "webp")
"""Names of columns that are preferred if several could hold pictures."""
KNOWN = {*USUAL, "image_bytes", "img_bytes", *(suffix[1:] for suffix in PICTURE_SUFFIXES)}
"""Names of binary columns that hold pictures."""


def find_column(schema: pa.Schema, column: str | None = None) -> str:
    """The column of pictures: the named one, or the only possible one. Raises SourceError."""
    if twice := [name for name, number in Counter(schema.names).items() if number > 1]:
        raise SourceError(f"several columns have the name {twice[0]!r}")
    if column is not None:
        if schema.get_field_index(column) < 0:
            raise SourceError(f"no column {column!r}; there are: {', '.join(schema.names) or 'none'}")
        if not can_hold_pictures(schema.field(column).type):
            raise SourceError(f"column {column!r} holds {schema.field(column).type}, not encoded pictures")
        return column
    found = [field.name for field in schema if can_hold_pictures(field.type)]
    structs = [name for name in found if pa.types.is_struct(schema.field(name).type)]
    for names in (structs, found):
        if len(names) == 1:
            return str(names[0])
        for usual in USUAL:
            if usual in names:
                return usual
    if not found:
        raise SourceError(f"no column of encoded pictures; there are: {', '.join(schema.names) or 'none'}")
    raise SourceError(f"pictures may be in the columns {', '.join(found)}: choose one with --column")


def recognised(schema: pa.Schema, column: str | None = None) -> bool:
    """Whether a table has the named column of pictures, or one of a KNOWN name or with `bytes` and a path.

    Other binary columns may hold anything.
    """
    fields = [field for field in schema if can_hold_pictures(field.type)]
    if column is not None:
        return any(field.name == column for field in fields)
    return any(field.name.lower() in KNOWN or pa.types.is_struct(field.type) for field in fields)


def can_hold_pictures(kind: pa.DataType) -> bool:
    """Whether a type is that of encoded pictures: binary, or a struct with `bytes`."""
    if pa.types.is_dictionary(kind):
        return can_hold_pictures(kind.value_type)
    if pa.types.is_struct(kind):
        index = kind.get_field_index("bytes")
        return index >= 0 and can_hold_pictures(kind.field(index).type)
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    )
