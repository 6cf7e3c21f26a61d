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
ENDINGS = ("", "-down", "-nearest", "-lossless-down", "-pillow-down", "-pillow-nearest")
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
    are means over pictures with 95 % intervals, above 0 where tokcodec is better. `from` and `up_to` are the ends of
    the first range in which their mean is, as `lead` returns them, in the part's unit. `low` and `high` bound the
    95 % interval of `up_to` over resampled pictures. None stands for infinity.
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
                drawn = [lead(sizes, means)[1] for means in table[stats.resamples(len(table))].mean(1)]
                low, high = np.percentile(drawn, [2.5, 97.5], method="nearest")
                start, end = lead(sizes, table.mean(0))
                ends = {"from": start, "up_to": end, "low": float(low), "high": float(high)}
                found.append(
                    {"metric": metric, "curve": curve, "rival": rival, "budgets": sizes.tolist()}
                    | {"differences": [_estimate(column) for column in table.T]}
                    | {name: value if math.isfinite(value) else None for name, value in ends.items()}
                )
    return found


def lead(sizes: Floats, means: Floats) -> tuple[float, float]:
    """The first range of sizes in which a curve is above 0. Its ends are interpolated in the logarithm of the size.

    Args:
        sizes: rising sizes.
        means: values of the curve there.

    Returns:
        Where the range begins, 0 if it has the first size, and where it ends, infinity if it has the last one.
        (0, 0) if no value is above 0.
    """
    above = means > 0
    if not above.any():
        return 0.0, 0.0
    first = int(np.argmax(above))
    behind = first + np.flatnonzero(~above[first:])
    start = _crossing(sizes, means, first) if first else 0.0
    return start, _crossing(sizes, means, int(behind[0])) if len(behind) else math.inf


def _crossing(sizes: Floats, means: Floats, place: int) -> float:
    """Where a curve crosses 0 on its way to the value at `place`."""
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
        if entry["from"]:
            crossed += f", from {_place(entry, 'from', part['unit'])}"
        cells = [verdicts.get(budget, "") for budget in shown]
        rows.append([entry["metric"], entry["curve"], RIVALS[entry["rival"]], crossed, *cells])
    return Table(
        f"Who is ahead, {title_of(part)}",
        ["metric", "codec", "against", "ahead up to", *(in_unit(budget, part["unit"]) for budget in shown)],
        rows,
        "Each rival has its best file of all scales and ways of enlarging, as an expert or Pillow writes it. ahead, "
        "behind: the 95 % interval of the mean difference over pictures is above or below 0, else even. Empty: not "
        "every picture has a file that small of both, or none was made for these bytes. ahead up to: where the mean "
        "difference falls to 0 after tokcodec was ahead, with the 95 % interval over resampled pictures. from: where "
        "tokcodec gets ahead, if it is not at the smallest size.",
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
