"""Tables of recognition: with the other metrics of the same files, and the bytes at which pictures are recognised."""

from __future__ import annotations

from typing import Any

from bench.report.cells import Table, cell, in_unit, measures_cells, measures_header, measures_note, outgrown, title_of
from bench.report.measures import HEADINGS, chooser

SHARES = (0.5, 0.8)


def _order(curve: str) -> tuple[bool, str]:
    return not curve.startswith("tokcodec"), curve


def _entries(part: dict[str, Any], choice: str) -> list[dict[str, Any]]:
    """Every codec's best files by `choice`, at budgets that hold a file of every picture."""
    everyone = len(part["pictures"])
    return [
        e for e in part["at_budgets"] if e["choice"] == choice and e["n"] == everyone and "-packed" not in e["curve"]
    ]


def together_table(part: dict[str, Any]) -> Table | None:
    """All metrics of the same files, at the budgets `Part.few`."""
    choice = chooser("top1", part["choosers"])
    entries = _entries(part, choice)
    rows = [
        [
            in_unit(entry["budget"], part["unit"]),
            entry["curve"],
            cell(entry, "bytes", 0),
            cell(entry, "psnr", 2),
            cell(entry, part["lpips"], 3),
            *measures_cells(part, entry),
        ]
        for entry in sorted(entries, key=lambda e: (e["budget"], _order(e["curve"])))
        if entry["budget"] in part["few"] and not outgrown(entry, entries)
    ]
    if not rows or not part["measures"]:
        return None
    return Table(
        f"Within a byte budget, all metrics of the same files, {title_of(part)}",
        ["at most", "codec", "bytes", "PSNR dB", part["lpips"] or "LPIPS", *measures_header(part)],
        rows,
        f"Each codec has its best {choice}, where every picture has a file that small.{measures_note(part)}",
    )


def recognised_table(part: dict[str, Any]) -> Table | None:
    """The smallest budgets from which on 50 % and 80 % of the pictures are recognised."""
    if "top1" not in part["measures"]:
        return None
    choice = chooser("top1", part["choosers"])
    entries = _entries(part, choice)
    wanted = [(metric, share) for metric in ("top1", "top5") for share in SHARES]
    rows = []
    for curve in sorted({e["curve"] for e in entries}, key=_order):
        own = sorted((e for e in entries if e["curve"] == curve and "top1" in e), key=lambda e: e["budget"])
        found = [_first(own, metric, share) for metric, share in wanted]
        rows.append([curve, *("never" if value is None else in_unit(value, part["unit"]) for value in found)])
    if not rows:
        return None
    return Table(
        f"Bytes from which on pictures are recognised, {title_of(part)}",
        ["codec", *(f"{HEADINGS[metric]} of {share:.0%}" for metric, share in wanted)],
        rows,
        "The smallest budget from which on EfficientNet-lite0 gives its answer to the original for that share of the "
        f"decoded pictures (top-5: among its first five answers). Each codec has its best {choice}, where every "
        "picture has a file that small. never: at none of the budgets.",
    )


def _first(entries: list[dict[str, Any]], metric: str, share: float) -> float | None:
    """The smallest budget from which on the metric's mean is at least `share`. Entries are sorted by budget."""
    found: float | None = None
    for entry in reversed(entries):
        if entry[metric]["mean"] < share:
            break
        found = float(entry["budget"])
    return found
