"""The end of a run (exit codes, signals, closed pipes), and the output on a terminal."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.signals import ENDING, default_signals
from tokcodec.cli.console import Group, Report, printable, reason
from tokcodec.errors import NotTokError

MakeTok = Callable[..., bytes]
COMMAND = [sys.executable, "-m", "tokcodec"]
ROOT = str(Path(__file__).parents[2])
# Runs the command with a signal or an error in the middle of its writing, when the temporary file lies there.
INTERRUPTED = """
import os, sys
from tests.signals import default_signals
from tokcodec import cli
from tokcodec.pictures import files
default_signals()
files._sync = lambda descriptor: os.kill(os.getpid(), {number})
cli.cli(sys.argv[1:], prog_name="tokcodec")
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_tok: MakeTok) -> Path:
    """A folder with a file of one tile and one of many."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", ROOT)
    (tmp_path / "in.tok").write_bytes(make_tok())
    (tmp_path / "large.tok").write_bytes(make_tok(width=320, height=32, pitch=16))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Über 東京", "Über 東京"),
        ("a\nb\t", "a\\nb\\t"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\udcff", "\\udcff"),
        ("\u202e", "\\u202e"),
    ],
)
def test_names_stay_on_one_line(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (MemoryError(), "not enough memory"),
        (NotTokError("not a .tok file"), "not a .tok file"),
        (ValueError("tokens must be\n1..8"), "tokens must be 1..8"),
        (FileNotFoundError(2, "x", "name"), "no such file or folder"),
        (KeyError("x"), "KeyError: 'x'"),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_reasons(error: Exception, text: str) -> None:
    assert reason(error) == text


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=lambda v: str(int(v))
)
def test_a_signal_leaves_the_old_output_and_nothing_else(here: Path, number: int, code: int) -> None:
    (here / "out.tok").write_bytes(b"precious")
    before = sorted(os.listdir(here))
    arguments = ["truncate", "-f", "in.tok", "--tokens", "2", "-o", "out.tok"]
    result = subprocess.run(
        [sys.executable, "-c", INTERRUPTED.format(number=int(number)), *arguments], capture_output=True, check=False
    )
    assert result.returncode == code
    assert b"Traceback" not in result.stderr
    assert sorted(os.listdir(here)) == before
    assert (here / "out.tok").read_bytes() == b"precious"


def test_an_interrupted_run_leaves_whole_outputs_alone(here: Path, picture: bytes) -> None:
    (here / "photos").mkdir()
    for number in range(9):
        (here / "photos" / f"{number}.png").write_bytes(picture)
    third = "(seen.append(0), len(seen) == 3 and os.kill(os.getpid(), {number}))"
    program = INTERRUPTED.replace("os.kill(os.getpid(), {number})", third).replace(
        "files._sync", "seen = []; files._sync"
    )
    command = ["encode", "--model", "tiny", "-r", "photos", "--output-dir", "toks", "-j", "3"]
    result = subprocess.run(
        [sys.executable, "-c", program.format(number=int(signal.SIGINT)), *command], capture_output=True, check=False
    )
    assert result.returncode == 130 and result.stderr.endswith(b"tokcodec: interrupted\n")
    assert sorted(os.listdir(here / "toks")) == ["0.tok", "1.tok"]
    again = subprocess.run([*COMMAND, *command], capture_output=True, check=True)
    assert b"tokcodec: 7 done, 2 skipped, 0 failed in " in again.stderr
    assert len({(here / "toks" / f"{number}.tok").read_bytes() for number in range(9)}) == 1


def test_the_summary(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report()
    report.done, report.skipped = 10, 2
    report.count("tiles", 30)
    report.count("tiles", 30)
    report.error("a", "bad")
    report.sum_up(4.0)
    assert capsys.readouterr().err.splitlines()[1] == (
        "tokcodec: 10 done, 2 skipped, 1 failed in 4.0 s: 2.5 files/s, 15 tiles/s"
    )


@pytest.mark.parametrize("arguments", [["info", "in.tok"], ["truncate", "in.tok", "--tokens", "2", "-o", "-"]])
def test_a_closed_pipe_is_quiet(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    result = subprocess.run([*COMMAND, *arguments], stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (result.returncode, result.stderr) == (1, b"")


@pytest.mark.parametrize(
    ("redirection", "line"),
    [
        ("truncate - --tokens 2 -o x.tok <&-", "tokcodec: stdin: stdin is closed\n"),
        ("truncate in.tok --tokens 2 -o - >&-", "tokcodec: stdout: stdout is closed\n"),
        ("truncate in.tok --tokens 2 -o - >/dev/full", "tokcodec: stdout: disk full\n"),
        ("truncate in.tok --tokens 2 -f -o /dev/full", "tokcodec: /dev/full: disk full\n"),
        ("info missing 2>&-", ""),
        ("info in.tok >&-", "tokcodec: stdout is closed\n"),
        ("models list >&-", "tokcodec: stdout is closed\n"),
        ("models show tiny >&-", "tokcodec: stdout is closed\n"),
        ("models export-web base-2 --tokens 1 -o - >&-", "tokcodec: stdout: stdout is closed\n"),
    ],
)
def test_closed_and_full_streams(redirection: str, line: str) -> None:
    shell = f"{sys.executable} -m tokcodec {redirection}"
    result = subprocess.run(["sh", "-c", shell], stderr=subprocess.PIPE, text=True, check=False)
    assert (result.returncode, result.stderr) == (1, line)


def on_terminal(*arguments: str, stdout: bool = False) -> tuple[int, str]:
    """Exit code and what a terminal at stderr (and stdout) shows."""
    ours, theirs = pty.openpty()
    out = theirs if stdout else subprocess.DEVNULL
    with subprocess.Popen([*COMMAND, *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 4096):
                shown += part
        except OSError:  # how a terminal says that nobody writes any more
            pass
    os.close(ours)
    return process.returncode, shown.decode(errors="replace")


def test_no_data_on_a_terminal() -> None:
    code, shown = on_terminal("truncate", "in.tok", "--tokens", "2", "-o", "-", stdout=True)
    assert code == 2 and "Not writing data to a terminal" in shown
    code, shown = on_terminal("models", "export-web", "base-2", "--tokens", "1", "-o", "-", stdout=True)
    assert code == 2 and "Not writing data to a terminal" in shown
    code, _ = on_terminal("truncate", "-f", "in.tok", "--tokens", "2", "-o", "-", stdout=True)
    assert code == 0


@pytest.mark.slow
def test_progress_bars() -> None:
    code, shown = on_terminal("decode", "in.tok")
    assert code == 0 and "%" not in shown
    code, shown = on_terminal("decode", "large.tok")
    assert code == 0 and "100%" in shown and "large.tok -> large.png" in shown
    code, shown = on_terminal("decode", "in.tok", "-f", "large.tok", "missing.tok")
    assert code == 1 and "100%" in shown
    assert "\r\x1b[Ktokcodec: missing.tok: no such file or folder\r\n" in shown
    assert "\x1b[?25h\r\ntokcodec: 2 done, 0 skipped, 1 failed in " in shown  # the cursor is back
    code, shown = on_terminal("decode", "-q", "-f", "in.tok", "large.tok")
    assert (code, shown) == (0, "")


def test_names_beyond_the_terminals_encoding(here: Path) -> None:
    (here / "in.tok").rename(here / "東.tok")
    environment = os.environ | {"PYTHONIOENCODING": "latin-1"}
    result = subprocess.run([*COMMAND, "info", "東.tok"], env=environment, capture_output=True, check=False)
    assert (result.returncode, result.stdout[:12]) == (0, b"\\u6771.tok: ")


def test_completion() -> None:
    environment = os.environ | {"_TOKCODEC_COMPLETE": "bash_complete", "COMP_WORDS": "tokcodec e", "COMP_CWORD": "1"}
    result = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, check=True)
    assert result.stdout == "plain,encode\n"
    environment |= {"COMP_WORDS": "tokcodec decode --look f", "COMP_CWORD": "3"}
    result = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, check=True)
    assert result.stdout == "plain,fidelity\n"


def test_byte_commands_do_without_torch() -> None:
    code = """
import sys
from tokcodec.cli import cli
for arguments in (["--help"], ["--version"], ["info", "in.tok"], ["truncate", "in.tok", "--tokens", "2", "-o", "x.tok"],
                  ["models", "list"], ["models", "show", "tiny"]):
    cli(arguments, standalone_mode=False)
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=True)


@pytest.fixture
def as_at_a_terminal() -> Iterator[None]:
    """The usual handlers of signals in this process, for the time of the test."""
    before = {number: signal.getsignal(number) for number in ENDING}
    default_signals()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=str
)
def test_a_signal_counts_even_if_compiled_code_turns_it_into_an_error(
    as_at_a_terminal: None, number: signal.Signals, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    group = Group()

    @group.command()
    def work() -> None:
        try:
            os.kill(os.getpid(), number)
            time.sleep(5)
        except BaseException as end:
            raise ValueError("nonsense") from end

    with pytest.raises(SystemExit) as ended:
        group.main(["work"], "tokcodec")
    assert ended.value.code == code
    assert capsys.readouterr().err == ("tokcodec: interrupted\n" if number == signal.SIGINT else "")


def test_an_interrupt_while_the_command_is_loaded(here: Path) -> None:
    """A signal during the first import ends the process without a message."""
    (here / "click.py").write_text(f"import os; os.kill(os.getpid(), {int(signal.SIGINT)})")
    usual = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
    environment = os.environ | {"PYTHONPATH": f"{here}:{ROOT}"}
    for start in (["-m", "tokcodec"], ["-c", "from tokcodec.__main__ import main; main()"]):
        command = [sys.executable, "-c", usual, sys.executable, *start, "--help"]
        result = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert (result.returncode, result.stdout, result.stderr) == (-signal.SIGINT, b"", b"")
