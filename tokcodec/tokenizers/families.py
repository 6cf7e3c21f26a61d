"""Families of tokenizers: those here, and those that other packages bring by an entry point, found when one is needed.

A family is a module with `load(model, device, dtype) -> Tokenizer`: model as in `modelfile`; device and dtype are
torch's (of the arithmetic of networks). A module that says `WITHOUT_TORCH = True` gets None for both unless a device or
a dtype of torch is asked for. docs/models.md has an example.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any

from ..errors import MissingPackageError, ModelFileError, TokError, printable
from ..models.modelfile import Model
from .base import Tokenizer

GROUP = "tokcodec.tokenizers"
"""Entry points: name of the family, as in a model's manifest -> module."""
FAMILIES = {"cascade": ".cascade", "titok": ".titok"}
"""The families of this package: name -> module here."""
WITHOUT_TORCH = {"cascade"}
"""Those of them that run on NumPy alone."""


@dataclass(frozen=True)
class Family:
    """without_torch: whether it runs on NumPy alone; gains: whether it is faster with torch where there is much to do;
    load: (model, device, dtype) -> Tokenizer."""

    name: str
    without_torch: bool
    gains: bool
    load: Callable[[Model, Any, Any], Tokenizer]


@lru_cache(maxsize=16)
def find_family(name: str) -> Family:
    """The family that a model's manifest names. Raises MissingPackageError, of one line, where none can be used."""
    if name in FAMILIES:
        without = name in WITHOUT_TORCH
        return Family(name, without, without, lambda *arguments: _module(name).load(*arguments))
    from importlib.metadata import entry_points  # here: it takes longer than all else that `--help` does

    found = list(entry_points(group=GROUP, name=name))
    if not found:
        raise MissingPackageError(
            f"family {name!r} is none of {', '.join(FAMILIES)}, and no installed package brings it: look for one with "
            f"an entry point {name!r} in the group {GROUP}"
        )
    packages = sorted({entry.dist.name if entry.dist else entry.value for entry in found})
    if len(packages) > 1:
        raise MissingPackageError(f"family {name!r} is brought by several packages: {', '.join(packages)}; keep one")
    try:
        module = found[0].load()
        load, without = module.load, bool(getattr(module, "WITHOUT_TORCH", False))
    except (Exception, SystemExit) as error:  # somebody else's code: whatever it is, one line says so
        raise MissingPackageError(
            f"family {name!r}: the package {packages[0]} does not load ({fault(error)})"
        ) from error
    return Family(name, without, False, lambda *arguments: _guarded(name, load, *arguments))


def others_installed() -> bool:
    """Whether any package brings families, whose tokenizers may have looks of their own."""
    from importlib.metadata import entry_points

    return bool(entry_points(group=GROUP))


def check_loaded(tokenizer: object, model: Model) -> Tokenizer:
    """The tokenizer of a model, with the model's name in it.

    Raises ModelFileError where it is not a tokenizer, or not as the manifest says.
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
            raise ModelFileError(f"{model.path}: its tokenizer names no looks, or not by words")
        tokenizer.model_name, tokenizer.token_values = model.name, math.prod(model.radices)
        tokenizer.package = "" if model.family in FAMILIES else model.family
    except TokError:
        raise
    except (Exception, SystemExit) as error:  # properties of another package's class
        raise ModelFileError(f"{model.path}: its tokenizer cannot be asked what it is ({fault(error)})") from error
    return tokenizer


def fault(error: BaseException) -> str:
    """An exception of another package's code as part of a line, without control characters."""
    text = printable(" ".join(str(error).split()))
    return f"{type(error).__name__}: {text[:200]}".removesuffix(": ")


def _module(name: str) -> Any:
    return import_module(FAMILIES[name], __package__)


def _guarded(name: str, load: Callable[..., Tokenizer], model: Model, device: Any, dtype: Any) -> Tokenizer:
    try:
        return load(model, device, dtype)
    except TokError:
        raise
    except (Exception, SystemExit) as error:
        raise ModelFileError(f"{model.path}: family {name!r} does not load it ({fault(error)})") from error
