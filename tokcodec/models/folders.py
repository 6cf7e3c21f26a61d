"""Writes, replaces and removes the folder of a model completely or not at all, even if the process is killed.

A new folder is written under a hidden name. The old one is renamed to `.NAME.old`, the new one gets the name, and the
old one is deleted. A kill between the two renames leaves no folder of the name. Then `current_folder` finds the old
one, and the next write restores it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PARTIAL, _ASIDE = ".partial-", ".old"
_STALE_SECONDS = 3600
"""A partial folder without changes for this time was left by a killed process, since writing a model takes seconds."""


def current_folder(folder: Path) -> Path:
    """The present folder of a model: the folder itself, or the old one that a killed process has renamed."""
    aside = _aside(folder)
    return aside if not os.path.lexists(folder) and aside.is_dir() else folder


def left_aside(place: Path) -> Iterator[Path]:
    """The folders of which only the renamed old one exists, under their former names."""
    return (folder for _, folder in _asides(place) if current_folder(folder) != folder)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give a new folder to fill, which becomes `folder` at the end of the block, unless an exception is raised.

    An old folder is replaced. If `folder` is a symbolic link, the folder that it points to is replaced. Raises OSError.
    """
    folder = Path(os.path.realpath(folder))
    folder.parent.mkdir(parents=True, exist_ok=True)
    _restore(folder)
    clean(folder.parent)
    partial = _hidden(folder.parent)
    partial.mkdir()
    try:
        yield partial
        _swap(partial, folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(_aside(folder), ignore_errors=True)


def remove_folder(folder: Path) -> None:
    """Delete a folder, or a link to one, in one step. Raises OSError."""
    folder = current_folder(folder)
    if folder.is_symlink():
        folder.unlink()
        return
    partial = _hidden(folder.parent)
    folder.rename(partial)
    shutil.rmtree(partial)


def clean(place: Path) -> None:
    """Delete the remains of killed processes in a folder of models."""
    for child in place.glob(f"{_PARTIAL}*"):
        with contextlib.suppress(OSError):
            if time.time() - child.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(child, ignore_errors=True)
    for aside, folder in _asides(place):
        if folder.exists():
            shutil.rmtree(aside, ignore_errors=True)


def _swap(partial: Path, folder: Path) -> None:
    """Rename a finished folder to its final name. An old one is renamed first."""
    try:
        if folder.exists():
            folder.rename(_aside(folder))
        partial.rename(folder)
    except BaseException:
        _restore(folder)
        raise


def _restore(folder: Path) -> None:
    """Restore an old folder that a killed process has renamed."""
    if (aside := current_folder(folder)) != folder:
        aside.rename(folder)


def _aside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}{_ASIDE}")


def _asides(place: Path) -> Iterator[tuple[Path, Path]]:
    """The renamed old folders in a folder of models, and their former paths."""
    for child in sorted(place.glob(f".*{_ASIDE}")):
        yield child, child.with_name(child.name[1:].removesuffix(_ASIDE))


def _hidden(place: Path) -> Path:
    return place / f"{_PARTIAL}{os.urandom(8).hex()}"
