"""One shard of tokens to pictures: files in a folder, a tar in WebDataset's layout, or a Parquet file."""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import FileType

from ...errors import SourceError
from ...options import DecodeOptions
from ..batches import Decoder
from ..columns import ERROR, IMAGE, Recipe
from ..sources.listing import FOLDER
from ..sources.places import Place
from .names import Names
from .outcome import Outcome, sendable
from .picture_folder import write_folder
from .picture_tar import read_recipe, write_tar
from .record import Record
from .tokens import TokenShard, model_of
from .writer import write_tables

TO_FOLDER, TO_TAR, TO_PARQUET = "folder", "tar", "parquet"


@dataclass(frozen=True)
class DecodeTask:
    """The decoding of one shard.

    shard: the shard of tokens.
    output: the file or folder to write.
    to: TO_FOLDER, TO_TAR or TO_PARQUET.
    format: format of the pictures.
    options: how files are decoded.
    batch_size: samples held in memory at a time.
    max_sample_bytes: bytes of a sample at most.
    recipe: how the output is made.
    place: the file of the shard's record.
    begun: the record of an unfinished folder, None without one.
    """

    shard: TokenShard
    output: Place
    to: str
    format: str
    options: DecodeOptions
    batch_size: int
    max_sample_bytes: int
    recipe: Recipe
    place: Place
    begun: Record | None

    @property
    def name(self) -> str:
        return self.shard.name


def place_of(output: Place, shard: TokenShard, to: str) -> Place:
    """Where the output of a shard goes: a file or folder of its name; shards of one folder share a folder."""
    stem = posixpath.splitext(shard.output)[0]
    if to == TO_FOLDER:
        return output if shard.recipe is not None and shard.recipe.kind == FOLDER else output / stem
    return output / f"{stem}.{to}"


def made_by(target: Place, to: str) -> Recipe | None:
    """The recipe of an existing output file, None if there is no file. Raises SourceError for a file without one."""
    if target.type() == FileType.NotFound:
        return None
    recipe = None
    with suppress(OSError, pa.ArrowException, tarfile.TarError, ValueError), target.open() as stream:
        if to == TO_PARQUET:
            recipe = Recipe.load(pq.ParquetFile(stream, pre_buffer=False).schema_arrow.metadata)
        else:
            recipe = read_recipe(stream)
    if recipe is None:
        raise SourceError(f"{target.name}: was not written by tokcodec dataset, and is left alone")
    return recipe


def decode_shard(task: DecodeTask) -> Outcome:
    """Decode a shard, and write its output completely or not at all. Errors are in the outcome, and none is raised."""
    outcome = Outcome(task.shard.name, task.output.name)
    try:
        model_of([task.shard], task.options.model)  # raises if it is missing on this machine
        decoder = Decoder(format=task.format, **vars(task.options))
        decoder.installed = True
        if task.to == TO_FOLDER:
            return write_folder(
                task.shard,
                task.output,
                decoder,
                task.batch_size,
                task.max_sample_bytes,
                task.recipe,
                task.place,
                task.begun,
            )
        fill = {TO_TAR: _fill_tar, TO_PARQUET: _fill_parquet}[task.to]
        task.output.write(lambda stream: fill(stream, task, decoder, outcome))
    except Exception as error:  # any exception fails this shard alone, in any process
        outcome.failure = sendable(error, task.name)
    return outcome


def _table(batch: pa.Table, decoder: Decoder, outcome: Outcome) -> pa.Table:
    table = decoder(batch)
    outcome.count(table.column(ERROR).to_pylist())
    outcome.bytes += sum(len(image["bytes"]) for image in table.column(IMAGE).to_pylist() if image is not None)
    return table


def _fill_parquet(stream: pa.NativeFile, task: DecodeTask, decoder: Decoder, outcome: Outcome) -> None:
    batches = task.shard.batches(rows=task.batch_size, max_sample_bytes=task.max_sample_bytes)
    write_tables(stream, (_table(batch, decoder, outcome) for batch in batches), task.recipe)  # none is empty


def _fill_tar(stream: pa.NativeFile, task: DecodeTask, decoder: Decoder, outcome: Outcome) -> None:
    names = Names(decoder.suffix, dots=False)

    def tables() -> Iterator[tuple[Sequence[str], pa.Table]]:
        for batch in task.shard.batches(rows=task.batch_size, max_sample_bytes=task.max_sample_bytes):
            found, checked = names.of(batch)
            yield found, _table(checked, decoder, outcome)

    write_tar(stream, tables(), decoder.suffix, task.recipe)
    # before the tar has its name: what is done has a record
    Record(task.recipe, samples=outcome.samples, errors=outcome.errors).save(task.place)
