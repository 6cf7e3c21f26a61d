"""The training commands: `tokcodec train ...`, or `python -m tokcodec.training ...` from a bare checkout."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from .cascade import CascadeTraining

CASCADE = CascadeTraining()
EXISTING = click.Path(exists=True, path_type=Path)


class CascadeByDefault(click.Group):
    """`train PHOTOS --out MODEL` is `train cascade PHOTOS --out MODEL`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, *ctx.help_option_names}:
            args = ["cascade", *args]
        return super().parse_args(ctx, args)


@click.group("train", cls=CascadeByDefault)
def main() -> None:
    """Train a tokenizer (`train PHOTOS --out MODEL`), then its perceptual look, on your own pictures.

    The state of a run lies in the folder MODEL.training: the same command continues after a kill, or with more --steps.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Turn what a file or an argument can cause into one line and exit status 1."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error


def shared_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What both stages read."""
    command = click.option("--seed", default=0, show_default=True)(command)
    command = click.option(
        "--valid",
        multiple=True,
        type=EXISTING,
        help="Pictures for the figures in the log; never trained on. Repeatable.",
    )(command)
    return click.argument("sources", nargs=-1, required=True, type=EXISTING)(command)


@main.command()
@shared_options
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder of the model; its name is the model's."
)
@click.option(
    "--steps", default=CASCADE.steps, show_default=True, type=click.IntRange(0), help="In all, with those done before."
)
@click.option(
    "--crops",
    default=CASCADE.crops,
    show_default=True,
    type=click.IntRange(1),
    help="Crops a step; each also mirrored.",
)
@click.option(
    "--init-crops",
    default=CASCADE.init_crops,
    show_default=True,
    type=click.IntRange(1),
    help="For the first codebooks.",
)
@click.option(
    "--init-iterations", default=CASCADE.init_iterations, show_default=True, type=click.IntRange(1), help="Of k-means."
)
@click.option("--licence", default="not stated", show_default=True, help="Licence of the weights, for the manifest.")
def cascade(
    sources: tuple[Path, ...],
    valid: tuple[Path, ...],
    seed: int,
    out: Path,
    steps: int,
    crops: int,
    init_crops: int,
    init_iterations: int,
    licence: str,
) -> None:
    """Train the tokenizer on the pictures in SOURCES (folders or tar archives) and write the model."""
    from ..tokenizers.cascade import CascadeConfig
    from .run import Run

    training = CascadeTraining(steps, crops, init_crops, init_iterations, seed=seed)
    with errors_in_one_line():
        run = Run(sources, valid, out, training, CascadeConfig())
        run.train()
        run.finish(licence)


@main.command()
@shared_options
@click.option(
    "--model",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of a finished model.",
)
@click.option(
    "--lpips-weights", type=EXISTING, help="LPIPS (SqueezeNet) weights [default: $TOKCODEC_LPIPS, torch's hub cache]."
)
@click.option(
    "--steps", default=1700, show_default=True, type=click.IntRange(1), help="The learning rate falls to the end."
)
@click.option("--batch", default=8, show_default=True, type=click.IntRange(1))
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
def look(
    sources: tuple[Path, ...],
    valid: tuple[Path, ...],
    seed: int,
    model: Path,
    lpips_weights: Path | None,
    steps: int,
    batch: int,
    device: str,
) -> None:
    """Train the perceptual look of a model and put it into its folder."""
    from ..lpips import LPIPS
    from ..modelfile import read_model
    from ..tokenizers import load_tokenizer
    from ..tokenizers.cascade import CascadeTokenizer
    from .data import load_pictures
    from .look import LookRun, LookTraining, install_look
    from .run import load_validation

    with errors_in_one_line():
        tokenizer = load_tokenizer(read_model(model), device)
        if not isinstance(tokenizer, CascadeTokenizer):
            raise ValueError(f"{model}: only our own models have looks to train")
        held_out, seen = load_validation(valid)
        training = LookTraining(steps=steps, batch=batch, seed=seed)
        lpips = LPIPS("squeeze", lpips_weights).to(tokenizer.device)
        folder = model.with_name(model.name + ".training")
        run = LookRun(tokenizer, load_pictures(sources, seen), held_out, folder, training, lpips)
        run.train()
        install_look(model, run.shipped())


if __name__ == "__main__":
    main()
