"""The training loop: steps, a log, validation, and checkpoints that a killed run resumes from."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from typing import Any, Protocol

import numpy as np

from .journal import Journal

log = logging.getLogger(__name__)


class Trainer(Protocol):
    """A model in training."""

    step: int
    """Steps done."""

    def train_step(self) -> dict[str, float]:
        """Do one step, and return its figures for the log."""


class TrainingRun(ABC):
    """A training run. Its state is in the files of its journal: a second run there resumes the first."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds of training so far, with those of earlier runs."""
        return time.monotonic() - self._begun

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """All that a checkpoint holds: tensors, numbers, lists and dictionaries."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""

    @abstractmethod
    def validate(self) -> None:
        """Log the figures of the validation sets."""

    def save(self) -> None:
        """Write the checkpoint. Raises OutputError."""
        self.journal.save(self.state_dict() | {"seconds": self.seconds})

    def resume(self) -> None:
        """Start the clock, and restore the checkpoint if there is one. Raises ModelFileError if it is damaged."""
        state = self.journal.load() or {"seconds": 0.0}
        self._begun = time.monotonic() - state.pop("seconds")
        if state:
            self.load_state_dict(state)
            log.info("resuming after %.0f s of training", self.seconds)

    def fit(
        self,
        trainer: Trainer,
        steps: int,
        tiles: int,
        *,
        save_every: float,
        log_every: int = 1,
        validated: bool = True,
        **labels: int,
    ) -> None:
        """Train up to a number of steps. Saves and validates every `save_every` seconds and at the end.

        Args:
            trainer: what is trained.
            steps: steps in all, with those of earlier runs.
            tiles: tiles per step, for the throughput in the log.
            save_every: seconds between checkpoints.
            log_every: steps between lines of the log, which have the means of their figures.
            validated: whether the validation sets say something about this trainer.
            labels: values that go into each of these lines.
        """
        figures: list[dict[str, float]] = []
        saved = logged = time.monotonic()
        while trainer.step < steps:
            figures.append(trainer.train_step())
            now = time.monotonic()
            if len(figures) == log_every:
                self.journal.record(
                    **labels,
                    step=trainer.step,
                    seconds=round(self.seconds),
                    tiles_per_second=round(tiles * log_every / max(now - logged, 1e-9), 1),
                    **{name: round(float(np.mean([step[name] for step in figures])), 5) for name in figures[0]},
                )
                figures, logged = [], now
            if now - saved > save_every:
                self._check_point(validated)
                saved = now
        self._check_point(validated)

    def _check_point(self, validated: bool) -> None:
        self.save()
        if validated:
            self.validate()
