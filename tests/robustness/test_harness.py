"""What the tests of kills, races and full disks are made of: it judges rightly, and finds out what is wrong."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from tests.robustness import works
from tests.robustness.inputs import ROOT
from tests.robustness.kills import Tally, Victim, faults_of, outcome
from tests.robustness.processes import Ended, needs_fork
from tests.robustness.races import Race
from tests.robustness.test_disks import check
from tests.robustness.works import OLD, Scene, Work

pytestmark = needs_fork
IN_PLACE = "import time; f = open('out/x', 'wb'); f.write(b'half'); f.flush(); time.sleep(0.5); f.write(b'whole')"


@pytest.fixture
def bare(tmp_path: Path) -> Scene:
    """A scene without inputs, for scripts."""
    (tmp_path / "out").mkdir()
    return Scene(tmp_path)


def script(code: str) -> Work:
    """A stand-in for a command."""
    return Work("x", (sys.executable, "-c", code), ("x",))


# ---- verdicts


@pytest.mark.parametrize(
    ("content", "before", "expected"),
    [
        (None, None, "absent"),
        (None, OLD, "broken"),
        (OLD, OLD, "old"),
        (OLD, None, "broken"),
        (b"new", OLD, "whole"),
        (b"ne", OLD, "broken"),
        (b"", None, "broken"),
    ],
)
def test_states_of_an_output(tmp_path: Path, content: bytes | None, before: bytes | None, expected: str) -> None:
    path = tmp_path / "x"
    if content is not None:
        path.write_bytes(content)
    assert works.state(path, before, b"new") == expected


@pytest.mark.parametrize(
    ("states", "sent", "expected"),
    [
        (["whole"], False, "ended before it"),
        (["broken"], False, "broken"),
        (["whole", "broken"], True, "broken"),
        (["whole"], True, "whole"),
        (["old"], True, "old"),
        (["absent", "whole"], True, "some whole"),
        (["absent", "absent"], True, "absent"),
    ],
)
def test_outcomes_of_a_kill(states: list[str], sent: bool, expected: str) -> None:
    assert outcome(states, sent) == expected


@pytest.mark.parametrize(
    ("code", "said", "sent", "left", "good"),
    [
        (-9, "", signal.SIGKILL, 1, True),
        (143, "", signal.SIGTERM, 0, True),
        (-15, "", signal.SIGTERM, 0, True),
        (130, "tokcodec: interrupted\n", signal.SIGINT, 0, True),
        (-2, "Traceback ...\nKeyboardInterrupt\n", signal.SIGINT, 0, True),
        (1, "Could not import runpy module\nTraceback ...\nKeyboardInterrupt\n", signal.SIGINT, 0, True),
        (1, f"Traceback ...\n{ROOT}/tokcodec/cli/main.py ...\nKeyboardInterrupt\n", signal.SIGINT, 0, False),
        (0, "x -> y\n", signal.SIGTERM, 0, True),
        (143, "", signal.SIGTERM, 1, False),
        (0, "", signal.SIGKILL, 1, False),
        (1, "tokcodec: x\n", signal.SIGTERM, 0, False),
        (130, "", signal.SIGINT, 0, False),
        (143, "Traceback ...", signal.SIGTERM, 0, False),
    ],
)
def test_faults_of_a_kill(code: int, said: str, sent: int, left: int, good: bool) -> None:
    assert (faults_of(Ended(code, "", said, 1.0, sent=True), sent, left) == []) == good


@pytest.mark.parametrize(
    ("code", "said", "left", "whole", "good"),
    [
        (1, "a line\n", OLD, True, True),
        (1, "a line\n", OLD, None, True),
        (1, "two\nlines\n", OLD, True, False),
        (0, "a line\n", OLD, True, False),
        (1, "a line\n", OLD[:3], True, False),
        (1, "a line\n", OLD, False, False),
    ],
)
def test_verdicts_on_a_full_disk(code: int, said: str, left: bytes, whole: bool | None, good: bool) -> None:
    rows: list[dict[str, object]] = []
    try:
        check(lambda _, row: rows.append(row), "here", script(""), Ended(code, "", said, 1.0), {"x": left}, whole)
    except AssertionError:
        assert not good and rows[0][""] == "WRONG"
    else:
        assert good and rows[0][""] == "ok"


# ---- runs


def test_a_process_that_is_killed_and_what_it_started(bare: Scene) -> None:
    child = "subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)"  # ends with who started it
    found = bare.run(script(f"import subprocess, sys, time; child = {child}; time.sleep(60)"), 0.1)
    assert (found.code, found.sent, found.outlived) == (-signal.SIGKILL, True, False)
    found = bare.run(script("import sys; sys.exit('a line')"), 60)
    assert (found.code, found.lines, found.sent) == (1, ["a line"], False)


def test_one_that_outlives(bare: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(works, "PATIENCE", 1.0)
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(9)'])"
    assert bare.run(script(code)).outlived


def test_a_command_that_writes_in_place_is_found_out(bare: Scene) -> None:
    victim, tally = Victim(bare, script(IN_PLACE)), Tally()
    victim.kill(tally, 0.6, signal.SIGKILL, old=True)
    assert tally.outcomes["broken"] == 1 and "broken" in tally.faults[0]


def test_writers_in_place_are_found_out(bare: Scene) -> None:
    race = Race()
    race.of_one_file(bare, [script(IN_PLACE)] * 2, [b"halfwhole"] * 2, winners=1)
    assert "x: 4 bytes that are of no writer" in race.faults and "2 succeeded: []" in race.faults
