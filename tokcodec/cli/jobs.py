"""Inputs to outputs: which files a command works on, where each result goes, and writing it there."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import click

from ..errors import LimitError, OutputError, TokError, reason
from .console import STDIO, Bar, Report, need_stdout

TOK_SUFFIX = ".tok"
MAX_FILE_BYTES = 1 << 30  # twice the largest useful .tok; a pipe without end must not fill the memory


@dataclass(frozen=True)
class Job:
    """One input (path or STDIO) and where its result goes (path or STDIO)."""

    source: str
    target: str

    def __str__(self) -> str:
        return f"{self.source} -> {self.target}"


@dataclass(frozen=True)
class Files:
    """What the command line says about files.

    Without `output` (for one input) a result lies beside its input; in output_dir lie the results of files flat, those
    of a folder in the same sub-folders as there. Raises click.UsageError where that contradicts itself.
    """

    inputs: tuple[str, ...]
    output: str | None = None
    output_dir: str | None = None
    recursive: bool = False
    force: bool = False

    def __post_init__(self) -> None:
        if self.output is not None:
            if self.output_dir is not None:
                raise click.UsageError("Give either --output or --output-dir.")
            if len(self.inputs) > 1 or self.recursive:
                raise click.UsageError("--output names the result of one file; use --output-dir for several.")
        if STDIO in self.inputs:
            if len(self.inputs) > 1:
                raise click.UsageError("stdin ('-') cannot be combined with other inputs.")
            if self.output_dir is not None:
                raise click.UsageError("The result of stdin ('-') has no name in --output-dir; use --output.")
        if self.output == STDIO or (self.output is None and STDIO in self.inputs):
            check_stdout(self.force)

    @property
    def resumes(self) -> bool:
        """Whether outputs that exist are skipped: of several files some may be done, one that is named is an error."""
        return (self.recursive or self.output_dir is not None) and not self.force


def check_stdout(force: bool) -> None:
    """Raise click.UsageError where data would go to a terminal, unless forced."""
    if not force and sys.stdout is not None and sys.stdout.isatty():
        raise click.UsageError("Not writing data to a terminal; use --output, or --force.")


def plan(files: Files, report: Report, *, suffixes: Collection[str], new_suffix: str) -> list[Job]:
    """The jobs for the files of a command line, in that order; those in folders by name.

    suffixes: of the files looked for in folders, and those that new_suffix replaces; behind others it is appended.
    What cannot be done is reported: a folder without `recursive`, and a second input for an output that is taken.
    """
    jobs: list[Job] = []
    taken: dict[str, str] = {}
    for source, relative in expand(files.inputs, report, suffixes, files.recursive):
        if files.output is not None or source == STDIO:
            target = STDIO if files.output is None else files.output
        else:
            place = source if files.output_dir is None else os.path.join(files.output_dir, relative)
            stem, suffix = os.path.splitext(place)
            target = (stem if suffix.lower() in suffixes else place) + new_suffix
        key = os.path.normcase(os.path.realpath(target))
        if target != STDIO and taken.setdefault(key, source) is not source:
            report.error(source, f"not done: {target} is the output for {taken[key]}")
        else:
            jobs.append(Job(source, target))
    return jobs


def expand(
    inputs: Sequence[str], report: Report, suffixes: Collection[str], recursive: bool
) -> Iterator[tuple[str, str]]:
    """(path, path relative to the folder that was named) of every input; those in folders by name."""
    for name in inputs:
        if name == STDIO or not os.path.isdir(name):
            yield name, os.path.basename(name)
        elif not recursive:
            report.error(name, "is a folder; -r takes the files in it")
        else:
            found = 0
            for found, path in enumerate(_walk(name, report, suffixes), 1):  # noqa: B007 (the count is used below)
                yield path, os.path.relpath(path, name)
            if not found:
                report.note(name, "nothing to do in this folder")


def _walk(top: str, report: Report, suffixes: Collection[str]) -> Iterator[str]:
    """Files with one of the suffixes. Hidden ones are left out, links to folders, which may lead in a circle, and pipes
    and devices, which may never end."""

    def fail(error: OSError) -> None:
        report.error(str(error.filename), error)

    for folder, folders, files in os.walk(top, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = os.path.join(folder, name)
            wanted = os.path.splitext(name)[1].lower() in suffixes and not name.startswith(".")
            if wanted and (os.path.isfile(path) or not os.path.exists(path)):  # a link to nothing fails when it is read
                yield path


Work = Callable[[Job, Bar], tuple[bytes, str]]
Stream = Callable[[Iterator[Job]], Iterator[Callable[[], tuple[bytes, str]]]]


def run(jobs: Sequence[Job], files: Files, report: Report, work: Work) -> None:
    """Do the jobs one by one: `work` returns the bytes to write and what to say about them.

    What fails is reported, and the others are done. A run over a folder, or into one, goes on where an earlier one has
    stopped: outputs that exist are skipped unless forced. It ends with a line that sums up.
    """

    def timed(job: Job, bar: Bar) -> tuple[bytes, str]:
        started = time.perf_counter()
        data, result = work(job, bar)
        return data, f"{result}, {time.perf_counter() - started:.2f} s" if report.verbose else result

    with Bar(len(jobs), report) as bar:
        _run(jobs, files, report, bar, lambda todo: (partial(timed, job, bar) for job in todo))


def run_many(jobs: Sequence[Job], files: Files, report: Report, stream: Stream) -> None:
    """As `run`, for work that looks ahead: `stream` takes the jobs and yields, in their order, what `work` would do."""
    with Bar(len(jobs), report) as bar:
        _run(jobs, files, report, bar, stream)


def _run(jobs: Sequence[Job], files: Files, report: Report, bar: Bar, stream: Stream) -> None:
    started = time.perf_counter()
    begun: deque[Job] = deque()

    def todo() -> Iterator[Job]:
        for job in jobs:
            wanted = False
            with report.guard(job.source, job.target):
                wanted = _wanted(job, files)
                report.skipped += not wanted
            if wanted:
                begun.append(job)
                yield job
            else:
                bar.next()

    for finish in stream(todo()):
        job = begun.popleft()
        with report.guard(job.source, job.target):
            data, result = finish()
            _write(job.target, data, files)
            report.done += 1
            if len(jobs) == 1:
                bar.close()
            if job.target != STDIO or report.verbose:  # a filter in a pipe is silent
                report.say(f"{job} ({result})")
        bar.next()
    bar.close()
    if files.recursive or len(jobs) > 1 or report.skipped:
        report.sum_up(time.perf_counter() - started)


def _wanted(job: Job, files: Files) -> bool:
    """Whether there is work to do. Raises OutputError before the work for what writing would refuse after it."""
    if job.target == STDIO:
        need_stdout()
        return True
    if job.source != STDIO and os.path.exists(job.target) and os.path.samefile(job.source, job.target):
        raise OutputError("is the input, which is never overwritten")
    if files.resumes and os.path.isfile(job.target):
        return False
    from ..pictures.files import check_output

    if files.output_dir is None or os.path.isdir(os.path.dirname(job.target)):
        check_output(job.target, force=files.force)
    return True


def _write(target: str, data: bytes, files: Files) -> None:
    from ..pictures.files import write_atomic

    if target == STDIO:
        write_stdout(data)
        return
    if files.output_dir is not None:
        try:
            Path(target).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"its folder cannot be made: {reason(error)}") from error
    write_atomic(target, data, force=files.force)


def write_stdout(data: bytes) -> None:
    """All bytes to stdout. Raises OutputError."""
    need_stdout()
    try:
        rest = memoryview(data)
        while rest:  # without a buffer (python -u) it may take a part only
            rest = rest[sys.stdout.buffer.write(rest) :]
        sys.stdout.buffer.flush()
    except BrokenPipeError:  # whoever reads has seen enough
        raise
    except OSError as error:
        raise OutputError(reason(error)) from error


def stdin() -> BinaryIO:
    """The binary stdin. Raises TokError when it is closed."""
    if sys.stdin is None:
        raise TokError("stdin is closed")
    return sys.stdin.buffer


def read_tok(source: str, *, bare: bool = False) -> bytes:
    """All bytes of a `.tok` file or of stdin; of anything else no more than a header is read. Raises TokError.

    bare: without a header that could be checked.
    """
    from ..container.header import parse_header

    check: Callable[[bytes], object] = len if bare else parse_header
    try:
        if source == STDIO:
            return _read(stdin(), check)
        with open(source, "rb") as file:
            return _read(file, check)
    except OSError as error:
        raise TokError(reason(error)) from error


def _read(file: BinaryIO, check: Callable[[bytes], object]) -> bytes:
    head = file.read(64)  # enough to tell what kind of file it is instead
    check(head)
    data = head + file.read(MAX_FILE_BYTES)
    if len(data) > MAX_FILE_BYTES:
        raise LimitError(f"more than {MAX_FILE_BYTES} bytes")
    return data
