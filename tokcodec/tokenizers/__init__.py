"""Tokenizers by family: tiles to tokens and back. Never sees a file's bytes. Imports torch only if that saves time."""

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
"""Precision of a decoder's networks, without effect on tokens. bfloat16 is faster on some machines, but less exact."""

MANY_DRAWN = 200
"""Number of tiles to draw from which importing torch saves time on a CPU (measured by `bench.studies.startup`)."""
MANY_ENCODED = 1000
"""Number of tiles to encode from which importing torch saves time with a CUDA device. On a CPU it never does."""
NVIDIA = Path("/dev/nvidiactl"), Path("/dev/dxg")
"""A machine without these files has no CUDA device. The second one is for virtual machines of Windows."""


def load_tokenizer(
    name_or_path: str | Path | Model | None = None,
    device: str = "auto",
    dtype: str = "float32",
    *,
    encoding: int = 0,
    drawing: int = 0,
) -> Tokenizer:
    """Load the tokenizer of a model, and verify its files. It is cached for the process.

    Our own models run on NumPy, unless torch is requested (by "cuda" or "bfloat16") or saves time.

    Args:
        name_or_path: name or folder of a model, or a model. Default: base-3.
        device: "auto", "cpu", "cuda" or "cuda:N". Default: "auto", the fastest one for the number of tiles.
        dtype: "float32" or "bfloat16", the precision of the decoder's network. Default: "float32".
        encoding: number of tiles to encode, for the choice of the device. Default: 0.
        drawing: number of tiles to draw, for the choice of the device. Default: 0.

    Raises:
        UnknownModelError: the model is not installed.
        ModelFileError: its files are damaged or changed.
        DeviceError: the device is missing.
        MissingPackageError: torch, or the package of the model's family, is not installed.
        ValueError: the device or the dtype is unknown.
        TypeError: the device is not a string.
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
    """Check a device.

    Args:
        device: "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        DeviceError: the device is missing.
        MissingPackageError: it needs torch, which is not installed.
        ValueError: it has another name.
        TypeError: it is not a string.
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


def need_torch(user: str) -> None:
    """Raise MissingPackageError if torch is not installed. The error line begins with `user`: the work to do."""
    need("torch", user, extra="torch")


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
