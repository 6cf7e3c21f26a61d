"""Tokenizers by family, tiles to tokens and back; never sees a file's bytes. torch comes with the first."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DeviceError, ModelFileError
from ..models.modelfile import Model
from ..models.registry import find_model
from ..pictures.tiling import TILE
from .base import Tokenizer

if TYPE_CHECKING:
    import torch

FAMILIES = {"cascade": ".cascade", "titok": ".titok"}
"""Family named in a model's manifest -> module here with `load(model, device, dtype) -> Tokenizer`."""

DTYPES = ("float32", "bfloat16")
"""Arithmetic of a decoder's networks; tokens never depend on it. bfloat16 is faster on some machines, and rougher."""


def load_tokenizer(
    name_or_path: str | Path | Model | None = None, device: str = "auto", dtype: str = "float32"
) -> Tokenizer:
    """The tokenizer of a model (None: the default one), its files verified, ready on a device: auto, cpu or cuda.

    dtype: float32 or bfloat16, for decoding only. Loaded once per process. Raises UnknownModelError, ModelFileError
    (damaged or changed), DeviceError, and ValueError for another device or dtype.
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be {' or '.join(DTYPES)}, not {dtype!r}")
    import torch

    model = name_or_path if isinstance(name_or_path, Model) else find_model(name_or_path)
    return _load(model, pick_device(device), getattr(torch, dtype))


def pick_device(device: str) -> torch.device:
    """Raises DeviceError when the device is not there, ValueError for another word than auto, cpu, cuda or cuda:N."""
    import torch

    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cpu" or device.split(":")[0] == "cuda":
        if device != "cpu" and not torch.cuda.is_available():
            raise DeviceError("no CUDA device here; use --device cpu")
        return torch.device(device)
    raise ValueError(f"device must be auto, cpu or cuda, not {device!r}")


@lru_cache(maxsize=4)
def _load(model: Model, device: torch.device, dtype: torch.dtype) -> Tokenizer:
    if model.family not in FAMILIES:
        raise ModelFileError(
            f"{model.path}: family {model.family!r} needs a newer tokcodec (known: {', '.join(FAMILIES)})"
        )
    model.verify()
    loaded: Tokenizer = import_module(FAMILIES[model.family], __name__).load(model, device, dtype)
    return loaded


__all__ = ["DTYPES", "TILE", "Tokenizer", "load_tokenizer", "pick_device"]
