"""The report of a long run: what it ran with, the tables of all tests that add rows, and what was not run or failed."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import tokcodec
from bench.report.cells import Table

ROW = "row of the report"
"""The property of a test that is a row: [title of its table, cells by the names of columns]."""


def written(stats: Mapping[str, Sequence[Any]], arguments: Sequence[str]) -> str:
    """The report in Markdown.

    Args:
        stats: pytest's reports by outcome.
        arguments: of pytest.
    """
    tables: dict[str, list[dict[str, object]]] = {}
    for outcome in ("passed", "failed"):
        for report in stats.get(outcome, []):
            for name, value in report.user_properties if report.when == "call" else []:
                if name == ROW:
                    tables.setdefault(value[0], []).append(value[1])
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "torch", "pillow", "pyarrow"))
    machine = f"Python {platform.python_version()}, {versions}, {platform.system()}, {os.cpu_count()} cores"
    parts = [f"`python -m pytest {' '.join(arguments)}`: tokcodec {tokcodec.__version__}, {machine}.\n"]
    counts = [f"{len(stats[outcome])} {outcome}" for outcome in ("passed", "failed", "skipped") if outcome in stats]
    parts.append(f"{', '.join(counts)}.\n")
    for title, rows in tables.items():
        parts.append(Table(title, list(rows[0]), [[str(cell) for cell in row.values()] for row in rows]).markdown())
    parts += [f"- failed: `{report.nodeid}`" for report in (*stats.get("failed", []), *stats.get("error", []))]
    parts += [f"- skipped: `{report.nodeid}`: {report.longrepr[2]}" for report in stats.get("skipped", [])]
    return "\n".join(parts) + "\n"
