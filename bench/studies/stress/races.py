"""Many processes that write one output at once: at every moment it is wholly one of theirs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from .commands import (
    TOKCODEC,
    Ended,
    Work,
    clear,
    dataset_work,
    ended,
    forced,
    print_table,
    run,
    single_works,
    start,
    strays,
    temporaries,
)

APART = 0.3
"""Seconds by which runs over a data set start further apart from round to round."""


@dataclass
class Race:
    """What came of some rounds: runs that succeeded and lines of the others, how often the output was read meanwhile
    and how often it had changed, and what must not be."""

    rounds: int = 0
    won: int = 0
    told: int = 0
    reads: int = 0
    changes: int = 0
    faults: list[str] = field(default_factory=list)


def run_all(works: Sequence[Work], folder: Path, meanwhile: Callable[[], object], apart: float = 0.0) -> list[Ended]:
    """Run commands at once, so many seconds apart; `meanwhile` is called again and again as long as any runs."""
    started = time.perf_counter()
    processes = []
    for work in works:
        processes.append(start((*TOKCODEC, *work.arguments), folder))
        time.sleep(apart)
    while any(process.poll() is None for process in processes):
        meanwhile()
        time.sleep(0.0005)
    return [ended(process, started) for process in processes]


def race_single(works: Sequence[Work], expected: Sequence[bytes], folder: Path, race: Race, force: bool) -> None:
    """A round of writers of one file, which is read meanwhile."""
    out = folder / "out"
    clear(out)
    path, last = out / works[0].outputs[0], None

    def look() -> None:
        nonlocal last
        with suppress(FileNotFoundError):
            found = path.read_bytes()
            race.reads += 1
            race.changes += found != last
            last = found
            if found not in expected:
                race.faults.append(f"{len(found)} bytes that are of no writer")

    found = run_all([forced(work) for work in works] if force else works, folder, look)
    winners = [data for data, end in zip(expected, found, strict=True) if end.code == 0]
    race.rounds += 1
    race.won += len(winners)
    race.told += sum(end.code == 1 and len(end.lines) == 1 for end in found)
    if path.read_bytes() not in winners:
        race.faults.append("what is left is of no writer that succeeded")
    if len(winners) != (len(works) if force else 1):
        race.faults.append(f"{len(winners)} succeeded: {[end.said for end in found if end.code]}")
    if any(end.code and (end.code != 1 or len(end.lines) != 1) for end in found):
        race.faults.append(f"not one line: {[end.said for end in found if end.code]}")
    if left := [*strays(works[0], out), *temporaries(out)]:
        race.faults.append(f"left: {left}")


def race_datasets(works: Sequence[Work], folder: Path, race: Race, expected: Sequence[Sequence[bytes]]) -> None:
    """A round of runs that write the same shards, which only one at a time is meant to do: a run removes the temporary
    files of others as those of killed ones. So one may fail, but not break a shard."""
    out = folder / "out"
    clear(out)
    paths = [out / name for name in works[0].outputs]
    lasts: list[bytes | None] = [None] * len(paths)

    def look() -> None:
        for i, path in enumerate(paths):
            with suppress(FileNotFoundError):
                found = path.read_bytes()
                race.reads += 1
                race.changes += found != lasts[i]
                lasts[i] = found
                if found not in [shards[i] for shards in expected]:
                    race.faults.append(f"{path.name}: {len(found)} bytes that are of no run")

    found = run_all(works, folder, look, APART * race.rounds)
    race.rounds += 1
    race.won += sum(end.code == 0 for end in found)
    race.told += sum(end.code == 1 and len(end.lines) > 0 for end in found)
    race.faults += [f"exit code {end.code}: {end.said}" for end in found if end.code not in (0, 1)]
    race.faults += [f"traceback: {end.said}" for end in found if "Traceback" in end.said]
    again = run(works[0], folder)
    if again.code or [path.read_bytes() for path in paths] != list(expected[0]) or temporaries(out):
        race.faults.append(f"alone it does not go on to the end: {again.code}, {again.said}")


def outputs(work: Work, folder: Path) -> list[bytes]:
    """What a command writes undisturbed."""
    clear(folder / "out")
    done = run(work, folder)
    if done.code:
        raise SystemExit(f"{work.name}: {done.said}")
    return [(folder / "out" / name).read_bytes() for name in work.outputs]


def study(folder: Path, rounds: int, writers: int) -> bool:
    """Print the table; whether all was right."""
    counts = [8 + 48 * i // max(1, writers - 1) for i in range(writers)]  # tokens by which the writers differ
    table: list[tuple[str, int, Race]] = []
    for number in range(len(single_works())):
        works = [single_works(count)[number] for count in counts]
        expected = [outputs(work, folder)[0] for work in works]
        for force in (False, True):
            race = Race()
            for _ in range(rounds // 8 + (not number)):
                race_single(works, expected, folder, race, force)
            table.append((f"{works[0].name}{' -f' * force}", writers, race))
    shards = [dataset_work(), dataset_work()]
    made, race = outputs(shards[0], folder), Race()
    for _ in range(rounds // 8):
        race_datasets(shards, folder, race, [made])
    table.append(("dataset encode, the same twice", 2, race))
    head = ["command", "writers", "rounds", "succeeded", "one line", "read meanwhile", "of these new", "faults"]
    print_table(
        head,
        [
            [name, many, race.rounds, race.won, race.told, race.reads, race.changes, "; ".join(race.faults) or "none"]
            for name, many, race in table
        ],
    )
    return not any(race.faults for _, _, race in table)
