"""Commands that are killed at random moments: outputs are whole or as before, and the same command goes on."""

from __future__ import annotations

import random
import signal
import sys
from collections import Counter
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

from .commands import (
    OLD,
    ROOT,
    STATES,
    Ended,
    Work,
    clear,
    dataset_work,
    forced,
    print_table,
    run,
    single_works,
    state,
    strays,
    temporaries,
)

KILL, TERM, INT = signal.SIGKILL, signal.SIGTERM, signal.SIGINT
TURNS = KILL, TERM, KILL, INT, KILL
"""Which signal is sent, by turns."""
CODES = {KILL: {-KILL}, TERM: {128 + TERM}, INT: {128 + INT}}
"""How a command may end that is sent one, once it is loaded."""
AIMED = "SIGKILL while writing"
"""Instead of at a random moment: as soon as there is a temporary file."""


@dataclass
class Tally:
    """What came of the runs of one command that were sent one kind of signal.

    outcomes: see `outcome`; faults: what must not be, in words; left: temporary files; early: how many ended as Python
    itself does, before the command was loaded; again: how often the same command then led to what it leads to
    undisturbed.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    left: int = 0
    early: int = 0
    again: int = 0

    @property
    def runs(self) -> int:
        return self.outcomes.total()


OUTCOMES = ("ended before it", "absent", "old", "some whole", "whole", "broken")


def outcome(states: list[str], sent: bool) -> str:
    """One of OUTCOMES for the states of all outputs after a run; sent: whether it still ran when the signal came."""
    assert set(states) <= set(STATES)
    if "broken" in states:
        return "broken"
    if not sent:
        return "ended before it"
    whole = states.count("whole")
    if whole == len(states):
        return "whole"
    return "some whole" if whole else states[0]


def ended_early(ended: Ended) -> bool:
    """Whether Python itself was ended, before it had read a line of ours; it may have a traceback of its own then."""
    its_own = ended.code == 1 and "KeyboardInterrupt" in ended.said and str(ROOT / "tokcodec") not in ended.said
    return its_own or ended.code in (-TERM, -INT)


def faults_of(ended: Ended, sent: int, left: int) -> list[str]:
    """What is wrong with how a command ended that has left so many temporary files."""
    faults = []
    if ended.outlived:
        faults.append("a process outlived it")
    if not ended_early(ended) and ended.code not in (CODES[signal.Signals(sent)] if ended.sent else {0}) | {0}:
        faults.append(f"exit code {ended.code}: {ended.said.strip()[-300:]}")
    if left and (sent != KILL or ended.code == 0):
        faults.append(f"{left} temporary files left, exit code {ended.code}")
    if ended.code == 128 + INT and ended.lines[-1:] != ["tokcodec: interrupted"]:
        faults.append(f"does not say that it was interrupted: {ended.said[-300:]}")
    if ended.code > 0 and not ended_early(ended) and "Traceback" in ended.said:
        faults.append(f"traceback: {ended.said[-2000:]}")
    return faults


class Victim:
    """A command that is killed again and again in a prepared folder, and what it makes undisturbed."""

    def __init__(self, work: Work, folder: Path) -> None:
        self.work, self.folder, self.out = work, folder, folder / "out"
        clear(self.out)
        for _ in range(2):  # the first run finds nothing in memory: it is no measure
            clear(self.out)
            whole = run(work, folder)
            if whole.code:
                raise SystemExit(f"{work.name}: {whole.said}")
        self.seconds = whole.seconds
        self.expected = [(self.out / name).read_bytes() for name in work.outputs]
        if work.shards:
            check_keys(self.out)

    def kill(self, tally: Tally, moment: float | None, sent: int, old: bool) -> None:
        """One run, killed at a share of its duration (None: while it writes) and done again, into a tally."""
        clear(self.out)
        before = OLD if old and not self.work.shards else None
        if before is not None:
            (self.out / self.work.outputs[0]).write_bytes(before)
        if moment is None:
            ended = run(self.work, self.folder, lambda: bool(temporaries(self.out)), sent)
        else:
            ended = run(self.work, self.folder, moment * self.seconds, sent)
        states = self.states(before)
        tally.outcomes[outcome(states, ended.sent)] += 1
        left = temporaries(self.out)
        tally.left += len(left)
        tally.early += ended_early(ended)
        faults = faults_of(ended, sent, len(left))
        if "broken" in states:
            faults.append(f"broken: {states}, exit code {ended.code}")
        faults += [f"a stray file: {name}" for name in strays(self.work, self.out)]
        finished = {path: _identity(path) for path in self._outputs() if path.exists()} if self.work.shards else {}

        again = run(self.work, self.folder)
        if again.code or self.states(None) != ["whole"] * len(states):
            faults.append(
                f"not whole when done again: exit code {again.code}, {self.states(None)}: {again.said[-300:]}"
            )
        elif any(_identity(path) != mark for path, mark in finished.items()):
            faults.append("a finished shard was written again")
        elif self.work.shards and temporaries(self.out):
            faults.append("a temporary file is still there after a whole run")
        else:
            tally.again += 1
        if not finished:
            self.seconds = again.seconds  # as fast as the machine is now
        if self.work.shards:
            check_keys(self.out)
        tally.faults += faults
        for fault in faults:
            print(f"{self.work.name}, {signal.Signals(sent).name}: {fault}", file=sys.stderr, flush=True)

    def states(self, before: bytes | None) -> list[str]:
        return [state(path, before, whole) for path, whole in zip(self._outputs(), self.expected, strict=True)]

    def _outputs(self) -> list[Path]:
        return [self.out / name for name in self.work.outputs]


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_ino, found.st_mtime_ns


def check_keys(folder: Path) -> None:
    """Every photograph is in the data set once. Raises AssertionError."""
    import tokcodec.datasets
    from bench.pictures import SAMPLES

    keys = tokcodec.datasets.read(str(folder)).to_table(columns=["key"]).column("key").to_pylist()
    assert len(set(keys)) == len(keys) == len(SAMPLES), keys


def study(folder: Path, kills: int, aimed: int, seed: int, command: str | None = None) -> bool:
    """Print the table of so many kills over the four commands, and of `aimed` more for each; whether all was right.

    command: the only one to be killed, at the same moments as beside the others.
    """
    rows, good = [], True
    works = (*map(forced, single_works()), dataset_work())
    for number, work in enumerate(works):
        if command not in (None, work.name):
            continue
        rng = random.Random(f"{seed} {work.name}")
        victim = Victim(work, folder)
        tallies = {signal.Signals(sent).name: Tally() for sent in (KILL, TERM, INT)} | {AIMED: Tally()}
        print(f"{work.name}: {victim.seconds:.2f} s undisturbed", file=sys.stderr, flush=True)
        share = kills // len(works) + (number < kills % len(works))
        for i, sent in zip(range(share), cycle(TURNS)):
            victim.kill(tallies[signal.Signals(sent).name], rng.random(), sent, old=i % 2 == 0)
        for i in range(aimed):
            victim.kill(tallies[AIMED], None, KILL, old=i % 2 == 0)
        for name, tally in tallies.items():
            found = [tally.outcomes[one] or "" for one in OUTCOMES]
            rows.append(
                [work.name, name, tally.runs, *found, tally.left, tally.early, f"{tally.again} of {tally.runs}"]
            )
            good = good and not tally.faults and tally.again == tally.runs
    head = [
        "command",
        "signal",
        "runs",
        *OUTCOMES,
        "temporary files left",
        "before it was loaded",
        "again: as undisturbed",
    ]
    print_table(head, rows)
    return good
