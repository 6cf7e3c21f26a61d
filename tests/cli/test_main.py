"""`models`, `train`, the version and the help."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result

import tokcodec
from tests.cli.failing import failed
from tokcodec.models.modelfile import Model
from tokcodec.tokenizers.cascade import CascadeConfig
from tokcodec.training.settings import TRAININGS, CascadeTraining

Call = Callable[..., Result]


def test_models(call: Call, tiny: Model) -> None:
    assert f"tiny (id {tiny.id:02x}): 16 tokens, For tests." in call("models", "list").stdout
    lines = [json.loads(line) for line in call("models", "list", "--json").stdout.splitlines()]
    assert tiny.hash.hex() in [line["hash"] for line in lines]
    shown = call("models", "show", "tiny")
    assert shown.exit_code == 0 and tiny.hash.hex() in shown.stdout
    failed(call("models", "show", "nobody"), "no model named 'nobody'")
    failed(call("models", "remove", "nobody"), "no model named 'nobody'")
    failed(call("models", "import", "missing", "--name", "x"), "missing")
    assert call("models", "import", "missing", "--name", "/").exit_code == 2


def test_training_is_handed_its_arguments(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first stage is the default. An error of the training is one line."""
    asked: list[tuple[object, ...]] = []

    class Run:
        def __init__(self, *arguments: object) -> None:
            asked.append(arguments)

        def train(self) -> None:
            raise OSError(errno.ENOSPC, "full", "m.training/log.jsonl")

    def train_look(*arguments: object) -> None:
        asked.append(arguments)

    cascade_run, look_run = types.ModuleType("cascade_run"), types.ModuleType("look_run")
    cascade_run.CascadeRun, look_run.train_look = Run, train_look  # type: ignore[attr-defined]
    for name, module in (("cascade_run", cascade_run), ("look_run", look_run)):
        monkeypatch.setitem(sys.modules, f"tokcodec.training.{name}", module)
        monkeypatch.setattr(f"tokcodec.training.{name}", module, raising=False)
    for folder in "ab":
        (tmp_path / folder).mkdir()
    for stage in ([], ["cascade"]):
        result = call("train", *stage, "a", "--out", "m", "--valid", "b", "--steps", "7")
        failed(result, "m.training/log.jsonl: disk full")
        training = CascadeTraining(steps=7)
        assert asked.pop() == ((Path("a"),), (Path("b"),), Path("m"), training, CascadeConfig())
    look = call("train", "look", "a", "b", "--model", "b", "--look", "light", "--seed", "3", "--device", "cpu")
    assert look.exit_code == 0 and look.output == ""
    assert asked == [(Path("b"), (Path("a"), Path("b")), (), replace(TRAININGS["light"], seed=3), "cpu", None)]


@pytest.mark.parametrize("stage", ["cascade", "look"])
def test_help_of_training_needs_no_torch(stage: str) -> None:
    code = "cli(sys.argv[1:], standalone_mode=False); print('torch' in sys.modules)"
    code = f"import sys; from tokcodec.cli import cli; {code}"
    arguments = [sys.executable, "-c", code, "train", stage, "--help"]
    result = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert "--valid" in result.stdout and "None" not in result.stdout and result.stdout.endswith("False\n")


def test_version_and_help(call: Call) -> None:
    assert call("--version").stdout.startswith(f"tokcodec {tokcodec.__version__}, format 1, constriction 0.5.")
    for command in (
        [],
        ["encode"],
        ["decode"],
        ["info"],
        ["truncate"],
        ["models"],
        ["models", "import"],
        ["dataset", "encode"],
        ["train"],
        ["train", "look"],
    ):
        result = call(*command, "--help")
        assert result.exit_code == 0 and result.stdout.startswith("Usage: tokcodec ")
