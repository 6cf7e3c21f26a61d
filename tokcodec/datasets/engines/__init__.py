"""Who does the work: a function on many tasks, in processes here or on a cluster; knows nothing of pictures."""

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
        """The results as they come, in any order; closing the generator ends the work.

        Raises EngineError where workers are lost, and what the function raises.
        """
