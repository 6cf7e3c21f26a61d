"""Who is ahead, tokcodec or each rival at its best, and up to how many bytes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.report import stats
from bench.report.cells import Table, in_unit, title_of
from bench.report.part import Budget, Part, quality

RIVALS = {"avif": "AVIF", "webp": "WebP", "jpegxl": "JPEG XL", "jpeg2000": "JPEG 2000", "jpeg": "JPEG"}
"""Names by the codec's label."""
ENDINGS = ("", "-down", "-nearest", "-lossless-down")
"""Curves of a rival begin with its label and end so. The best file of all of them counts."""
SHOWN_BYTES = (36, 64, 108, 202, 300, 396, 512, 768, 1024, 2048)
"""Budgets of 256x256 crops in the table. Those of whole pictures are all shown."""

Floats = NDArray[np.float64]


def look_of(metric: str) -> str:
    """The look that is made for a metric."""
    return "fidelity" if metric == "psnr" else "perceptual"


def who_is_ahead(part: Part) -> list[dict[str, Any]]:
    """For each metric, curve of tokcodec and rival: the differences at the budgets, and where they fall to 0.

    Each side has its best file by the metric, at every budget that holds a file of every picture by both. Differences
    are means over pictures with 95 % intervals, above 0 where tokcodec is better. `up_to` is where their mean falls
    to 0 first, in the part's unit: 0 if tokcodec is never ahead, None if it always is. `low` and `high` bound its
    95 % interval over resampled pictures.
    """
    found = []
    for metric in part.choosers:
        curves = [name for name in part.ours if name.endswith(look_of(metric)) and "-bare" not in name]
        for rival in RIVALS:
            best = [f"{rival}{ending}" for ending in ENDINGS]
            for curve in curves:
                budgets, table = _differences(part, metric, curve, best)
                if not budgets:
                    continue
                sizes = np.asarray([budget.value for budget in budgets])
                drawn = [crossing(sizes, means) for means in table[stats.resamples(len(table))].mean(1)]
                low, high = np.percentile(drawn, [2.5, 97.5], method="nearest")
                ends = {"up_to": crossing(sizes, table.mean(0)), "low": float(low), "high": float(high)}
                found.append(
                    {"metric": metric, "curve": curve, "rival": rival, "budgets": sizes.tolist()}
                    | {"differences": [_estimate(column) for column in table.T]}
                    | {name: value if math.isfinite(value) else None for name, value in ends.items()}
                )
    return found


def crossing(sizes: Floats, means: Floats) -> float:
    """The size at which a curve falls to 0 first, interpolated in the logarithm of the size.

    Args:
        sizes: rising sizes.
        means: values of the curve there.

    Returns:
        The size. 0 if the first value is not above 0, infinity if all are.
    """
    behind = np.flatnonzero(means <= 0)
    if not len(behind):
        return math.inf
    place = behind[0]
    if place == 0:
        return 0.0
    share = means[place - 1] / (means[place - 1] - means[place])
    return float(sizes[place - 1] * (sizes[place] / sizes[place - 1]) ** share)


def _differences(part: Part, metric: str, curve: str, rivals: list[str]) -> tuple[list[Budget], Floats]:
    """Budgets at which both have files of all pictures, and the differences, float64 [pictures, budgets]."""
    budgets, columns = [], []
    for budget in part.budgets:
        ours, theirs = (_best(part, curves, budget, metric) for curves in ([curve], rivals))
        if len(ours) == len(theirs) == len(part.pictures):
            budgets.append(budget)
            columns.append([ours[name] - theirs[name] for name in part.pictures])
    return budgets, np.asarray(columns, np.float64).T


def _best(part: Part, curves: list[str], budget: Budget, metric: str) -> dict[str, float]:
    """The best quality of several curves within the budget, by picture."""
    found: dict[str, float] = {}
    for curve in curves:
        for name, row in part.best(curve, budget, metric).items():
            value = quality(row, metric)
            if value is not None:
                found[name] = max(value, found.get(name, value))
    return found


def _estimate(values: Floats) -> dict[str, float]:
    estimate = stats.bootstrap(values.tolist())
    return {} if estimate is None else {"mean": estimate.mean, "low": estimate.low, "high": estimate.high}


def ahead_table(part: dict[str, Any]) -> Table | None:
    """Who is ahead at which bytes, and where this changes."""
    entries = part["ahead"]
    if not entries:
        return None
    known = sorted({budget for entry in entries for budget in entry["budgets"]})
    if part["unit"] == "B":
        area = (int(part["subset"].removeprefix("crop")) / 256) ** 2
        wanted = {max(1, round(value * area)) for value in SHOWN_BYTES}
        shown = [budget for budget in known if budget in wanted]
    else:
        shown = known
    rows = []
    for entry in entries:
        verdicts = dict(zip(entry["budgets"], map(_verdict, entry["differences"]), strict=True))
        place = [_place(entry, name, part["unit"]) for name in ("up_to", "low", "high")]
        crossed = "{} {unit} [{}, {}]".format(*place, unit=part["unit"])
        cells = [verdicts.get(budget, "") for budget in shown]
        rows.append([entry["metric"], entry["curve"], RIVALS[entry["rival"]], crossed, *cells])
    return Table(
        f"Who is ahead, {title_of(part)}",
        ["metric", "codec", "against", "ahead up to", *(in_unit(budget, part["unit"]) for budget in shown)],
        rows,
        "Each rival has its best file of all scales and ways of enlarging, as an expert writes it. ahead, behind: the "
        "95 % interval of the mean difference over pictures is above or below 0, else even. Empty: not every picture "
        "has a file that small of both. ahead up to: where the mean difference falls to 0 first, with the 95 % "
        "interval over resampled pictures.",
    )


def _verdict(difference: dict[str, float]) -> str:
    return "ahead" if difference["low"] > 0 else "behind" if difference["high"] < 0 else "even"


def _place(entry: dict[str, Any], name: str, unit: str) -> str:
    """A crossing, or the end of the budgets beyond which it lies."""
    value = entry[name]
    if value is None:
        return f"over {entry['budgets'][-1]:g}"
    if value == 0:
        return f"below {entry['budgets'][0]:g}"
    return f"{value:.0f}" if unit == "B" else f"{value:.2g}"
