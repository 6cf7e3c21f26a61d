"""Encodes many pictures at once, and packs the tokens of many files. Never decides how a picture is coded.

    Encoder, Decoder   for batches of your own pipeline: pyarrow tables to pyarrow tables
    read               the output of `tokcodec dataset encode` as a pyarrow dataset

Names are loaded when they are first used, since `bulk` and `pack` do not need pyarrow. Without it the others raise
MissingPackageError.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import need

if TYPE_CHECKING:
    from .batches import Decoder, Encoder
    from .reading import read

_HOMES = {"Decoder": "batches", "Encoder": "batches", "read": "reading"}


def need_pyarrow() -> None:
    """Raise MissingPackageError if pyarrow is not installed."""
    need("pyarrow", "a data set", extra="data")


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    need_pyarrow()
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


__all__ = ["Decoder", "Encoder", "read"]
