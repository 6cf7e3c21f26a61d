"""Options of `tokcodec encode` for a target size or quality, and for regions that matter more."""

from __future__ import annotations

import re

import click

from .bundles import several
from .console import PATH

UNITS = {"": 1, "k": 1000, "ki": 1024}
TARGETS = "target_size", "target_bpp", "target_psnr", "target_lpips"
"""Names of the options that choose the number of tokens."""


def parse_size(text: str) -> int:
    """A number of bytes, from 120, 1.5k (k = 1000) or 2ki (ki = 1024). Raises click.BadParameter for another text."""
    match = re.fullmatch(r"([0-9]{1,12})(?:\.([0-9]{1,6}))?(k|ki|)b?", text.lower())
    if not match:
        raise click.BadParameter(f"{text!r} is not a size such as 120, 1.5k (k = 1000) or 2ki (ki = 1024).")
    whole, decimals, unit = match.groups("")
    return int(int(whole + decimals) * UNITS[unit] // 10 ** len(decimals))


effort_option = click.option(
    "--effort",
    type=click.IntRange(0, 9),
    default=0,
    show_default=True,
    metavar="0..9",
    help="Above 0, search for tokens by the picture that they draw: better and slower. Needs PyTorch.",
)
tune_option = click.option(
    "--tune",
    type=click.Choice(["perceptual", "fidelity", "light"]),
    help="With --effort, --target-size or --target-bpp: for the perceptual look (default), the least squared error, or "
    "the look of web pages.",
)
focus_option = click.option(
    "--focus",
    metavar="X,Y,W,H[:WEIGHT]",
    multiple=True,
    help="Region to favour, in pixels or percent (25%); needs a target or --adaptive. WEIGHT: 4 by default. "
    "Repeatable.",
)
focus_map_option = click.option(
    "--focus-map",
    metavar="MASK",
    type=PATH,
    help="Grey picture of weights, stretched to fit: black and transparent 1, white 4.",
)


target_options = several(
    click.option(
        "--target-size",
        type=parse_size,
        metavar="SIZE",
        help="Make the best file of at most SIZE bytes: 120, 1.5k (k = 1000), 2ki (ki = 1024).",
    ),
    click.option(
        "--target-bpp",
        type=click.FloatRange(0, min_open=True),
        metavar="BPP",
        help="Make the best file of at most BPP bits per pixel.",
    ),
    click.option(
        "--target-psnr",
        type=click.FloatRange(0, 100, min_open=True),
        metavar="DB",
        help="Make the smallest file whose fidelity look has a PSNR of at least DB.",
    ),
    click.option(
        "--target-lpips",
        type=click.FloatRange(0, 1, min_open=True),
        metavar="VALUE",
        help="Make the smallest file whose default look has an LPIPS of at most VALUE.",
    ),
    click.option("--adaptive", is_flag=True, help="Same size as with --tokens, but more tokens for detailed tiles."),
)
