"""Bundles of options: one decorator adds several, and they reach the command as one argument."""

from __future__ import annotations

import functools
from collections.abc import Callable
from inspect import signature
from typing import Any

Command = Callable[..., Any]
Decorator = Callable[[Command], Command]


def several(*options: Decorator) -> Decorator:
    """A decorator that adds all of the options. --help lists them in this order."""
    return lambda command: functools.reduce(lambda command, option: option(command), reversed(options), command)


def bundled(into: str, make: Callable[..., Any], *options: Decorator) -> Decorator:
    """A decorator that adds options which reach the command as one argument.

    Args:
        into: name of the command's argument.
        make: makes the argument from the values of the options that its parameters name. It may raise
            click.UsageError. A value that the command names too reaches both.
        options: the options, in the order in which --help lists them.
    """
    wanted = signature(make).parameters

    def decorate(command: Command) -> Command:
        own = signature(command).parameters

        @functools.wraps(command)
        def collect(**values: Any) -> Any:
            values[into] = make(**{name: values[name] for name in wanted})
            return command(**{name: value for name, value in values.items() if name in own or name not in wanted})

        return several(*options)(collect)

    return decorate
