"""The command `tokcodec`: thin shells over the library. torch is imported by the commands that need it, never here."""

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

    "-" is stdin or stdout. Exit code: 0 all done, 1 a file failed, 2 wrong usage.
    """


@cli.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=PATH)
@json_option
@model_option
@report_options
def info(files: tuple[str, ...], as_json: bool, model: str | None, report: Report) -> None:
    """Say what files hold; works without the model."""
    from .. import tokfile

    need_stdout()
    for name in files:
        with report.guard(name):
            found = tokfile.info(read_tok(name), model=model)
            click.echo(_as_json(name, found) if as_json else printable(f"{name}: {_describe(found)}"))


def _as_json(name: str, found: TokInfo) -> str:
    from dataclasses import asdict

    derived = {key: getattr(found, key) for key in ("tiles", "complete", "payload_bytes", "bpp")}
    return json.dumps({"file": name, "version": VERSION} | asdict(found) | derived)


def _describe(found: TokInfo) -> str:
    declared = "an unknown number of" if found.declared is None else str(found.declared)
    pitch = f"pitch {found.pitch}" if found.pitch else "the whole picture"
    tiles = f"{found.columns}x{found.rows} tiles ({pitch})" if found.tiles > 1 else f"1 tile ({pitch})"
    if found.held is None:
        tokens = f"{declared} tokens declared"
        model = f"model id {found.model_id:02x}, which is not installed"
    else:
        tokens = f"{declared} tokens" if found.complete else f"{found.held} of {declared} tokens"
        model = f"model {found.model}"
    if found.tiles > 1:
        tokens += f" ({'at most ' * found.adaptive}{found.tokens} per tile)"
    size = f"{found.bytes} bytes ({found.header_bytes} header + {found.payload_bytes} payload)"
    return f"{found.width}x{found.height} pixels, {tiles}, {tokens}, {model}, {size}, {bpp_text(found.bpp)}"


@cli.command()
@click.argument("file", type=PATH)
@click.option("--tokens", type=tokens_type, metavar="N", help="Keep N tokens of every tile.")
@click.option(
    "--size", type=parse_size, metavar="SIZE", help="Keep as many as fit: 120, 1.5k (k = 1000), 2ki (ki = 1024) bytes."
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
    """Cut a file to fewer tokens or bytes."""
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
