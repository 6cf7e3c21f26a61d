"""Two runs never do the same work: one refuses, on any machines. A dead run blocks no other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.datasets.make import Here, make_folder, png
from tokcodec.datasets import claims
from tokcodec.datasets.claims import PREFIX, STALE, Claim, Owner
from tokcodec.datasets.runs import Run, plan_encoding
from tokcodec.datasets.sources.places import Place
from tokcodec.errors import OutputError
from tokcodec.options import EncodeOptions

HOLD = """
import sys
from tokcodec.datasets.claims import Claim
from tokcodec.datasets.sources.places import Place
with Claim(Place(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(params=["", "file://", "local://"])  # this machine, pyarrow's, fsspec's alone
def output(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "local://":
        pytest.importorskip("fsspec")
    return Place(f"{request.param}{tmp_path}/out")


def hold(folder: str) -> subprocess.Popen[str]:
    """Another process with a claim."""
    command = [sys.executable, "-c", HOLD, folder]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def pretend(folder: Path, name: str = "0", age: float = 0, **owner: Any) -> Path:
    """Leave the claim of a process of this machine, or of another."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{PREFIX}{name}.json"
    path.write_text(json.dumps(vars(Owner.current()) | {"since": 1e9} | owner))
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_another_process_is_refused_until_the_first_ends(tmp_path: Path, output: Place) -> None:
    process = hold(output.name)
    line = rf"out: another run has been at work here since 20.* \(pid {process.pid} on .*\); wait for it, or end it$"
    with pytest.raises(OutputError, match=line), Claim(output):
        pass
    assert len(os.listdir(tmp_path / "out")) == 1
    process.communicate("")
    with Claim(output):
        assert len(os.listdir(tmp_path / "out")) == 1
    assert not any((tmp_path / "out").glob("*"))


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="elsewhere a process that was killed may be unknown")
def test_a_process_that_was_killed_is_in_nobodys_way(tmp_path: Path) -> None:
    process = hold(str(tmp_path))
    process.kill()
    process.communicate()
    assert len(os.listdir(tmp_path)) == 1
    with Claim(Place(str(tmp_path))):
        assert len(os.listdir(tmp_path)) == 1
    pretend(tmp_path, born="1")  # its number is that of a later process
    with Claim(Place(str(tmp_path))):
        pass
    assert os.listdir(tmp_path) == []


def test_another_machine_is_trusted_as_long_as_it_writes(tmp_path: Path) -> None:
    folder = Place(str(tmp_path))
    path = pretend(tmp_path, age=STALE - 60, machine="other", host="far", pid=7)
    words = rf"\(pid 7 on far\); if it is dead, delete {path}, or wait 5 minutes$"
    with pytest.raises(OutputError, match=words), Claim(folder):
        pass
    assert os.listdir(tmp_path) == [path.name]
    pretend(tmp_path, age=STALE + 60, machine="other")
    with Claim(folder):
        assert not path.exists()


def test_without_the_clock_of_the_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = Place.times
    monkeypatch.setattr(Place, "times", lambda *given: dict.fromkeys(times(*given)))
    pretend(tmp_path, machine="other", seen=time.time() - STALE + 60)
    with pytest.raises(OutputError, match="another run has been at work here"), Claim(Place(str(tmp_path))):
        pass
    pretend(tmp_path, machine="other", seen=time.time() - STALE - 60)
    with Claim(Place(str(tmp_path))):
        pass


def test_a_damaged_claim_is_one_of_an_unknown_machine(tmp_path: Path) -> None:
    path = pretend(tmp_path)
    path.write_text("{")
    with pytest.raises(OutputError, match="pid 0 on an unknown machine"), Claim(Place(str(tmp_path))):
        pass


def test_of_runs_that_start_at_once_one_goes_on(tmp_path: Path) -> None:
    start, ended, held = threading.Barrier(4), threading.Barrier(4), []

    def run() -> None:
        claim = Claim(Place(str(tmp_path)))
        start.wait()
        try:
            with claim:
                held.append(claim)
                ended.wait()
        except OutputError:
            ended.wait()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(held) == 1 and os.listdir(tmp_path) == []


def test_a_run_notices_that_its_claim_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "BEAT", 0.01)
    with Claim(Place(str(tmp_path))) as claim:
        (path,) = tmp_path.iterdir()
        before = path.stat().st_mtime_ns
        while path.stat().st_mtime_ns == before:
            time.sleep(0.01)
        claim.check()
        while not claim.lost:  # it may be written anew in this moment
            path.unlink(missing_ok=True)
            time.sleep(0.001)
        with pytest.raises(OutputError, match="the claim of this run is gone"):
            claim.check()


def test_what_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=r"file/out: a part of its path is not a folder$"), Claim(
        Place(str(tmp_path / "file" / "out"))
    ):
        pass


def test_nothing_is_left_of_folders_that_were_made(tmp_path: Path) -> None:
    with Claim(Place(str(tmp_path / "a" / "b"))):
        assert (tmp_path / "a" / "b").is_dir()
    assert os.listdir(tmp_path) == []


@pytest.mark.usefixtures("tiny")
def test_runs(tmp_path: Path) -> None:
    """The second run refuses while the first is working, and repeats nothing that the first has finished."""
    make_folder(tmp_path / "in", {f"{i}.png": png(i) for i in range(4)})

    def plan() -> Run:
        options = EncodeOptions(model="tiny")
        return plan_encoding([str(tmp_path / "in")], str(tmp_path / "out"), options, shard_size=2)

    first, second, third = plan(), plan(), plan()
    outcomes = first.outcomes(Here())
    next(outcomes)
    with pytest.raises(OutputError, match="another run has been at work here since"):
        next(second.outcomes(Here()))
    assert len(list(outcomes)) == 1
    with pytest.raises(OutputError, match="another run has written here meanwhile; repeat the command"):
        next(third.outcomes(Here()))
    shards = ["in-00000.parquet", "in-00001.parquet"]
    assert sorted(os.listdir(tmp_path / "out")) == shards
    # A run that was killed after its last shard has left its claim: it goes although there is nothing left to do.
    pretend(tmp_path / "out", pid=1 << 30, age=2 * STALE)
    fourth = plan()
    assert len(fourth.done) == 2 and list(fourth.outcomes(Here())) == []
    assert sorted(os.listdir(tmp_path / "out")) == shards
