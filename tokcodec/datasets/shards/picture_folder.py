"""One shard of tokens to picture files in a folder; files that were there before are never overwritten.

The shard's record is written before its first picture, with the names that are taken, and once more at its end. An
unfinished shard is decoded again from its first picture.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial

import pyarrow as pa
from pyarrow.fs import FileType

from ...errors import OutputError, SourceError, TokError
from ..batches import Decoder
from ..columns import ERROR, IMAGE, KEY, Recipe, error_line
from ..sources.places import Place
from .names import Names
from .outcome import Outcome
from .record import Record
from .tokens import TokenShard

NAME_ERRORS = errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EINVAL, errno.EILSEQ
"""System errors that the name of a single sample can cause."""


def write_folder(
    shard: TokenShard,
    folder: Place,
    decoder: Decoder,
    batch_size: int,
    max_sample_bytes: int,
    recipe: Recipe,
    place: Place,
    begun: Record | None,
) -> Outcome:
    """Write the pictures of a shard and its record.

    Args:
        shard: the shard of tokens.
        folder: where the pictures go.
        decoder: makes them.
        batch_size: samples held in memory at a time.
        max_sample_bytes: bytes of a sample at most.
        recipe: how the shard is made.
        place: the file of its record.
        begun: the record of an earlier run that did not finish: its pictures are overwritten, files that it calls
            taken are not.

    Raises:
        OutputError, SourceError: nothing can be written, or the shard cannot be read.
    """
    outcome = Outcome(shard.name, folder.name)
    record = begun or Record(recipe, tuple(_taken(shard, folder, decoder.suffix)))
    if begun is None:
        record.save(place)
    taken = set(record.taken)
    names = Names(decoder.suffix, dots=True)
    for batch in shard.batches(rows=batch_size, max_sample_bytes=max_sample_bytes):
        stems, batch = names.of(batch)
        files = [f"{stem}{decoder.suffix}" for stem in stems]
        batch = _refuse(batch, files, [name in taken or (begun is None and _exists(folder / name)) for name in files])
        table = decoder(batch)
        errors = table.column(ERROR).to_pylist()
        for i, image in enumerate(table.column(IMAGE).to_pylist()):
            if image is None:
                continue
            picture = folder / files[i]
            try:
                picture.write(partial(_put, data=image["bytes"]))
                outcome.bytes += len(image["bytes"])
            except OutputError as error:
                if error.errno not in NAME_ERRORS:
                    raise
                errors[i] = error_line(files[i], TokError(str(error).removeprefix(f"{picture.name}: ")))
        outcome.count(errors)
    replace(record, samples=outcome.samples, errors=outcome.errors).save(place)
    return outcome


def _taken(shard: TokenShard, folder: Place, suffix: str) -> Iterator[str]:
    """Names of the shard's pictures that exist already."""
    if folder.type() == FileType.NotFound:
        return
    names = Names(suffix, dots=True)
    for batch in shard.batches([KEY, ERROR]):
        for name in names.of(batch)[0]:
            if _exists(folder / f"{name}{suffix}"):
                yield f"{name}{suffix}"


def _exists(place: Place) -> bool:
    with suppress(SourceError):  # an impossible name: writing it reports it
        return bool(place.type() != FileType.NotFound)
    return False


def _refuse(batch: pa.Table, files: list[str], there: list[bool]) -> pa.Table:
    """The batch with an error for every row whose file exists already."""
    errors = batch.column(ERROR).to_pylist()
    for i, name in enumerate(files):
        if there[i] and errors[i] is None:
            errors[i] = error_line(name, TokError("exists already"))
    return batch.set_column(batch.schema.get_field_index(ERROR), ERROR, pa.array(errors, pa.string()))


def _put(stream: pa.NativeFile, data: bytes) -> None:
    stream.write(data)
