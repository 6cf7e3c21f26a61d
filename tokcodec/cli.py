"""The command `tokcodec`: thin shells over the library. torch is imported by the commands that need it, never here."""

from __future__ import annotations

import functools
import io
import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from . import __version__, batch
from .batch import Files, Job
from .bitstream import MAX_TOKENS, PITCHES, VERSION
from .cli_models import json_option, models
from .console import STDIO, Bar, Group, Report, printable, report_options

if TYPE_CHECKING:
    from .codec import TokInfo

UNITS = {"": 1, "k": 1000, "ki": 1024}


def parse_size(text: str) -> int:
    """A number of bytes: 120, 1.5k (1000 bytes each) or 2ki (1024 bytes each)."""
    match = re.fullmatch(r"([0-9]{1,12})(?:\.([0-9]{1,6}))?(k|ki|)b?", text.lower())
    if not match:
        raise click.BadParameter(f"{text!r} is not a size such as 120, 1.5k (k = 1000) or 2ki (ki = 1024).")
    whole, decimals, unit = match.groups("")
    return int(int(whole + decimals) * UNITS[unit] // 10 ** len(decimals))


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


# ---- options that commands share

tokens_type = click.IntRange(1, MAX_TOKENS)
force_option = click.option("-f", "--force", is_flag=True, help="Overwrite existing files; write data to a terminal.")
output_option = click.option(
    "-o", "--output", metavar="PATH", type=click.Path(), help="Name of the result; - is stdout."
)
model_option = click.option("--model", metavar="NAME", help="Name or folder of a model; see `tokcodec models list`.")
device_option = click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True, help="Where to compute."
)
max_pixels_option = click.option(
    "--max-pixels", type=click.IntRange(1), metavar="N", help="Refuse larger pictures; by default 89 million."
)


def files_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The inputs and where results go, handed to the command as one `files`."""

    @functools.wraps(command)
    def collect(
        inputs: tuple[str, ...],
        output: str | None,
        output_dir: str | None,
        recursive: bool,
        force: bool,
        **options: Any,
    ) -> Any:
        return command(files=Files(inputs, output, output_dir, recursive, force), **options)

    for decorate in (
        force_option,
        click.option(
            "--output-dir", metavar="DIR", type=click.Path(), help="Write results here; folders are mirrored."
        ),
        click.option("-r", "--recursive", is_flag=True, help="Take the files in folders."),
        output_option,
        click.argument("inputs", metavar="INPUT...", nargs=-1, required=True, type=click.Path()),
    ):
        collect = decorate(collect)
    return collect


def _check_device(device: str) -> None:
    """Once, instead of for each file. Raises DeviceError."""
    if device == "cuda":
        from .tokenizers import pick_device

        pick_device(device)


def _bpp(value: float) -> str:
    return f"{value:.4g} bits per pixel"


# ---- encode, decode


@cli.command()
@click.option("--tokens", type=tokens_type, metavar="N", help="Tokens per tile; by default the model's choice.")
@click.option(
    "--pitch",
    type=click.Choice([str(pitch) if pitch else "fit" for pitch in PITCHES]),
    default="256",
    show_default=True,
    metavar="PIXELS",
    help="Source pixels per tile: 16 to 2048, less for more detail; fit: one tile for the whole picture.",
)
@files_options
@model_option
@device_option
@max_pixels_option
@report_options
def encode(
    files: Files,
    report: Report,
    tokens: int | None,
    pitch: str,
    model: str | None,
    device: str,
    max_pixels: int | None,
) -> None:
    """Encode pictures: photo.jpg makes photo.tok.

    A token costs at most 1.5 bytes; fewer of them make a smaller file and a coarser picture.
    """
    jobs = batch.plan(files, report, suffixes=batch.PICTURE_SUFFIXES, new_suffix=batch.TOK_SUFFIX)

    from . import codec, images
    from .models import find_model

    chosen = find_model(model)
    try:
        codec.check_tokens(tokens, chosen)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    _check_device(device)

    def work(job: Job, bar: Bar) -> tuple[bytes, str]:
        warn = functools.partial(report.note, job.source)
        source = batch.stdin() if job.source == STDIO else job.source
        picture = images.read_picture(source, max_pixels=max_pixels or images.DEFAULT_MAX_PIXELS, warn=warn)
        data = codec.encode(
            picture,
            tokens=tokens,
            pitch="fit" if pitch == "fit" else int(pitch),
            model=model,
            device=device,
            warn=warn,
            progress=bar,
        )
        return data, f"{len(data)} bytes, {_bpp(8 * len(data) / (picture.width * picture.height))}"

    batch.run(jobs, files, report, work)


@cli.command()
@click.option("--tokens", type=tokens_type, metavar="N", help="Use only the first N tokens of every tile.")
@click.option(
    "--look",
    type=click.Choice(["perceptual", "fidelity"]),
    help="What looks best, or the least squared error; by default the model's first.",
)
@click.option(
    "--format", "kind", metavar="FORMAT", help="png, webp, tiff, ppm, bmp or jpg; by default as PATH ends, or png."
)
@files_options
@model_option
@device_option
@click.option(
    "--dtype", type=click.Choice(["float32", "bfloat16"]), default="float32", show_default=True, help="Of the networks."
)
@max_pixels_option
@report_options
def decode(
    files: Files,
    report: Report,
    tokens: int | None,
    look: str | None,
    kind: str | None,
    model: str | None,
    device: str,
    dtype: str,
    max_pixels: int | None,
) -> None:
    """Decode files: photo.tok makes photo.png.

    A cut file, or the beginning of one, decodes too: to a coarser picture.
    """
    from . import codec, images

    try:
        suffix = images.picture_format(None if files.output == STDIO else files.output, kind)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    jobs = batch.plan(files, report, suffixes=[batch.TOK_SUFFIX], new_suffix=suffix)
    _check_device(device)

    def work(job: Job, bar: Bar) -> tuple[bytes, str]:
        data = batch.read_tok(job.source)
        picture = codec.decode(
            data,
            tokens=tokens,
            look=look,
            device=device,
            dtype=dtype,
            model=model,
            max_pixels=max_pixels or images.DEFAULT_MAX_PIXELS,
            warn=functools.partial(report.note, job.source),
            progress=bar,
        )
        encoded = io.BytesIO()
        images.write_picture(picture, encoded, suffix)
        found = codec.info(data, model=model)
        used = min(tokens or MAX_TOKENS, found.tokens, (found.held or 0) / found.tiles)
        return encoded.getvalue(), f"{picture.width}x{picture.height}, {used:.3g} token{'s' * (used != 1)}"

    batch.run(jobs, files, report, work)


# ---- info, truncate


@cli.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path())
@json_option
@model_option
@report_options
def info(files: tuple[str, ...], as_json: bool, model: str | None, report: Report) -> None:
    """Say what files hold; works without the model."""
    from . import codec

    for name in files:
        with report.guard(name):
            found = codec.info(batch.read_tok(name), model=model)
            click.echo(_as_json(name, found) if as_json else printable(f"{name}: {_describe(found)}"))


def _as_json(name: str, found: TokInfo) -> str:
    from dataclasses import asdict

    derived = {key: getattr(found, key) for key in ("tiles", "complete", "payload_bytes", "bpp")}
    return json.dumps({"file": name, "version": VERSION} | asdict(found) | derived)


def _describe(found: TokInfo) -> str:
    declared = found.tokens * found.tiles
    pitch = f"pitch {found.pitch}" if found.pitch else "the whole picture"
    tiles = f"{found.columns}x{found.rows} tiles ({pitch})" if found.tiles > 1 else f"1 tile ({pitch})"
    if found.held is None:
        tokens = f"{declared} tokens declared"
        model = f"model id {found.model_id:02x}, which is not installed"
    else:
        tokens = f"{declared} tokens" if found.complete else f"{found.held} of {declared} tokens"
        model = f"model {found.model}"
    if found.tiles > 1:
        tokens += f" ({found.tokens} per tile)"
    size = f"{found.bytes} bytes ({found.header_bytes} header + {found.payload_bytes} payload)"
    return f"{found.width}x{found.height} pixels, {tiles}, {tokens}, {model}, {size}, {_bpp(found.bpp)}"


@cli.command()
@click.argument("file", type=click.Path())
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

    from . import codec
    from .bitstream import parse_header

    def work(job: Job, bar: Bar) -> tuple[bytes, str]:
        data = codec.truncate(batch.read_tok(job.source), tokens=tokens, size=size, model=model)
        return data, f"{len(data)} bytes, {parse_header(data).tokens} tokens per tile"

    batch.run([Job(file, STDIO if output is None else output)], files, report, work)


# ---- elsewhere


cli.add_command(models)


@cli.command(add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def train(arguments: tuple[str, ...]) -> Any:
    """Train a model on your own pictures."""
    from .training.__main__ import main

    return main.main(list(arguments), prog_name="tokcodec train", standalone_mode=False)
