"""The rows of one part of the results, by curve and picture, and the best rows at a budget.

A curve is a codec, or tokcodec with a look ("tokcodec perceptual"). At a budget of N bytes each picture has one row:
the best one of at most N bytes by one of the part's `choosers`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from bench.codecs.interface import BPP_BUDGETS, TILE_BUDGETS
from bench.metrics import EXTRAS
from bench.report.measures import MEASURES, higher_is_better
from bench.results import Row

# Budgets at which all metrics of the same files are shown together.
FEW_BYTES = (36, 108, 202, 396, 1024, 4096)
FEW_BPP = (0.01, 0.05, 0.1, 0.5)


def curve_name(row: Row) -> str:
    """Name of the curve of a row."""
    look = (row.get("setting") or {}).get("look")
    return f"{row['codec']} {look}" if look else str(row["codec"])


def quality(row: Row, metric: str) -> float | None:
    """The metric, negated if lower is better; None if it was not measured."""
    value = (row.get("metrics") or {}).get(metric)
    return None if value is None else float(value) if higher_is_better(metric) else -float(value)


@dataclass(frozen=True)
class Budget:
    """A size limit: `value` in `unit` ("B" for crops, "bpp" for whole pictures)."""

    value: float
    unit: str

    def limit(self, row: Row) -> float:
        """The limit for the row's picture in bytes. A budget in bpp is rounded, as in `run.budgets`."""
        return self.value if self.unit == "B" else max(1, round(self.value * row["width"] * row["height"] / 8))

    def fits(self, row: Row) -> bool:
        """Whether the row's file is within the budget and, if it was made for a target, whether this is its target."""
        limit = self.limit(row)
        return bool(row["bytes"] <= limit) and (row.get("setting") or {}).get("target", limit) == limit


class Part:
    """The rows of one part of the results: "whole", or crops of one size."""

    def __init__(self, subset: str, rows: Iterable[Row]) -> None:
        self.subset = subset
        own = [row for row in rows if row["subset"] == subset]
        self.rows = [row for row in own if row.get("metrics") is not None and row.get("bytes") is not None]
        self.failures = [row for row in own if row.get("error")]
        self.pictures = sorted({row["picture"] for row in self.rows})
        self.unit = "bpp" if subset == "whole" else "B"
        names = {name for row in self.rows for name in row["metrics"]}
        self.extras = sorted(names & EXTRAS.keys())
        self.measures = [name for name in MEASURES if name in names]
        self.lpips = next((n for n in sorted(names) if n.startswith("lpips") and not n.endswith("_half")), None)

    @cached_property
    def curves(self) -> dict[str, dict[str, list[Row]]]:
        """Rows by curve and picture."""
        found: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
        for row in self.rows:
            found[curve_name(row)][row["picture"]].append(row)
        return {name: dict(found[name]) for name in sorted(found)}

    @property
    def budgets(self) -> list[Budget]:
        """The budgets of the comparison."""
        if self.unit == "bpp":
            return [Budget(value, "bpp") for value in BPP_BUDGETS]
        area = (int(self.subset.removeprefix("crop")) / 256) ** 2
        return [Budget(max(1, round(value * area)), "B") for value in TILE_BUDGETS]

    @property
    def few(self) -> list[Budget]:
        """The budgets at which all metrics are shown together."""
        kept = FEW_BPP if self.unit == "bpp" else FEW_BYTES
        whole = BPP_BUDGETS if self.unit == "bpp" else TILE_BUDGETS
        return [budget for value, budget in zip(whole, self.budgets, strict=True) if value in kept]

    def best(self, curve: str, budget: Budget, metric: str) -> dict[str, Row]:
        """The row of the curve with the best `metric` within the budget, by picture.

        A file that was made for a target counts at this target alone: who asks for a larger one gets another file.
        """
        found: dict[str, Row] = {}
        for picture, rows in self.curves.get(curve, {}).items():
            fitting = [(q, row) for row in rows if budget.fits(row) and (q := quality(row, metric)) is not None]
            if fitting:
                found[picture] = max(fitting, key=lambda pair: pair[0])[1]
        return found

    def points(self, curve: str, picture: str, metric: str) -> list[tuple[float, float]]:
        """(bytes, quality) of the curve's rows on one picture."""
        rows = self.curves.get(curve, {}).get(picture, [])
        return [(row["bytes"], q) for row in rows if (q := quality(row, metric)) is not None]

    @property
    def choosers(self) -> list[str]:
        """Metrics that choose rows at a budget."""
        features = [name for name in self.measures if name.startswith("features")]
        return ["psnr", *([self.lpips] if self.lpips else []), *features]

    @property
    def ours(self) -> list[str]:
        """Curves of tokcodec."""
        return [name for name in self.curves if name.startswith("tokcodec") and "-packed" not in name]
