"""What a tile, a pixel and a byte cost, each measured with an input that consists of little else."""

from __future__ import annotations

from dataclasses import dataclass

from bench.report.cells import markdown_lines
from bench.studies.costs.inputs import Picture, TokFile
from bench.studies.costs.measure import Input, Meter

TILES = 63
"""Tiles of the pictures that measure a tile, in one row at the smallest pitch."""
ROW = {"width": 16 * TILES, "height": 16}
MEGA = 1e6


@dataclass(frozen=True)
class Unit:
    """One figure.

    name: what is measured
    given: the input that consists of it
    number: how often the input has it
    unit: what the number counts
    """

    name: str
    given: Input
    number: float
    unit: str


def file(**fields: int | bool) -> TokFile:
    """A file with any payload. Default: a row of tiles with one token each."""
    common: dict[str, int | bool] = ROW | {
        "pitch": 16, "tokens": 1, "flat": True, "adaptive": False, "payload": 3 * TILES // 2, "seed": 0
    }  # fmt: skip
    return TokFile(**(common | fields))  # type: ignore[arg-type]


def units(pixels: int) -> list[Unit]:
    """All figures.

    pixels: of the largest picture.
    """
    side = int(pixels**0.5)
    large = {"width": side, "height": side, "pitch": 0}
    area = side * side / MEGA
    whole = {"tokens": 256, "payload": 3 * 256 * TILES // 2}
    noise = Picture(ROW["width"], ROW["height"], "noise", "PNG", (("pitch", 16), ("tokens", 256)))
    return [
        Unit("decode, tiles of 1 token", file(), TILES, "tile"),
        Unit("decode, tiles of 256 tokens", file(**whole), TILES, "tile"),
        Unit("decode, 1-pixel strip of 64 tiles", file(width=16383, height=1, pitch=256, payload=96), 64, "tile"),
        Unit("decode, no tokens", file(**large, payload=0), area, "megapixel"),
        Unit("decode, one tile over all pixels", file(**large, payload=2), area, "megapixel"),
        Unit("encode, tiles of 256 tokens", noise, TILES, "tile"),
        *(
            Unit(
                f"encode, one tile from all pixels, {format}",
                Picture(side, side, "blocks", format, (("pitch", "fit"), ("tokens", 1))),
                area,
                "megapixel",
            )
            for format in ("PNG", "WEBP")
        ),
    ]


def table(meter: Meter, pixels: int) -> list[str]:
    """The figures as a table.

    meter: measures.
    pixels: of the largest picture.
    """
    rows = []
    for unit in units(pixels):
        cost = meter.cost(unit.given)
        each = f"{1000 * cost.seconds / unit.number:.1f} ms a {unit.unit}"
        rows.append([unit.name, f"{cost.size:,}", f"{cost.seconds:.2f}", each, f"{cost.peak:.0f}", cost.outcome])
    return markdown_lines(["input", "bytes", "CPU s", "each", "peak, MB", "outcome"], rows)
