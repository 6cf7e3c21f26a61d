"""Options that several commands share; no torch."""

from __future__ import annotations

import re

import click

from ..container.bare import BASE64_SUFFIX
from ..container.header import MAX_TOKENS, PITCHES
from ..pictures.limits import DEFAULT_MAX_PIXELS, DEFAULT_MAX_TILES, MAX_SIDE
from .bundles import bundled
from .console import PATH, STDIO
from .jobs import TOK_SUFFIX, Files

tokens_type = click.IntRange(1, MAX_TOKENS)
force_option = click.option("-f", "--force", is_flag=True, help="Overwrite existing files; write data to a terminal.")
output_option = click.option("-o", "--output", metavar="PATH", type=PATH, help="Path of the result. - is stdout.")
model_option = click.option("--model", metavar="NAME", help="Name or folder of a model; see `tokcodec models list`.")
base64_option = click.option("--base64", is_flag=True, help="With --bare: files are base64 text, photo.b64.")
device_option = click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True, help="Where to compute."
)
max_pixels_option = click.option(
    "--max-pixels",
    type=click.IntRange(1),
    default=DEFAULT_MAX_PIXELS,
    metavar="N",
    help="Refuse pictures of more pixels. Default: 89 million.",
)
background_option = click.option(
    "--background",
    metavar="COLOUR",
    default="white",
    show_default=True,
    help="Colour behind transparent pixels: a name of CSS, or #rrggbb.",
)
max_tiles_option = click.option(
    "--max-tiles",
    type=click.IntRange(1),
    default=DEFAULT_MAX_TILES,
    show_default=True,
    metavar="N",
    help="Refuse files of more tiles.",
)
LOOKS = "perceptual", "fidelity"
"""The looks of our own models."""


def _look(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Check the look. Any word is valid if another package provides models: their looks are known once loaded."""
    if value is not None and value not in LOOKS:
        from ..tokenizers.families import others_installed
        from ..tokenizers.published import LOOKS_OF_FLUX2

        if value not in LOOKS_OF_FLUX2 and (not value or not others_installed()):
            raise click.BadParameter(f"{value!r} is not one of {', '.join(map(repr, LOOKS))}.")
    return value


def _complete_look(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    return [look for look in LOOKS if look.startswith(incomplete)]


look_option = click.option(
    "--look",
    metavar=f"[{'|'.join(LOOKS)}]",
    callback=_look,
    shell_complete=_complete_look,
    help="perceptual: most natural. fidelity: least squared error. Default: the model's first. Third-party models may "
    "offer others.",
)
decode_format_option = click.option(
    "--format",
    "kind",
    metavar="FORMAT",
    help="png, webp, tiff, ppm, bmp or jpg. Default: the suffix of PATH, otherwise png.",
)
dtype_option = click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16"]),
    default="float32",
    show_default=True,
    help="Precision of the decoder network.",
)


def _pitch(ctx: click.Context, param: click.Parameter, value: str | None) -> int | str | None:
    return int(value) if value and value != "fit" else value


pitch_option = click.option(
    "--pitch",
    type=click.Choice([str(pitch) if pitch else "fit" for pitch in PITCHES]),
    callback=_pitch,
    metavar="PIXELS",
    help="Source pixels from tile to tile, 16 to 2048: fewer give more detail. fit: one tile. Default: 256.",
)


def container_of(bare: bool, base64: bool) -> tuple[str, str]:
    """Container and suffix of the files that hold tokens. Raises click.UsageError for base64 without bare."""
    if base64 and not bare:
        raise click.UsageError("--base64 needs --bare.")
    return "bare" if bare else "tok", BASE64_SUFFIX if base64 else TOK_SUFFIX


_file_options = (
    click.argument("inputs", metavar="INPUT...", nargs=-1, required=True, type=PATH),
    output_option,
    click.option("-r", "--recursive", is_flag=True, help="Search folders for files."),
    click.option("--follow-links", is_flag=True, help="With -r: search linked folders too, each once."),
    click.option("--output-dir", metavar="DIR", type=PATH, help="Write results to DIR, in the sub-folders of inputs."),
    force_option,
)
files_options = bundled(
    "files",
    Files,
    *_file_options,
    click.option("--keep-suffix", is_flag=True, help="Name results photo.jpg.tok instead of photo.tok."),
)


def _stages_or_files(
    inputs: tuple[str, ...],
    output: str | None,
    output_dir: str | None,
    recursive: bool,
    force: bool,
    follow_links: bool,
    progressive: str | None,
) -> Files:
    if progressive is None:
        return Files(inputs, output, output_dir, recursive, force, follow_links)
    if progressive in ("", STDIO) or output or output_dir or recursive or len(inputs) > 1:
        raise click.UsageError("--progressive needs one input and a path for its result, without other output options.")
    return Files(inputs, progressive, force=force)


stages_or_files_options = bundled(
    "files",
    _stages_or_files,
    click.option(
        "--progressive",
        metavar="PATH",
        type=PATH,
        help="Write the pictures of 1, 2, 4, ... tokens: an animation for PATH.gif, .webp or .png, otherwise a folder "
        "of pictures.",
    ),
    *_file_options,
)
"""The places of pictures: the files of `files_options`, or the result of --progressive."""


def parse_dimensions(text: str) -> tuple[int, int]:
    """Width and height in pixels, from a text such as 640x480. Raises click.BadParameter for another text."""
    match = re.fullmatch(r"([0-9]{1,5})[xX]([0-9]{1,5})", text)
    size = (int(match[1]), int(match[2])) if match else (0, 0)
    if not all(1 <= side <= MAX_SIDE for side in size):
        raise click.BadParameter(f"{text!r} is not a size such as 640x480, with sides of 1 to {MAX_SIDE} pixels.")
    return size


def bpp_text(value: float) -> str:
    """Bits per pixel, with 4 digits and the unit."""
    return f"{value:.4g} bits per pixel"
