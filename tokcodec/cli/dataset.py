"""The command group `tokcodec dataset`, and its commands `encode` and `decode`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from ..datasets import need_pyarrow
from ..datasets.limits import DEFAULT_BATCH, DEFAULT_MAX_SAMPLE_BYTES, DEFAULT_SHARD_SIZE
from .console import PATH, Bar, Report, report_options
from .dataset_reports import info, stats, verify
from .engines import WorkerPool, engine_options
from .options import (
    background_option,
    decode_format_option,
    device_option,
    dtype_option,
    look_option,
    max_pixels_option,
    max_tiles_option,
    model_option,
    pitch_option,
    tokens_type,
)
from .targets import target_options

if TYPE_CHECKING:
    from ..datasets.engines import Engine
    from ..datasets.runs import Run
    from ..datasets.shards.outcome import Outcome

MAX_LINES = 20
"""At most this many errors of samples are printed. The column `error` holds all of them."""

WHERE = {"folder": "", "tar": ": see members .error", "parquet": ": see column error"}
"""Where the errors of samples are stored, by kind of output."""


@click.group("dataset")
def dataset() -> None:
    """Encode data sets of millions of pictures, in folders, tar shards and Parquet files, to Parquet files of tokens.

    \b
      tokcodec dataset encode shards/*.tar --output tokens
      tokcodec dataset info tokens

    To resume a run that was interrupted, give the same command again.
    """


output_option = click.option("--output", metavar="DIR", required=True, type=PATH, help="The folder to write.")
batch_option = click.option(
    "--batch-size",
    type=click.IntRange(1),
    metavar="N",
    default=DEFAULT_BATCH,
    show_default=True,
    help="Samples held in memory at a time.",
)
max_sample_bytes_option = click.option(
    "--max-sample-bytes",
    type=click.IntRange(1),
    metavar="N",
    default=DEFAULT_MAX_SAMPLE_BYTES,
    show_default=True,
    help="Refuse samples of more bytes: the picture file and its other columns.",
)
max_errors_option = click.option(
    "--max-errors", type=click.IntRange(0), metavar="N", help="End the run after more than N errors. Default: never."
)


@dataset.command()
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True, type=PATH)
@output_option
@click.option("--column", metavar="NAME", help="Column of the pictures in Parquet files, or their suffix in tars.")
@click.option(
    "--shard-size",
    type=click.IntRange(1),
    default=DEFAULT_SHARD_SIZE,
    show_default=True,
    metavar="N",
    help="Pictures per output file, for folders.",
)
@click.option("--follow-links", is_flag=True, help="Search linked folders too.")
@batch_option
@max_errors_option
@click.option("--tokens", type=tokens_type, metavar="N", help="Tokens per tile. Default: the model's choice.")
@pitch_option
@target_options
@background_option
@model_option
@device_option
@max_pixels_option
@max_sample_bytes_option
@engine_options
@report_options
def encode(
    sources: tuple[str, ...],
    output: str,
    column: str | None,
    shard_size: int,
    follow_links: bool,
    batch_size: int,
    max_errors: int | None,
    device: str,
    max_pixels: int,
    max_sample_bytes: int,
    pool: WorkerPool,
    report: Report,
    **options: Any,
) -> None:
    """Encode folders of pictures, .tar shards and .parquet files.

    Every shard becomes one Parquet file, with the columns key, tok, width, height, tiles, tokens, error and the other
    columns of the samples. A picture that cannot be encoded becomes a row with an error.
    """
    need_pyarrow()
    from ..datasets.runs import plan_encoding
    from ..options import EncodeOptions

    engine = pool.start()
    run = plan_encoding(
        sources,
        output,
        EncodeOptions(device=pool.device(device), **options),
        column=column,
        shard_size=shard_size,
        batch_size=batch_size,
        max_pixels=max_pixels,
        max_sample_bytes=max_sample_bytes,
        jobs=pool.jobs,
        max_errors=max_errors,
        follow_links=follow_links,
    )
    follow(run, engine, report, max_errors)


@dataset.command()
@click.argument("source", metavar="DIR", type=PATH)
@output_option
@click.option(
    "--to",
    type=click.Choice(["folder", "tar", "parquet"]),
    default="folder",
    show_default=True,
    help="Write picture files, WebDataset shards or Parquet files.",
)
@decode_format_option
@click.option("--tokens", type=tokens_type, metavar="N", help="Use only the first N tokens of every tile.")
@look_option
@batch_option
@max_errors_option
@model_option
@device_option
@dtype_option
@max_pixels_option
@max_tiles_option
@max_sample_bytes_option
@engine_options
@report_options
def decode(
    source: str,
    output: str,
    to: str,
    kind: str | None,
    batch_size: int,
    max_errors: int | None,
    device: str,
    max_sample_bytes: int,
    pool: WorkerPool,
    report: Report,
    **options: Any,
) -> None:
    """Decode a data set of tokens to pictures: files in folders, .tar shards or Parquet files.

    The keys become the names of the pictures. Tars and Parquet files keep the other columns of the samples.
    """
    need_pyarrow()
    from ..datasets.runs import plan_decoding
    from ..options import DecodeOptions
    from ..pictures.images import picture_format

    engine = pool.start()
    decoding = DecodeOptions(device=pool.device(device), **options)
    format = picture_format(None, kind)[1:]
    run = plan_decoding(
        source,
        output,
        decoding,
        to=to,
        format=format,
        batch_size=batch_size,
        max_sample_bytes=max_sample_bytes,
    )
    follow(run, engine, report, max_errors, WHERE[to])


def follow(run: Run, engine: Engine, report: Report, max_errors: int | None, where: str = WHERE["parquet"]) -> None:
    """Execute a run: print a line for each shard and for the first errors, then a summary.

    Args:
        run: the planned run.
        engine: executes the tasks.
        report: prints the lines and holds the exit status.
        max_errors: the run ends after more errors. None: never.
        where: end of the last line, which says where the errors are stored.
    """
    from ..datasets.shards.outcome import TooManyErrors

    started = time.perf_counter()
    for name, text in run.left_out.notes:
        report.note(name, text)
    for name, number in run.left_out.linked.items():
        report.note_linked(name, number)
    report.left_out += run.left_out.suffixes
    finished: list[Outcome] = []
    report.skipped = len(run.done)
    shown = 0
    with Bar(len(run.done) + len(run.tasks), report) as bar:
        for _ in run.done:
            bar.next()
        for outcome in run.outcomes(engine, max_errors):
            for line in outcome.lines[: MAX_LINES - shown]:
                report.line(line)
                shown += 1
            for text in outcome.notes:
                report.note(outcome.name, text)
            if isinstance(outcome.failure, TooManyErrors):
                pass  # the run ends with it
            elif outcome.failure is not None:
                report.error(None, outcome.failure)
            else:
                finished.append(outcome)
                report.done += 1
                amount = f"{outcome.samples} samples, {outcome.bytes} bytes"
                report.say(f"{outcome.name} -> {outcome.output} ({amount}{_errors(outcome.errors)})")
            bar.next()
    errors = sum(outcome.errors for outcome in [*run.done, *finished])
    for unit in ("samples", "tiles"):
        if total := sum(getattr(outcome, unit) for outcome in finished):
            report.count(unit, total)
    report.sum_up(time.perf_counter() - started, "shards")
    if errors:
        report.note(run.output.name, f"{errors} sample{'s have' if errors > 1 else ' has'} an error{where}")
        report.status = max(report.status, 1)


def _errors(errors: int) -> str:
    return f", {errors} error{'s' * (errors > 1)}" if errors else ""


dataset.add_command(info)
dataset.add_command(verify)
dataset.add_command(stats)
