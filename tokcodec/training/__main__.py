"""The training commands: `tokcodec train ...`, or `python -m tokcodec.training ...` from a bare checkout.

argparse, unlike the other commands: training starts with torch, numpy, pillow and safetensors alone.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from ..tokenizers.networks import SIZES
from .cascade import CascadeTraining
from .distance import DistanceTraining
from .features import NETWORKS
from .look import TRAININGS

CASCADE = CascadeTraining()
DISTANCE_STEPS = DistanceTraining().steps
STAGES = ("cascade", "look", "distance")
DESCRIPTION = """Train a tokenizer (train PHOTOS --out MODEL), then its looks, on your own pictures.
The state of a run lies in the folder MODEL.training: the same command continues after a kill, or with more --steps."""


def existing(text: str) -> Path:
    """A path that exists."""
    path = Path(text)
    if not path.exists():
        raise argparse.ArgumentTypeError(f"{text} does not exist")
    return path


def at_least(least: int) -> type[int]:
    """An integer of at least so much."""

    def integer(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} is not at least {least}")
        return value

    return integer  # type: ignore[return-value]


def names(text: str) -> tuple[str, ...]:
    """Names with commas between them, each of NETWORKS."""
    found = tuple(text.split(","))
    for name in found:
        if name not in NETWORKS:
            raise argparse.ArgumentTypeError(f"{name!r} is not {' or '.join(NETWORKS)}")
    return found


def make_parser(program: str) -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(program, description=DESCRIPTION)
    stages = parser.add_subparsers(dest="stage", required=True, metavar="{cascade,look,distance}")

    def stage(name: str, text: str) -> argparse.ArgumentParser:
        made = stages.add_parser(
            name, help=text, description=text, formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )
        made.add_argument("sources", nargs="+", type=existing, metavar="PHOTOS", help="folders or tar archives")
        made.add_argument(
            "--valid",
            action="append",
            default=[],
            type=existing,
            metavar="PHOTOS",
            help="pictures for the figures in the log, never trained on; repeatable",
        )
        made.add_argument("--seed", type=int, default=0, help="of everything random")
        return made

    cascade = stage("cascade", "Train the tokenizer and write the model (the default stage).")
    cascade.add_argument(
        "--out", required=True, type=Path, metavar="MODEL", help="folder of the model; its name is the model's"
    )
    cascade.add_argument("--steps", type=at_least(0), default=CASCADE.steps, help="for each scale, in all")
    cascade.add_argument("--crops", type=at_least(1), default=CASCADE.crops, help="a step; each also mirrored")
    cascade.add_argument("--init-crops", type=at_least(1), default=CASCADE.init_crops, help="for the first codebooks")
    cascade.add_argument("--init-iterations", type=at_least(1), default=CASCADE.init_iterations, help="of k-means")
    cascade.add_argument("--licence", default="not stated", help="of the weights, for the manifest")

    look = stage("look", "Train a look of a model and put it into its folder.")
    look.add_argument("--model", required=True, type=existing, metavar="MODEL", help="folder of a finished model")
    look.add_argument(
        "--look",
        choices=list(TRAININGS),
        default=next(iter(TRAININGS)),
        help="starts as the model has it, else as another look",
    )
    look.add_argument(
        "--features",
        type=names,
        metavar="NAME,...",
        help="classifiers whose features the perceptual look is trained on, in turn: " + " and ".join(NETWORKS),
    )
    look.add_argument(
        "--lpips-weights",
        type=existing,
        metavar="FILE",
        help="SqueezeNet's, for the perceptual look; else $TOKCODEC_LPIPS or torch's hub cache",
    )
    steps = ", ".join(f"{defaults.steps} for {name}" for name, defaults in TRAININGS.items())
    look.add_argument("--steps", type=at_least(1), help=f"the learning rate falls to the end ({steps})")
    look.add_argument("--size", choices=list(SIZES), help="of the network, if not as it is or as is usual for the look")
    look.add_argument("--batch", type=at_least(1), help="crops a step")
    look.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"], help="where to compute")

    distance = stage("distance", "Train the network by which `encode --effort` judges pictures.")
    distance.add_argument("--model", required=True, type=existing, metavar="MODEL", help="folder of a finished model")
    distance.add_argument(
        "--lpips-weights",
        type=existing,
        metavar="FILE",
        help="SqueezeNet's; else $TOKCODEC_LPIPS or torch's hub cache",
    )
    distance.add_argument("--steps", type=at_least(1), default=DISTANCE_STEPS, help="the rate falls to the end")
    distance.add_argument("--out", required=True, type=Path, metavar="FILE", help="the weights, as safetensors")
    return parser


def train_distance(options: argparse.Namespace) -> None:
    """Train the network that judges pictures and write its weights."""
    import torch

    from ..models.modelfile import read_model
    from ..ratecontrol.lpips import LPIPS
    from ..tokenizers.cascade import load
    from .data import load_pictures
    from .distance import DistanceRun, DistanceTraining, write_distance
    from .run import load_validation

    model = read_model(options.model)
    model.verify()
    tokenizer = load(model, torch.device("cpu"), torch.float32)
    _, seen = load_validation(options.valid)
    pictures = load_pictures(options.sources, seen)
    training = DistanceTraining(steps=options.steps, seed=options.seed)
    lpips = LPIPS("squeeze", options.lpips_weights)
    folder = options.out.with_name(options.out.name + ".training")
    write_distance(DistanceRun(tokenizer, pictures, lpips, folder, training).train(), options.out)


def train_cascade(options: argparse.Namespace) -> None:
    """Train the tokenizer and write the model."""
    from ..tokenizers.cascade import CascadeConfig
    from .run import Run

    training = CascadeTraining(
        options.steps, options.crops, options.init_crops, options.init_iterations, seed=options.seed
    )
    run = Run(options.sources, options.valid, options.out, training, CascadeConfig())
    run.train()
    run.finish(options.licence)


def train_look(options: argparse.Namespace) -> None:
    """Train a look of a model and put it into its folder."""
    from dataclasses import replace

    import torch

    from ..models.modelfile import read_model
    from ..ratecontrol.lpips import LPIPS
    from ..tokenizers import check_device
    from ..tokenizers.cascade import load
    from .data import load_pictures
    from .look import LookRun, install_look
    from .run import load_validation

    given = {"steps": options.steps, "batch": options.batch, "features": options.features, "seed": options.seed}
    training = replace(TRAININGS[options.look], **{name: value for name, value in given.items() if value is not None})
    if options.size:
        training = replace(training, size=SIZES[options.size])
    if options.features and not TRAININGS[options.look].features:
        raise ValueError(f"--features is not for the look {options.look!r}: it is squared error alone")
    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    check_device(device)
    model = read_model(options.model)
    model.verify()
    if model.family != "cascade":
        raise ValueError(f"{options.model}: only our own models have looks to train")
    tokenizer = load(model, torch.device(device), torch.float32)
    lpips = LPIPS("squeeze", options.lpips_weights).to(tokenizer.device) if training.features else None
    held_out, seen = load_validation(options.valid)
    folder = options.model.with_name(options.model.name + ".training")
    run = LookRun(tokenizer, load_pictures(options.sources, seen), held_out, folder, training, lpips)
    run.train()
    install_look(options.model, options.look, run.shipped())


def main(arguments: Sequence[str] | None = None, program: str = "python -m tokcodec.training") -> int:
    """Run a command line; returns the exit status. What a file or an argument can cause is one line and status 1."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] not in {*STAGES, "-h", "--help"}:
        given = [STAGES[0], *given]
    options = make_parser(program).parse_args(given)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    try:
        {"cascade": train_cascade, "look": train_look, "distance": train_distance}[options.stage](options)
    except (ValueError, OSError) as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
