"""The files of a training run: a log of JSON lines, and a checkpoint that a kill cannot damage."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from ..errors import ModelFileError
from ..pictures.files import write_atomic

log = logging.getLogger(__name__)


class Journal:
    """The files of one run in a folder, which is created: `LOG.jsonl` and `CHECKPOINT.pt`.

    Args:
        folder: folder of the run.
        log_name: name of the log, without its suffix.
        checkpoint_name: name of the checkpoint, without its suffix.
    """

    def __init__(self, folder: Path, log_name: str, checkpoint_name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._log, self._checkpoint = folder / f"{log_name}.jsonl", folder / f"{checkpoint_name}.pt"

    def record(self, **values: object) -> None:
        """Append one JSON line to the log file, and log it."""
        line = json.dumps(values)
        log.info("%s", line)
        with self._log.open("a") as file:
            file.write(line + "\n")

    def lines(self) -> list[dict[str, Any]]:
        """The lines of the log so far. One that a kill has cut is left out."""
        found = []
        for line in self._log.read_text().splitlines() if self._log.exists() else []:
            with suppress(json.JSONDecodeError):
                found.append(json.loads(line))
        return found

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the checkpoint: tensors, numbers, lists and dictionaries. A kill leaves the old one.

        Raises OutputError if it cannot be written.
        """
        buffer = io.BytesIO()
        torch.save(dict(state), buffer)
        write_atomic(self._checkpoint, buffer.getvalue(), force=True)

    def load(self) -> dict[str, Any] | None:
        """The checkpoint with its tensors on the CPU, or None if there is none.

        Raises ModelFileError if it cannot be read.
        """
        if not self._checkpoint.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(self._checkpoint, map_location="cpu", weights_only=True)
        except OSError:
            raise
        except Exception as error:  # damaged bytes can make torch.load raise anything
            text = f"{self._checkpoint}: not readable as a checkpoint; remove it to start the training again"
            raise ModelFileError(text) from error
        return state
