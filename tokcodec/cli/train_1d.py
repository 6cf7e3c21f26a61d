"""The stage `tokcodec train 1d`: options to sizes and settings. torch is imported when training begins."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ..models.manifest import MAX_RADIX
from ..pictures.limits import TILE_SIDES
from ..training.vit1d.settings import PRESETS, TAIL_DROPS, Training1d
from .bundles import several
from .console import Report, report_options
from .options import device_option
from .stages import AT_LEAST_1, begin, features_option, lpips_option, out_option, stage_options

DEFAULTS = Training1d()
WEIGHT = click.FloatRange(0)


def _levels(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    if value is None:
        return None
    try:
        levels = tuple(map(int, value.split(",")))
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not a list of numbers such as 8,8,8,5.") from error
    if min(levels) < 2 or math.prod(levels) > MAX_RADIX:
        raise click.BadParameter(f"each number must be at least 2, and their product at most {MAX_RADIX}.")
    return levels


size_options = several(
    click.option(
        "--preset",
        type=click.Choice(list(PRESETS)),
        default=next(iter(PRESETS)),
        show_default=True,
        help="Sizes: tiny for a CPU, small and base for GPUs. The following options change single ones.",
    ),
    click.option("--tile", type=click.Choice(list(map(str, TILE_SIDES))), help="Samples along a tile's side."),
    click.option("--patch", type=click.IntRange(2), help="Side of a patch in samples, even, a divisor of the tile's."),
    click.option("--tokens", type=click.IntRange(1, 256), help="Tokens of a tile."),
    click.option("--codebook", type=click.IntRange(2, MAX_RADIX), help="Number of codes of a codebook."),
    click.option(
        "--fsq", metavar="N,...", callback=_levels, help="Finite scalars with these levels instead of a codebook."
    ),
)
"""Options that change the sizes of the tokenizer."""

loss_options = several(
    click.option(
        "--squared", type=WEIGHT, default=DEFAULTS.squared, show_default=True, help="Weight of the squared error."
    ),
    click.option("--lpips", type=WEIGHT, default=DEFAULTS.lpips, show_default=True, help="Weight of LPIPS."),
    lpips_option,
    click.option(
        "--feature", type=WEIGHT, default=DEFAULTS.feature, show_default=True, help="Weight of classifiers' features."
    ),
    features_option,
    click.option(
        "--adversary", type=WEIGHT, default=DEFAULTS.adversary, show_default=True, help="Weight of a discriminator."
    ),
    click.option(
        "--adversary-from",
        type=click.IntRange(0),
        default=DEFAULTS.adversary_from,
        show_default=True,
        help="Step at which the discriminator starts.",
    ),
)
"""Options of the losses."""

tail_options = several(
    click.option(
        "--tail-drop",
        type=click.Choice(TAIL_DROPS),
        default=DEFAULTS.tail_drop,
        show_default=True,
        help="Tokens that a tile is drawn from: 1 to all, powers of two, or always all. Every fourth tile has all.",
    ),
    click.option(
        "--padding",
        type=click.IntRange(0, 256),
        default=DEFAULTS.padding,
        show_default=True,
        help="Redundant tokens behind the others in training, with which late tokens take part more often.",
    ),
    click.option(
        "--semantic",
        type=WEIGHT,
        default=DEFAULTS.semantic,
        show_default=True,
        help="Weight of a classifier's features for the decoder, fading towards all tokens.",
    ),
)
"""Options of Tail Token Drop."""

run_options = several(
    click.option("--steps", type=AT_LEAST_1, default=DEFAULTS.steps, show_default=True, help="Steps in all."),
    click.option(
        "--batch", type=AT_LEAST_1, default=DEFAULTS.batch, show_default=True, help="Tiles per step and process."
    ),
    click.option(
        "--rate",
        type=click.FloatRange(0, min_open=True),
        default=DEFAULTS.rate,
        show_default=True,
        help="Largest learning rate.",
    ),
    click.option(
        "--precision",
        type=click.Choice(("auto", "float32", "bfloat16")),
        default=DEFAULTS.precision,
        show_default=True,
        help="Precision of the transformers; auto is bfloat16 on CUDA.",
    ),
    click.option("--compile/--no-compile", "compiled", default=None, help="torch.compile; by default on CUDA."),
)
"""Options of the optimiser and its arithmetic."""


@click.command("1d")
@stage_options
@out_option
@size_options
@tail_options
@loss_options
@run_options
@click.option(
    "--licence", default="not stated", show_default=True, help="Licence of the weights, for the model's manifest."
)
@device_option
@report_options
def train_1d(
    sources: tuple[Path, ...],
    valid: tuple[Path, ...],
    out: Path,
    preset: str,
    tile: str | None,
    patch: int | None,
    tokens: int | None,
    codebook: int | None,
    fsq: tuple[int, ...] | None,
    lpips_weights: Path | None,
    features: tuple[str, ...] | None,
    licence: str,
    device: str,
    report: Report,
    **settings: Any,
) -> None:
    """Train a 1D transformer tokenizer with Tail Token Drop.

    PHOTOS are folders, tar archives or Parquet files. torchrun trains in several processes:

      torchrun --nproc-per-node 8 -m tokcodec train 1d PHOTOS --out MODEL
    """
    side = None if tile is None else int(tile)
    given: dict[str, Any] = {"tile": side, "patch": patch, "n_tokens": tokens, "codebook": codebook, "levels": fsq}
    if codebook is not None and fsq is None:
        given["levels"] = ()  # also where the preset has some
    size = replace(PRESETS[preset], **{name: value for name, value in given.items() if value is not None})
    if size.patch % 2 or size.tile % size.patch:
        raise click.UsageError(f"--patch {size.patch} is not an even divisor of a tile's side, {size.tile}.")
    if (settings["feature"] or settings["semantic"]) and not features:
        raise click.UsageError("--feature and --semantic need the names of classifiers: --features.")
    if settings["padding"] and settings["tail_drop"] != "uniform":
        raise click.UsageError("--padding needs --tail-drop uniform.")
    training = Training1d(classifiers=features or (), **settings)
    with report.guard():
        begin(report, out)
        from ..ratecontrol.lpips import LPIPS, WeightsMissingError
        from ..training.vit1d import finish, ranks, run

        with ranks.joined(device) as here:
            if not here.first:
                logging.disable(logging.WARNING)
            try:
                lpips = LPIPS("squeeze", lpips_weights).to(here.device)
            except WeightsMissingError:
                if training.lpips or lpips_weights is not None:
                    raise
                lpips = None  # the figures are without it
            work = run.Run1d(sources, valid, out, size, training, here, lpips)
            work.train()
            finish.write_result(work, licence)
