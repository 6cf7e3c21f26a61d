"""Options of `tokcodec encode` that ask for a size or a quality, and where it matters."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import click

from .console import PATH

UNITS = {"": 1, "k": 1000, "ki": 1024}


def parse_size(text: str) -> int:
    """A number of bytes: 120, 1.5k (1000 bytes each) or 2ki (1024 bytes each)."""
    match = re.fullmatch(r"([0-9]{1,12})(?:\.([0-9]{1,6}))?(k|ki|)b?", text.lower())
    if not match:
        raise click.BadParameter(f"{text!r} is not a size such as 120, 1.5k (k = 1000) or 2ki (ki = 1024).")
    whole, decimals, unit = match.groups("")
    return int(int(whole + decimals) * UNITS[unit] // 10 ** len(decimals))


def number(wanted: str) -> Callable[[str], float]:
    """A parser of numbers; `wanted` says which ones, where the text is none."""

    def parse(text: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise click.BadParameter(f"{text!r} is not {wanted}.") from None

    return parse


focus_option = click.option(
    "--focus",
    metavar="X,Y,W,H[:WEIGHT]",
    multiple=True,
    help="With a target or --adaptive: error counts 4, or WEIGHT, times there; in pixels, or per cent as 25%.",
)
focus_map_option = click.option(
    "--focus-map",
    metavar="MASK",
    type=PATH,
    help="A picture laid over the other: black and transparent count once, white 4 times.",
)


def target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options, handed to the command as one dict `targets` of arguments of `codec.encode`."""

    @functools.wraps(command)
    def collect(
        target_size: int | None,
        target_bpp: float | None,
        target_psnr: float | None,
        target_lpips: float | None,
        adaptive: bool,
        **options: Any,
    ) -> Any:
        targets = {
            "target_size": target_size,
            "target_bpp": target_bpp,
            "target_psnr": target_psnr,
            "target_lpips": target_lpips,
            "adaptive": adaptive,
        }
        return command(targets=targets, **options)

    for decorate in (
        click.option("--adaptive", is_flag=True, help="As many bytes as --tokens takes, spent where detail is."),
        click.option(
            "--target-lpips",
            type=number("an LPIPS, a number above 0 and at most 1"),
            metavar="VALUE",
            help="The smallest file whose default look has an LPIPS of at most VALUE.",
        ),
        click.option(
            "--target-psnr",
            type=number("a number of dB, above 0 and at most 100"),
            metavar="DB",
            help="The smallest file whose fidelity look has a PSNR of at least DB.",
        ),
        click.option(
            "--target-bpp",
            type=number("a number of bits per pixel, above 0"),
            metavar="BPP",
            help="The best file of at most so many bits per pixel.",
        ),
        click.option(
            "--target-size",
            type=parse_size,
            metavar="SIZE",
            help="The best file of at most 120, 1.5k (k = 1000) or 2ki (ki = 1024) bytes.",
        ),
    ):
        collect = decorate(collect)
    return collect
