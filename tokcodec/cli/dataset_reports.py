"""The commands `tokcodec dataset info`, `verify` and `stats`, which describe a data set of tokens."""

from __future__ import annotations

import json
from typing import Any

import click

from ..datasets import need_pyarrow
from .console import PATH, Bar, Report, report_options
from .engines import WorkerPool, engine_options
from .models import json_option
from .options import bpp_text


@click.command()
@click.argument("source", metavar="DIR", type=PATH)
@json_option
@report_options
def info(source: str, as_json: bool, report: Report) -> None:
    """Print a summary of a data set: samples, errors by kind, bytes and tokens. Works without the model."""
    need_pyarrow()
    from ..datasets.reading import describe

    facts = describe(source)
    if as_json:
        click.echo(json.dumps({"dataset": source} | facts))
        return
    good = facts["samples"] - sum(facts["errors"].values())
    options = ", ".join(f"{name} {value}" for name, value in facts["options"].items())
    lines = [
        f"{source}: {facts['samples']} samples in {facts['shards']} shards of {facts['file_bytes']} bytes",
        f"model {facts['model']} ({facts['hash'][:8]}...), {options}, tokcodec {', '.join(facts['versions'])}",
        f"{good} files of {facts['bytes']} bytes, {facts['tiles']} tiles, {facts['tokens']} tokens",
    ]
    if facts["bpp"] is not None:
        lines[-1] += f", {bpp_text(facts['bpp'])}"
    lines += [f"{number:8} with {tokens} or more tokens" for tokens, number in facts["samples_by_tokens"].items()]
    lines += [f"{number:8} errors: {kind}" for kind, number in facts["errors"].items()]
    for line in lines:
        click.echo(line)


@click.command()
@click.argument("source", metavar="DIR", type=PATH)
@engine_options
@report_options
def verify(source: str, pool: WorkerPool, report: Report) -> None:
    """Read every file of a data set, compare it with its row, and count damaged files and duplicate keys."""
    need_pyarrow()
    import numpy as np

    from ..datasets.shards.tokens import find_token_shards, model_of
    from ..datasets.shards.verify import VerifyTask, verify_shard

    engine = pool.start()
    shards = find_token_shards(source)
    model = model_of(shards)
    damaged = samples = 0
    keys = []
    with Bar(len(shards), report) as bar:
        for verified in engine.run(verify_shard, [VerifyTask(shard, model) for shard in shards]):
            for line in verified.outcome.lines:
                report.line(line)
            if verified.outcome.failure is not None:
                report.error(None, verified.outcome.failure)
            damaged += verified.outcome.errors
            samples += verified.outcome.samples
            keys.append(verified.keys)
            bar.next()
    twice = samples - len(np.unique(np.concatenate(keys)))
    missing = sum(shard.errors for shard in shards)
    click.echo(f"{source}: {samples} samples, {missing} without a file, {damaged} damaged, {twice} keys twice")
    if damaged or twice:
        report.status = max(report.status, 1)


@click.command()
@click.argument("source", metavar="DIR", type=PATH)
@click.option("--limit", type=click.IntRange(1), metavar="N", default=200_000, show_default=True, help="Tiles to read.")
@json_option
@report_options
def stats(source: str, limit: int, as_json: bool, report: Report) -> None:
    """Print statistics of the tokens: entropy by rank, information in neighbours, frequencies, unused codes.

    Entropies are in bits. tokcodec/datasets/statistics.py describes the estimates.
    """
    need_pyarrow()
    from ..datasets.statistics import language, table

    statistics: Any = language(source, limit)
    click.echo(json.dumps({"dataset": source} | statistics.as_dict()) if as_json else table(statistics))
