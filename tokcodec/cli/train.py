"""The command group `tokcodec train`. Its stages are loaded when they are asked for."""

from __future__ import annotations

from collections.abc import MutableMapping

import click


class Stages(click.Group):
    """Stages of training. Without the name of one, the arguments are for the first."""

    @property
    def commands(self) -> MutableMapping[str, click.Command]:
        """The stages by name. The first is the default."""
        from .stages import train_cascade, train_distance, train_look
        from .train_1d import train_1d

        return {"cascade": train_cascade, "look": train_look, "distance": train_distance, "1d": train_1d}

    @commands.setter
    def commands(self, empty: MutableMapping[str, click.Command]) -> None:
        """For click, which sets an empty dictionary."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, *self.get_help_option_names(ctx)}:
            args = [next(iter(self.commands)), *args]
        return super().parse_args(ctx, args)


@click.group(cls=Stages)
def train() -> None:
    """Train a model on your own pictures.

    \b
      tokcodec train PHOTOS --out MODEL         trains a tokenizer and writes the model
      tokcodec train look PHOTOS --model MODEL  trains a look of it
      tokcodec train 1d PHOTOS --out MODEL      trains a 1D transformer tokenizer instead

    The state of a run is in the folder MODEL.training. The same command resumes a stopped run, and with more --steps
    it continues a finished one.
    """


