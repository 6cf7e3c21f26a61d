"""Commands that end before they are done: outputs are whole or absent, old ones survive."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path

import pytest

import tokcodec
import tokcodec.datasets
from tests.robustness.inputs import ROOT, MakeTok, expected_outputs
from tests.robustness.kills import KILL, TURNS, Tally, Victim
from tests.robustness.processes import TEMPORARY, Commands, needs_fork
from tests.robustness.works import WORKS, Scene, share

pytestmark = needs_fork
KILLS = 20
ENCODE = ["encode", "-f", "--model", "tiny", "--pitch", "64", *(f"{i}.png" for i in range(4))]


def check_outputs(place: Path, expected: list[bytes]) -> int:
    """Each output is whole, or as it was before. Returns how many are new; puts the old ones back."""
    new = 0
    for i, data in enumerate(expected):
        path = place / f"{i}.tok"
        if path.exists() and path.read_bytes() == data:
            new += 1
        elif i % 2:
            assert path.read_bytes() == b"old"
        else:
            assert not path.exists()
        path.unlink(missing_ok=True)
        if i % 2:
            path.write_bytes(b"old")
    return new


def test_killed_at_a_random_moment_during_encode(commands: Commands, place: Path) -> None:
    expected = expected_outputs()
    for _ in range(2):  # the first run finds nothing in memory: it is no measure
        (whole,) = commands.run(ENCODE, folder=place)
        assert whole.code == 0 and check_outputs(place, expected) == 4
    rng, codes, found = random.Random(), [], []
    for i in range(KILLS):
        moment = whole.seconds * (i + rng.random()) / KILLS  # random, and early as well as late
        (ended,) = commands.run(ENCODE, folder=place, after=moment)
        codes.append(ended.code)
        found.append(check_outputs(place, expected))
        for path in place.glob(TEMPORARY):  # what a kill that nobody can catch may leave
            path.unlink()
        assert sorted(path.suffix for path in place.iterdir()) == [".png"] * 4 + [".tok"] * 2
    assert codes.count(-signal.SIGKILL) >= KILLS // 4 and set(codes) <= {0, -signal.SIGKILL}
    assert commands.run(ENCODE, folder=place)[0].code == 0 and check_outputs(place, expected) == 4


def test_killed_at_each_step_of_writing(commands: Commands, place: Path, make_tok: MakeTok) -> None:
    """At every access to a file, instead of waiting for chance to hit the milliseconds that matter."""
    data = make_tok()
    expected = tokcodec.truncate(data, tokens=3)
    (place / "in.tok").write_bytes(data)
    arguments = ["truncate", "-f", str(place / "in.tok"), "--tokens", "3", "-o", str(place / "1.tok")]
    for old in (b"old", None):
        states = []
        for step in range(1, 50):
            (place / "1.tok").unlink(missing_ok=True)
            if old:
                (place / "1.tok").write_bytes(old)
            (ended,) = commands.run(arguments, folder=place, step=step)
            states.append((place / "1.tok").read_bytes() if (place / "1.tok").exists() else None)
            left = list(place.glob(TEMPORARY))
            for path in left:
                path.unlink()
            if ended.code == 0:
                break
            assert ended.code == -signal.SIGKILL and len(left) <= 1
        assert 4 <= step < 49 and states[0] == old and states[-1] == expected and not left
        assert set(states) == {old, expected}


@pytest.mark.slow
@pytest.mark.parametrize("name", WORKS)
def test_each_command_killed_and_given_again(
    scene: Scene, name: str, numbers: dict[str, int], tabulate: Callable[[str, dict[str, object]], None]
) -> None:
    """From the start of Python on: outputs are whole or as before, and the same command ends as an undisturbed one."""
    victim, rng = Victim(scene, scene.work(name).forced()), random.Random(f"{numbers['seed']} {name}")
    tallies = {signal.Signals(sent).name: Tally() for sent in TURNS} | {"SIGKILL while writing": Tally()}
    number = WORKS.index(name)
    kills = share(numbers["kills"], len(WORKS), number)
    turns = islice(cycle(TURNS), number, number + kills)  # of four kills not all are of one kind
    for i, sent in enumerate(turns):
        victim.kill(tallies[signal.Signals(sent).name], rng.random(), sent, old=i % 2 == 0)
    for i in range(max(1, numbers["kills"] // 20)):
        victim.kill(tallies["SIGKILL while writing"], None, KILL, old=i % 2 == 0)
    for sent, tally in tallies.items():
        tabulate("Killed at random moments", tally.row(name, sent))
    assert [fault for tally in tallies.values() for fault in tally.faults] == []
    assert sum(tally.again for tally in tallies.values()) == kills + max(1, numbers["kills"] // 20)
    if victim.work.shards:  # each shard is what an undisturbed run writes
        keys = tokcodec.datasets.read(str(scene.out)).to_table(columns=["key"]).column("key").to_pylist()
        assert sorted(keys) == sorted(f"pictures/{picture}.png" for picture in scene.names)


@pytest.mark.parametrize(("sent", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_during_encode(commands: Commands, place: Path, sent: str, code: int) -> None:
    expected = expected_outputs()
    seconds = commands.run(ENCODE, folder=place)[0].seconds
    check_outputs(place, expected)
    codes = []
    for i in range(4):
        (ended,) = commands.run(ENCODE, folder=place, after=seconds * (i + 1) / 6, sent=getattr(signal, sent))
        assert "Traceback" not in ended.stderr
        if ended.code == 130:
            assert ended.stderr.endswith("tokcodec: interrupted\n")
        assert not list(place.glob(TEMPORARY))
        check_outputs(place, expected)
        assert ended.code in (0, code), ended.stderr
        codes.append(ended.code)
    assert code in codes


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_goes_away(place: Path, make_tok: MakeTok, unbuffered: str) -> None:
    """As `| head` does, in the midst of more than a pipe holds: no word and no success, with and without python -u."""
    (place / "in.tok").write_bytes(make_tok(2000, 2000, pitch=16, tokens=16))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered}
    command = [sys.executable, "-m", "tokcodec", "truncate", "in.tok", "--tokens", "15", "-o", "-"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=place, env=environment, bufsize=0
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.read(1) == b"\xf5"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1
