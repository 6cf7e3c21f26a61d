"""The command `tokcodec`: thin shells over the library. Only the commands that need torch import it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from .. import __version__
from ..container.header import VERSION
from ..errors import printable
from .coding import decode, encode
from .console import PATH, STDIO, Bar, Group, Report, need_stdout, report_options
from .dataset import dataset
from .jobs import Files, Job, read_tok, run
from .models import json_option, models
from .options import bpp_text, force_option, model_option, output_option, tokens_type
from .packing import pack_command
from .targets import parse_size
from .train import train

if TYPE_CHECKING:
    from ..tokfile import TokInfo


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"tokcodec {__version__}, format {VERSION}, constriction {version('constriction')}")
        ctx.exit()


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the versions."
)
def cli() -> None:
    """An image codec for the last kilobyte: pictures as ordered tokens in .tok files.

    \b
      tokcodec encode --tokens 64 photo.jpg     writes photo.tok
      tokcodec decode photo.tok                 writes photo.png
      tokcodec info photo.tok
      tokcodec truncate photo.tok --size 60 -o smaller.tok

    "-" is stdin or stdout. Exit codes: 0 all done, 1 a file failed, 2 wrong usage.
    """


@cli.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=PATH)
@json_option
@model_option
@report_options
def info(files: tuple[str, ...], as_json: bool, model: str | None, report: Report) -> None:
    """Describe files. Works without the model."""
    from .. import tokfile

    need_stdout()
    for name in files:
        with report.guard(name):
            facts = tokfile.info(read_tok(name), model=model)
            click.echo(_as_json(name, facts) if as_json else printable(f"{name}: {_describe(facts)}"))


def _as_json(name: str, facts: TokInfo) -> str:
    from dataclasses import asdict

    derived = {key: getattr(facts, key) for key in ("tiles", "complete", "payload_bytes", "bpp")}
    return json.dumps({"file": name, "version": VERSION} | asdict(facts) | derived)


def _describe(facts: TokInfo) -> str:
    declared = "an unknown number of" if facts.declared is None else str(facts.declared)
    pitch = f"pitch {facts.pitch}" if facts.pitch else "the whole picture"
    tiles = f"{facts.columns}x{facts.rows} tiles ({pitch})" if facts.tiles > 1 else f"1 tile ({pitch})"
    if facts.held is None:
        tokens = f"{declared} tokens declared"
        model = f"model id {facts.model_id:02x}, which is not installed"
    else:
        tokens = f"{declared} tokens" if facts.complete else f"{facts.held} of {declared} tokens"
        model = f"model {facts.model}"
    if facts.tiles > 1:
        tokens += f" ({'at most ' * facts.adaptive}{facts.tokens} per tile)"
    size = f"{facts.bytes} bytes ({facts.header_bytes} header + {facts.payload_bytes} payload)"
    return f"{facts.width}x{facts.height} pixels, {tiles}, {tokens}, {model}, {size}, {bpp_text(facts.bpp)}"


@cli.command()
@click.argument("file", type=PATH)
@click.option("--tokens", type=tokens_type, metavar="N", help="Keep N tokens of every tile.")
@click.option(
    "--size",
    type=parse_size,
    metavar="SIZE",
    help="Keep the most tokens that fit into SIZE bytes: 120, 1.5k (k = 1000), 2ki (ki = 1024).",
)
@output_option
@force_option
@model_option
@report_options
def truncate(
    file: str,
    tokens: int | None,
    size: int | None,
    output: str | None,
    force: bool,
    model: str | None,
    report: Report,
) -> None:
    """Cut a file to fewer tokens or to a size in bytes."""
    if (tokens is None) == (size is None):
        raise click.UsageError("Give exactly one of --tokens and --size.")
    if output is None and file != STDIO:
        raise click.UsageError("Give --output.")

    files = Files((file,), output, force=force)

    from .. import tokfile
    from ..container.header import parse_header

    def work(job: Job, bar: Bar) -> tuple[bytes, str]:
        data = tokfile.truncate(read_tok(job.source), tokens=tokens, size=size, model=model)
        header = parse_header(data)
        return data, f"{len(data)} bytes, {'at most ' * header.adaptive}{header.tokens} tokens per tile"

    run([Job(file, STDIO if output is None else output)], files, report, work)


# ---- elsewhere


cli.add_command(encode)
cli.add_command(decode)
cli.add_command(models)
cli.add_command(pack_command)
cli.add_command(dataset)
cli.add_command(train)
