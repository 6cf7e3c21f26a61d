"""Whole data sets by an engine: what is to do, what is done already, and the outcomes as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import DeviceError, MissingPackageError, ModelFileError, OutputError
from ..models.modelfile import Model
from ..models.registry import find_model
from ..options import DecodeOptions, EncodeOptions
from ..pictures.limits import DEFAULT_MAX_PIXELS
from .columns import Recipe
from .engines import Engine
from .shards.decode import TO_FOLDER, DecodeTask, decode_shard, made_by, place_of
from .shards.encode import EncodeTask, encode_shard
from .shards.outcome import Outcome, TooManyErrors
from .shards.tokens import TokenShard, find_token_shards, look, model_of
from .sources.listing import DEFAULT_SHARD_SIZE, Shard, find_shards
from .sources.places import Place
from .sources.samples import DEFAULT_BATCH

HOPELESS = OutputError, DeviceError, MissingPackageError, ModelFileError
"""What would happen to every other shard as well."""


@dataclass
class Run:
    """What a run has to do: outcomes of shards that are done already, and tasks for the others."""

    output: Place
    function: Callable[[Any], Outcome]
    done: list[Outcome]
    tasks: Sequence[Any]

    def outcomes(self, engine: Engine, max_errors: int | None = None) -> Iterator[Outcome]:
        """Do the tasks; yields what becomes of them.

        A shard that cannot be read is an outcome with its failure. Raises EngineError, those of HOPELESS, and
        TooManyErrors after more than `max_errors` samples and shards with errors.
        """
        self.output.sweep()
        errors = sum(outcome.errors for outcome in self.done)
        try:
            if max_errors is not None and errors > max_errors:
                raise TooManyErrors(max_errors)
            if not self.tasks:
                return
            with closing(engine.run(self.function, self.tasks)) as outcomes:
                for outcome in outcomes:
                    if isinstance(outcome.failure, HOPELESS):
                        raise outcome.failure
                    yield outcome
                    errors += outcome.errors + (outcome.failure is not None)
                    if max_errors is not None and errors > max_errors:
                        raise TooManyErrors(max_errors)
        finally:
            self.output.sweep()


def plan_encoding(
    sources: Sequence[str],
    output: str,
    options: EncodeOptions,
    *,
    column: str | None = None,
    shard_size: int = DEFAULT_SHARD_SIZE,
    batch_size: int = DEFAULT_BATCH,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    jobs: int = 0,
    max_errors: int | None = None,
) -> Run:
    """What encoding has to do. Reads no pictures and writes nothing.

    Raises ValueError for wrong options, SourceError for sources without pictures, OutputError for an output that was
    made with other options or from other sources, naming both.
    """
    model = find_model(options.model)
    facts = _facts(options, model, column, max_pixels)
    shards = find_shards(sources, shard_size)
    place = Place(output)

    def recipe(shard: Shard) -> Recipe:
        source = shard.place.name
        return Recipe("encode", __version__, model.name, model.hash.hex(), facts, shard.kind, source, shard.mark)

    there = {shard.output: shard for shard in look(place)}
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
            jobs,
            max_errors,
        )
        for shard in shards
        if shard.output not in there
    ]
    done = [there[shard.output].outcome() for shard in shards if shard.output in there]
    return Run(place, encode_shard, done, tasks)


def _facts(options: EncodeOptions, model: Model, column: str | None, max_pixels: int) -> dict[str, Any]:
    """The options that show in the output, without those that are not given."""
    options.target_of(model)
    given = {name: value for name, value in vars(options).items() if name.startswith("target_") or name == "adaptive"}
    facts = {"tokens": options.tokens_of(model), "pitch": options.step(model.tile) or "fit"} | given
    if any(name.startswith("target_") and value is not None for name, value in given.items()):
        facts["tokens"] = None
        facts["pitch"] = facts["pitch"] if options.pitch is not None else None
    facts |= {"column": column, "max_pixels": max_pixels}
    return {name: value for name, value in facts.items() if value not in (None, False)}


def _absolute(options: Any) -> Any:
    """With the folder of a model as workers elsewhere find it."""
    if options.model is not None and Path(options.model).is_dir():
        return replace(options, model=Path(options.model).absolute())
    return options


def _check(there: dict[str, TokenShard], planned: dict[str, Recipe], usual: Recipe) -> None:
    """Raise OutputError unless what is there can stay."""
    for output, shard in there.items():
        if shard.recipe is None:
            raise OutputError(f"{shard.place.name}: was not written by tokcodec dataset, and is left alone")
        recipe = planned.get(output, usual)
        different = shard.recipe.difference(recipe)
        if different is None and output in planned and shard.recipe.mark != recipe.mark:
            different = f"made from {shard.recipe.source} as it was ({shard.recipe.mark}), which is now {recipe.mark}"
        if different is not None:
            raise OutputError(f"{shard.place.name}: {different}; take another output folder")


def plan_decoding(
    source: str, output: str, options: DecodeOptions, *, to: str, format: str, batch_size: int = DEFAULT_BATCH
) -> Run:
    """What decoding has to do. Raises UnknownModelError, and SourceError and OutputError as `plan_encoding`.

    to: "folder", "tar" or "parquet"; format: of the pictures.
    """
    shards = find_token_shards(source)
    if options.model is None:
        model_of(shards)
    place = Place(output)
    given = {name: value for name, value in vars(options).items() if name not in ("model", "device", "container")}
    facts = {"format": format} | {name: value for name, value in given.items() if value is not None}
    tasks, done = [], []
    for shard in shards:
        assert shard.recipe is not None
        recipe = replace(shard.recipe, work="decode", version=__version__, options=facts, source=shard.place.name)
        recipe = replace(recipe, mark=f"{shard.samples} samples")
        target = place_of(place, shard, to)
        before = None if to == TO_FOLDER else made_by(target, to)
        if before is not None:
            _check({target.name: replace(shard, place=target, recipe=before)}, {target.name: recipe}, recipe)
            done.append(shard.outcome())
        else:
            tasks.append(DecodeTask(shard, target, to, format, _absolute(options), recipe, batch_size))
    return Run(place, decode_shard, done, tasks)
