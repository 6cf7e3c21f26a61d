"""Finds the shards of tokens in a folder, describes them by their footers, and reads them in batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import FileType

from ...errors import SourceError, UnknownModelError
from ...models.modelfile import Model
from ...models.registry import candidates, find_model
from ..columns import ERROR, TOK, Recipe
from ..limits import DEFAULT_MAX_SAMPLE_BYTES
from ..sources.places import Place, reading_reason
from ..sources.tables import read_rows
from .outcome import Outcome


@dataclass(frozen=True)
class TokenShard:
    """A Parquet file in a folder of tokens.

    place: the file.
    output: its path in the folder.
    samples: number of its rows.
    errors: number of rows with an error.
    schema: its columns.
    recipe: how it was made; None if tokcodec did not write it.
    """

    place: Place
    output: str
    samples: int
    errors: int
    schema: pa.Schema
    recipe: Recipe | None

    @property
    def name(self) -> str:
        return self.place.name

    def outcome(self) -> Outcome:
        """The outcome of a shard that was finished earlier."""
        return Outcome(self.name, self.output, self.samples, errors=self.errors)

    def batches(
        self,
        columns: list[str] | None = None,
        rows: int = 1000,
        max_sample_bytes: int = DEFAULT_MAX_SAMPLE_BYTES,
    ) -> Iterator[pa.Table]:
        """Its rows in bounded batches.

        Args:
            columns: names of the columns to read (None: all).
            rows: rows of a batch at most.
            max_sample_bytes: bytes of a row at most.

        Raises:
            SourceError: the file cannot be read, or has a larger row.
        """
        start = 0
        try:
            with self.place.open() as stream:
                for part in read_rows(stream, rows, max_sample_bytes, columns):
                    for row, error in part.errors.items():
                        raise SourceError(f"row {start + row}: {error}")
                    yield part.table
                    start += len(part.table)
        except SourceError as error:
            raise SourceError(f"{self.name}: {error}") from error
        except (OSError, pa.ArrowException) as error:
            raise SourceError(f"{self.name}: cannot be read: {' '.join(str(error).split())}") from error


def list_shards(place: Place) -> list[TokenShard]:
    """The Parquet files in a folder; none if the folder does not exist.

    Raises SourceError for a file that is not Parquet, or has lost its footer.
    """
    if place.type() == FileType.NotFound:
        return []
    if place.type() != FileType.Directory:
        raise SourceError(f"{place.name}: is not a folder")
    return [read_shard(place / path, path) for path in place.walk() if path.endswith(".parquet")]


def read_shard(place: Place, path: str) -> TokenShard:
    """Describe a Parquet file by its footer. Raises SourceError."""
    try:
        with place.open() as stream, pq.ParquetFile(stream, pre_buffer=False) as file:
            schema, facts = file.schema_arrow, file.metadata
            column = next((i for i in range(facts.num_columns) if facts.schema.column(i).path == ERROR), None)
            good = 0
            if column is not None:
                for i in range(facts.num_row_groups):
                    statistics = facts.row_group(i).column(column).statistics
                    good += 0 if statistics is None else statistics.null_count
            errors = 0 if column is None else facts.num_rows - good
            return TokenShard(place, path, facts.num_rows, errors, schema, Recipe.load(schema.metadata))
    except (OSError, pa.ArrowException) as error:
        text = f"{place.name}: not a Parquet file, or a damaged one: {reading_reason(error)}"
        raise SourceError(text) from error


def find_token_shards(source: str) -> list[TokenShard]:
    """The shards of a data set of tokens. Raises SourceError if it is not one, or mixes models."""
    place = Place(source)
    if place.type() == FileType.NotFound:
        raise SourceError(f"{source}: no such file or folder")
    shards = list_shards(place)
    if not shards:
        raise SourceError(f"{source}: no Parquet files in this folder")
    first = shards[0].recipe
    for shard in shards:
        if shard.recipe is None or shard.schema.get_field_index(TOK) < 0:
            raise SourceError(f"{shard.name}: was not written by tokcodec dataset encode")
        assert first is not None
        if shard.recipe.hash != first.hash:
            raise SourceError(f"{shard.name}: {shard.recipe.difference(first)}, as {shards[0].name}")
    return shards


def model_of(shards: list[TokenShard], named: str | Path | None = None) -> Model:
    """The installed model of a data set.

    Args:
        shards: from `find_token_shards`.
        named: name or folder of the model to use (None: the installed one with the right hash).

    Raises:
        UnknownModelError: it is not installed, or the named one is another model.
        ModelFileError: it is damaged.
    """
    recipe = shards[0].recipe
    assert recipe is not None  # `find_token_shards` has checked it
    if named is not None:
        model = find_model(named)
        if model.hash.hex() != recipe.hash:
            made = f"made with model {recipe.model} ({recipe.hash[:8]}...)"
            raise UnknownModelError(f"{shards[0].name}: {made}, not {model.name} ({model.hash.hex()[:8]}...)")
        return model
    for model in candidates(int(recipe.hash[:2], 16)):
        if model.hash.hex() == recipe.hash:
            return model
    raise UnknownModelError(f"needs model {recipe.model} (hash {recipe.hash[:8]}...), which is not installed")
