"""Named models beside each other, tokcodec's own, and the rivals, at the bytes of each model's whole file.

A model whose tokens are not ordered has files of one size only. So all are compared at the size of the model's file of
the same picture, and not at one budget.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from bench.codecs.tok import HEADER_BYTES
from bench.report.ahead import ENDINGS, RIVALS
from bench.report.cells import Table, number, title_of
from bench.report.measures import digits
from bench.report.part import Part, quality
from bench.results import Row

NAMED = "tokcodec:"
"""Start of the labels of models that were named on the command line."""


def compare_models(part: Part) -> list[dict[str, Any]]:
    """The figures of each model's whole files, and of all codecs at their bytes. Empty if no model was named."""
    files = {curve: _whole_files(part, curve) for curve in part.ours}
    files = {curve: found for curve, found in files.items() if found}
    if not any(curve.startswith(NAMED) for curve in files):
        return []
    others = {curve: [curve] for curve in files}
    others |= {title: [label + ending for ending in ENDINGS] for label, title in RIVALS.items()}
    return [_figures(part, curve, rows, others) for curve, rows in files.items()]


def _whole_files(part: Part, curve: str) -> dict[str, Row]:
    """The files of a curve with all tokens, at the pitch at which the model's pictures keep their size, by picture."""
    rows = ((picture, row) for picture, rows in part.curves[curve].items() for row in rows)
    return {picture: row for picture, row in rows if "model" in row}


def _figures(part: Part, curve: str, files: dict[str, Row], others: dict[str, list[str]]) -> dict[str, Any]:
    rows = list(files.values())
    payloads = [row["bytes"] - HEADER_BYTES for row in rows]
    return {
        "curve": curve,
        **rows[0]["model"],
        "tokens": rows[0]["setting"]["tokens"],
        "bits_per_token": 8 * sum(payloads) / sum(row["tiles"] * row["setting"]["tokens"] for row in rows),
        "payload": _mean(payloads),
        "bytes": _mean(row["bytes"] for row in rows),
        "encode_s": _mean(row["encode_s"] for row in rows),
        "decode_s": _mean(row["decode_s"] for row in rows),
        "metrics": {metric: _mean(row["metrics"][metric] for row in rows) for metric in part.choosers},
        "beside": {
            metric: {title: _best(part, curves, files, metric) for title, curves in others.items()}
            for metric in part.choosers
        },
    }


def _best(part: Part, curves: list[str], files: dict[str, Row], metric: str) -> dict[str, Any]:
    """Mean of the metric over the `n` pictures of which one of the curves has a file of no more bytes: its best one."""
    found = []
    for picture, file in files.items():
        rows = (row for curve in curves for row in part.curves.get(curve, {}).get(picture, []))
        fitting = [(q, r) for r in rows if r["bytes"] <= file["bytes"] and (q := quality(r, metric)) is not None]
        if fitting:
            found.append(max(fitting, key=lambda pair: pair[0])[1]["metrics"][metric])
    return {"n": len(found), "mean": _mean(found) if found else None}


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def models_table(part: dict[str, Any]) -> Table | None:
    """One row for each model: what its whole files cost."""
    metrics = part["choosers"]
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
            *(number(e["metrics"][metric], digits(metric)) for metric in metrics),
        ]
        for e in part["models"]
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
        "Means over pictures, each tile of the model's own number of samples. Tokens: of a tile. Bits a token: of the "
        f"payload. A file is the payload and a header of {HEADER_BYTES} bytes. Parameters: values in the file of "
        "weights, encoder and decoder together. Seconds: of a picture, on one thread.",
    )  # fmt: skip


def beside_table(part: dict[str, Any], metric: str) -> Table | None:
    """One row for each model: the best of every other codec within the bytes of its files."""
    entries = part["models"]
    titles = [title for title in (entries[0]["beside"][metric] if entries else ()) if _shown(entries, metric, title)]
    rows = [
        [
            e["curve"],
            number(e["payload"], 1),
            number(e["bytes"], 1),
            *(_cell(e["beside"][metric][title], len(part["pictures"]), digits(metric)) for title in titles),
        ]
        for e in entries
    ]
    if not rows:
        return None
    return Table(
        f"At the bytes of each model, best {metric}, {title_of(part)}",
        ["model", "payload, bytes", "file, bytes", *titles],
        rows,
        "Means over pictures. Each codec has its best file among those no larger than the model's of the same picture. "
        f"All .tok files have the same header of {HEADER_BYTES} bytes, so that their payloads compare as the files do. "
        "(k of n): only k pictures have a file that small.",
    )


def _shown(entries: list[dict[str, Any]], metric: str, title: str) -> bool:
    return any(e["beside"][metric][title]["n"] for e in entries)


def _cell(best: dict[str, Any], everyone: int, decimals: int) -> str:
    if best["n"] < everyone:
        return f"({best['n']} of {everyone})" if best["n"] else "-"
    return number(best["mean"], decimals)
