"""What a training run leaves behind: a log of JSON lines, and a checkpoint of tensors that a kill cannot damage."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import safe_open
from safetensors.torch import save

from ..pictures.files import write_atomic

log = logging.getLogger(__name__)


class Checkpoint(NamedTuple):
    """A run's state after `step` steps and `seconds` of training."""

    tensors: dict[str, torch.Tensor]
    step: int
    seconds: float


class Journal:
    """The files of one run in a folder, which is made: `LOG.jsonl` and `CHECKPOINT.safetensors`."""

    def __init__(self, folder: Path, log_name: str, checkpoint_name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._log, self._checkpoint = folder / f"{log_name}.jsonl", folder / f"{checkpoint_name}.safetensors"

    def record(self, **values: object) -> None:
        """Append one JSON line to the log and say it."""
        line = json.dumps(values)
        log.info("%s", line)
        with self._log.open("a") as file:
            file.write(line + "\n")

    def save(self, tensors: Mapping[str, torch.Tensor], step: int, seconds: float) -> None:
        """Write the checkpoint; a kill in the middle leaves the old one. Raises OutputError."""
        contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
        data = save(contiguous, {"step": str(step), "seconds": f"{seconds:.0f}"})
        write_atomic(self._checkpoint, data, force=True)

    def load(self) -> Checkpoint | None:
        """The checkpoint, or None where there is none."""
        if not self._checkpoint.exists():
            return None
        with safe_open(self._checkpoint, "pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        found = Checkpoint(tensors, int(metadata["step"]), float(metadata["seconds"]))
        log.info("continuing at step %d", found.step)
        return found


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """An optimiser's state as named tensors: PARAMETER.FIELD."""
    states = optimiser.state_dict()["state"]
    return {f"{index}.{field}": value for index, state in states.items() for field, value in state.items()}


def load_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]) -> None:
    """Take up the state that `optimiser_tensors` gave; settings like the rate stay the optimiser's."""
    states: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        index, field = name.split(".")
        states.setdefault(int(index), {})[field] = tensor
    optimiser.load_state_dict({"state": states, "param_groups": optimiser.state_dict()["param_groups"]})
