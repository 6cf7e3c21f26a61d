"""Metrics in the report: the metric that chooses the files for each, and the direction that is better."""

from __future__ import annotations

import pytest

from bench.report import measures


@pytest.mark.parametrize(
    ("metric", "choice", "better"),
    [
        ("psnr", "psnr", True),
        ("psnr_half", "psnr", True),
        ("lpips_squeeze_half", "lpips_squeeze", False),
        ("top1", "features_lite0", True),
        ("top5", "features_lite0", True),
        ("features_lite0", "features_lite0", False),
        ("grain", "features_lite0", True),
        ("delta_e_8", "psnr", False),
        ("delta_e_32", "psnr", False),
    ],
)
def test_what_a_metric_is_chosen_by(metric: str, choice: str, better: bool) -> None:
    assert measures.chooser(metric, ["psnr", "lpips_squeeze", "features_lite0"]) == choice
    assert measures.higher_is_better(metric) == better
    assert ("lower is better" in measures.label(metric)) != better


def test_without_its_own_chooser_another_is_taken() -> None:
    assert measures.chooser("grain", ["psnr", "lpips_squeeze"]) == "psnr"
    assert measures.chooser("grain", ["psnr", "features_lite0"]) == "features_lite0"
