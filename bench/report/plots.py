"""The plots, as SVG and PNG: quality by bytes, quality by tokens, bits per token by position."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from bench.report.cells import PREVIEWS, outgrown
from bench.report.measures import chooser, label

# Okabe and Ito's palette, which colour-blind readers can distinguish.
_COLOURS = {
    "tokcodec": "#0072B2",
    "webp": "#D55E00",
    "jpeg": "#009E73",
    "avif": "#CC79A7",
    "jpegxl": "#E69F00",
    "jpeg2000": "#56B4E9",
    "thumbhash": "#000000",
    "blurhash": "#7F7F7F",
}
# Other files of tokcodec.
_OURS = {"adaptive": "#003B5C", "bare": "#7FB3D5", "effort": "#003B5C"}
# Curves that the tables have and the plots do not, since they would hide others.
_HIDDEN = ("-packed", "-pillow", "-lossless")
# Metrics that are 0 or 1 for each picture, so that a band of quartiles has no meaning.
SHARES = ("top1", "top5")
_DASHES = {"fidelity": (0, (5, 2))}
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "tokcodec",
    "svg.fonttype": "none",
    "font.size": 10,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


def _look_of(curve: str) -> tuple[str, Any, float]:
    """Colour, line style and width of a curve. tokcodec has thicker lines than its rivals."""
    name, _, look = curve.partition(" ")
    family, _, kind = name.split(":")[0].partition("-")
    if family == "tokcodec":
        other = "#56147D" if ":" in name else _OURS.get(kind.rstrip("0123456789"), _COLOURS["tokcodec"])
        return other, _DASHES.get(look, "-"), 2.4
    dashes: Any = "-" if kind == "down" else (0, (1, 1, 4, 1)) if kind == "nearest" else ":"
    return _COLOURS.get(family, "#7F7F7F"), dashes, 1.4


def _band(axes: Axes, x: list[Any], spread: list[dict[str, Any]], colour: str) -> None:
    """Draw the range between the quartiles around a curve."""
    low, high = ([entry[end] for entry in spread] for end in ("low", "high"))
    axes.fill_between(x, low, high, color=colour, alpha=0.12, linewidth=0)


def _level(axes: Axes, part: dict[str, Any], metric: str) -> None:
    """Draw the grain of the originals."""
    if metric == "grain" and part["original_grain"]:
        axes.axhline(part["original_grain"]["mean"], color="#7F7F7F", linewidth=1, label="original")


def _finish(axes: Axes, metric: str, unit: str) -> None:
    if unit == "bpp":
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    else:
        axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel({"B": "bytes per picture (at most)", "bpp": "bits per pixel (at most)"}.get(unit, unit))
    axes.set_ylabel(label(metric))


def rate_quality(part: dict[str, Any], metric: str) -> Figure | None:
    """A metric by budget (log scale): means over pictures, and a band between the quartiles.

    The files of each codec are the best by `measures.chooser`.
    """
    choice = chooser(metric, part["choosers"])
    everyone = len(part["pictures"])
    entries = [e for e in part["at_budgets"] if e["choice"] == choice and e["n"] == everyone and metric in e]
    curves: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        if not any(kind in entry["curve"] for kind in _HIDDEN) and not outgrown(entry, entries):
            curves.setdefault(entry["curve"], []).append(entry)
    if not curves:
        return None
    figure = Figure(figsize=(7.2, 5.4))
    axes = figure.subplots()
    for curve in sorted(curves, key=lambda name: (not name.startswith("tokcodec"), name)):
        colour, dashes, width = _look_of(curve)
        points = sorted(curves[curve], key=lambda e: e["budget"])
        if curve in PREVIEWS:  # they have a single file size
            axes.plot(
                points[0]["bytes"]["mean"] if part["unit"] == "B" else points[0]["budget"],
                points[0][metric]["mean"],
                "o" if curve == "thumbhash" else "s",
                color=colour,
                label=curve,
            )
            continue
        x = [e["budget"] for e in points]
        axes.plot(x, [e[metric]["mean"] for e in points], color=colour, linestyle=dashes, linewidth=width, label=curve)
        # Bands of all curves would hide each other.
        if metric not in SHARES and (curve.startswith("tokcodec") or curve == "webp-down"):
            _band(axes, x, [e[metric] for e in points], colour)
    _level(axes, part, metric)
    _finish(axes, metric, part["unit"])
    figure.legend(fontsize=8, ncols=4, loc="outside lower center")  # of up to 18 curves
    return figure


def tokens_quality(part: dict[str, Any], metric: str) -> Figure | None:
    """A metric by tokens per tile (log scale) at pitch 256: means over pictures, and a band between the quartiles."""
    entries = [e for e in part["by_tokens"] if e["pitch"] == 256 and metric in e and "-packed" not in e["curve"]]
    if not entries:
        return None
    figure = Figure(figsize=(7.2, 4.6))
    axes = figure.subplots()
    for curve in sorted({e["curve"] for e in entries}):
        colour, dashes, width = _look_of(curve)
        points = sorted((e for e in entries if e["curve"] == curve), key=lambda e: e["tokens"])
        x = [e["tokens"] for e in points]
        axes.plot(
            x,
            [e[metric]["mean"] for e in points],
            "o",
            color=colour,
            linestyle=dashes,
            linewidth=width,
            markersize=4,
            label=curve,
        )
        if metric not in SHARES:
            _band(axes, x, [e[metric] for e in points], colour)
    _level(axes, part, metric)
    _finish(axes, metric, "tokens per tile")
    axes.legend(fontsize=8)
    return figure


def bits_by_position(part: dict[str, Any]) -> Figure | None:
    """Bits per token in real files, by position of the token, with a line at 12 for plain packing."""
    if not part["bits_per_token"]:
        return None
    figure = Figure(figsize=(7.2, 3.4))
    axes = figure.subplots()
    for codec, points in part["bits_per_token"].items():
        colour, dashes, width = _look_of(codec)
        axes.plot(
            [x for x, _ in points], [y for _, y in points], color=colour, linestyle=dashes, linewidth=width, label=codec
        )
    axes.axhline(12, color="#7F7F7F", linewidth=1, linestyle=":", label="plain packing")
    axes.set_xlabel("position of the token")
    axes.set_ylabel("bits per token")
    axes.legend(fontsize=8)
    return figure


def draw(summary: dict[str, Any], folder: Path) -> list[dict[str, str]]:
    """Write every plot as FOLDER/NAME.svg and .png. Returns a list of {"name", "title", "svg"} with the SVG's text."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    with mpl.rc_context(STYLE):
        for part in summary["parts"]:
            lpips = [part["lpips"], f"{part['lpips']}_half"] if part["lpips"] else []
            where = "whole pictures" if part["subset"] == "whole" else f"{part['subset'].removeprefix('crop')} px crops"
            metrics = ["psnr", *lpips, *(name for name in part["measures"] if name != "top5")]
            wanted = [
                (f"rate-{metric}", f"Bytes against {label(metric)}, {where}", rate_quality(part, metric))
                for metric in metrics
            ]
            wanted += [
                (f"tokens-{metric}", f"Tokens against {label(metric)}, {where}", tokens_quality(part, metric))
                for metric in metrics
            ]
            wanted.append(("bits", f"Bits per token by position, {where}", bits_by_position(part)))
            for name, title, figure in wanted:
                if figure is not None:
                    drawn.append(
                        {
                            "name": f"{part['subset']}-{name}",
                            "title": title,
                            "svg": _save(figure, folder / f"{part['subset']}-{name}"),
                        }
                    )
    return drawn


def _save(figure: Figure, stem: Path) -> str:
    path = stem.with_name(stem.name + ".svg")
    figure.savefig(path, metadata={"Date": None})
    figure.savefig(stem.with_name(stem.name + ".png"), dpi=130, metadata={"Software": None})
    return path.read_text(encoding="utf-8")
