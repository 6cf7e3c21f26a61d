"""`tokcodec models export-web`: sizes, and that the file in the repository belongs to the shipped model."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.vectors import FOLDERS
from tokcodec.cli import cli
from tokcodec.models.modelfile import Model
from tokcodec.models.registry import DEFAULT_MODEL, find_model
from tokcodec.tokenizers.web import looks_of, pack_web, pack_web_parts

from .conftest import WEB, Run

SMALL = {name: WEB / f"{name}-64.tokm" for name in FOLDERS}
BUDGET, BUDGET_NETWORK, BUDGET_WHOLE = 130_000, 250_000, 1_600_000


@pytest.mark.parametrize("name", SMALL)
def test_the_files_in_the_repository_are_the_shipped_models(name: str, run: Run) -> None:
    (found,) = run({"job": "load", "file": SMALL[name]})
    model = find_model(name)
    assert found == {
        "name": model.name,
        "tokens": 64,
        "scales": 1,
        "looks": ["light", "bare"],
        "hash": model.hash.hex(),
    }
    command = f"tokcodec models export-web {name} --tokens 64 -f -o formats/web/{name}-64.tokm"
    assert SMALL[name].read_bytes() == pack_web(model, 64, look="light"), f"make it again: {command}"


def test_sizes(whole: Path, run: Run) -> None:
    assert len(pack_web(find_model(), 64)) <= BUDGET
    assert all(path.stat().st_size <= BUDGET_NETWORK for path in SMALL.values())
    assert whole.stat().st_size <= BUDGET_WHOLE
    (found,) = run({"job": "load", "file": whole})
    assert (found["tokens"], found["scales"]) == (256, len(find_model().scales) + 1)


def test_the_command_writes_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["models", "export-web", "base-3", "--tokens", "8", "--no-network"])
    data = (tmp_path / "base-3-8.tokm").read_bytes()
    assert done.exit_code == 0 and f"base-3-8.tokm ({len(data)} bytes, 8 tokens)" in done.output
    assert data == pack_web(find_model(), 8) and len(data) < len(pack_web(find_model(), 8, look="light"))
    again = CliRunner().invoke(cli, ["models", "export-web", "base-3", "--tokens", "8"])
    assert again.exit_code == 1 and "exists" in again.output


def test_parts_are_written_together_or_not_at_all(call: Callable[..., Result], tmp_path: Path) -> None:
    command = ("models", "export-web", DEFAULT_MODEL, "--tokens", "8", "--first", "4", "-o", "m.tokm")
    assert call(*command).exit_code == 0
    parts = pack_web_parts(find_model(), 4, 8, look="light")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        f"m.{part}.tokm": data for part, data in parts.items()
    }
    (tmp_path / "m.first.tokm").unlink()
    result = call(*command)
    assert result.exit_code == 1 and "m.rest.tokm: exists already" in result.stderr
    assert not (tmp_path / "m.first.tokm").exists()
    assert call(*command, "-f").exit_code == 0


def test_a_model_in_parts_has_what_the_whole_one_has(run: Run) -> None:
    paths = {}
    name = f"{DEFAULT_MODEL}-64.tokm"
    command = f"tokcodec models export-web {DEFAULT_MODEL} --tokens 64 --first 8 -f -o formats/web/{name}"
    for part, data in pack_web_parts(find_model(), 8, 64, look="light").items():
        paths[part] = WEB / f"{DEFAULT_MODEL}-64.{part}.tokm"
        assert paths[part].read_bytes() == data, f"make it again: {command}"
    whole, joined, bare, other = run(
        {"job": "load", "file": SMALL[DEFAULT_MODEL]},
        {"job": "load", "file": paths["first"], "parts": [paths["network"], paths["rest"]]},
        {"job": "load", "file": paths["first"]},
        {"job": "load", "file": paths["first"], "parts": [paths["network"]]},
    )
    assert joined == whole
    assert bare == whole | {"tokens": 8, "looks": ["bare"]} and other == whole | {"tokens": 8}


def test_parts_that_do_not_fit_are_refused(run: Run, tiny: Model, tmp_path: Path) -> None:
    paths = {}
    for name, parts in (
        ("own", pack_web_parts(find_model(), 4, 8)),
        ("later", pack_web_parts(find_model(), 5, 8)),
        ("other", pack_web_parts(tiny, 2, 4)),
    ):
        for part, data in parts.items():
            paths[f"{name} {part}"] = tmp_path / f"{name} {part}"
            paths[f"{name} {part}"].write_bytes(data)
    wrong = [
        ("own rest", []),
        ("own first", ["other rest"]),
        ("own first", ["later rest"]),
        ("own first", ["own first"]),
        ("own first", ["own rest", "own rest"]),
    ]
    found = run(*({"job": "load", "file": paths[a], "parts": [paths[b] for b in more]} for a, more in wrong))
    for each in found:
        assert "part" in each["error"]


def test_it_goes_to_stdout(call: Callable[..., Result], tmp_path: Path) -> None:
    assert call("models", "export-web", "base-2", "--tokens", "4", "-o", "web.tokm").exit_code == 0
    result = call("models", "export-web", "base-2", "--tokens", "4", "-o", "-")
    assert (result.exit_code, result.stderr, os.listdir(tmp_path)) == (0, "", ["web.tokm"])
    assert result.stdout_bytes == (tmp_path / "web.tokm").read_bytes()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--tokens", "257"],
        ["--look", "none"],
        ["--look", "fidelity", "--no-network"],
        ["--tokens", "8", "--first", "9"],
        ["--first", "4", "-o", "-"],
    ],
)
def test_wrong_arguments(arguments: list[str], tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["models", "export-web", "base-2", "-o", str(tmp_path / "x.tokm"), *arguments])
    assert done.exit_code == 2 and not list(tmp_path.iterdir())


def test_a_model_without_a_network_says_so(tiny: Model) -> None:
    assert looks_of(tiny) == []
    with pytest.raises(ValueError, match="no network"):
        pack_web(tiny, 4, look="light")
    with pytest.raises(ValueError, match="tokens must be"):
        pack_web(tiny, 99)
