"""Reads the weights of a model, with the model's errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ModelFileError, reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_FILE_BYTES = 4 << 30
"""Largest size of a file of a model. The largest published weights have 2.6e9 bytes."""


def load_weights(path: Path, prefixes: tuple[str, ...] = ("",)) -> dict[str, NDArray[Any]]:
    """The tensors of a model's weights whose names begin with one of the prefixes.

    Raises ModelFileError for a file that cannot be read, is not safetensors, or is larger than MAX_FILE_BYTES.
    """
    from ..tensorfile import load_tensors

    with _weights_errors(path):
        return load_tensors(path, MAX_FILE_BYTES, prefixes)


def weight_names(path: Path) -> list[str]:
    """The names of a model's tensors. Raises as `load_weights`."""
    from ..tensorfile import tensor_names

    with _weights_errors(path):
        return tensor_names(path, MAX_FILE_BYTES)


def weights_about(path: Path) -> dict[str, Any]:
    """The description of a model's weights in their file. Raises as `load_weights`."""
    from ..tensorfile import tensors_about

    with _weights_errors(path):
        return tensors_about(path, MAX_FILE_BYTES)


@contextmanager
def _weights_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path}: not usable as weights ({reason(error)})") from error
