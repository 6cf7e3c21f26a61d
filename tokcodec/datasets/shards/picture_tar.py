"""One shard of tokens to a tar in WebDataset's layout: each sample's picture, or its error, and its other columns.

The kind of a member is what follows the first dot of its name, so dots in keys become `_`. No member hides another:
each member of a sample has its own kind, and two samples of one name are errors.
"""

from __future__ import annotations

import base64
import io
import json
import tarfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from ...tarmembers import BoundedMember
from ..columns import ERROR, HEIGHT, IMAGE, KEY, METADATA, WIDTH, Recipe

TAR_RECIPE = "TOKCODEC.recipe"  # in the global header, which other readers ignore
ERROR_KIND = "error"
NO_SAMPLES = ".tokcodec"
"""Name of the only member of a tar without samples. Readers of WebDataset's layout skip hidden names."""


def write_tar(
    stream: pa.NativeFile, tables: Iterator[tuple[Sequence[str], pa.Table]], suffix: str, recipe: Recipe
) -> None:
    """Write a tar.

    Args:
        stream: the file.
        tables: decoded tables, each with the names of its rows.
        suffix: suffix of the pictures, with its dot.
        recipe: how the shard is made; it goes into the tar's global header.

    Raises:
        OSError: the tar cannot be written.
    """
    headers = {TAR_RECIPE: recipe.dump().decode()}
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT, pax_headers=headers) as archive:
        start = archive.offset
        for names, table in tables:
            kinds = _kinds(table.schema, suffix[1:])
            for name, row in zip(names, table.to_pylist(), strict=True):
                for kind, data in _members(row, kinds, suffix[1:]):
                    member = tarfile.TarInfo(f"{name}.{kind}")
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))
        if archive.offset == start:  # no samples, and a global header alone is no tar for some readers
            archive.addfile(tarfile.TarInfo(NO_SAMPLES))


def read_recipe(stream: pa.NativeFile) -> Recipe | None:
    """The recipe of a tar, None if it has none. Raises tarfile.TarError, OSError."""
    with tarfile.open(fileobj=stream, mode="r:", tarinfo=BoundedMember) as archive:
        return Recipe.load({METADATA: archive.pax_headers.get(TAR_RECIPE, "").encode()})


def _kinds(schema: pa.Schema, picture: str) -> dict[str, str]:
    """The kind of member for each carried column: unused ones, compared without case."""
    taken = {picture, ERROR_KIND}
    kinds = {}
    for field in schema:
        if field.name in (KEY, WIDTH, HEIGHT, IMAGE, ERROR):
            continue
        kind = field.name.replace("/", "_").replace("\0", "_")
        if not all(kind.split(".")):
            kind = kind.replace(".", "_")
        end = "" if _as_it_is(field.type) else ".json"
        free = kind if kind == field.name else f"source_{kind}"
        while f"{free}{end}".lower() in taken:
            free = f"source_{free}"
        kinds[field.name] = f"{free}{end}"
        taken.add(kinds[field.name].lower())
    return kinds


def _as_it_is(kind: pa.DataType) -> bool:
    """Whether a value becomes a member unchanged: bytes, text, and Hugging Face's struct of bytes and path."""
    if pa.types.is_dictionary(kind):
        return _as_it_is(kind.value_type)
    if pa.types.is_struct(kind):
        names = {field.name for field in kind}
        return names == {"bytes", "path"} and _as_it_is(kind.field("bytes").type)
    tests: tuple[Callable[[pa.DataType], bool], ...] = (
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_binary_view,
        pa.types.is_fixed_size_binary,
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_string_view,
    )
    return any(test(kind) for test in tests)


def _members(row: dict[str, Any], kinds: dict[str, str], picture: str) -> Iterator[tuple[str, bytes]]:
    """Kind and bytes of a sample's members: its picture or its error, then its other columns."""
    if row[IMAGE] is None:
        yield ERROR_KIND, str(row[ERROR]).encode()
    else:
        yield picture, row[IMAGE]["bytes"]
    for column, kind in kinds.items():
        value = row[column]
        if isinstance(value, dict) and value.keys() == {"bytes", "path"} and isinstance(value["bytes"], bytes):
            value = value["bytes"]
        if value is None:
            continue
        if isinstance(value, (bytes, str)):
            yield kind, value if isinstance(value, bytes) else value.encode()
        else:
            yield kind, json.dumps(value, default=_plain).encode()


def _plain(value: object) -> str:
    """A value as JSON text: bytes in base64, dates and the like as Python prints them."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
