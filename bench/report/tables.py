"""The summary as tables, for the terminal (Markdown) and for the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from bench.report.summary import ANCHORS, higher_is_better

NO_WEIGHTS = "no weights"
NO_OVERLAP = "no overlap"
PREVIEWS = ("thumbhash", "blurhash")


@dataclass(frozen=True)
class Table:
    """A titled table of strings with a note below it."""

    title: str
    header: list[str]
    rows: list[list[str]]
    note: str = ""

    def markdown(self) -> str:
        """The table as GitHub Markdown."""
        lines = [f"### {self.title}", "", "| " + " | ".join(self.header) + " |", "|" + " --- |" * len(self.header)]
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        return "\n".join([*lines, "", self.note, ""] if self.note else [*lines, ""])


def title_of(part: dict[str, Any]) -> str:
    """The part of the results in words."""
    n = len(part["pictures"])
    what = "whole pictures" if part["subset"] == "whole" else f"centre crops {part['subset'].removeprefix('crop')}"
    return f"{n} {what}"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _cell(entry: dict[str, Any] | None, metric: str | None, digits: int) -> str:
    if metric is None:
        return NO_WEIGHTS
    if entry is None or metric not in entry:
        return "-"
    return _number(entry[metric]["mean"], digits)


def _budget(value: float, unit: str) -> str:
    return f"{value:g} {unit}"


def tokens_table(part: dict[str, Any]) -> Table | None:
    """tokcodec by tokens: what its users see first."""
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
                _number(entry["bytes"]["mean"], 1),
                _number(entry["bytes"]["max"], 0),
                f"{psnr['mean']:.2f} ± {psnr['sd']:.2f}",
                _cell(entry, "psnr_half", 2),
                _cell(entry, "ssim", 3),
                _cell(entry, "ms_ssim", 3),
                _cell(entry, lpips, 3),
                _cell(entry, lpips and f"{lpips}_half", 3),
                *(_cell(entry, extra, 3) for extra in extras),
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
            *extras,
        ],
        rows,
        "Means over pictures; real files with all headers. Half: both pictures averaged 2x2 first.",
    )


def outgrown(entry: dict[str, Any], entries: Iterable[dict[str, Any]]) -> bool:
    """Whether the codec has no larger files: said up to twice the budget that first holds them, not at every one."""
    same = ("curve", "choice", "n", "bytes")
    first = min(e["budget"] for e in entries if all(e[key] == entry[key] for key in same))
    return bool(entry["budget"] > 2 * first)


def budgets_table(part: dict[str, Any], choice: str) -> Table | None:
    """Quality at equal bytes, each codec at its best by `choice`; the other metric of the same files beside it."""
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
            elif choice == "psnr":
                cells.append(f"{_cell(entry, 'psnr', 2)} ±{entry['psnr']['sd']:.1f} ({_cell(entry, lpips, 3)})")
            else:
                cells.append(f"{_cell(entry, choice, 3)} ({_cell(entry, f'{choice}_half', 3)})")
        rows.append([curve, *cells])
    shown = f"{choice} (the same at half scale)"
    if choice == "psnr":
        shown = f"PSNR dB ± sd ({lpips or f'LPIPS: {NO_WEIGHTS}'})"
    return Table(
        f"At most so many bytes, best {choice}, {title_of(part)}: {shown}",
        ["codec", *(_budget(budget, part["unit"]) for budget in budgets)],
        rows,
        'Means over pictures; "(k of n)": only k pictures have a file that small. "-down": coded small at '
        'the best of 12 scales, upscaled bicubic; "-nearest": the same, upscaled by nearest neighbour.',
    )


def bjontegaard_table(part: dict[str, Any]) -> Table | None:
    """Bjontegaard deltas with intervals, or "no overlap"."""
    rows = []
    for entry in part["bjontegaard"]:
        metric, digits = entry["metric"], 2 if entry["metric"] == "psnr" else 3
        sign = 1 if higher_is_better(metric) else -1
        rows.append(
            [
                entry["rate"]["test"],
                entry["rate"]["anchor"],
                metric,
                _interval(entry["rate"], 1, "%"),
                _interval(entry["quality"], digits, " dB" if metric == "psnr" else "", sign),
            ]
        )
    if not rows:
        return None
    return Table(
        f"Bjontegaard deltas, {title_of(part)}",
        ["codec", "against", "metric", "BD-rate", "BD-quality"],
        rows,
        "Akima, per picture, then the mean with its bootstrap 95 % interval; (k of n): pictures whose curves "
        "overlap. BD-rate below 0: fewer bytes for the same quality. BD-quality in units of the metric: PSNR "
        "above 0 and LPIPS below 0 are better.",
    )


def _interval(result: dict[str, Any], digits: int, unit: str, sign: int = 1) -> str:
    estimate = result["estimate"]
    if estimate is None:
        return NO_OVERLAP
    low, high = sorted((sign * estimate["low"], sign * estimate["high"]))
    count = "" if estimate["n"] == result["of"] else f" ({estimate['n']} of {result['of']})"
    return f"{sign * estimate['mean']:+.{digits}f}{unit} [{low:+.{digits}f}, {high:+.{digits}f}]{count}"


def differences_table(part: dict[str, Any], metric: str) -> Table | None:
    """tokcodec less a rival at equal bytes."""
    entries = [e for e in part["differences"] if e["metric"] == metric and e["n"] == e["of"]]
    budgets = sorted({e["budget"] for e in entries})
    if not budgets:
        return None
    digits = 2 if metric == "psnr" else 3
    by_key = {(e["test"], e["anchor"], e["budget"]): e for e in entries}
    rows = []
    for test, anchor in sorted({(e["test"], e["anchor"]) for e in entries}, key=lambda p: (p[0], ANCHORS.index(p[1]))):
        cells = []
        for budget in budgets:
            e = by_key.get((test, anchor, budget))
            values = () if e is None else [f"{e[name]:+.{digits}f}" for name in ("mean", "low", "high")]
            cells.append("{} [{}, {}]".format(*values) if values else "-")
        rows.append([f"{test} less {anchor}", *cells])
    return Table(
        f"Difference in {metric} at equal bytes, {title_of(part)}",
        ["", *(_budget(budget, part["unit"]) for budget in budgets)],
        rows,
        f"Paired by picture, bootstrap 95 % interval; tokcodec is better {'above' if metric == 'psnr' else 'below'} 0.",
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
                _number(e["own"], 0),
                e["anchor"],
                needed,
                _number(e["median"] / e["own"] if e["median"] and e["own"] else None, 1),
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
        "Medians over pictures; the last two columns count pictures.",
    )


def speed_table(part: dict[str, Any]) -> Table:
    """Seconds, memory, failures."""
    rows = [
        [
            e["curve"],
            str(e["rows"]),
            str(e["failures"]),
            _number(e["encode_s"] and e["encode_s"] * 1000, 1),
            _number(e["decode_s"] and e["decode_s"] * 1000, 1),
            _number(e["peak_mb"], 0),
        ]
        for e in part["speed"]
    ]
    return Table(
        f"Time, memory and failures, {title_of(part)}",
        ["codec", "points", "failures", "encode ms", "decode ms", "peak MB"],
        rows,
        'Means over all settings, one thread; of "-down" the chosen file alone, not its search. Peak: '
        "resident memory of the whole process, libraries and metrics included.",
    )


def failures_table(part: dict[str, Any]) -> Table | None:
    """What went wrong, one row each."""
    rows = [[f["picture"], f["codec"], str(f["setting"]), f["error"]] for f in part["failures"]]
    return Table(f"Failures, {title_of(part)}", ["picture", "codec", "setting", "error"], rows) if rows else None


def tables(summary: dict[str, Any]) -> Iterator[Table]:
    """All tables of a summary, the most telling first."""
    for part in summary["parts"]:
        choices = ["psnr", *([part["lpips"]] if part["lpips"] else [])]
        made = [
            tokens_table(part),
            *(budgets_table(part, choice) for choice in choices),
            *(differences_table(part, choice) for choice in choices),
            equal_table(part),
            bjontegaard_table(part),
            speed_table(part),
            failures_table(part),
        ]
        yield from (table for table in made if table is not None)


def markdown(summary: dict[str, Any]) -> str:
    """The summary as a Markdown document."""
    versions = ", ".join(f"{name} {version}" for name, version in summary["versions"].items())
    return "\n".join(["# Results", "", f"Versions: {versions}.", "", *(t.markdown() for t in tables(summary))])
