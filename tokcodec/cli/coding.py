"""The commands `tokcodec encode` and `tokcodec decode`."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from ..container.bare import BARE_SIZE
from ..container.header import HEADER_SIZE
from ..cores import at_most
from ..errors import TokError, reason
from ..pictures.suffixes import PICTURE_SUFFIXES
from .console import STDIO, Bar, Report, report_options
from .inputs import expand
from .jobs import Files, Job, plan, run, run_many, stdin
from .manifest import TOKENS, check_manifest, manifest_option, preview, write_manifest
from .options import (
    background_option,
    base64_option,
    bpp_text,
    container_of,
    decode_format_option,
    device_option,
    dtype_option,
    files_options,
    look_option,
    max_pixels_option,
    max_tiles_option,
    model_option,
    parse_dimensions,
    pitch_option,
    stages_or_files_options,
    tokens_type,
)
from .targets import TARGETS, effort_option, focus_map_option, focus_option, parse_size, target_options, tune_option
from .whole import is_whole_picture, is_whole_tok

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..datasets.bulk import Encoded


def _check_device(device: str) -> None:
    """Check the device once for all files. Raises DeviceError if it is missing."""
    if device == "cuda":
        from ..tokenizers import check_device

        check_device(device)


def _read_map(path: str, max_pixels: int, report: Report) -> Image:
    """Read the map of weights once for all pictures. Raises PictureError that names the file."""
    from ..errors import PictureError
    from ..pictures import images
    from ..ratecontrol.focus import BACKGROUND

    source = stdin() if path == STDIO else path
    warn = functools.partial(report.note, f"--focus-map {path}")
    try:
        with images.process_limit(max_pixels):
            return images.read_picture(source, max_pixels=max_pixels, background=BACKGROUND, warn=warn)
    except (TokError, OSError) as error:
        raise PictureError(f"--focus-map {path}: {reason(error)}") from error


@click.command()
@click.option("--tokens", type=tokens_type, metavar="N", help="Tokens per tile. Default: the model's choice.")
@pitch_option
@click.option(
    "--bare", is_flag=True, help="Write 2 bytes of header: one tile, for readers that know the model (--pitch fit)."
)
@base64_option
@target_options
@focus_option
@focus_map_option
@effort_option
@tune_option
@background_option
@click.option(
    "-j",
    "--jobs",
    "threads",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Number of threads. Default: one per core.",
)
@files_options
@manifest_option
@model_option
@device_option
@max_pixels_option
@report_options
def encode(
    files: Files,
    report: Report,
    threads: int | None,
    pitch: int | str | None,
    bare: bool,
    base64: bool,
    manifest: str | None,
    focus_map: str | None,
    device: str,
    max_pixels: int,
    **given: Any,
) -> None:
    """Encode pictures: photo.jpg makes photo.tok.

    A token costs about 1.5 bytes. Fewer tokens make a smaller file and a coarser picture. A target chooses tokens and
    pitch automatically, and gives detailed tiles more tokens than smooth ones.
    """
    if manifest is not None:
        check_manifest(manifest, files, base64)
        bare = True
        if all(given[name] is None for name in ("tokens", *TARGETS)):
            given["tokens"] = TOKENS
    container, suffix = container_of(bare, base64)
    if bare and pitch not in (None, "fit"):
        raise click.UsageError("--bare holds one tile: use it with --pitch fit only.")
    if focus_map == STDIO and STDIO in files.inputs:
        raise click.UsageError("stdin ('-') is either the picture or the map of --focus-map.")
    if manifest is None:
        jobs = plan(files, report, suffixes=PICTURE_SUFFIXES, new_suffix=suffix)
    else:
        found = list(expand(files.inputs, report, PICTURE_SUFFIXES, files.recursive, files.follow_links))

    from .. import codec
    from ..container.bare import to_base64
    from ..options import EncodeOptions
    from ..pictures import images

    mask = None if focus_map is None else _read_map(focus_map, max_pixels, report)
    options = EncodeOptions(pitch=pitch, container=container, focus_map=mask, device=device, **given)
    try:
        settings = options.resolve()
    except TokError:  # the model cannot be used
        raise
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    _check_device(device)
    if settings.effort and report.verbose:
        logging.basicConfig(format="tokcodec: %(message)s")
        logging.getLogger("tokcodec.refining").setLevel(logging.INFO)

    is_whole = functools.partial(is_whole_tok, bare=bare, base64=base64)

    def described(data: bytes, width: int, height: int) -> tuple[bytes, str]:
        return data, f"{len(data)} bytes, {bpp_text(8 * len(data) / (width * height))}"

    def read_and_encode(path: str, progress: Bar | None = None) -> tuple[Image, bytes]:
        warn = functools.partial(report.note, path)
        source = stdin() if path == STDIO else path
        picture = images.read_picture(source, max_pixels=max_pixels, background=options.background, warn=warn)
        return picture, codec.encode(picture, **vars(options), warn=warn, progress=progress)

    def work(job: Job, bar: Bar) -> tuple[bytes, str]:
        picture, data = read_and_encode(job.source, bar)
        return described(to_base64(data) if base64 else data, *picture.size)

    def entry(path: str) -> dict[str, Any]:
        return preview(*read_and_encode(path), settings.model.name)

    if manifest is not None:
        with at_most(threads), images.process_limit(max_pixels):
            write_manifest(manifest, found, report, entry, force=files.force)
        return
    if len(jobs) == 1 or not settings.plain:
        with at_most(threads), images.process_limit(max_pixels):
            run(jobs, files, report, work, is_whole)
        return
    from ..datasets.bulk import encode_many

    def outcome(encoded: Encoded) -> tuple[bytes, str]:
        for note in encoded.notes:
            report.note(str(encoded.source), note)
        if encoded.error is not None:
            raise encoded.error
        report.count("tiles", encoded.tiles)
        report.count("megapixels", encoded.width * encoded.height / 1e6)
        return described(encoded.data, encoded.width, encoded.height)

    def stream(todo: Iterator[Job]) -> Iterator[Callable[[], tuple[bytes, str]]]:
        sources = (job.source for job in todo)
        for encoded in encode_many(sources, options, max_pixels=max_pixels, jobs=threads):
            yield functools.partial(outcome, encoded)

    with at_most(threads), images.process_limit(max_pixels):
        run_many(jobs, files, report, stream, is_whole)


@click.command()
@click.option("--tokens", type=tokens_type, metavar="N", help="Use only the first N tokens of every tile.")
@click.option(
    "--max-bytes",
    type=parse_size,
    metavar="SIZE",
    help="Use only the first SIZE bytes: 120, 1.5k (k = 1000), 2ki (ki = 1024).",
)
@click.option(
    "--bare",
    is_flag=True,
    help="Read files of encode --bare. They do not name their model: those of tokcodec 1.0 need --model base-2.",
)
@base64_option
@click.option(
    "--size", type=parse_dimensions, metavar="WxH", help="With --bare: size of the picture. Default: about 256x256."
)
@look_option
@decode_format_option
@stages_or_files_options
@model_option
@device_option
@dtype_option
@max_pixels_option
@max_tiles_option
@report_options
def decode(
    files: Files,
    report: Report,
    max_bytes: int | None,
    progressive: str | None,
    bare: bool,
    base64: bool,
    size: tuple[int, int] | None,
    kind: str | None,
    device: str,
    **given: Any,
) -> None:
    """Decode files: photo.tok makes photo.png.

    The beginning of a file decodes too, to a coarser picture.
    """
    container, suffix = container_of(bare, base64)
    if size and not bare:
        raise click.UsageError("--size goes with --bare.")
    least = BARE_SIZE if bare else HEADER_SIZE
    if max_bytes is not None and max_bytes < least:
        raise click.UsageError(f"--max-bytes must be at least {least}, the bytes of the header.")

    from ..options import DecodeOptions
    from ..pictures import images
    from ..progressive import is_animation
    from .decoding import Decoding

    if progressive and kind and is_animation(progressive):
        raise click.UsageError("--format is for pictures: the suffix of its name chooses the format of an animation.")

    try:
        new_suffix = images.picture_format(None if progressive or files.output == STDIO else files.output, kind)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    options = DecodeOptions(container=container, size=size, device=device, **given)
    decoding = Decoding(report, options, suffix=new_suffix, max_bytes=max_bytes, base64=base64)
    if progressive:
        _check_device(device)
        decoding.write_stages(files.inputs[0], progressive, files)
        return
    jobs = plan(files, report, suffixes=[suffix], new_suffix=new_suffix)
    _check_device(device)
    run(jobs, files, report, decoding.work, is_whole_picture)
