"""The summary as tables, for Markdown and for the page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.report.ahead import ahead_table
from bench.report.cells import (
    NO_WEIGHTS,
    Table,
    cell,
    in_unit,
    measures_cells,
    measures_header,
    measures_note,
    number,
    outgrown,
    title_of,
)
from bench.report.measures import digits, higher_is_better
from bench.report.models import beside_tables, costs_table
from bench.report.recognition import recognised_table, together_table
from bench.report.summary import ANCHORS

NO_OVERLAP = "no overlap"


def tokens_table(part: dict[str, Any]) -> Table | None:
    """Bytes and quality of tokcodec by tokens per tile."""
    lpips = part["lpips"]
    extras = part["extras"]
    rows = []
    for entry in part["by_tokens"]:
        if "-packed" in entry["curve"]:
            continue
        psnr = entry["psnr"]
        rows.append(
            [
                entry["curve"],
                str(entry["pitch"]),
                str(entry["tokens"]),
                number(entry["bytes"]["mean"], 1),
                number(entry["bytes"]["max"], 0),
                f"{psnr['mean']:.2f} ± {psnr['sd']:.2f}",
                cell(entry, "psnr_half", 2),
                cell(entry, "ssim", 3),
                cell(entry, "ms_ssim", 3),
                cell(entry, lpips, 3),
                cell(entry, lpips and f"{lpips}_half", 3),
                *measures_cells(part, entry),
                *(cell(entry, extra, 3) for extra in extras),
            ]
        )
    if not rows:
        return None
    name = lpips or "LPIPS"
    return Table(
        f"tokcodec by tokens per tile, {title_of(part)}",
        [
            "codec",
            "pitch",
            "tokens",
            "bytes",
            "largest",
            "PSNR dB ± sd",
            "PSNR half",
            "SSIM",
            "MS-SSIM",
            name,
            f"{name} half",
            *measures_header(part),
            *extras,
        ],
        rows,
        "Means over pictures. Bytes are those of real files with all headers. Half: both pictures are averaged 2x2 "
        f"first.{measures_note(part)}",
    )


def _qualities(entry: dict[str, Any], choice: str, lpips: str | None) -> str:
    """Cell with the metric that chose the files, and another one of them."""
    if choice == "psnr":
        return f"{cell(entry, 'psnr', 2)} ±{entry['psnr']['sd']:.1f} ({cell(entry, lpips, 3)})"
    if choice.startswith("features"):
        return f"{cell(entry, 'top1', 2)} / {cell(entry, 'top5', 2)} ({cell(entry, choice, 3)})"
    return f"{cell(entry, choice, 3)} ({cell(entry, f'{choice}_half', 3)})"


def budgets_table(part: dict[str, Any], choice: str) -> Table | None:
    """Quality at equal bytes, each codec at its best by `choice`, with another metric of the same files."""
    entries = {(e["curve"], e["budget"]): e for e in part["at_budgets"] if e["choice"] == choice}
    budgets = sorted({budget for _, budget in entries})
    curves = sorted(
        {curve for curve, _ in entries if "-packed" not in curve},
        key=lambda curve: (not curve.startswith("tokcodec"), curve),
    )
    if not budgets:
        return None
    lpips, everyone = part["lpips"], len(part["pictures"])
    rows = []
    for curve in curves:
        cells = []
        for budget in budgets:
            entry = entries.get((curve, budget))
            if entry is not None and outgrown(entry, entries.values()):
                cells.append("")
            elif entry is None or entry["n"] < everyone:
                cells.append("-" if entry is None else f"({entry['n']} of {everyone})")
            else:
                cells.append(_qualities(entry, choice, lpips))
        rows.append([curve, *cells])
    shown = f"{choice} (the same at half scale)"
    if choice == "psnr":
        shown = f"PSNR dB ± sd ({lpips or f'LPIPS: {NO_WEIGHTS}'})"
    elif choice.startswith("features"):
        shown = f"top-1 / top-5 ({choice})"
    return Table(
        f"Within a byte budget, best {choice}, {title_of(part)}: {shown}",
        ["codec", *(in_unit(budget, part["unit"]) for budget in budgets)],
        rows,
        'Means over pictures. "(k of n)": only k pictures have a file that small. "-down": coded at the best of 14 '
        'scales and enlarged bicubically. "-nearest": the same, enlarged by nearest neighbour.',
    )


def bjontegaard_table(part: dict[str, Any]) -> Table | None:
    """Bjontegaard deltas with intervals, or "no overlap"."""
    rows = []
    for entry in part["bjontegaard"]:
        metric = entry["metric"]
        sign = 1 if higher_is_better(metric) else -1
        rows.append(
            [
                entry["rate"]["test"],
                entry["rate"]["anchor"],
                metric,
                _interval(entry["quality"], digits(metric), " dB" if metric == "psnr" else "", sign),
                _interval(entry["rate"], 1, "%"),
            ]
        )
    if not rows:
        return None
    return Table(
        f"Bjontegaard deltas, {title_of(part)}",
        ["codec", "against", "metric", "BD-quality", "BD-rate"],
        rows,
        "Each picture's delta is computed with Akima interpolation. The table shows means with bootstrap 95 % "
        "intervals. (k of n): only k pictures have curves that overlap. BD-quality is in units of the metric, for PSNR "
        "BD-PSNR in dB: PSNR above 0 and distances below 0 are better. BD-rate below 0: fewer bytes for the same "
        "quality.",
    )


def _interval(result: dict[str, Any], decimals: int, unit: str, sign: int = 1) -> str:
    estimate = result["estimate"]
    if estimate is None:
        return NO_OVERLAP
    low, high = sorted((sign * estimate["low"], sign * estimate["high"]))
    count = "" if estimate["n"] == result["of"] else f" ({estimate['n']} of {result['of']})"
    return f"{sign * estimate['mean']:+.{decimals}f}{unit} [{low:+.{decimals}f}, {high:+.{decimals}f}]{count}"


def differences_table(part: dict[str, Any], metric: str) -> Table | None:
    """Differences between tokcodec and a rival at equal bytes."""
    entries = [e for e in part["differences"] if e["metric"] == metric and e["n"] == e["of"]]
    budgets = sorted({e["budget"] for e in entries})
    if not budgets:
        return None
    by_key = {(e["test"], e["anchor"], e["budget"]): e for e in entries}
    rows = []
    pairs = {(e["test"], e["anchor"]) for e in entries}
    for test, anchor in sorted(pairs, key=lambda p: (p[0], (*ANCHORS, p[1]).index(p[1]))):
        cells = []
        for budget in budgets:
            e = by_key.get((test, anchor, budget))
            values = () if e is None else [f"{e[name]:+.{digits(metric)}f}" for name in ("mean", "low", "high")]
            cells.append("{} [{}, {}]".format(*values) if values else "-")
        rows.append([f"{test} less {anchor}", *cells])
    return Table(
        f"Difference in {metric} at equal bytes, {title_of(part)}",
        ["", *(in_unit(budget, part["unit"]) for budget in budgets)],
        rows,
        "Differences are paired by picture, with bootstrap 95 % intervals. tokcodec is better "
        f"{'above' if higher_is_better(metric) else 'below'} 0.",
    )


def equal_table(part: dict[str, Any]) -> Table | None:
    """Bytes that a rival needs for the same LPIPS."""
    rows = []
    for e in part["equal_lpips"]:
        if e["median"] is not None:
            needed = f"{e['median']:.0f}"
        else:
            needed = "below its smallest file" if e["less"] > e["never"] else "never as good"
        rows.append(
            [
                e["curve"],
                str(e["tokens"]),
                number(e["own"], 0),
                e["anchor"],
                needed,
                number(e["median"] / e["own"] if e["median"] and e["own"] else None, 1),
                str(e["less"]),
                str(e["never"]),
            ]
        )
    if not rows:
        return None
    return Table(
        f"Bytes that WebP needs for the same {part['lpips']}, {title_of(part)}",
        [
            "codec",
            "tokens",
            "its bytes",
            "rival",
            "rival's bytes",
            "ratio",
            "rival's smallest is better",
            "rival never as good",
        ],
        rows,
        "Medians over pictures. The last two columns count pictures.",
    )


def speed_table(part: dict[str, Any]) -> Table:
    """Seconds, memory and failures of each codec."""
    rows = [
        [
            e["curve"],
            str(e["rows"]),
            str(e["failures"]),
            number(e["encode_s"] and e["encode_s"] * 1000, 1),
            number(e["decode_s"] and e["decode_s"] * 1000, 1),
            number(e["peak_mb"], 0),
        ]
        for e in part["speed"]
    ]
    return Table(
        f"Time, memory and failures, {title_of(part)}",
        ["codec", "points", "failures", "encode ms", "decode ms", "peak MB"],
        rows,
        'Means over all settings, on one thread. For "-down" only the chosen file is timed, not the search for it. '
        "Peak: resident memory of the whole process, with libraries and metrics.",
    )


def failures_table(part: dict[str, Any]) -> Table | None:
    """One row per failure."""
    rows = [[f["picture"], f["codec"], str(f["setting"]), f["error"]] for f in part["failures"]]
    return Table(f"Failures, {title_of(part)}", ["picture", "codec", "setting", "error"], rows) if rows else None


def tables(summary: dict[str, Any]) -> Iterator[Table]:
    """All tables of a summary, the most important first."""
    for part in summary["parts"]:
        made = [
            costs_table(part),
            *beside_tables(part),
            tokens_table(part),
            ahead_table(part),
            together_table(part),
            *(budgets_table(part, choice) for choice in part["choosers"]),
            recognised_table(part),
            *(differences_table(part, choice) for choice in part["choosers"]),
            equal_table(part),
            bjontegaard_table(part),
            speed_table(part),
            failures_table(part),
        ]
        yield from (table for table in made if table is not None)


def version_lines(summary: dict[str, Any]) -> list[str]:
    """A line of versions for each part of a summary."""
    return [
        f"{title_of(part)}: {', '.join(f'{name} {version}' for name, version in part['versions'].items())}."
        for part in summary["parts"]
    ]


def markdown(summary: dict[str, Any]) -> str:
    """The summary as a Markdown document."""
    versions = [f"Versions of {line}" for line in version_lines(summary)]
    return "\n".join(["# Results", "", *versions, "", *(t.markdown() for t in tables(summary))])
