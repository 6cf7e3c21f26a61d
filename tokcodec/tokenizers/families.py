"""Finds the families of tokenizers: those of this package, and those of other packages, by their entry points.

A family is a module with `load(model, device, dtype) -> Tokenizer`. `model` is a `modelfile.Model`. `device` and
`dtype` are torch's, the latter for the arithmetic of networks. If the module has `WITHOUT_TORCH = True`, both are None
unless the user names a device or dtype of torch. docs/models.md has an example.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any

from ..errors import DeviceError, MissingPackageError, ModelFileError, TokError, printable
from ..models.modelfile import Model
from . import published
from .base import Tokenizer

GROUP = "tokcodec.tokenizers"
"""Group of entry points: name of the family, as in a model's manifest -> module."""
FAMILIES = {
    "cascade": ".cascade",
    "vit1d": ".vit1d.tokenizer",
    **dict.fromkeys(published.FAMILIES, ".published.catalogue"),
}
"""The families of this package: name -> module."""
WITHOUT_TORCH = {"cascade"}
"""The families of this package that can run on NumPy alone."""


@dataclass(frozen=True)
class Family:
    """A family of tokenizers."""

    name: str
    """Name in a model's manifest."""
    without_torch: bool
    """Whether it can run on NumPy alone."""
    gains: bool
    """Whether torch makes it faster for many tiles."""
    load: Callable[[Model, Any, Any], Tokenizer]
    """(model, device, dtype) -> Tokenizer."""


@lru_cache(maxsize=16)
def find_family(name: str) -> Family:
    """The family with a name. Raises MissingPackageError if no package provides it, or its package does not load."""
    if name in FAMILIES:
        without = name in WITHOUT_TORCH
        return Family(name, without, without, lambda *arguments: _own(name, *arguments))
    from importlib.metadata import entry_points  # imported here, since it takes longer than the rest of `--help`

    found = list(entry_points(group=GROUP, name=name))
    if not found:
        raise MissingPackageError(
            f"family {name!r} is none of {', '.join(FAMILIES)}, and no installed package provides it: install one with "
            f"an entry point {name!r} in the group {GROUP}"
        )
    packages = sorted({entry.dist.name if entry.dist else entry.value for entry in found})
    if len(packages) > 1:
        raise MissingPackageError(
            f"family {name!r} is provided by several packages: {', '.join(packages)}; uninstall all but one"
        )
    try:
        module = found[0].load()
        load, without = module.load, bool(getattr(module, "WITHOUT_TORCH", False))
    except (Exception, SystemExit) as error:  # another package's code may raise anything
        raise MissingPackageError(
            f"family {name!r}: the package {packages[0]} does not load ({fault(error)})"
        ) from error
    return Family(name, without, False, lambda *arguments: _guarded(name, load, *arguments))


def others_installed() -> bool:
    """Whether another package provides families, whose tokenizers may have other looks."""
    from importlib.metadata import entry_points

    return bool(entry_points(group=GROUP))


def check_loaded(tokenizer: object, model: Model) -> Tokenizer:
    """Check the tokenizer that a family made, and set its names from the model.

    Raises ModelFileError if it is not a Tokenizer, or differs from the model's manifest.
    """
    if not isinstance(tokenizer, Tokenizer):
        raise ModelFileError(
            f"{model.path}: family {model.family!r} makes a {type(tokenizer).__name__}, not a Tokenizer"
        )
    try:
        for what, found, stated in (
            ("tokens", tokenizer.n_tokens, model.n_tokens),
            ("samples along a tile's side", tokenizer.tile, model.tile),
        ):
            if found != stated:
                raise ModelFileError(f"{model.path}: its tokenizer has {found} {what}, its manifest states {stated}")
        tokenizer.looks = tuple(tokenizer.looks)
        if not tokenizer.looks or not all(type(look) is str and look for look in tokenizer.looks):
            raise ModelFileError(f"{model.path}: its tokenizer has no looks, or looks that are not strings")
        tokenizer.model_name, tokenizer.token_values = model.name, math.prod(model.radices)
        tokenizer.package = "" if model.family in FAMILIES else model.family
    except TokError:
        raise
    except (Exception, SystemExit) as error:  # properties of another package's class
        raise ModelFileError(f"{model.path}: properties of its tokenizer cannot be read ({fault(error)})") from error
    return tokenizer


def fault(error: BaseException) -> str:
    """Class and text of an exception for a message, without control characters."""
    text = printable(" ".join(str(error).split()))
    return f"{type(error).__name__}: {text[:200]}".removesuffix(": ")


def memory_error(error: BaseException) -> DeviceError | None:
    """The error of one line if torch, which need not be imported here, ran out of memory. Otherwise None."""
    if type(error).__name__ == "OutOfMemoryError":
        return DeviceError("the device's memory is full; use --device cpu")
    if isinstance(error, RuntimeError) and "can't allocate memory" in str(error):
        return DeviceError("not enough memory for the model")
    return None


def _module(name: str) -> Any:
    return import_module(FAMILIES[name], __package__)


def _own(name: str, model: Model, device: Any, dtype: Any) -> Tokenizer:
    try:
        loaded: Tokenizer = _module(name).load(model, device, dtype)
    except RuntimeError as error:
        if full := memory_error(error):
            raise full from error
        raise
    return loaded


def _guarded(name: str, load: Callable[..., Tokenizer], model: Model, device: Any, dtype: Any) -> Tokenizer:
    try:
        return load(model, device, dtype)
    except TokError:
        raise
    except (Exception, SystemExit) as error:
        raise ModelFileError(f"{model.path}: family {name!r} does not load it ({fault(error)})") from error
