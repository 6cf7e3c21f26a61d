"""Saves NumPy arrays as safetensors files with reproducible bytes, and reads such files with limits.

safetensors orders entries of metadata at random, and saves wrong numbers for arrays that are not contiguous. So this
package saves all of its arrays with `save_tensors`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .regularfile import open_regular

ABOUT = "tokcodec"
"""The only entry of a file's metadata, a JSON object."""
MAX_HEADER = 4 << 20
"""Largest size in bytes of the list of a file's tensors. That of the largest published checkpoint has 82 kB."""


def save_tensors(tensors: Mapping[str, NDArray[Any]], about: Mapping[str, Any] | None = None) -> bytes:
    """The bytes of a safetensors file.

    Args:
        tensors: Arrays by name, contiguous or not.
        about: Description of the file, in types of JSON, for the metadata.
    """
    from safetensors.numpy import save

    metadata = {ABOUT: json.dumps(about, sort_keys=True)} if about else None
    return bytes(save({name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}, metadata))


def load_tensors(
    path: str | os.PathLike[str], most: int, prefixes: tuple[str, ...] = ("",)
) -> dict[str, NDArray[Any]]:
    """The tensors of a file whose names begin with one of the prefixes.

    Args:
        path: A safetensors file, perhaps from other people.
        most: Largest size of the file in bytes.
        prefixes: By default all tensors are read.

    Raises:
        OSError: The system cannot read it.
        ValueError: It is damaged, too large, not a regular file, or has a tensor of a type that NumPy lacks.
    """
    from safetensors import SafetensorError, safe_open

    check_header(path, most)
    try:
        with safe_open(path, framework="numpy") as file:
            names = [name for name in file.keys() if name.startswith(prefixes)]  # noqa: SIM118 (not a dict)
            return {name: _tensor(file, name) for name in names}
    except SafetensorError as error:
        raise ValueError(f"not readable as safetensors: {error}") from error


def check_header(path: str | os.PathLike[str], most: int) -> None:
    """Check the size of a safetensors file and of its header before a library reads it. Raises as `load_tensors`."""
    with open_regular(path, most) as file:
        header = int.from_bytes(file.read(8), "little")
    if header > MAX_HEADER:
        raise ValueError(f"not readable as safetensors: a header of {header} bytes, and at most {MAX_HEADER} are read")


def tensor_names(path: str | os.PathLike[str], most: int) -> list[str]:
    """The names of a file's tensors. Raises as `load_tensors`."""
    from safetensors import SafetensorError, safe_open

    check_header(path, most)
    try:
        with safe_open(path, framework="numpy") as file:
            return list(file.keys())
    except SafetensorError as error:
        raise ValueError(f"not readable as safetensors: {error}") from error


def tensors_about(path: str | os.PathLike[str], most: int) -> dict[str, Any]:
    """The description of a file, from its metadata. Raises as `load_tensors`."""
    from safetensors import SafetensorError, safe_open

    check_header(path, most)
    try:
        with safe_open(path, framework="numpy") as file:
            return read_about(file.metadata())
    except SafetensorError as error:
        raise ValueError(f"not readable as safetensors: {error}") from error


def read_about(metadata: Mapping[str, str] | None) -> dict[str, Any]:
    """Description of a file from its metadata. Files of tokcodec 1.0.0 have an entry for each text instead."""
    entries: dict[str, Any] = dict(metadata or {})
    if ABOUT not in entries:
        return entries
    about = json.loads(entries[ABOUT])
    if not isinstance(about, dict):
        raise ValueError("the metadata is not a JSON object")
    return about


def _tensor(file: Any, name: str) -> NDArray[Any]:
    try:
        tensor: NDArray[Any] = file.get_tensor(name)
    except (TypeError, AttributeError) as error:  # the library raises it for bfloat16 and 8-bit floats
        kind = file.get_slice(name).get_dtype()
        raise ValueError(f"{name[:120]!r} is of a type that NumPy lacks ({kind})") from error
    return tensor
