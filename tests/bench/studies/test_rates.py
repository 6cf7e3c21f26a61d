"""The studies of rate control: their output for one small photograph, and seams of known pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from bench.studies import pitch, ratecontrol, seams
from tokcodec.pictures.tiling import Grid


def cells(output: str) -> list[list[str]]:
    """The cells of all tables in a text, header and separators included."""
    lines = [line for line in output.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.fixture
def folder(tmp_path: Path, tile: np.ndarray) -> Path:
    Image.fromarray(tile).save(tmp_path / "a.png")
    return tmp_path


def test_steps_at_seams_tell_seams_from_the_inside() -> None:
    grid = Grid.for_picture(512, 256, 256)
    ramp = np.repeat(np.arange(512.0)[None, :, None], 256, 0).repeat(3, 2)
    seam, inside = seams.steps_at_seams(ramp, grid)
    assert seam == pytest.approx(1)
    assert inside == pytest.approx(511 / (511 + 255), rel=0.1)  # rows have no step, and no seam
    ramp[:, 256:] += 50
    assert seams.steps_at_seams(ramp, grid)[0] > 2
    assert seams.steps_at_seams(ramp, grid)[1] == pytest.approx(inside)


def test_the_gain_over_equal_counts_is_printed(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TOKCODEC_LPIPS", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    found = CliRunner().invoke(ratecontrol.main, [str(folder), "--bpp", "0.1", "--part", "gain"])
    assert found.exit_code == 0, found.output
    assert "0.1 bpp: adaptive less equal counts at its pitch" in found.output
    assert "0.1 bpp: adaptive less the allocation by measured curves" in found.output
    assert {"psnr", "bytes"} <= {row[0] for row in cells(found.output)}
    assert "CPU seconds" not in found.output


def test_the_times_of_targets_are_printed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ratecontrol, "TIMED", ({"target_bpp": 0.02},))
    monkeypatch.setattr(ratecontrol, "REPEATS", 1)
    found = CliRunner().invoke(ratecontrol.main, [str(folder), "--part", "time"])
    assert found.exit_code == 0, found.output
    name, target, plain = cells(found.output)[-1][:3]
    assert name == "target_bpp 0.02" and float(plain) > 0 and float(target) > 0


def test_the_best_pitches_are_printed(folder: Path) -> None:
    found = CliRunner().invoke(pitch.main, [str(folder), "--smallest", "96", "--bpp", "0.02", "--bpp", "0.1"])
    assert found.exit_code == 0, found.output
    assert [row[0] for row in cells(found.output)] == ["bpp", "---", "0.02", "0.1"]


def test_seams_are_printed_by_look_pitch_and_tokens(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seams, "PITCHES", (64, 128))
    Image.open(folder / "a.png").crop((0, 0, 192, 128)).save(folder / "a.png")
    found = CliRunner().invoke(seams.main, [str(folder)])
    assert found.exit_code == 0, found.output
    rows = cells(found.output)
    assert ["perceptual", "64", "4"] in [row[:3] for row in rows]
    assert [row[:2] for row in rows[-2:]] == [["perceptual", "all"], ["fidelity", "all"]]
