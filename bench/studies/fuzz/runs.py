"""What a run over many files needs, be it in Python or in tok.js: models, a journal to go on from, and the tables."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import tokcodec
from tokcodec.models.registry import MODELS_VARIABLE

from .mutants import KINDS, SHAPES, mutant, sources, vectors, write_models
from .outcomes import Tally, described

CHUNK = 1000
"""Files that a job takes at a time, and that are lost when a run is stopped."""
DRAWN_EVERY = 100
"""Of so many files one is decoded to pixels too: by turns of each of the four kinds that `mutant` makes."""

Tallies = dict[str, Tally]


def chunks(files: int) -> list[range]:
    """The numbers of so many files in parts."""
    return [range(start, min(start + CHUNK, files)) for start in range(0, files, CHUNK)]


def is_drawn(number: int) -> bool:
    """Whether a file is decoded to pixels too."""
    return number % DRAWN_EVERY == number // DRAWN_EVERY % KINDS


class Journal:
    """A file with one line for every chunk that is done, so that a stopped run goes on. Without a path it is empty."""

    def __init__(self, path: Path | None, seed: int, run: dict[str, int | str] | None = None) -> None:
        self.path = path
        usual = {"tokcodec": tokcodec.__version__, "vectors": len(vectors()), "models": len(SHAPES), "seed": seed}
        self.run = usual if run is None else run
        self.done: dict[range, Tallies] = {}
        lines = path.read_text(encoding="utf-8").splitlines() if path and path.exists() else []
        for line in lines:
            try:
                row = json.loads(line)
            except ValueError:  # empty, or half a line of a run that was stopped
                continue
            if row["run"] != self.run:
                raise SystemExit(f"{path}: is of another run: {row['run']}")
            self.done[range(*row["files"])] = {kind: Tally.from_json(found) for kind, found in row["tallies"].items()}

    def note(self, numbers: range, tallies: Tallies) -> None:
        """Remember what came of some files, and write it."""
        self.done[numbers] = tallies
        if self.path:
            found = {kind: one.to_json() for kind, one in tallies.items()}
            line = json.dumps({"files": [numbers.start, numbers.stop], "run": self.run, "tallies": found})
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"\n{line}")  # the last line may be half a one

    def total(self, files: int) -> Tallies:
        """Of all chunks of so many files."""
        total = {"tokens": Tally(), "pixels": Tally()}
        for numbers, tallies in self.done.items():
            for kind, found in tallies.items():
                total.setdefault(kind, Tally()).add(found if numbers.stop <= files else Tally())
        return total


def report(kind: str, found: Tally, seed: int, limits: tuple[float, float]) -> bool:
    """Print a table; whether there are no bugs and the limits are kept."""
    (seconds, megabytes), using = limits, sources()
    print(f"\n{kind} of {found.files} files\n\n| outcome | files | share |\n| --- | --- | --- |")
    for name, number in found.outcomes.most_common():
        print(f"| {name} | {number} | {100 * number / found.files:.2f} % |")
    (slow, slowest), (grown, largest) = found.slowest, found.largest
    about = {number: described(mutant(seed, number, using)) for number in (slowest, largest)}
    print(f"\nmean {1e6 * found.seconds / max(1, found.files):.0f} us of processor time a file")
    print(f"slowest {1e3 * slow:.1f} ms (limit {1e3 * seconds:.0f}): file {slowest}, {about[slowest]}")
    print(f"largest {grown:.1f} MB (limit {megabytes:.0f}): file {largest}, {about[largest]}")
    for number, text in list(found.bugs.items())[:20]:
        print(f"file {number}: {text}")
    return not found.bugs and slow <= seconds and grown <= megabytes


def print_tables(total: Tallies, seed: int, limits: Mapping[str, tuple[float, float]]) -> int:
    """Print what there is; the exit code."""
    reports = [report(kind, found, seed, limits[kind]) for kind, found in total.items() if found.files]
    return 0 if all(reports) else 1


@contextmanager
def installed() -> Iterator[None]:
    """The models of `mutants` are those of the user, for other processes too; the user's own stay out."""
    before = os.environ.get(MODELS_VARIABLE)
    with tempfile.TemporaryDirectory() as folder:
        write_models(Path(folder))
        os.environ[MODELS_VARIABLE] = folder
        try:
            yield
        finally:
            os.environ.pop(MODELS_VARIABLE)
            os.environ.update({} if before is None else {MODELS_VARIABLE: before})
