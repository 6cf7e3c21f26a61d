"""A model's folder as one thing: written, replaced and removed whole or not at all, whenever the process is killed.

A new folder is made under a hidden name beside its place. The old one steps aside to `.NAME.old`, the new one takes its
place, and the old one is deleted. A kill between the two steps leaves no folder of the name: then the old one still
counts, for those who look for the model (`current_folder`) and for the next write, which puts it back.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PARTIAL, _ASIDE = ".partial-", ".old"
_STALE_SECONDS = 3600
"""A partial folder that has not changed for this long was left by a killed process: writing a model takes seconds."""


def current_folder(folder: Path) -> Path:
    """Where a model's files are now: the folder itself, or the old one that a killed process has left aside."""
    aside = _aside(folder)
    return aside if not os.path.lexists(folder) and aside.is_dir() else folder


def left_aside(place: Path) -> Iterator[Path]:
    """The folders of a place that exist only as an old one aside, by the names that they had."""
    return (folder for _, folder in _asides(place) if current_folder(folder) != folder)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to fill, which becomes `folder` at the end: all of it, or nothing where anything is raised.

    An old folder is replaced; a symbolic link to one stays, and what it leads to is replaced. Raises OSError.
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
    """Delete a folder, or a link to one: it is gone at once or still whole. Raises OSError."""
    folder = current_folder(folder)
    if folder.is_symlink():
        folder.unlink()
        return
    partial = _hidden(folder.parent)
    folder.rename(partial)
    shutil.rmtree(partial)


def clean(place: Path) -> None:
    """Delete what killed processes have left in a folder of models, as far as nobody can need it."""
    for child in place.glob(f"{_PARTIAL}*"):
        with contextlib.suppress(OSError):
            if time.time() - child.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(child, ignore_errors=True)
    for aside, folder in _asides(place):
        if folder.exists():
            shutil.rmtree(aside, ignore_errors=True)


def _swap(partial: Path, folder: Path) -> None:
    """Put a finished folder into its place; an old one stays aside."""
    try:
        if folder.exists():
            folder.rename(_aside(folder))
        partial.rename(folder)
    except BaseException:
        _restore(folder)
        raise


def _restore(folder: Path) -> None:
    """Put an old folder that was left aside back into its place."""
    if (aside := current_folder(folder)) != folder:
        aside.rename(folder)


def _aside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}{_ASIDE}")


def _asides(place: Path) -> Iterator[tuple[Path, Path]]:
    """The folders aside in a place, and the folders whose place they had."""
    for child in sorted(place.glob(f".*{_ASIDE}")):
        yield child, child.with_name(child.name[1:].removesuffix(_ASIDE))


def _hidden(place: Path) -> Path:
    return place / f"{_PARTIAL}{secrets.token_hex(8)}"
