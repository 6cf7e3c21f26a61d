"""One shard of tokens to a tar in WebDataset's way: of each sample a picture, or its error, and what it carries.

What follows the first dot of a member's name is its kind: dots in keys become `_`. No member hides another: of a sample
each has a kind of its own, and samples that would have one name are errors.
"""

from __future__ import annotations

import base64
import io
import json
import tarfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from ..columns import ERROR, HEIGHT, IMAGE, KEY, METADATA, WIDTH, Recipe

TAR_RECIPE = "TOKCODEC.recipe"  # in a tar's global header, which others overlook
ERROR_KIND = "error"


def write_tar(
    stream: pa.NativeFile, tables: Iterator[tuple[Sequence[str], pa.Table]], suffix: str, recipe: Recipe
) -> None:
    """Write decoded tables with the names of their rows; suffix: of the pictures. Raises OSError."""
    headers = {TAR_RECIPE: recipe.dump().decode()}
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT, pax_headers=headers) as archive:
        for names, table in tables:
            kinds = _kinds(table.schema, suffix[1:])
            for name, row in zip(names, table.to_pylist(), strict=True):
                for kind, data in _members(row, kinds, suffix[1:]):
                    member = tarfile.TarInfo(f"{name}.{kind}")
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))


def read_recipe(stream: pa.NativeFile) -> Recipe | None:
    """The recipe of a tar, None where it has none. Raises tarfile.TarError, OSError."""
    with tarfile.open(fileobj=stream, mode="r:") as archive:
        return Recipe.load({METADATA: archive.pax_headers.get(TAR_RECIPE, "").encode()})


def _kinds(schema: pa.Schema, picture: str) -> dict[str, str]:
    """Kinds of the members for what samples carry, by column: free ones, in which readers tell no upper case."""
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
    """Whether values are the bytes of a member: bytes, text, and Hugging Face's struct of bytes and path."""
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
    """Kind and bytes of a sample's members; without a picture nothing but its error and what it carries."""
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
    """For JSON: bytes in base64, dates and the like as they are written."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
