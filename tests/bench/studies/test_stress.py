"""The study of bad surroundings: how it judges what a command leaves, and a few of its rounds with a small model."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest
from PIL import Image

import tokcodec
from bench.studies.stress import commands, disks, giants, kills, races, threads
from bench.studies.stress.commands import OLD, Ended, Work
from tests.robustness.processes import needs_fork
from tests.signals import default_signals

pytestmark = needs_fork


@pytest.fixture
def small(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Work]:
    """A folder with a picture, and the work of encoding it."""
    monkeypatch.setenv("TOKCODEC_MODELS", str(tiny_folder))
    default_signals()
    (tmp_path / "out").mkdir()
    Image.new("RGB", (40, 30), "teal").save(tmp_path / "in.png")
    return tmp_path, Work("encode", ("encode", "--model", "tiny", "in.png", "-o", "out/x.tok"), ("x.tok",))


def script(code: str, name: str = "x") -> Work:
    """A stand-in for a command."""
    return Work(name, ("-c", code), ("x",))


@pytest.fixture
def python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands are scripts."""
    for module in (commands, races, disks):
        monkeypatch.setattr(module, "TOKCODEC", (sys.executable,))


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
    assert commands.state(path, before, b"new") == expected


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
    assert kills.outcome(states, sent) == expected


@pytest.mark.parametrize(
    ("code", "said", "sent", "left", "good"),
    [
        (-9, "", signal.SIGKILL, 1, True),
        (143, "", signal.SIGTERM, 0, True),
        (-15, "", signal.SIGTERM, 0, True),
        (130, "tokcodec: interrupted\n", signal.SIGINT, 0, True),
        (-2, "Traceback ...\nKeyboardInterrupt\n", signal.SIGINT, 0, True),
        (1, "Could not import runpy module\nTraceback ...\nKeyboardInterrupt\n", signal.SIGINT, 0, True),
        (1, f"Traceback ...\n{commands.ROOT}/tokcodec/cli/main.py ...\nKeyboardInterrupt\n", signal.SIGINT, 0, False),
        (0, "x -> y\n", signal.SIGTERM, 0, True),
        (143, "", signal.SIGTERM, 1, False),
        (0, "", signal.SIGKILL, 1, False),
        (1, "tokcodec: x\n", signal.SIGTERM, 0, False),
        (130, "", signal.SIGINT, 0, False),
        (143, "Traceback ...", signal.SIGTERM, 0, False),
    ],
)
def test_faults_of_a_kill(code: int, said: str, sent: int, left: int, good: bool) -> None:
    assert (kills.faults_of(Ended(code, said, 1.0, sent=True), sent, left) == []) == good


# ---- runs


def test_a_process_that_is_killed_and_what_it_started(python: None, tmp_path: Path) -> None:
    child = "subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)"  # ends with who started it
    found = commands.run(script(f"import subprocess, sys, time; child = {child}; time.sleep(60)"), tmp_path, 0.1)
    assert (found.code, found.sent, found.outlived) == (-signal.SIGKILL, True, False)
    found = commands.run(script("import sys; sys.exit('a line')"), tmp_path, 60)
    assert (found.code, found.lines, found.sent) == (1, ["a line"], False)


def test_one_that_outlives(python: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "PATIENCE", 1.0)
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(9)'])"
    assert commands.run(script(code), tmp_path).outlived


def test_four_kills(small: tuple[Path, Work], capsys: pytest.CaptureFixture[str]) -> None:
    folder, work = small
    victim = kills.Victim(commands.forced(work), folder)
    tally = kills.Tally()
    for moment, sent in ((0.3, signal.SIGKILL), (0.9, signal.SIGTERM), (0.1, signal.SIGINT), (None, signal.SIGKILL)):
        victim.kill(tally, moment, sent, old=sent != signal.SIGTERM)
    assert (tally.faults, tally.runs, tally.again, capsys.readouterr().err) == ([], 4, 4, "")
    assert tally.outcomes["broken"] == 0 and tally.left <= 1


def test_a_command_that_writes_in_place_is_found_out(
    python: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    slow = "import time; f = open('out/x', 'wb'); f.write(b'half'); f.flush(); time.sleep(0.5); f.write(b'whole')"
    victim, tally = kills.Victim(script(slow), tmp_path), kills.Tally()
    victim.kill(tally, 0.6, signal.SIGKILL, old=True)
    assert tally.outcomes["broken"] == 1 and "broken" in tally.faults[0] and "broken" in capsys.readouterr().err


def test_a_full_disk(small: tuple[Path, Work], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, work = small
    monkeypatch.setattr(disks, "works", lambda: [commands.forced(work)])
    monkeypatch.setattr(disks, "LARGEST", 8)
    (row,) = disks.limited(folder)
    assert row[1:] == ["encode", "1, tokcodec: out/x.tok: file too large", "succeeds", "ok"]


def test_what_a_full_disk_must_not_leave(tmp_path: Path) -> None:
    work, line = script(""), Ended(1, "a line\n", 1.0)
    (tmp_path / "x").write_bytes(OLD)
    assert disks.judged(work, tmp_path, line)[1]
    assert not disks.judged(work, tmp_path, Ended(1, "two\nlines\n", 1.0))[1]
    assert not disks.judged(work, tmp_path, Ended(0, "a line\n", 1.0))[1]
    (tmp_path / "x").write_bytes(OLD[:3])
    assert not disks.judged(work, tmp_path, line)[1]


@pytest.mark.parametrize("force", [False, True])
def test_a_race(small: tuple[Path, Work], force: bool) -> None:
    folder, _ = small
    works = [
        Work("encode", ("encode", "--model", "tiny", "--tokens", str(n), "in.png", "-o", "out/x.tok"), ("x.tok",))
        for n in (2, 8)
    ]
    race = races.Race()
    races.race_single(works, [races.outputs(work, folder)[0] for work in works], folder, race, force)
    assert race.faults == [] and race.won == 1 + force and race.told == (not force)


def test_writers_in_place_are_found_out(python: None, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    slow = "import time; f = open('out/x', 'wb'); f.write(b'half'); f.flush(); time.sleep(0.2); f.write(b'whole')"
    race = races.Race()
    races.race_single([script(slow)] * 2, [b"halfwhole"] * 2, tmp_path, race, force=False)
    assert "4 bytes that are of no writer" in race.faults


def test_vectors_by_either_back_end() -> None:
    names = ["tile-64.tok", "dot-1.tok", "bare-24.tok"]
    by_numpy, by_torch = (threads.decode_vectors(way, many, names) for way, many in (("NumPy", 1), ("torch", 2)))
    assert by_torch.files == 2 * by_numpy.files and by_numpy.other_tokens == by_torch.other_tokens == 0
    assert max(by_numpy.levels, by_torch.levels) <= by_numpy.tolerance


def test_a_giant_file(tmp_path: Path) -> None:
    data = giants.giant(0, 16)
    found = tokcodec.info(data)
    assert (found.width, found.height, found.tiles, found.complete) == (16383, 16383, 1, True)
    (tmp_path / "x.tok").write_bytes(data)
    code, said, peak = giants.measured(["decode", "x.tok"], tmp_path)
    assert code == 1 and "(--max-pixels raises it)" in said and peak < giants.LIMITS_MB["refused"]
