"""Models, journal and tables of a run over many files, for Python and for tok.js."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click

import tokcodec
from bench.report.cells import markdown_lines
from tokcodec.models.registry import MODELS_VARIABLE

from .mutants import KINDS, SHAPES, mutant, sources, vectors, write_models
from .outcomes import Tally, described

CHUNK = 1000
"""Files that a job takes at a time. An interrupted run repeats at most this many per job."""
DRAWN_EVERY = 100
"""One file in this many is decoded to pixels, from each of the four kinds that `mutant` makes in turn."""

Tallies = dict[str, Tally]


def chunks(files: int) -> list[range]:
    """File numbers 0 to `files` - 1 in chunks."""
    return [range(start, min(start + CHUNK, files)) for start in range(0, files, CHUNK)]


def is_drawn(number: int) -> bool:
    """Whether a file is also decoded to pixels."""
    return number % DRAWN_EVERY == number // DRAWN_EVERY % KINDS


class Journal:
    """A file with one line for every finished chunk, from which an interrupted run resumes. Without a path, no file."""

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
                raise click.ClickException(f"{path}: belongs to another run: {row['run']}")
            self.done[range(*row["files"])] = {kind: Tally.from_json(found) for kind, found in row["tallies"].items()}

    def note(self, numbers: range, tallies: Tallies) -> None:
        """Record the tallies of a chunk, in memory and in the file."""
        self.done[numbers] = tallies
        if self.path:
            found = {kind: one.to_json() for kind, one in tallies.items()}
            line = json.dumps({"files": [numbers.start, numbers.stop], "run": self.run, "tallies": found})
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"\n{line}")  # the last line may be incomplete

    def total(self, files: int) -> Tallies:
        """Tallies of all chunks up to file number `files`."""
        total = {"tokens": Tally(), "pixels": Tally()}
        for numbers, tallies in self.done.items():
            for kind, found in tallies.items():
                total.setdefault(kind, Tally()).add(found if numbers.stop <= files else Tally())
        return total


def report(kind: str, found: Tally, seed: int, limits: tuple[float, float]) -> bool:
    """Print a table. True if there are no bugs and the limits are kept."""
    (seconds, megabytes), using = limits, sources()
    rows = [[name, n, f"{100 * n / found.files:.2f} %"] for name, n in found.outcomes.most_common()]
    table = markdown_lines(["outcome", "files", "share"], rows)
    print(f"\n{kind} of {found.files} files\n", *table, sep="\n")
    (slow, slowest), (grown, largest) = found.slowest, found.largest
    about = {number: described(mutant(seed, number, using)) for number in (slowest, largest)}
    print(f"\nmean {1e6 * found.seconds / max(1, found.files):.0f} us of CPU time per file")
    print(f"slowest {1e3 * slow:.1f} ms (limit {1e3 * seconds:.0f}): file {slowest}, {about[slowest]}")
    print(f"largest {grown:.1f} MB (limit {megabytes:.0f}): file {largest}, {about[largest]}")
    for number, text in list(found.bugs.items())[:20]:
        print(f"file {number}: {text}")
    return not found.bugs and slow <= seconds and grown <= megabytes


def print_tables(total: Tallies, seed: int, limits: Mapping[str, tuple[float, float]]) -> bool:
    """Print the tables of tokens and pixels. True if there are no bugs and the limits are kept."""
    reports = [report(kind, found, seed, limits[kind]) for kind, found in total.items() if found.files]
    return all(reports)


@contextmanager
def installed() -> Iterator[None]:
    """Install the models of `mutants` in place of the user's own, for child processes too."""
    before = os.environ.get(MODELS_VARIABLE)
    with tempfile.TemporaryDirectory() as folder:
        write_models(Path(folder))
        os.environ[MODELS_VARIABLE] = folder
        try:
            yield
        finally:
            os.environ.pop(MODELS_VARIABLE)
            os.environ.update({} if before is None else {MODELS_VARIABLE: before})
