"""Finds, downloads and reads the files of published checkpoints. No code in a checkpoint is run."""

from __future__ import annotations

import argparse
import logging
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import ModelFileError, UnknownModelError, need, printable
from ...models.manifest import CARD
from ...models.weights import MAX_FILE_BYTES
from ...regularfile import open_regular
from ...tensorfile import check_header

HUB = "hf:"
CHECKPOINTS = ("model.safetensors", "pytorch_model.bin")
"""Names of the file in a Hugging Face folder, the preferred one first."""

SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")
"""Suffixes of checkpoints."""
ROOTS = ("ema_denoiser.", "net.")
"""Prefixes of the inference network in the files of a training. The averaged network comes first."""
NESTED = ("ema", "state_dict", "model")
"""Keys of a training's files under which the state dict is. The averaged one comes first."""

_REPOSITORY = re.compile(r"([\w.-]+/[\w.-]+)(?:@([\w./-]+))?(?::([\w.-]+(?:/[\w.-]+)*))?")
_WRAPPERS = re.compile(r"(^|\.)(?:(?:module|_orig_mod)\.)+")
_log = logging.getLogger(__name__)


def find_checkpoint(path: Path) -> Path:
    """The checkpoint in a folder, or the file itself. Raises UnknownModelError if there is none, or several."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise UnknownModelError(f"{path}: no such file or folder")
    for name in CHECKPOINTS:
        if (path / name).is_file():
            return path / name
        if (path / f"{name}.index.json").is_file():
            raise ModelFileError(f"{path}: the checkpoint is split into several files; a single {name} is needed")
    files = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and file.is_file())
    if len(files) == 1:
        return files[0]
    if files:
        names = ", ".join(printable(file.name) for file in files[:8])
        raise UnknownModelError(f"{path}: holds several checkpoints: give one of {names}")
    raise UnknownModelError(f"{path}: holds neither {' nor '.join(CHECKPOINTS)}")


def download(source: str) -> Path:
    """Download the checkpoint of `hf:ORG/NAME[@REVISION][:FILE]`, and its card, to the Hugging Face cache.

    Raises ValueError for another form, MissingPackageError without the `hub` extra, and UnknownModelError if the
    repository does not exist or cannot be reached.
    """
    match = _REPOSITORY.fullmatch(source.removeprefix(HUB))
    if not match:
        raise ValueError(f"{source!r} is not of the form {HUB}ORG/NAME, {HUB}ORG/NAME@REVISION or {HUB}ORG/NAME:FILE")
    repository, revision, wanted = match.groups()
    names = (wanted,) if wanted else CHECKPOINTS
    need("huggingface_hub", f"{source}: downloading", extra="hub")
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    for name in names:
        try:
            file = Path(hf_hub_download(repository, name, revision=revision))
            break
        except EntryNotFoundError as error:
            if isinstance(error, LocalEntryNotFoundError):  # neither a connection nor a cached copy
                raise _not_fetched(source, error) from error
        except Exception as error:  # errors of the client, and of its HTTP library
            raise _not_fetched(source, error) from error
    else:
        held = f"holds neither {' nor '.join(names)}" if len(names) > 1 else f"does not hold {wanted}"
        hint = "" if wanted else f"; name another file of it as {HUB}{repository}:FILE"
        raise UnknownModelError(f"{source}: the repository {held}{hint}")
    try:
        hf_hub_download(repository, CARD, revision=revision)  # for the licence
    except Exception as error:
        _log.warning("%s: no card (%s)", source, _first_line(error))
    return file


def read_checkpoint(file: Path) -> Mapping[Any, Any]:
    """Entries by name of a safetensors file, or of a PyTorch pickle that holds only tensors and plain values.

    Raises ModelFileError if the file is damaged, is not a dictionary, or is a pickle that names code to run.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if file.suffix == ".safetensors":
        try:
            check_header(file, MAX_FILE_BYTES)
            return load_file(file)
        except (SafetensorError, OSError, ValueError) as error:
            raise ModelFileError(f"not readable as safetensors ({_first_line(error)})") from error
    try:
        open_regular(file, MAX_FILE_BYTES).close()
        with torch.serialization.safe_globals([argparse.Namespace]):  # a training's options: plain attributes
            entries = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes can make an unpickler raise anything
        if isinstance(error, pickle.UnpicklingError):  # its text would advise the user to allow the code
            code = re.search(r"GLOBAL ([\w.]+)", str(error))
            what = f"names {code[1]}" if code else "is damaged, or would run code"
            raise ModelFileError(f"refused: the pickle {what}, and only plain tensors are read") from error
        raise ModelFileError(f"not readable as a PyTorch checkpoint ({_first_line(error)})") from error
    if not isinstance(entries, dict):
        raise ModelFileError(f"holds a {type(entries).__name__} instead of a dictionary of tensors")
    for key in NESTED:
        if isinstance(entries.get(key), dict) and entries[key]:
            return entries[key]  # type: ignore[no-any-return]
    return entries


def unwrapped(entries: Mapping[Any, Any]) -> dict[Any, Any]:
    """Entries by their names in the model, without the prefixes of wrappers.

    Data parallel training adds `module.` and `torch.compile` adds `_orig_mod.`, also one in the other, and around a
    part of the model. Files of a training hold the network that is meant for inference under one of ROOTS. Their other
    entries are left out.

    Args:
        entries: entries of a checkpoint by name.

    Raises:
        ModelFileError: two entries would have one name.
    """
    names = {name: _WRAPPERS.sub(r"\1", name) if isinstance(name, str) else name for name in entries}
    if len(set(names.values())) < len(names):
        raise ModelFileError("it holds entries twice, with and without `module.` or `_orig_mod.`")
    found = {names[name]: value for name, value in entries.items()}
    for root in ROOTS:
        inside = {
            name.removeprefix(root): value
            for name, value in found.items()
            if isinstance(name, str) and name.startswith(root)
        }
        if inside:
            return inside
    return found


def _not_fetched(source: str, error: Exception) -> UnknownModelError:
    return UnknownModelError(
        f"{source}: cannot be downloaded ({_first_line(error)}); "
        "without a network, copy the repository's folder to this machine and import it by its path"
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
