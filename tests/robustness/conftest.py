"""Fixtures of several modules here: commands that must fail, commands in processes of their own; options of a long run.

    python -m pytest tests/robustness --kills 200 --rounds 40 --report robustness.md
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.robustness import report
from tests.robustness.inputs import Call, Fails, Put, listing, noise
from tests.robustness.processes import Commands
from tests.robustness.works import Scene, clear
from tokcodec.models.modelfile import Model

NUMBERS = {
    "kills": (4, "kills at random moments, all four commands together; a twentieth more of each while it writes"),
    "rounds": (7, "races of writers, all seven kinds together"),
    "seed": (0, "of the random moments"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("tests/robustness")
    for name, (default, text) in NUMBERS.items():
        group.addoption(f"--{name}", type=int, default=default, metavar="N", help=f"{text} (default {default})")
    group.addoption(
        "--report",
        type=Path,
        metavar="FILE",
        help="write tables in Markdown; commands then have the shipped model and scikit-image's photographs to work on",
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if path := config.getoption("report", None):
        path.write_text(report.written(terminalreporter.stats, config.invocation_params.args), encoding="utf-8")
        terminalreporter.write_line(f"tables in {path}")


@pytest.fixture(scope="session")
def numbers(pytestconfig: pytest.Config) -> dict[str, int]:
    """The options that are numbers."""
    # Where pytest meets this file after it has read the command line, as for tests/, it knows no option of it.
    return {name: pytestconfig.getoption(name, default) for name, (default, _) in NUMBERS.items()}


@pytest.fixture(scope="session")
def long(pytestconfig: pytest.Config) -> bool:
    """Whether this is the run for the report."""
    return pytestconfig.getoption("report", None) is not None


@pytest.fixture
def tabulate(request: pytest.FixtureRequest) -> Callable[[str, dict[str, object]], None]:
    """Add a row to the table of the report with this title."""
    return lambda title, row: request.node.user_properties.append((report.ROW, [title, row]))


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory, long: bool, tiny_folder: Path) -> Scene:
    """A folder with inputs for all commands."""
    scene = Scene(tmp_path_factory.mktemp("scene"), long, None if long else tiny_folder)
    scene.prepare()
    return scene


@pytest.fixture
def scene(prepared: Scene) -> Scene:
    """The same without outputs."""
    clear(prepared.out)
    return prepared


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
