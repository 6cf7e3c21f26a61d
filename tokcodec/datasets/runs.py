"""Plans and executes runs over data sets: finds unfinished shards, and yields the outcomes of their tasks."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pyarrow.fs import FileType

from .. import __version__
from ..errors import DeviceError, MissingPackageError, ModelFileError, OutputError, SourceError, UnknownModelError
from ..options import DecodeOptions, EncodeOptions, EncodeSettings
from ..pictures.images import picture_format
from ..pictures.limits import DEFAULT_MAX_PIXELS, DEFAULT_MAX_TILES
from .batches import check_decoding
from .claims import Claim, others
from .columns import Recipe
from .engines import Engine
from .limits import DEFAULT_BATCH, DEFAULT_MAX_SAMPLE_BYTES, DEFAULT_SHARD_SIZE
from .shards.decode import TO_FOLDER, TO_PARQUET, DecodeTask, decode_shard, made_by, place_of
from .shards.encode import EncodeTask, encode_shard
from .shards.outcome import Outcome, TooManyErrors
from .shards.record import RECORDS, Record, find_record, record_place
from .shards.tokens import TokenShard, find_token_shards, list_shards, model_of, read_shard
from .sources.listing import FOLDER, LeftOut, Shard, find_shards
from .sources.places import Place

SHARED_ERRORS = DeviceError, MissingPackageError, ModelFileError, UnknownModelError
"""Errors that every other shard would have as well: they end the run."""
UNWRITABLE = None, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM
"""Reasons, as `OutputError.errno`, for which no other shard could be written either."""


@dataclass
class Run:
    """The work of a run.

    output: the folder to write to.
    function: executes a task, in any process.
    done: outcomes of shards that earlier runs have finished.
    tasks: the other shards.
    watched: the folder whose files show what is finished.
    files: those, as they were when this was planned.
    left_out: what is left out of the folders of the sources.
    """

    output: Place
    function: Callable[[Any], Outcome]
    done: list[Outcome]
    tasks: Sequence[Any]
    watched: Place
    files: list[tuple[str, int]]
    left_out: LeftOut = field(default_factory=LeftOut)

    def outcomes(self, engine: Engine, max_errors: int | None = None) -> Iterator[Outcome]:
        """Execute the tasks and yield their outcomes. A shard that cannot be read gives an outcome with a failure.

        Args:
            engine: executes the tasks.
            max_errors: samples and shards with errors after which the run ends (None: never).

        Raises:
            EngineError: workers were lost.
            OutputError: another run writes to the output, or nothing can be written there.
            TooManyErrors: more than `max_errors`.
            DeviceError, MissingPackageError, ModelFileError, UnknownModelError: no shard can be processed.
        """
        errors = sum(outcome.errors for outcome in self.done)
        if max_errors is not None and errors > max_errors:
            raise TooManyErrors(max_errors)
        if not self.tasks:
            with suppress(SourceError):
                others(self.output)  # deletes the claim of a run that was killed after its last shard
            return
        with Claim(self.output) as claim:
            if _files(self.watched) != self.files:
                raise OutputError(
                    f"{self.output.name}: another run has written here meanwhile; repeat the command to resume"
                )
            self.output.sweep()
            try:
                with closing(engine.run(self.function, self.tasks)) as outcomes:
                    for outcome in outcomes:
                        claim.check()
                        if outcome.failure is not None and _ends_the_run(outcome.failure):
                            raise outcome.failure
                        yield outcome
                        errors += outcome.errors + (outcome.failure is not None)
                        if max_errors is not None and errors > max_errors:
                            raise TooManyErrors(max_errors)
            finally:
                if not claim.lost:
                    self.output.sweep()


def _files(folder: Place) -> list[tuple[str, int]]:
    return folder.walk_sizes() if folder.type() == FileType.Directory else []


def _ends_the_run(failure: Exception) -> bool:
    return isinstance(failure, SHARED_ERRORS) or (isinstance(failure, OutputError) and failure.errno in UNWRITABLE)


def plan_encoding(
    sources: Sequence[str],
    output: str,
    options: EncodeOptions,
    *,
    column: str | None = None,
    shard_size: int = DEFAULT_SHARD_SIZE,
    batch_size: int = DEFAULT_BATCH,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    max_sample_bytes: int = DEFAULT_MAX_SAMPLE_BYTES,
    jobs: int = 0,
    max_errors: int | None = None,
    follow_links: bool = False,
) -> Run:
    """Plan the encoding of a data set. Reads no pictures and writes nothing.

    Args:
        sources: folders, .tar and .parquet files, as paths or URIs.
        output: the folder to write, a path or a URI.
        options: how pictures are encoded.
        column: column of the pictures in Parquet, or their suffix in tars (None: found automatically).
        shard_size: pictures of a folder in one output file.
        batch_size: samples held in memory at a time.
        max_pixels: pixels of a picture at most; a larger one is an error of its sample.
        max_sample_bytes: bytes of a sample at most; a larger one is an error.
        jobs: threads of each worker that read ahead, 0..64.
        max_errors: errors after which a shard ends (None: never).
        follow_links: whether linked folders are searched. Default: False.

    Raises:
        ValueError: wrong options.
        SourceError: a source cannot be read, or holds no pictures.
        OutputError: the output was made with other options or from other sources.
        UnknownModelError, ModelFileError: the model is not installed, or is damaged.
    """
    settings = options.resolve()
    model = settings.model
    facts = _facts(options, settings, column, max_pixels, max_sample_bytes)
    place = Place(output)
    left_out = LeftOut()
    shards = find_shards(sources, shard_size, place, left_out, follow_links, column)

    def recipe(shard: Shard) -> Recipe:
        hash, kind, source = model.hash.hex(), shard.kind, shard.place.name
        cut = shard_size if kind == FOLDER else None
        return Recipe("encode", __version__, model.name, hash, facts, kind, source, shard.mark, cut)

    files = _files(place)
    there = {shard.output: shard for shard in list_shards(place)}
    planned = {shard.output: recipe(shard) for shard in shards}
    _check(there, planned, next(iter(planned.values())))
    tasks = [
        EncodeTask(
            shard,
            place / shard.output,
            _absolute(options),
            planned[shard.output],
            column,
            batch_size,
            max_pixels,
            max_sample_bytes,
            jobs,
            max_errors,
        )
        for shard in shards
        if shard.output not in there
    ]
    done = [there[shard.output].outcome() for shard in shards if shard.output in there]
    return Run(place, encode_shard, done, tasks, place, files, left_out)


def _facts(
    options: EncodeOptions, settings: EncodeSettings, column: str | None, max_pixels: int, max_sample_bytes: int
) -> dict[str, Any]:
    """The given options that change the output."""
    given = {name: value for name, value in vars(options).items() if name.startswith("target_") or name == "adaptive"}
    facts = {"tokens": settings.tokens, "pitch": settings.pitch or "fit"} | given
    if settings.target is not None:
        facts["tokens"] = None
        facts["pitch"] = facts["pitch"] if settings.pitch_given else None
    facts |= {"column": column, "max_pixels": max_pixels}
    if options.background != "white":  # files of 1.0.0, which had no other, can be resumed
        facts["background"] = options.background
    if max_sample_bytes != DEFAULT_MAX_SAMPLE_BYTES:  # files of 1.0.0, which had no limit, can be resumed
        facts["max_sample_bytes"] = max_sample_bytes
    return {name: value for name, value in facts.items() if value not in (None, False)}


def _absolute(options: Any) -> Any:
    """The options with an absolute path of the model: workers may have another working folder."""
    if options.model is not None and Path(options.model).is_dir():
        return replace(options, model=Path(options.model).absolute())
    return options


def _check(there: dict[str, TokenShard], planned: dict[str, Recipe], usual: Recipe) -> None:
    """Raise OutputError unless all files in the output belong to this data set."""
    for output, shard in there.items():
        if shard.recipe is None:
            raise OutputError(f"{shard.place.name}: was not written by tokcodec dataset, and is left alone")
        different = shard.recipe.difference(planned.get(output, usual))
        if different is None and output in planned:
            different = shard.recipe.other_source(planned[output])
        _refuse(shard.place, different)


def _refuse(place: Place, different: str | None) -> None:
    if different is not None:
        raise OutputError(f"{place.name}: {different}; take another output folder")


def plan_decoding(
    source: str,
    output: str,
    options: DecodeOptions,
    *,
    to: str,
    format: str,
    batch_size: int = DEFAULT_BATCH,
    max_sample_bytes: int = DEFAULT_MAX_SAMPLE_BYTES,
) -> Run:
    """Plan the decoding of a data set. Writes nothing.

    Args:
        source: the folder of the data set, a path or a URI.
        output: the folder to write, a path or a URI.
        options: how files are decoded.
        to: "folder", "tar" or "parquet".
        format: format of the pictures, such as "png".
        batch_size: samples held in memory at a time.
        max_sample_bytes: bytes of a sample at most; a shard with a larger one fails.

    Raises:
        ValueError: wrong options.
        SourceError: the source is not a data set of tokens, or cannot be read.
        OutputError: the output was made with other options or from other sources, or is inside the source.
        UnknownModelError: the model is not installed, or is not that of the data set.
    """
    picture_format(None, format)
    shards = find_token_shards(source)
    check_decoding(options, model_of(shards, options.model))
    place = Place(output)
    if place.below(Place(source)) is not None:
        raise OutputError(f"{output}: lies in the data set {source}, which it is made from; take another output folder")
    given = {name: value for name, value in vars(options).items() if name not in ("model", "device", "container")}
    if options.max_tiles == DEFAULT_MAX_TILES:  # outputs of 1.0.0, which had no such limit, can be resumed
        del given["max_tiles"]
    facts = {"format": format} | {name: value for name, value in given.items() if value is not None}
    watched = place / RECORDS if to == TO_FOLDER else place
    files = _files(watched)
    tasks, done = [], []
    for shard in shards:
        recipe = _decoding(shard, facts)
        target, kept = place_of(place, shard, to), record_place(place, shard.output, to)
        record = find_record(kept) if to != TO_PARQUET else None
        before = _before(target, to, record)
        if before is not None:
            _refuse(target if to != TO_FOLDER else kept, before.difference(recipe) or before.other_source(recipe))
            if (outcome := _done(shard, target, to, record)) is not None:
                done.append(outcome)
                continue
        begun = record if to == TO_FOLDER else None
        tasks.append(
            DecodeTask(
                shard,
                target,
                to,
                format,
                _absolute(options),
                batch_size,
                max_sample_bytes,
                recipe,
                kept,
                begun,
            )
        )
    return Run(place, decode_shard, done, tasks, watched, files)


def _before(target: Place, to: str, record: Record | None) -> Recipe | None:
    """The recipe of the present output of a shard, None without one. Raises SourceError."""
    if to == TO_FOLDER:
        return None if record is None else record.recipe
    return made_by(target, to)


def _decoding(shard: TokenShard, facts: dict[str, Any]) -> Recipe:
    assert shard.recipe is not None
    recipe = replace(shard.recipe, work="decode", version=__version__, options=facts, shard_size=None)
    return replace(recipe, source=shard.place.name, mark=shard.place.mark())


def _done(shard: TokenShard, target: Place, to: str, record: Record | None) -> Outcome | None:
    """The outcome of an earlier run for a shard of tokens; None if it is unfinished."""
    if to == TO_PARQUET:
        return read_shard(target, shard.output).outcome()
    if record is not None:
        return record.outcome(shard.name, target.name)
    return shard.outcome()  # a tar without a record has at least these errors
