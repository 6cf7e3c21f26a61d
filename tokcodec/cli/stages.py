"""The stages of `tokcodec train`, which turn options into settings. torch is imported when training begins.

Dataclasses of settings take time to make, so `train` imports this module only for a stage.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from pathlib import Path

import click

from ..models.manifest import NAME
from ..training.settings import NETWORKS, SIZES, TRAININGS, CascadeTraining, DistanceTraining
from .bundles import several
from .console import Report, report_options
from .options import device_option

EXISTING = click.Path(exists=True, readable=False, path_type=Path)
CASCADE = CascadeTraining()
AT_LEAST_1 = click.IntRange(1)

stage_options = several(
    click.argument("sources", metavar="PHOTOS...", nargs=-1, required=True, type=EXISTING),
    click.option(
        "--valid",
        multiple=True,
        type=EXISTING,
        metavar="PHOTOS",
        help="Pictures for the figures in the log, never trained on. Repeatable.",
    ),
    click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random."),
)
"""Arguments of every stage. PHOTOS are folders or tar archives."""


def _out(ctx: click.Context, param: click.Parameter, value: Path) -> Path:
    if not NAME.fullmatch(value.name):
        raise click.BadParameter(
            f"the last part of the path is the model's name: letters, digits, '.', '_' and '-', at most 64, "
            f"not {value.name!r}."
        )
    return value


out_option = click.option(
    "--out",
    required=True,
    callback=_out,
    type=click.Path(path_type=Path),
    metavar="MODEL",
    help="Folder of the model; its name is the model's name.",
)


def begin(report: Report, out: Path | None = None) -> None:
    """Check before any work that torch is installed and that a model can be written to `out`, and show the log."""
    from ..models.modelfile import check_place
    from ..tokenizers import need_torch

    need_torch("training")
    if out is not None:
        check_place(out, overwrite=True)
    level = logging.ERROR if report.quiet else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(message)s", stream=sys.stderr)


@click.command("cascade")
@stage_options
@out_option
@click.option("--steps", type=click.IntRange(0), default=CASCADE.steps, show_default=True, help="Steps for each scale.")
@click.option(
    "--crops", type=AT_LEAST_1, default=CASCADE.crops, show_default=True, help="Crops per step, each also mirrored."
)
@click.option(
    "--init-crops",
    type=AT_LEAST_1,
    default=CASCADE.init_crops,
    show_default=True,
    help="Crops for the first codebooks.",
)
@click.option(
    "--init-iterations",
    type=AT_LEAST_1,
    default=CASCADE.init_iterations,
    show_default=True,
    help="Iterations of k-means for the first codebooks.",
)
@click.option(
    "--licence", default="not stated", show_default=True, help="Licence of the weights, for the model's manifest."
)
@report_options
def train_cascade(
    sources: tuple[Path, ...],
    valid: tuple[Path, ...],
    seed: int,
    out: Path,
    steps: int,
    crops: int,
    init_crops: int,
    init_iterations: int,
    licence: str,
    report: Report,
) -> None:
    """Train the tokenizer and write the model (the default stage).

    PHOTOS are folders or tar archives.
    """
    with report.guard():
        begin(report, out)
        from ..tokenizers.cascade import CascadeConfig
        from ..training.cascade_run import CascadeRun

        training = CascadeTraining(steps, crops, init_crops, init_iterations, seed=seed)
        run = CascadeRun(sources, valid, out, training, CascadeConfig())
        run.train()
        run.finish(licence)


def _features(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    names = tuple(value.split(","))
    for name in names:
        if name not in NETWORKS:
            raise click.BadParameter(f"{name!r} is not {' or '.join(NETWORKS)}.")
    return names


features_option = click.option(
    "--features",
    metavar="NAME,...",
    callback=_features,
    help=f"Classifiers whose features are compared, in turn: {' and '.join(NETWORKS)}.",
)
lpips_option = click.option(
    "--lpips-weights",
    type=EXISTING,
    metavar="FILE",
    help="SqueezeNet's weights of LPIPS, by default from $TOKCODEC_LPIPS or torch's hub cache.",
)


@click.command("look")
@stage_options
@click.option("--model", required=True, type=EXISTING, metavar="MODEL", help="Folder of a finished model.")
@click.option(
    "--look",
    type=click.Choice(list(TRAININGS)),
    default=next(iter(TRAININGS)),
    show_default=True,
    help="It starts as the model has it, else as another look.",
)
@click.option(
    "--features",
    metavar="NAME,...",
    callback=_features,
    help=f"Classifiers whose features the look is trained on, in turn: {' and '.join(NETWORKS)}, by default both.",
)
@click.option(
    "--lpips-weights",
    type=EXISTING,
    metavar="FILE",
    help="SqueezeNet's weights of LPIPS, by default from $TOKCODEC_LPIPS or torch's hub cache; not for fidelity.",
)
@click.option(
    "--steps",
    type=AT_LEAST_1,
    help="Steps in all; the learning rate falls until the last. By default "
    + ", ".join(f"{training.steps} for {name}" for name, training in TRAININGS.items())
    + ".",
)
@click.option(
    "--size", type=click.Choice(SIZES), help="Network size; by default that of the existing network, or the look's own."
)
@click.option(
    "--batch",
    type=AT_LEAST_1,
    help="Crops per step. By default "
    + ", ".join(f"{training.batch} for {name}" for name, training in TRAININGS.items())
    + ".",
)
@device_option
@report_options
def train_look(
    sources: tuple[Path, ...],
    valid: tuple[Path, ...],
    seed: int,
    model: Path,
    look: str,
    features: tuple[str, ...] | None,
    lpips_weights: Path | None,
    steps: int | None,
    size: str | None,
    batch: int | None,
    device: str,
    report: Report,
) -> None:
    """Train a look of a model and put it into the model's folder.

    PHOTOS are folders or tar archives.
    """
    if features and not TRAININGS[look].features:
        raise click.UsageError(f"--features is not for the look {look!r}: it is squared error alone.")
    options = {"steps": steps, "size": size, "batch": batch, "features": features}
    given = {name: value for name, value in options.items() if value is not None}
    training = replace(TRAININGS[look], seed=seed, **given)  # type: ignore[arg-type]
    with report.guard():
        begin(report)
        from ..training import look_run

        look_run.train_look(model, sources, valid, training, device, lpips_weights)


@click.command("distance")
@stage_options
@click.option("--model", required=True, type=EXISTING, metavar="MODEL", help="Folder of a finished model.")
@lpips_option
@click.option(
    "--steps",
    type=AT_LEAST_1,
    default=DistanceTraining().steps,
    show_default=True,
    help="Steps in all; the learning rate falls until the last.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="FILE", help="The weights, safetensors.")
@report_options
def train_distance(
    sources: tuple[Path, ...],
    valid: tuple[Path, ...],
    seed: int,
    model: Path,
    lpips_weights: Path | None,
    steps: int,
    out: Path,
    report: Report,
) -> None:
    """Train the network by which `encode --effort` judges pictures.

    PHOTOS are folders or tar archives.
    """
    with report.guard():
        begin(report)
        from ..training import distance

        training = DistanceTraining(steps=steps, seed=seed)
        distance.train_distance(model, sources, valid, training, lpips_weights, out)
