"""Computes the published figures from rows: means at equal bytes, Bjontegaard deltas, differences, failures.

At a budget of N bytes each picture has one row: the best of at most N bytes by PSNR, LPIPS or feature distance.
Means are given only if every picture has such a row.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np

from bench.report import stats
from bench.report.ahead import who_is_ahead
from bench.report.models import compare_models
from bench.report.part import Part, curve_name, quality
from bench.results import Row

# The strongest rivals at these sizes. Differences are given to them only.
ANCHORS = ("avif-down", "avif-nearest", "webp-down", "webp-nearest")
EQUAL_ANCHORS = ("webp-down", "webp-nearest")
ADAPTIVE = "tokcodec-adaptive"
SPREAD = (25, 75)  # percentiles over pictures, beside every mean


def _has_grain(row: Row) -> bool:
    """Whether the row's original has smooth windows. True for rows that are older than this metric."""
    return row.get("original", {"grain": 0}).get("grain") is not None


def _describe(rows: Iterable[Row]) -> dict[str, Any]:
    """Mean, deviation and quartiles of bytes and metrics over pictures. Without metrics that some pictures lack.

    Grain is taken over the pictures with smooth windows.
    """
    rows = list(rows)
    names = dict.fromkeys(name for row in rows for name in row["metrics"])
    columns = {"bytes": [row["bytes"] for row in rows]} | {
        name: [row["metrics"].get(name) for row in rows if name != "grain" or _has_grain(row)] for name in names
    }
    described: dict[str, Any] = {"n": len(rows)}
    for name, values in columns.items():
        if values and None not in values:
            low, high = np.percentile(values, SPREAD)
            deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
            described[name] = {
                "mean": float(np.mean(values)),
                "sd": deviation,
                "low": float(low),
                "high": float(high),
                "max": float(np.max(values)),
            }
    return described


def original_grain(part: Part) -> dict[str, Any] | None:
    """Grain of the originals: mean over the `n` pictures that have it; None if it was not measured."""
    known = {row["picture"]: row["original"]["grain"] for row in part.rows if "original" in row and _has_grain(row)}
    return {"mean": float(np.mean(list(known.values()))), "n": len(known)} if known else None


def at_budgets(part: Part) -> list[dict[str, Any]]:
    """Statistics for each curve, budget and choice. `n` is the number of pictures with a file within the budget."""
    found = []
    for curve in part.curves:
        for metric in part.choosers:
            for budget in part.budgets:
                rows = part.best(curve, budget, metric)
                if rows:
                    found.append({"curve": curve, "choice": metric, "budget": budget.value} | _describe(rows.values()))
    return found


def by_tokens(part: Part) -> list[dict[str, Any]]:
    """Statistics of tokcodec for each curve, pitch and number of tokens per tile."""
    groups: dict[tuple[str, int, int], list[Row]] = defaultdict(list)
    for row in part.rows:
        setting = row["setting"] or {}
        if "tokens" in setting:
            groups[curve_name(row), setting["pitch"], setting["tokens"]].append(row)
    ordered = sorted(groups.items(), key=lambda group: (group[0][0], group[0][1] != 256, *group[0][1:]))
    return [
        {"curve": curve, "pitch": pitch, "tokens": tokens} | _describe(rows) for (curve, pitch, tokens), rows in ordered
    ]


def _paired(part: Part, anchor: str, test: str, function: Callable[[str], float | None]) -> dict[str, Any]:
    values = [value for picture in part.pictures if (value := function(picture)) is not None and math.isfinite(value)]
    estimate = stats.bootstrap(values)
    return {
        "anchor": anchor,
        "test": test,
        "of": len(part.pictures),
        "estimate": None if estimate is None else asdict(estimate),
    }


def bjontegaard_deltas(part: Part) -> list[dict[str, Any]]:
    """BD-quality and BD-rate (%) of tokcodec against each rival, per picture and then averaged, for each metric."""
    found = []
    for anchor in [name for name in ANCHORS if name in part.curves]:
        for test in part.ours:
            for metric in part.choosers:
                a, b = ({p: part.points(curve, p, metric) for p in part.pictures} for curve in (anchor, test))
                gain = _paired(part, anchor, test, lambda p: stats.bd_quality(a[p], b[p]))  # noqa: B023
                rate = _paired(part, anchor, test, lambda p: stats.bd_rate(a[p], b[p]))  # noqa: B023
                found.append({"metric": metric, "quality": gain, "rate": rate})
    return found


def differences(part: Part) -> list[dict[str, Any]]:
    """Differences at equal budgets: tokcodec less each rival, and adaptive files less those with equal token counts.

    Paired by picture. Each side has its best files by the metric. Equal counts are at their best pitch.
    """
    pairs = [(anchor, test) for anchor in ANCHORS if anchor in part.curves for test in part.ours]
    pairs += [(equal, test) for test in part.ours if (equal := equal_counts(test)) in part.curves]
    found = []
    for anchor, test in pairs:
        for metric in part.choosers:
            for budget in part.budgets:
                a, b = (part.best(curve, budget, metric) for curve in (anchor, test))
                shared = sorted(a.keys() & b.keys())
                estimate = stats.bootstrap([b[p]["metrics"][metric] - a[p]["metrics"][metric] for p in shared])
                if estimate is not None:
                    found.append(
                        {
                            "anchor": anchor,
                            "test": test,
                            "metric": metric,
                            "budget": budget.value,
                            "of": len(part.pictures),
                        }
                        | asdict(estimate)
                    )
    return found


def equal_counts(curve: str) -> str | None:
    """For a curve of adaptive files, the curve with equal counts in every tile; None for other curves."""
    name = curve.removeprefix(ADAPTIVE)
    return None if name == curve else f"tokcodec{name}"


def equal_quality(part: Part, anchor: str) -> list[dict[str, Any]]:
    """Median bytes that a rival needs for the LPIPS of tokcodec, for each token count at pitch 256.

    `less` counts the pictures on which the rival's smallest file is better, `never` those on which none is as good.
    """
    found: list[dict[str, Any]] = []
    if part.lpips is None or anchor not in part.curves:
        return found
    for entry in by_tokens(part):
        if entry["pitch"] != 256 or entry["curve"] not in part.ours:
            continue
        needed, own = [], []
        for row in part.rows:
            setting = row["setting"] or {}
            same = setting.get("pitch") == 256 and setting.get("tokens") == entry["tokens"]
            if same and curve_name(row) == entry["curve"] and (aim := quality(row, part.lpips)) is not None:
                size = stats.bytes_for(part.points(anchor, row["picture"], part.lpips), aim)
                needed.append(0.0 if size is None else size)
                own.append(row["bytes"])
        found.append(
            {
                "curve": entry["curve"],
                "tokens": entry["tokens"],
                "anchor": anchor,
                "n": len(needed),
                "own": float(np.median(own)) if own else None,
                "median": _median(needed),
                "less": needed.count(0.0),
                "never": needed.count(math.inf),
            }
        )
    return found


def _median(sizes: list[float]) -> float | None:
    """Median of sizes in which 0 stands for "less" and infinity for "never"; None if the median is one of these."""
    ordered = sorted(sizes)
    middle = ordered[(len(ordered) - 1) // 2 : len(ordered) // 2 + 1]
    return float(np.mean(middle)) if middle and min(middle) > 0 and max(middle) < math.inf else None


def bits_per_token(part: Part) -> dict[str, list[tuple[float, float]]]:
    """(position, bits per token) by curve, from the growth of real files with the token count; means over rows."""
    groups: dict[str, list[tuple[list[list[int]], int]]] = defaultdict(list)
    for row in part.rows:
        if row.get("sizes") and row["setting"].get("pitch") == 256:
            groups[str(row["codec"])].append((row["sizes"], row["tiles"]))
    found = {}
    for codec, files in groups.items():
        counts = [count for count, _ in files[0][0]]
        rates = [
            [8 * (s1 - s0) / ((c1 - c0) * tiles) for (c0, s0), (c1, s1) in pairwise(sizes)] for sizes, tiles in files
        ]
        centres = [(c0 + c1) / 2 for c0, c1 in pairwise(counts)]
        found[codec] = list(zip(centres, np.mean(rates, axis=0).tolist(), strict=True))
    return found


def speed(part: Part) -> list[dict[str, Any]]:
    """Mean seconds of encoding and decoding, peak memory in MB, rows and failures, for each curve."""
    failed: dict[str, int] = defaultdict(int)
    for row in part.failures:
        failed[curve_name(row)] += 1
    found = []
    for curve in sorted({*part.curves, *failed}):
        rows = [row for rows in part.curves.get(curve, {}).values() for row in rows]

        def mean(name: str, rows: list[Row] = rows) -> float | None:
            values = [row[name] for row in rows if row.get(name) is not None]
            return float(np.mean(values)) if values else None

        peaks = [row["peak_mb"] for row in rows if row.get("peak_mb") is not None]
        found.append(
            {
                "curve": curve,
                "rows": len(rows),
                "failures": failed[curve],
                "encode_s": mean("encode_s"),
                "decode_s": mean("decode_s"),
                "peak_mb": max(peaks, default=None),
            }
        )
    return found


def versions(part: Part) -> dict[str, str]:
    """Versions of libraries and models by name. Rows of several runs may have several."""
    found: dict[str, set[str]] = defaultdict(set)
    for row in part.rows + part.failures:
        for name, version in (row.get("versions") or {}).items():
            found[name].add(version)
    return {name: " and ".join(sorted(found[name])) for name in sorted(found)}


def summarise(rows: Iterable[Row]) -> dict[str, Any]:
    """The summary of all parts of the rows, as JSON values."""
    rows = list(rows)
    parts = [Part(subset, rows) for subset in sorted({row["subset"] for row in rows})]
    return {
        "parts": [
            {
                "subset": part.subset,
                "versions": versions(part),
                "unit": part.unit,
                "pictures": part.pictures,
                "lpips": part.lpips,
                "extras": part.extras,
                "measures": part.measures,
                "choosers": part.choosers,
                "few": [budget.value for budget in part.few],
                "original_grain": original_grain(part),
                "at_budgets": at_budgets(part),
                "by_tokens": by_tokens(part),
                "ahead": who_is_ahead(part),
                "models": compare_models(part),
                "bjontegaard": bjontegaard_deltas(part),
                "differences": differences(part),
                "equal_lpips": [entry for anchor in EQUAL_ANCHORS for entry in equal_quality(part, anchor)],
                "bits_per_token": bits_per_token(part),
                "speed": speed(part),
                "failures": [
                    {"picture": r["picture"], "codec": r["codec"], "setting": r["setting"], "error": r["error"]}
                    for r in part.failures
                ],
            }
            for part in parts
        ],
    }
