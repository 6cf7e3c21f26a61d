"""Finds the files below a folder. A folder is searched once, since links may form a circle."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator


def walk(
    top: str,
    *,
    hidden: bool = False,
    follow_links: bool = False,
    linked: list[str] | None = None,
    failed: Callable[[OSError], object] | None = None,
) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Find everything below a folder that is no folder: files, pipes, devices and dangling links.

    Args:
        top: the folder.
        hidden: whether names that begin with a dot are found. Default: False.
        follow_links: whether linked folders are searched. Default: False.
        linked: gets the paths of the linked folders that are not searched.
        failed: called with the error of a folder that cannot be read. Default: it is raised.

    Returns:
        Pairs of the path below `top`, with "/", and the entry. The files of a folder, in the order of their names, come
        before those of its subfolders.

    Raises:
        OSError: a folder cannot be read, and `failed` is None.
    """
    waiting = [""]
    seen = {os.path.realpath(top)}
    while waiting:
        folder = waiting.pop()
        found: list[str] = []
        for entry in _entries(os.path.join(top, folder) if folder else top, failed):
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.name.startswith(".") and not hidden:
                continue
            if not _is_folder(entry):
                yield path, entry
            elif not follow_links:
                if not entry.is_symlink():
                    found.append(path)
                elif linked is not None:
                    linked.append(path)
            elif (real := os.path.realpath(entry.path)) not in seen:
                seen.add(real)
                found.append(path)
        waiting += reversed(found)


def _entries(folder: str, failed: Callable[[OSError], object] | None) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        if failed is None:
            raise
        failed(error)
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or one behind a folder that cannot be read
        return False
