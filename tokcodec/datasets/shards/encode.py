"""One shard of pictures to one Parquet file of tokens: the same bytes for any engine, workers and batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc

from ...options import EncodeOptions
from ...pictures.images import process_limit
from ..batches import Encoder
from ..columns import ERROR, TILES, TOK, Recipe
from ..sources.listing import Shard
from ..sources.places import Place
from ..sources.reader import read_samples
from .outcome import Outcome, TooManyErrors, sendable
from .writer import write_tables


@dataclass(frozen=True)
class EncodeTask:
    """The encoding of one shard.

    shard: from `find_shards`.
    output: the file to write.
    options: how pictures are encoded.
    recipe: how the file is made, for its metadata.
    column: column or suffix of the pictures (None: found automatically).
    batch_size: samples held in memory at a time.
    max_pixels: pixels of a picture at most.
    max_sample_bytes: bytes of a sample at most.
    jobs: threads that read ahead.
    max_errors: errors after which the shard fails (None: never).
    """

    shard: Shard
    output: Place
    options: EncodeOptions
    recipe: Recipe
    column: str | None
    batch_size: int
    max_pixels: int
    max_sample_bytes: int
    jobs: int
    max_errors: int | None

    @property
    def name(self) -> str:
        return self.shard.name


def encode_shard(task: EncodeTask) -> Outcome:
    """Encode a shard, and write its file completely or not at all. Errors are in the outcome, and none is raised."""
    outcome = Outcome(task.shard.name, task.shard.output)
    try:
        encoder = Encoder(column=task.column, max_pixels=task.max_pixels, jobs=task.jobs, **vars(task.options))
        tables = _tables(task, encoder, outcome)
        with process_limit(task.max_pixels):
            first = next(tables)  # before anything is written: there may be nothing to write
            task.output.write(lambda stream: write_tables(stream, chain([first], tables), task.recipe))
    except Exception as error:  # any exception fails this shard alone, in any process
        outcome.failure = sendable(error, task.name)
    return outcome


def _tables(task: EncodeTask, encoder: Encoder, outcome: Outcome) -> Iterator[pa.Table]:
    for samples in read_samples(task.shard, task.column, task.batch_size, task.max_sample_bytes):
        outcome.notes += samples.notes
        table = encoder.encode(samples)
        _count(table, outcome, task.max_errors)
        yield table


def _count(table: pa.Table, outcome: Outcome, most: int | None) -> None:
    outcome.count(table.column(ERROR).to_pylist())
    outcome.tiles += pc.sum(table.column(TILES)).as_py() or 0
    outcome.bytes += pc.sum(pc.binary_length(table.column(TOK))).as_py() or 0
    if most is not None and outcome.errors > most:
        raise TooManyErrors(most)
