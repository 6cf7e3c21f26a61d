"""The command `tokcodec train 1d`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.training.test_training import train
from tests.training.vit1d.conftest import SIZE
from tokcodec.cli import train_1d
from tokcodec.models.modelfile import read_model
from tokcodec.training.vit1d import finish


@pytest.mark.parametrize(("codes", "radices"), [(["--fsq", "4,4"], (4, 4)), (["--codebook", "16"], (16,))])
def test_the_command_makes_a_model(
    codes: list[str],
    radices: tuple[int, ...],
    photos: Path,
    held_out: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(train_1d.PRESETS, "tiny", replace(SIZE, levels=(3, 3)))
    whole = finish.write_result
    monkeypatch.setattr(finish, "write_result", lambda run, licence: whole(run, licence, tiles=20))
    out = str(tmp_path / "mine")
    sizes = ["--steps", "2", "--batch", "2", "--tokens", "4", *codes, "--tail-drop", "powers"]
    assert train("1d", str(photos), "--valid", str(held_out), "--out", out, *sizes, "--licence", "CC0") == 0
    model = read_model(tmp_path / "mine")
    assert (model.n_tokens, model.radices, model.licence) == (4, radices, "CC0")
    assert (tmp_path / "mine.training" / "log.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--patch", "48"], "--patch 48 is not an even divisor of a tile's side, 128"),
        (["--tile", "100"], "'100' is not one of"),
        (["--fsq", "8,x"], "'8,x' is not a list of numbers"),
        (["--fsq", "8,1"], "each number must be at least 2"),
        (["--tail-drop", "powers", "--padding", "4"], "--padding needs --tail-drop uniform"),
        (["--semantic", "1"], "need the names of classifiers: --features"),
        (["--steps", "0"], "0 is not in the range x>=1"),
    ],
)
def test_wrong_arguments(arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("1d", ".", "--out", "m", *arguments) == 2
    assert reason in " ".join(capsys.readouterr().err.split())


def test_too_few_photographs_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("1d", str(tmp_path), "--out", str(tmp_path / "m"), "--device", "cpu", "-q") == 1
    error = capsys.readouterr().err
    assert "0 usable photographs (short side at least 128 pixels); training needs at least 100" in error
    assert error.count("\n") == 1 and not list(tmp_path.iterdir())
