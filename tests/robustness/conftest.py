"""Fixtures of several modules here: commands that must fail, commands in processes of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.robustness.inputs import Call, Fails, Put, listing, noise
from tests.robustness.processes import Commands
from tokcodec.models.modelfile import Model


@pytest.fixture
def fails(call: Call, tmp_path: Path) -> Fails:
    """Run a command that must fail with one line for `name` that holds `words`, and change nothing."""

    def check(*arguments: str, name: str, words: str = "", code: int = 1, stdin: bytes | None = None) -> str:
        before = listing(tmp_path)
        result = call(*arguments, stdin=stdin)
        assert (result.exit_code, result.stdout) == (code, ""), result.output
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"tokcodec: {name}: ") and words in line, line
        assert listing(tmp_path) == before
        return line

    return check


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Write a file of tmp_path."""

    def write(name: str, data: bytes) -> None:
        (tmp_path / name).write_bytes(data)

    return write


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Iterator[Commands]:
    """Run commands with the model `tiny` in processes that one server forks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOKCODEC_MODELS", str(tiny_folder))
        started = Commands(tmp_path_factory.mktemp("printed"))
    yield started
    started.close()


@pytest.fixture
def place(tmp_path: Path, tiny: Model) -> Path:
    """A folder with a few pictures and a `.tok` of an older one beside every second of them."""
    for i in range(4):
        (tmp_path / f"{i}.png").write_bytes(noise(i))
        if i % 2:
            (tmp_path / f"{i}.tok").write_bytes(b"old")
    return tmp_path
