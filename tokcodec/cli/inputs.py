"""Finds the input files of a command: named files, and files in folders by their suffixes."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence

from .console import STDIO, Report


def expand(
    inputs: Sequence[str],
    report: Report,
    suffixes: Collection[str],
    recursive: bool,
    follow_links: bool = False,
    results: str = "",
) -> Iterator[tuple[str, str]]:
    """Find the files of the inputs. Files of a folder are ordered by name.

    Args:
        inputs: files and folders, or STDIO.
        report: prints an error for a folder without `recursive`, and a note for one without files. Counts the files
            that are left out, by suffix.
        suffixes: suffixes of the files to find in folders, in lower case.
        recursive: whether to search folders.
        follow_links: whether to search linked folders too. Default: False, with a note of their number.
        results: suffix of the results, which do not count as left out. Default: "", none.

    Returns:
        Pairs of a path and the path relative to the named folder.
    """
    for name in inputs:
        if name == STDIO or not os.path.isdir(name):
            yield name, os.path.basename(name)
        elif not recursive:
            report.error(name, "is a folder: use -r for the files in it")
        else:
            number = 0
            paths = _walk(name, report, suffixes, follow_links, results)
            for number, path in enumerate(paths, 1):  # noqa: B007 (the count is used below)
                yield path, os.path.relpath(path, name)
            if not number:
                report.note(name, "nothing to do in this folder")


def _walk(
    top: str, report: Report, suffixes: Collection[str], follow_links: bool, results: str
) -> Iterator[str]:
    """Find files with one of the suffixes.

    Skips hidden files, pipes and devices, which may never end, and links to folders unless `follow_links`. A folder is
    searched once, since links may form a circle.
    """

    def fail(error: OSError) -> None:
        report.error(str(error.filename), error)

    seen = {os.path.realpath(top)}
    linked = 0
    for folder, folders, files in os.walk(top, onerror=fail, followlinks=follow_links):
        kept = []
        for name in sorted(name for name in folders if not name.startswith(".")):
            path = os.path.join(folder, name)
            if os.path.islink(path) and not follow_links:
                linked += 1
            elif not follow_links or (real := os.path.realpath(path)) not in seen:
                kept.append(name)
                if follow_links:
                    seen.add(real)
        folders[:] = kept
        for name in sorted(name for name in files if not name.startswith(".")):
            path, suffix = os.path.join(folder, name), os.path.splitext(name)[1].lower()
            if suffix not in suffixes:
                if suffix != results or not suffix:
                    report.left_out[suffix] += 1
            elif os.path.isfile(path) or not os.path.exists(path):  # reading a dangling link fails
                yield path
    if linked:
        report.note_linked(top, linked)
