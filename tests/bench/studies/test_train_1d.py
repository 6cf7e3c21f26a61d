"""The study of a trained 1D tokenizer: its table, and what it says of a model that more tokens do not help."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.studies import train_1d
from bench.studies.train_1d import Row
from tokcodec.models.modelfile import Model

ROWS = [Row(8, 17.0, 15.0, 0.6, 16.5, 16.0, 0.5, 1.0), Row(16, 25.0, 15.5, 0.5, 24.0, 17.0, 0.4, 0.75)]


def test_the_page_has_the_table(tiny: Model, tmp_path: Path) -> None:
    page = train_1d.report(ROWS, "tiny", 4, 128)
    assert "Every doubling of the tokens raises the mean PSNR." in page
    assert page[-1] == "| 16 | 25.0 | 15.50 | +0.50 | 75% | 0.500 | 24.0 | 17.00 | 0.400 |"
    flat = train_1d.report([ROWS[0], replace(ROWS[1], psnr=15.0)], "tiny", 4, 128)
    assert "Not every doubling of the tokens raises the mean PSNR." in flat
    train_1d.draw(ROWS, tmp_path / "plot.svg")
    assert b"<svg" in (tmp_path / "plot.svg").read_bytes()


@pytest.mark.slow
def test_files_of_the_default_model_are_not_larger(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np
    import torch

    from tokcodec.ratecontrol import lpips

    class Difference(torch.nn.Module):
        def __init__(self, net: str, weights: Path | None) -> None:
            super().__init__()

        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return (x - y).abs().mean((1, 2, 3))

    monkeypatch.setattr(lpips, "LPIPS", Difference)
    smooth = np.add.outer(np.arange(256), np.arange(256))[..., None].repeat(3, 2) // 2
    rows = train_1d.compare([smooth.astype(np.uint8)], "tiny", None)
    assert [row.tokens for row in rows] == [1, 2, 4, 8, 16]
    assert all(row.other_size <= max(row.size, 12) for row in rows) and all(0 <= row.gained <= 1 for row in rows)
