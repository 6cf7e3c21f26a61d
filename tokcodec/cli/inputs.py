"""Finds the input files of a command: named files, and files in folders by their suffixes."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence

from ..filetree import walk
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
            paths = _find(name, report, suffixes, follow_links, results)
            for number, path in enumerate(paths, 1):  # noqa: B007 (the count is used below)
                yield path, os.path.relpath(path, name)
            if not number:
                report.note(name, "nothing to do in this folder")


def _find(top: str, report: Report, suffixes: Collection[str], follow_links: bool, results: str) -> Iterator[str]:
    """Find files with one of the suffixes. Skips pipes and devices, which may never end."""

    def fail(error: OSError) -> None:
        report.error(str(error.filename), error)

    linked: list[str] = []
    for _, entry in walk(top, follow_links=follow_links, linked=linked, failed=fail):
        suffix = os.path.splitext(entry.name)[1].lower()
        if suffix not in suffixes:
            if suffix != results or not suffix:
                report.left_out[suffix] += 1
        elif os.path.isfile(entry.path) or not os.path.exists(entry.path):  # reading a dangling link fails
            yield entry.path
    if linked:
        report.note_linked(top, len(linked))
