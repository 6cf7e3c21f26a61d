"""Reads the output of `tokcodec dataset encode`: as a pyarrow dataset, and as statistics."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pds

from .columns import ERROR, HEIGHT, TILES, TOK, TOKENS, WIDTH
from .shards.tokens import find_token_shards


def read(source: str | Path) -> pds.Dataset:
    """The data set in a folder as a pyarrow dataset, with the columns that `columns` describes.

    Filter by `pyarrow.compute.field("error").is_null()` to get the samples that have tokens. `get_fragments()` returns
    the shards. A column that only some shards have is null in the others.

    Args:
        source: the folder, a path or a URI.

    Raises:
        SourceError: it holds no data set, or one that cannot be read.
    """
    shards = find_token_shards(str(source))
    schema = pa.unify_schemas([shard.schema.remove_metadata() for shard in shards])
    files = [shard.place for shard in shards]
    return pds.dataset(
        [file.path for file in files], schema=schema, filesystem=files[0].filesystem, format=pds.ParquetFileFormat()
    )


def describe(source: str) -> dict[str, Any]:
    """A data set in numbers: its recipe, samples, errors by kind, bytes, bits per pixel, samples by tokens.

    The entry `samples_by_tokens` counts samples by their number of tokens, rounded down to a power of two. Raises
    SourceError.
    """
    shards = find_token_shards(source)
    kinds: Counter[str] = Counter()
    histogram: Counter[int] = Counter()
    size = pixels = tiles = tokens = samples = 0
    for shard in shards:
        for batch in shard.batches([TOK, WIDTH, HEIGHT, TILES, TOKENS, ERROR]):
            samples += len(batch)
            kinds.update(kind_of(line) for line in batch.column(ERROR).to_pylist() if line is not None)
            lengths = pc.list_value_length(batch.column(TOKENS)).drop_null()
            histogram.update(1 << (length.bit_length() - 1) for length in lengths.to_pylist() if length)
            area = pc.multiply(batch.column(WIDTH).cast(pa.int64()), batch.column(HEIGHT).cast(pa.int64()))
            for_all = (pc.binary_length(batch.column(TOK)), area, batch.column(TILES), lengths)
            found = [pc.sum(values).as_py() or 0 for values in for_all]
            size, pixels, tiles, tokens = (a + b for a, b in zip((size, pixels, tiles, tokens), found, strict=True))
    recipe = shards[0].recipe
    assert recipe is not None
    return {
        "shards": len(shards),
        "samples": samples,
        "errors": dict(kinds.most_common()),
        "bytes": size,
        "file_bytes": sum(shard.place.size() for shard in shards),
        "pixels": pixels,
        "bpp": 8 * size / pixels if pixels else None,
        "tiles": tiles,
        "tokens": tokens,
        "samples_by_tokens": dict(sorted(histogram.items())),
        "model": recipe.model,
        "hash": recipe.hash,
        "options": dict(recipe.options),
        "versions": sorted({shard.recipe.version for shard in shards if shard.recipe is not None}),
    }


def kind_of(line: str) -> str:
    """An error's line without the key and without numbers, so that the same errors have the same kind."""
    return re.sub(r"\d+", "N", line.rsplit(": ", 1)[-1])
