"""Several commands that write the same outputs at once: at every moment each is wholly one of theirs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tests.robustness.processes import Ended
from tests.robustness.works import Scene, Work, clear, ended


@dataclass
class Race:
    """What came of some rounds.

    won: runs that succeeded.
    lines: runs that failed with one line.
    reads: how often an output was read meanwhile.
    changes: how often it was another than before.
    faults: what must not be, in words.
    """

    rounds: int = 0
    won: int = 0
    lines: int = 0
    reads: int = 0
    changes: int = 0
    faults: list[str] = field(default_factory=list)

    def run(
        self, scene: Scene, works: Sequence[Work], wholes: Sequence[Sequence[bytes]], apart: float = 0.0
    ) -> list[Ended]:
        """Run commands at once in an empty folder, and read their outputs again and again.

        scene: where.
        works: the commands, with the same outputs.
        wholes: for each output what it may be.
        apart: seconds between their starts, default 0.
        """
        clear(scene.out)
        paths = [scene.out / name for name in works[0].outputs]
        lasts: list[bytes | None] = [None] * len(paths)
        started = time.perf_counter()
        processes = []
        for work in works:
            processes.append(scene.start(work))
            time.sleep(apart)
        while any(process.poll() is None for process in processes):
            for i, path in enumerate(paths):
                with suppress(FileNotFoundError):
                    found = path.read_bytes()
                    self.reads += 1
                    self.changes += found != lasts[i]
                    lasts[i] = found
                    if found not in wholes[i]:
                        self.faults.append(f"{path.name}: {len(found)} bytes that are of no writer")
            time.sleep(0.0005)
        ends = [ended(process, started) for process in processes]
        self.rounds += 1
        self.won += sum(end.code == 0 for end in ends)
        self.lines += sum(end.code == 1 and len(end.lines) == 1 for end in ends)
        self.faults += [f"exit code {end.code}: {end.stderr}" for end in ends if end.code not in (0, 1)]
        self.faults += [f"traceback: {end.stderr}" for end in ends if "Traceback" in end.stderr]
        self.faults += ["a process outlived one" for end in ends if end.outlived]
        return ends

    def of_one_file(self, scene: Scene, works: Sequence[Work], wholes: Sequence[bytes], winners: int) -> None:
        """A round of writers of one file.

        scene: where.
        works: the commands.
        wholes: what each of them writes.
        winners: how many must succeed; the others fail with one line.
        """
        ends = self.run(scene, works, [wholes])
        won = [data for data, end in zip(wholes, ends, strict=True) if end.code == 0]
        if (scene.out / works[0].outputs[0]).read_bytes() not in won:
            self.faults.append("what is left is of no writer that succeeded")
        if len(won) != winners:
            self.faults.append(f"{len(won)} succeeded: {[end.stderr for end in ends if end.code]}")
        if any(end.code and len(end.lines) != 1 for end in ends):
            self.faults.append(f"not one line: {[end.stderr for end in ends if end.code]}")
        if left := [*scene.strays(works[0]), *scene.temporaries()]:
            self.faults.append(f"left: {left}")

    def of_shards(self, scene: Scene, work: Work, writers: int, apart: float) -> None:
        """A round of runs that write the same data set: one at a time is at work there, and none breaks a shard.

        scene: where.
        work: the command.
        writers: how many run it.
        apart: seconds between their starts.
        """
        wholes = scene.whole(work)
        self.run(scene, [work] * writers, [[whole] for whole in wholes], apart)
        again = scene.run(work)
        if again.code or set(scene.states(work, None)) != {"whole"} or scene.temporaries() or scene.claims():
            self.faults.append(f"alone it does not go on to the end: {again.code}, {again.stderr}")

    def row(self, command: str, writers: int) -> dict[str, object]:
        """The race as a row of the report."""
        return {
            "command": command,
            "writers": writers,
            "rounds": self.rounds,
            "succeeded": self.won,
            "one line": self.lines,
            "read meanwhile": self.reads,
            "of these new": self.changes,
            "faults": "; ".join(self.faults) or "none",
        }
