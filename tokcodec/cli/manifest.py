"""`tokcodec encode --manifest`: one JSON file with the previews of many pictures, for web pages."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from ..container.bare import data_url
from ..errors import OutputError
from .console import PATH, STDIO, Bar, Report
from .jobs import Files

if TYPE_CHECKING:
    from PIL.Image import Image

TOKENS = 16
"""Tokens of a preview by default, about 26 bytes: what fits into the HTML of a page."""

manifest_option = click.option(
    "--manifest",
    metavar="PATH",
    type=PATH,
    help=f"Write previews for web pages into one JSON file instead: width, height, data URL of --bare, average colour. "
    f"Default: {TOKENS} tokens.",
)


def check_manifest(path: str, files: Files, base64: bool) -> None:
    """Raise click.UsageError if other options name the place or the form of results."""
    if path == STDIO or STDIO in files.inputs:
        raise click.UsageError("--manifest needs files as inputs, and a path.")
    if base64 or files.output is not None or files.output_dir is not None or files.keep_suffix:
        raise click.UsageError("--manifest writes one file: leave out --base64 and the other output options.")


def preview(picture: Image, data: bytes, model: str) -> dict[str, Any]:
    """What a page needs of a picture: attributes of its `img`, and the colour to show before the preview.

    Args:
        picture: the RGB picture.
        data: its bare file.
        model: name of the model.
    """
    from PIL.ImageStat import Stat

    red, green, blue = (round(mean) for mean in Stat(picture).mean)
    colour = f"#{red:02x}{green:02x}{blue:02x}"
    return {"width": picture.width, "height": picture.height, "previewsrc": data_url(data, model), "colour": colour}


def write_manifest(
    path: str,
    found: Iterable[tuple[str, str]],
    report: Report,
    work: Callable[[str], dict[str, Any]],
    *,
    force: bool,
) -> None:
    """Write a JSON object of previews by the name of the picture.

    A picture that cannot be read is reported and left out. Nothing is written if there is none.

    Args:
        path: path of the JSON file.
        found: paths of pictures, and their paths relative to the named folder, which become their names.
        report: prints the errors.
        work: makes the preview of a path.
        force: replace an existing file.
    """
    from ..pictures.files import check_output, write_atomic

    started = time.perf_counter()
    named: dict[str, str] = {}
    for source, relative in found:
        name = relative.replace(os.sep, "/")
        other = named.setdefault(name, source)
        if other != source and os.path.realpath(other) != os.path.realpath(source):
            report.error(source, f"skipped: {name} is already the name of {other}")
    made = {}
    with report.guard(path, path):
        if os.path.realpath(path) in map(os.path.realpath, named.values()):
            raise OutputError("is one of the pictures, which are never overwritten")
        check_output(path, force=force)
        with Bar(len(named), report) as bar:
            for name, source in named.items():
                with report.guard(source):
                    made[name] = work(source)
                bar.next()
        if made:
            write_atomic(path, json.dumps(made, indent=1).encode() + b"\n", force=force)
            report.done = len(made)
            report.say(f"{len(made)} previews -> {path}")
    report.sum_up(time.perf_counter() - started)
