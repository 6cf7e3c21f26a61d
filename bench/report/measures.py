"""Properties of metrics for tables and plots: direction, name, digits, and the metric that chooses files for each."""

from __future__ import annotations

from collections.abc import Sequence

# Metrics beside PSNR, SSIM and LPIPS, shown if they were measured.
MEASURES = ("top1", "top5", "features_lite0", "features_lite2", "delta_e_8", "delta_e_32", "grain")
HEADINGS = {
    "top1": "top-1",
    "top5": "top-5",
    "features_lite0": "features_lite0",
    "features_lite2": "features_lite2",
    "delta_e_8": "ΔE 8x8",
    "delta_e_32": "ΔE 32x32",
    "grain": "grain",
}
_NAMES = {
    "psnr": "PSNR, dB",
    "top1": "top-1 agreement of EfficientNet-lite0",
    "top5": "top-5 agreement of EfficientNet-lite0",
    "features_lite0": "feature distance, EfficientNet-lite0",
    "features_lite2": "feature distance, EfficientNet-lite2",
    "delta_e_8": "ΔE2000 over 8x8 fields",
    "delta_e_32": "ΔE2000 over 32x32 fields",
    "grain": "grain, levels",
}
_DISTANCES = ("lpips", "dists", "features", "delta_e")


def higher_is_better(metric: str) -> bool:
    """False for distances (LPIPS, features, colour). Grain, best at the original's value, never chooses files."""
    return not metric.startswith(_DISTANCES)


def label(metric: str) -> str:
    """Name of the metric on an axis or in a title."""
    base = metric.removesuffix("_half")
    name = _NAMES.get(base, base.replace("lpips_", "LPIPS-"))
    name += ", half scale" if metric.endswith("_half") else ""
    return name if higher_is_better(base) else f"{name} (lower is better)"


def digits(metric: str) -> int:
    """Decimals in a table."""
    return 2 if metric.startswith(("psnr", "top", "grain", "delta_e")) else 3


def chooser(metric: str, choosers: Sequence[str]) -> str:
    """The metric that chooses a codec's files where `metric` is shown: itself, for colour PSNR, else features or PSNR.

    LPIPS is not used for other metrics, since it prefers the first few tokens of the fidelity look to all of them.
    """
    base = metric.removesuffix("_half")
    if base in choosers:
        return base
    if base.startswith("delta_e"):
        return choosers[0]
    return next((name for name in choosers if name.startswith("features")), choosers[0])
