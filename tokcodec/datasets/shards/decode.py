"""One shard of tokens to pictures: files in a folder, a tar shard in WebDataset's way, or a Parquet file."""

from __future__ import annotations

import io
import json
import posixpath
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import FileType

from ...errors import SourceError, TokError
from ...options import DecodeOptions
from ..batches import Decoder
from ..columns import ERROR, HEIGHT, IMAGE, KEY, METADATA, WIDTH, Recipe, error_line
from ..pack import check_name
from ..sources.listing import FOLDER
from ..sources.places import Place
from .outcome import Outcome, sendable
from .tokens import TokenShard
from .writer import write_tables

TO_FOLDER, TO_TAR, TO_PARQUET = "folder", "tar", "parquet"
TAR_RECIPE = "TOKCODEC.recipe"  # in a tar's global header, which others overlook


@dataclass(frozen=True)
class DecodeTask:
    """A shard of tokens, the file or folder to write, as which of TO_..., and how."""

    shard: TokenShard
    output: Place
    to: str
    format: str
    options: DecodeOptions
    recipe: Recipe
    batch_size: int

    @property
    def name(self) -> str:
        return self.shard.name


def place_of(output: Place, shard: TokenShard, to: str) -> Place:
    """Where a shard goes: into a file of its name, or a folder of its name, but pictures of folders all into one."""
    stem = posixpath.splitext(shard.output)[0]
    if to == TO_FOLDER:
        return output if shard.recipe is not None and shard.recipe.kind == FOLDER else output / stem
    return output / f"{stem}.{to}"


def made_by(target: Place, to: str) -> Recipe | None:
    """The recipe of a file that is there, None where there is none. Raises SourceError for a file without one."""
    if target.type() == FileType.NotFound:
        return None
    recipe = None
    with suppress(OSError, pa.ArrowException, tarfile.TarError, StopIteration, ValueError), target.open() as stream:
        if to == TO_PARQUET:
            recipe = Recipe.load(pq.ParquetFile(stream, pre_buffer=False).schema_arrow.metadata)
        else:
            with tarfile.open(fileobj=stream, mode="r:") as archive:
                recipe = Recipe.load({METADATA: json.dumps(json.loads(archive.pax_headers[TAR_RECIPE])).encode()})
    if recipe is None:
        raise SourceError(f"{target.name}: was not written by tokcodec dataset, and is left alone")
    return recipe


def decode_shard(task: DecodeTask) -> Outcome:
    """Write what a shard of tokens becomes; a file is whole or not there. Never raises what a file can cause."""
    outcome = Outcome(task.shard.name, task.output.name)
    try:
        decoder = Decoder(format=task.format, **vars(task.options))
        if task.to == TO_FOLDER:
            _to_folder(task, decoder, outcome)
        else:
            fill = {TO_TAR: _fill_tar, TO_PARQUET: _fill_parquet}[task.to]
            task.output.write(lambda stream: fill(stream, task, decoder, outcome))
    except Exception as error:  # whatever it is, it concerns this shard, and has to cross to another process
        outcome.failure = sendable(error)
    return outcome


def _tables(task: DecodeTask, decoder: Decoder, outcome: Outcome) -> Iterator[pa.Table]:
    for batch in task.shard.batches(rows=task.batch_size):
        table = decoder(batch)
        outcome.count(table.column(ERROR).to_pylist())
        outcome.bytes += sum(len(image["bytes"]) for image in table.column(IMAGE).to_pylist() if image is not None)
        yield table


def _fill_parquet(stream: pa.NativeFile, task: DecodeTask, decoder: Decoder, outcome: Outcome) -> None:
    write_tables(stream, _tables(task, decoder, outcome), task.recipe)  # no shard is empty


def _fill_tar(stream: pa.NativeFile, task: DecodeTask, decoder: Decoder, outcome: Outcome) -> None:
    headers = {TAR_RECIPE: task.recipe.dump().decode()}
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT, pax_headers=headers) as archive:
        for table in _tables(task, decoder, outcome):
            for row in table.to_pylist():
                folder, name = posixpath.split(row.pop(KEY))
                stem = posixpath.join(folder, name.replace(".", "_"))  # what follows the first dot is a member's kind
                for suffix, data in _members(row, decoder.suffix):
                    member = tarfile.TarInfo(f"{stem}.{suffix}")
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))


def _members(row: dict[str, Any], suffix: str) -> Iterator[tuple[str, bytes]]:
    """Suffix and bytes of a sample's members; without a picture nothing but its error."""
    image, error = row.pop(IMAGE), row.pop(ERROR)
    if image is None:
        yield "error", str(error).encode()
    else:
        yield suffix[1:], image["bytes"]
    for name, value in row.items():
        if name in (WIDTH, HEIGHT) or value is None:
            continue
        if isinstance(value, (bytes, str)):
            yield name, value if isinstance(value, bytes) else value.encode()
        else:
            yield f"{name}.json", json.dumps(value, default=str).encode()


def _to_folder(task: DecodeTask, decoder: Decoder, outcome: Outcome) -> None:
    """One file for each sample; those that are there already are not decoded again."""
    seen: set[str] = set()
    for batch in task.shard.batches(rows=task.batch_size):
        names = [f"{key}{decoder.suffix}" for key in batch.column(KEY).to_pylist()]
        errors: list[str | None] = batch.column(ERROR).to_pylist()
        todo = []
        for i, name in enumerate(names):
            try:
                check_name(name)
                if name in seen:
                    raise TokError("another sample has this key")
            except TokError as error:
                errors[i] = errors[i] or error_line(name, error)
            seen.add(name)
            if errors[i] is None and (task.output / name).type() == FileType.NotFound:
                todo.append(i)
        table = decoder(batch.take(pa.array(todo, pa.int64())))
        images, found = table.column(IMAGE).to_pylist(), table.column(ERROR).to_pylist()
        for i, image, line in zip(todo, images, found, strict=True):
            errors[i] = line
            if image is not None:
                (task.output / names[i]).write(partial(_put, data=image["bytes"]))
                outcome.bytes += len(image["bytes"])
        outcome.count(errors)


def _put(stream: pa.NativeFile, data: bytes) -> None:
    stream.write(data)
