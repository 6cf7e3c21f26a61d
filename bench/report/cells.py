"""Writes and reads tables in Markdown, and formats their cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.report.measures import HEADINGS, digits

NO_WEIGHTS = "no weights"
PREVIEWS = ("thumbhash", "blurhash")


@dataclass(frozen=True)
class Table:
    """A titled table of strings with a note below it."""

    title: str
    header: list[str]
    rows: list[list[str]]
    note: str = ""

    def markdown(self) -> str:
        """The table as GitHub Markdown."""
        lines = [f"### {self.title}", "", *markdown_lines(self.header, self.rows)]
        return "\n".join([*lines, "", self.note, ""] if self.note else [*lines, ""])


def markdown_lines(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Lines of a Markdown table."""
    lines = [f"| {' | '.join(map(str, cells))} |" for cells in (header, *rows)]
    return [lines[0], "|" + " --- |" * len(header), *lines[1:]]


def read_table(text: str, title: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the `Table` whose title starts with `title`. Raises ValueError unless there is exactly one."""
    (part,) = [part for part in text.split("### ") if part.startswith(title)]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    header, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return header, rows


def title_of(part: dict[str, Any]) -> str:
    """Description of a part of the results, for a title."""
    n = len(part["pictures"])
    what = "whole pictures" if part["subset"] == "whole" else f"centre crops {part['subset'].removeprefix('crop')}"
    return f"{n} {what}"


def number(value: float | None, decimals: int) -> str:
    """A number with `decimals` decimals, or "-" for None."""
    return "-" if value is None else f"{value:.{decimals}f}"


def cell(entry: dict[str, Any] | None, metric: str | None, decimals: int) -> str:
    """Mean of a metric. The metric None stands for LPIPS without weights."""
    if metric is None:
        return NO_WEIGHTS
    if entry is None or metric not in entry:
        return "-"
    return number(entry[metric]["mean"], decimals)


def in_unit(value: float, unit: str) -> str:
    """A budget with its unit."""
    return f"{value:g} {unit}"


def outgrown(entry: dict[str, Any], entries: Iterable[dict[str, Any]]) -> bool:
    """Whether the budget is over twice the smallest one that has the same files. Such an entry is not repeated."""
    same = ("curve", "choice", "n", "bytes")
    first = min(e["budget"] for e in entries if all(e[key] == entry[key] for key in same))
    return bool(entry["budget"] > 2 * first)


def measures_header(part: dict[str, Any]) -> list[str]:
    """Headings of `measures_cells`, with the grain of the originals."""
    own = part["original_grain"]
    grain = f"grain (original {number(own and own['mean'], digits('grain'))})"
    return [grain if name == "grain" else HEADINGS[name] for name in part["measures"]]


def measures_cells(part: dict[str, Any], entry: dict[str, Any]) -> list[str]:
    """Cells of recognition and grain, if the part has them."""
    return [cell(entry, name, digits(name)) for name in part["measures"]]


def measures_note(part: dict[str, Any]) -> str:
    """Explanation of recognition and grain for the note below a table."""
    note = ""
    if "top1" in part["measures"]:
        note += (
            " top-1, top-5: share of pictures for which EfficientNet-lite0's answer to the original is also its first "
            "answer to the decoded picture, or among its first five. features_lite0, features_lite2: distances of the "
            "features of two EfficientNets, lower is better. No codec was trained on lite2."
        )
    if "delta_e_8" in part["measures"]:
        note += " ΔE: CIEDE2000 between the mean colours of 8x8 or 32x32 fields of the picture, lower is better."
    if part["original_grain"]:
        note += (
            f" Grain: fine texture, in levels, where the original is smooth ({part['original_grain']['n']} pictures); "
            "the nearer to the original's, the better."
        )
    return note
