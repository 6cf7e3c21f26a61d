"""Many pictures, and the tokens of many files, at once; never decides how one is coded.

    Encoder, Decoder   batches of a pipeline of one's own: pyarrow tables to pyarrow tables
    read               what `tokcodec dataset encode` wrote, as a pyarrow dataset

Names are loaded when they are first used: `bulk` and `pack` need no pyarrow. Without it the others raise
MissingPackageError.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ..errors import MissingPackageError

if TYPE_CHECKING:
    from .batches import Decoder, Encoder
    from .reading import read

_HOMES = {"Decoder": "batches", "Encoder": "batches", "read": "reading"}


def need_pyarrow() -> None:
    """Raise MissingPackageError where pyarrow is not installed."""
    if find_spec("pyarrow") is None:
        raise MissingPackageError("data sets need pyarrow: pip install 'tokcodec[data]'")


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    need_pyarrow()
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


__all__ = ["Decoder", "Encoder", "read"]
