"""Commands that are killed again and again: what becomes of their outputs, and what must not be."""

from __future__ import annotations

import signal
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.robustness.inputs import ROOT
from tests.robustness.processes import Ended
from tests.robustness.works import OLD, STATES, Scene, Work, clear

KILL, TERM, INT = signal.SIGKILL, signal.SIGTERM, signal.SIGINT
TURNS = KILL, TERM, INT, KILL, KILL
"""Which signal is sent, by turns."""
CODES = {KILL: {0, -KILL}, TERM: {0, 128 + TERM}, INT: {0, 128 + INT}}
"""How a command may end that is sent one, once it is loaded; 0: its work was done."""
OUTCOMES = ("ended before it", "absent", "old", "some whole", "whole", "broken")


@dataclass
class Tally:
    """What came of the runs of one command that were sent one kind of signal.

    outcomes: see `outcome`.
    faults: what must not be, in words.
    left: temporary files.
    early: how many ended as Python itself does, before the command was loaded.
    again: how often the same command then led to what it leads to undisturbed.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    left: int = 0
    early: int = 0
    again: int = 0

    def row(self, command: str, sent: str) -> dict[str, object]:
        """The tally as a row of the report."""
        runs = self.outcomes.total()
        found = {name: self.outcomes[name] or "" for name in OUTCOMES}
        after = {"temporary files left": self.left, "before it was loaded": self.early}
        return {"command": command, "signal": sent, "runs": runs} | found | after | {
            "again: as undisturbed": f"{self.again} of {runs}"
        }


def outcome(states: list[str], sent: bool) -> str:
    """One of OUTCOMES for the states of all outputs after a run; sent: whether it still ran when the signal came."""
    assert set(states) <= set(STATES)
    if "broken" in states:
        return "broken"
    if not sent:
        return "ended before it"
    if set(states) == {"whole"}:
        return "whole"
    return "some whole" if "whole" in states else states[0]


def ended_early(ended: Ended) -> bool:
    """Whether Python itself was ended, before it had read a line of ours; it may have a traceback of its own then."""
    its_own = ended.code == 1 and "KeyboardInterrupt" in ended.stderr and str(ROOT / "tokcodec") not in ended.stderr
    return its_own or ended.code in (-TERM, -INT)


def faults_of(ended: Ended, sent: int, left: int) -> list[str]:
    """What is wrong with how a command ended.

    ended: how.
    sent: the signal.
    left: how many temporary files there are.
    """
    faults, early = [], ended_early(ended)
    if ended.outlived:
        faults.append("a process outlived it")
    if not early and ended.code not in (CODES[signal.Signals(sent)] if ended.sent else {0}):
        faults.append(f"exit code {ended.code}: {ended.stderr.strip()[-300:]}")
    if left and (sent != KILL or ended.code == 0):
        faults.append(f"{left} temporary files left, exit code {ended.code}")
    if ended.code == 128 + INT and ended.lines[-1:] != ["tokcodec: interrupted"]:
        faults.append(f"does not say that it was interrupted: {ended.stderr[-300:]}")
    if ended.code > 0 and not early and "Traceback" in ended.stderr:
        faults.append(f"traceback: {ended.stderr[-2000:]}")
    return faults


class Victim:
    """A command that is killed again and again, and what it makes undisturbed."""

    def __init__(self, scene: Scene, work: Work) -> None:
        self.scene, self.work = scene, work
        scene.whole(work)  # the first run finds nothing in memory: it is no measure
        self.seconds = scene.run(work).seconds

    def kill(self, tally: Tally, moment: float | None, sent: int, old: bool) -> None:
        """Kill one run and give the same command again.

        tally: takes what came of it.
        moment: a share of the command's duration; None: as soon as an output is being written.
        sent: the signal.
        old: whether the output exists before, unless it is a data set.
        """
        scene, work = self.scene, self.work
        clear(scene.out)
        before = OLD if old and not work.shards else None
        if before is not None:
            (scene.out / work.outputs[0]).write_bytes(before)
        ended = scene.run(work, self._writes if moment is None else moment * self.seconds, sent)
        states, left = scene.states(work, before), scene.temporaries()
        tally.outcomes[outcome(states, ended.sent)] += 1
        tally.left += len(left)
        tally.early += ended_early(ended)
        faults = faults_of(ended, sent, len(left))
        if "broken" in states:
            faults.append(f"broken: {states}, exit code {ended.code}")
        faults += [f"a stray file: {name}" for name in scene.strays(work)]
        if scene.claims() and sent != KILL:
            faults.append(f"a claim is left, exit code {ended.code}")

        finished = {path: identity(path) for path in self._outputs() if path.exists()} if work.shards else {}
        again = scene.run(work)
        missed = len(faults)
        if again.code or set(scene.states(work, None)) != {"whole"}:
            faults.append(f"not whole when done again: {again.code}, {scene.states(work, None)}: {again.stderr[-300:]}")
        if any(identity(path) != mark for path, mark in finished.items()):
            faults.append("a finished shard was written again")
        if work.shards and (rest := [*scene.temporaries(), *scene.claims()]):
            faults.append(f"still there after a whole run: {[path.name for path in rest]}")
        tally.again += len(faults) == missed
        if not finished:
            self.seconds = again.seconds  # as fast as the machine is now
        tally.faults += [f"{work.name}, {signal.Signals(sent).name}: {fault}" for fault in faults]

    def _writes(self) -> bool:
        """Whether an output is being written. A data set's run writes its claim first, in the same way."""
        return (not self.work.shards or bool(self.scene.claims())) and bool(self.scene.temporaries())

    def _outputs(self) -> list[Path]:
        return [self.scene.out / name for name in self.work.outputs]


def identity(path: Path) -> tuple[int, int]:
    """Which file it is, and when it was written."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns
