"""Tokenizers by family, tiles to tokens and back; never sees a file's bytes. torch comes where it pays off."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DeviceError, need
from ..models.modelfile import Model
from ..models.registry import find_model
from .base import Tokenizer
from .families import Family, check_loaded, find_family

if TYPE_CHECKING:
    import torch

DTYPES = ("float32", "bfloat16")
"""Arithmetic of a decoder's networks; tokens never depend on it. bfloat16 is faster on some machines, and rougher."""

MANY_DRAWN = 90
"""Tiles to draw for which importing torch pays off on a CPU (`bench.studies.startup` finds it)."""
MANY_ENCODED = 1000
"""Tiles to encode for which importing torch pays off where there is a CUDA device; on a CPU it never does."""
NVIDIA = Path("/dev/nvidiactl"), Path("/dev/dxg")
"""One of these is there where there may be a CUDA device (the second: in a virtual machine of Windows)."""


def load_tokenizer(
    name_or_path: str | Path | Model | None = None,
    device: str = "auto",
    dtype: str = "float32",
    *,
    encoding: int = 0,
    drawing: int = 0,
) -> Tokenizer:
    """The tokenizer of a model (None: the default one), its files verified, ready on a device: auto, cpu or cuda.

    dtype: float32 or bfloat16, for decoding only; encoding, drawing: tiles that the job will encode and draw. Our own
    models run on NumPy unless torch is asked for (by cuda or bfloat16) or pays off. Loaded once per process. Raises
    UnknownModelError, ModelFileError (damaged or changed), DeviceError, MissingPackageError (torch, or the package that
    brings the model's family, is needed and not installed), and ValueError for another device or dtype.
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be {' or '.join(DTYPES)}, not {dtype!r}")
    check_device(device)
    model = name_or_path if isinstance(name_or_path, Model) else find_model(name_or_path)
    family = find_family(model.family)
    if family.without_torch and dtype == "float32" and not _torch_pays(family, device, encoding, drawing):
        return _load(model, None, None)
    need_torch(f"dtype {dtype}" if family.without_torch else f"model {model.name}")
    import torch

    return _load(model, torch_device(device), getattr(torch, dtype))


def torch_device(device: str) -> torch.device:
    """The device of torch by its name: auto is a CUDA device if there is one. Raises what `check_device` raises."""
    check_device(device)
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


def check_device(device: str) -> None:
    """Raise DeviceError when the device is not there, ValueError for another word than auto, cpu, cuda or cuda:N.

    And TypeError for what is no word.
    """
    if not isinstance(device, str):
        raise TypeError(f"device must be auto, cpu or cuda, not {device!r}")
    if device.split(":")[0] == "cuda":
        need_torch(f"device {device}")
        import torch

        if not torch.cuda.is_available():
            raise DeviceError("no CUDA device here; use --device cpu")
    elif device not in ("auto", "cpu"):
        raise ValueError(f"device must be auto, cpu or cuda, not {device!r}")


def need_torch(what: str) -> None:
    """Raise MissingPackageError where torch is not installed."""
    need("torch", what, extra="torch")


def _torch_pays(family: Family, device: str, encoding: int, drawing: int) -> bool:
    if device.startswith("cuda"):
        return True
    if not family.gains:
        return False
    gpu = device == "auto" and any(path.exists() for path in NVIDIA)
    many = drawing >= MANY_DRAWN or (gpu and encoding >= MANY_ENCODED)
    return many and find_spec("torch") is not None


@lru_cache(maxsize=4)
def _load(model: Model, device: torch.device | None, dtype: torch.dtype | None) -> Tokenizer:
    model.verify()
    return check_loaded(find_family(model.family).load(model, device, dtype), model)
