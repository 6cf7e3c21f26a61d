"""Engines run a function on many tasks, in local processes or on a cluster. They know nothing about pictures."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Protocol, TypeVar

Task = TypeVar("Task", bound="Named")
Result = TypeVar("Result")


class Named(Protocol):
    @property
    def name(self) -> str:
        """For messages."""


class Engine(Protocol):
    """Runs a function of a module on tasks."""

    def run(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Generator[Result, None, None]:
        """Yield the results in any order. Closing the generator ends the work.

        Raises EngineError if workers are lost, and any exception of the function.
        """
