"""Named models beside each other, tokcodec's own, and the rivals, at the bytes of each model's whole file.

A model whose tokens are not ordered has files of one size only. So all are compared at the size of the model's file of
the same picture, and not at one budget.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from bench.report.ahead import ENDINGS, RIVALS
from bench.report.cells import Table, number, title_of
from bench.report.measures import digits
from bench.report.part import Part, quality
from bench.results import Row
from tokcodec.container.header import HEADER_SIZE

NAMED = "tokcodec:"
"""Start of the labels of models that were named on the command line."""

Files = dict[str, Row]
"""A row for each picture."""


def compare_models(part: Part) -> dict[str, list[dict[str, Any]]]:
    """The costs of each model's whole files, and all codecs at their bytes. Both empty if no model was named."""
    files = {curve: found for curve in part.ours if (found := _whole_files(part, curve))}
    looks: dict[str, list[str]] = {}
    for curve, rows in files.items():
        looks.setdefault(next(iter(rows.values()))["codec"], []).append(curve)
    if not any(codec.startswith(NAMED) for codec in looks):
        return {"costs": [], "beside": []}
    others = looks | {title: [label + ending for ending in ENDINGS] for label, title in RIVALS.items()}
    return {
        "costs": [_costs(part, curve, list(rows.values())) for curve, rows in files.items()],
        "beside": [_beside(part, codec, files[curves[0]], others) for codec, curves in looks.items()],
    }


def _whole_files(part: Part, curve: str) -> Files:
    """The files of a curve with all tokens, at the model's own pitch or else the smallest one."""
    rows = ((picture, row) for picture, rows in part.curves[curve].items() for row in rows)
    return {picture: row for picture, row in rows if "model" in row}


def _costs(part: Part, curve: str, rows: list[Row]) -> dict[str, Any]:
    payloads = [row["bytes"] - HEADER_SIZE for row in rows]
    return {
        "curve": curve,
        **rows[0]["model"],
        "tokens": rows[0]["setting"]["tokens"],
        "bits_per_token": 8 * sum(payloads) / sum(row["tiles"] * row["setting"]["tokens"] for row in rows),
        "payload": _mean(payloads),
        "bytes": _mean(row["bytes"] for row in rows),
        "encode_s": _mean(row["encode_s"] for row in rows),
        "decode_s": _mean(row["decode_s"] for row in rows),
        **{metric: _mean(row["metrics"].get(metric) for row in rows) for metric in _metrics(part)},
    }


def _beside(part: Part, codec: str, files: Files, others: dict[str, list[str]]) -> dict[str, Any]:
    return {
        "codec": codec,
        "payload": _mean(row["bytes"] - HEADER_SIZE for row in files.values()),
        "bytes": _mean(row["bytes"] for row in files.values()),
        **{
            metric: {title: _best(part, curves, files, metric) for title, curves in others.items()}
            for metric in _metrics(part)
        },
    }


def _best(part: Part, curves: list[str], files: Files, metric: str) -> dict[str, Any]:
    """Mean of the metric over the `n` pictures of which one of the curves has a file of no more bytes: its best one."""
    found = []
    for picture, file in files.items():
        rows = (row for curve in curves for row in part.curves.get(curve, {}).get(picture, []))
        fitting = [(q, r) for r in rows if r["bytes"] <= file["bytes"] and (q := quality(r, metric)) is not None]
        if fitting:
            found.append(max(fitting, key=lambda pair: pair[0])[1]["metrics"][metric])
    return {"n": len(found), "mean": _mean(found)}


def _metrics(part: Part) -> list[str]:
    """The metrics of these tables."""
    return ["psnr", *([part.lpips] if part.lpips else [])]


def _mean(values: Iterable[float | None]) -> float | None:
    """Mean of the values that are known; None if none is."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def costs_table(part: dict[str, Any]) -> Table | None:
    """One row for each model and look: what its whole files cost."""
    metrics = ["psnr", *([part["lpips"]] if part["lpips"] else [])]
    rows = [
        [
            e["curve"],
            str(e["tile"]),
            str(e["tokens"]),
            number(e["bits_per_token"], 2),
            number(e["parameters"] / 1e6, 1),
            number(e["payload"], 1),
            number(e["bytes"], 1),
            number(e["encode_s"], 2),
            number(e["decode_s"], 2),
            *(number(e[metric], digits(metric)) for metric in metrics),
        ]
        for e in part["models"]["costs"]
    ]
    if not rows:
        return None
    return Table(
        f"Models with all tokens, {title_of(part)}",
        [
            "model", "tile", "tokens", "bits a token", "parameters, M", "payload, bytes", "file, bytes", "encode, s",
            "decode, s", *metrics,
        ],
        rows,
        "Means over pictures, at the pitch at which they keep their size, or else the smallest one. Tokens: of a tile. "
        f"Bits a token: of the payload. A file is the payload and a header of {HEADER_SIZE} bytes. Parameters: values "
        "in the file of weights, encoder and decoder together. Seconds: of a picture, on one thread.",
    )  # fmt: skip


def beside_tables(part: dict[str, Any]) -> list[Table]:
    """For each metric, one row for each model: the best of every codec within the bytes of its files."""
    entries = part["models"]["beside"]
    if not entries:
        return []
    return [_beside_table(part, entries, metric) for metric in ("psnr", part["lpips"]) if metric]


def _beside_table(part: dict[str, Any], entries: list[dict[str, Any]], metric: str) -> Table:
    titles = [title for title in entries[0][metric] if any(e[metric][title]["n"] for e in entries)]
    rows = [
        [
            e["codec"],
            number(e["payload"], 1),
            number(e["bytes"], 1),
            *(_cell(e[metric][title], len(part["pictures"]), digits(metric)) for title in titles),
        ]
        for e in entries
    ]
    return Table(
        f"At the bytes of each model, best {metric}, {title_of(part)}",
        ["bytes of", "payload, bytes", "file, bytes", *titles],
        rows,
        "Means over pictures. Each codec has its best file, in any look, among those no larger than the model's of the "
        f"same picture. All .tok files have the same header of {HEADER_SIZE} bytes, so that their payloads compare as "
        "the files do. (k of n): only k pictures have a file that small.",
    )


def _cell(best: dict[str, Any], everyone: int, decimals: int) -> str:
    if best["n"] < everyone:
        return f"({best['n']} of {everyone})" if best["n"] else "-"
    return number(best["mean"], decimals)
