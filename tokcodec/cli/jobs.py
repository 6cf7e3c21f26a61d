"""Jobs: the files that a command works on, the place of each result, and the safe writing of results."""

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
from .inputs import expand

TOK_SUFFIX = ".tok"
MAX_FILE_BYTES = 1 << 30
"""Limit of a `.tok` file, twice the largest useful size: an endless pipe must not fill the memory."""


@dataclass(frozen=True)
class Job:
    """One input and the place of its result."""

    source: str
    """Path of the input, or STDIO."""
    target: str
    """Path of the result, or STDIO."""

    def __str__(self) -> str:
        return f"{self.source} -> {self.target}"


@dataclass(frozen=True)
class Files:
    """The files that the command line names. Raises click.UsageError if its options contradict each other."""

    inputs: tuple[str, ...]
    """Files and folders, or STDIO alone."""
    output: str | None = None
    """Path of the result of one input. None: beside each input."""
    output_dir: str | None = None
    """Folder of the results. Results of a named folder are written to the same sub-folders as there."""
    recursive: bool = False
    """Whether folders are searched."""
    force: bool = False
    """Whether existing files are replaced."""
    follow_links: bool = False
    """Whether linked folders are searched."""
    keep_suffix: bool = False
    """Whether the suffix of a result is appended to the name of its input instead of replacing its suffix."""

    def __post_init__(self) -> None:
        if self.output is not None:
            if self.output_dir is not None:
                raise click.UsageError("Give either --output or --output-dir.")
            if len(self.inputs) > 1 or self.recursive:
                raise click.UsageError("--output names the result of one file; use --output-dir for several.")
            if self.keep_suffix:
                raise click.UsageError("--output names the result: leave out --keep-suffix.")
        if self.follow_links and not self.recursive:
            raise click.UsageError("--follow-links goes with -r.")
        if STDIO in self.inputs:
            if len(self.inputs) > 1:
                raise click.UsageError("stdin ('-') cannot be combined with other inputs.")
            if self.output_dir is not None:
                raise click.UsageError("The result of stdin ('-') has no name in --output-dir; use --output.")
        if self.output == STDIO or (self.output is None and STDIO in self.inputs):
            check_stdout(self.force)

    @property
    def resumes(self) -> bool:
        """Whether existing outputs are skipped. If `output` names a single file, an existing one is an error."""
        return (self.recursive or self.output_dir is not None) and not self.force


def check_stdout(force: bool) -> None:
    """Raise click.UsageError if data would be written to a terminal without `force`."""
    if not force and sys.stdout is not None and sys.stdout.isatty():
        raise click.UsageError("Not writing data to a terminal; use --output, or --force.")


def plan(files: Files, report: Report, *, suffixes: Collection[str], new_suffix: str) -> list[Job]:
    """The jobs for the files of a command line, in their order. Files of a folder are ordered by name.

    Reports an error for a folder without `recursive`, and for a second input with the same output.

    Args:
        files: the inputs and the places of the results.
        report: prints the errors.
        suffixes: suffixes of the files to find in folders. `new_suffix` replaces them.
        new_suffix: suffix of the results. It is appended to names with other suffixes.
    """
    jobs: list[Job] = []
    taken: dict[str, str] = {}
    found = expand(files.inputs, report, suffixes, files.recursive, files.follow_links, new_suffix)
    for source, relative in found:
        if files.output is not None or source == STDIO:
            target = STDIO if files.output is None else files.output
        else:
            place = source if files.output_dir is None else os.path.join(files.output_dir, relative)
            stem, suffix = os.path.splitext(place)
            replaced = suffix.lower() in suffixes and not files.keep_suffix
            target = (stem if replaced else place) + new_suffix
        key = os.path.normcase(os.path.realpath(target))
        if target != STDIO and taken.setdefault(key, source) is not source:
            other = taken[key]
            report.error(source, f"skipped: {target} is already the output of {other}{_way_out(source, other)}")
        else:
            jobs.append(Job(source, target))
    return jobs


def _way_out(source: str, other: str) -> str:
    """Advice for two inputs with one output, or ""."""
    (stem, suffix), (other_stem, other_suffix) = (os.path.splitext(os.path.basename(name)) for name in (source, other))
    return ": --keep-suffix gives each a name of its own" if stem == other_stem and suffix != other_suffix else ""


Work = Callable[[Job, Bar], tuple[bytes, str]]
IsWhole = Callable[[str], bool]
Stream = Callable[[Iterator[Job]], Iterator[Callable[[], tuple[bytes, str]]]]


def run(
    jobs: Sequence[Job], files: Files, report: Report, work: Work, is_whole: IsWhole = os.path.isfile
) -> None:
    """Do the jobs one by one.

    An error of a job is reported, and the run continues with the next. A run over a folder, or into one, resumes an
    earlier run: existing outputs are skipped without `force`. It ends with a summary.

    Args:
        jobs: the jobs, in order.
        files: says whether existing files are replaced or skipped.
        report: prints a line for each job.
        work: called with a job and the progress bar. Returns the bytes to write and a text about them.
        is_whole: called with the path of an existing output. Unless it returns True the output is made again. Default:
            every file is whole.
    """

    def timed(job: Job, bar: Bar) -> tuple[bytes, str]:
        started = time.perf_counter()
        data, result = work(job, bar)
        return data, f"{result}, {time.perf_counter() - started:.2f} s" if report.verbose else result

    with Bar(len(jobs), report) as bar:
        _run(jobs, files, report, bar, lambda todo: (partial(timed, job, bar) for job in todo), is_whole)


def run_many(
    jobs: Sequence[Job], files: Files, report: Report, stream: Stream, is_whole: IsWhole = os.path.isfile
) -> None:
    """As `run`, for work that reads ahead.

    Args:
        jobs: the jobs, in order.
        files: says whether existing files are replaced or skipped.
        report: prints a line for each job.
        stream: called with an iterator over the jobs to do. Yields, in their order, a function for each that returns
            the bytes to write and a text about them.
        is_whole: as for `run`.
    """
    with Bar(len(jobs), report) as bar:
        _run(jobs, files, report, bar, stream, is_whole)


def _run(
    jobs: Sequence[Job], files: Files, report: Report, bar: Bar, stream: Stream, is_whole: IsWhole
) -> None:
    started = time.perf_counter()
    begun: deque[tuple[Job, bool]] = deque()

    def todo() -> Iterator[Job]:
        for job in jobs:
            needed, damaged = False, False
            with report.guard(job.source, job.target):
                damaged = files.resumes and os.path.isfile(job.target) and not is_whole(job.target)
                needed = _is_needed(job, files, damaged)
                report.skipped += not needed
                if damaged:
                    report.note(job.target, "exists but is not complete: it is made again")
            if needed:
                begun.append((job, files.force or damaged))
                yield job
            else:
                bar.next()

    for finish in stream(todo()):
        job, force = begun.popleft()
        with report.guard(job.source, job.target):
            data, result = finish()
            _write(job.target, data, force, make_folder=files.output_dir is not None)
            report.done += 1
            if len(jobs) == 1:
                bar.close()
            if job.target != STDIO or report.verbose:  # a filter in a pipe is silent
                report.say(f"{job} ({result})")
        bar.next()
    bar.close()
    if files.recursive or len(jobs) > 1 or report.skipped:
        report.sum_up(time.perf_counter() - started)


def _is_needed(job: Job, files: Files, damaged: bool) -> bool:
    """Whether the result is still missing. Raises OutputError before the work if the result cannot be written."""
    if job.target == STDIO:
        need_stdout()
        return True
    if job.source != STDIO and os.path.exists(job.target) and os.path.samefile(job.source, job.target):
        raise OutputError("is the input, which is never overwritten")
    if files.resumes and os.path.isfile(job.target) and not damaged:
        return False
    from ..pictures.files import check_output

    if files.output_dir is None or os.path.isdir(os.path.dirname(job.target)):
        check_output(job.target, force=files.force or damaged)
    return True


def _write(target: str, data: bytes, force: bool, make_folder: bool) -> None:
    from ..pictures.files import write_atomic

    if target == STDIO:
        write_stdout(data)
        return
    if make_folder:
        try:
            Path(target).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot create its folder: {reason(error)}") from error
    write_atomic(target, data, force=force)


def write_stdout(data: bytes) -> None:
    """Write all bytes to stdout. Raises OutputError if that fails."""
    need_stdout()
    try:
        rest = memoryview(data)
        while rest:  # without a buffer (python -u) a write may be partial
            rest = rest[sys.stdout.buffer.write(rest) :]
        sys.stdout.buffer.flush()
    except BrokenPipeError:  # the reader has closed the pipe
        raise
    except OSError as error:
        raise OutputError(reason(error)) from error


def stdin() -> BinaryIO:
    """The binary stdin. Raises TokError if it is closed."""
    if sys.stdin is None:
        raise TokError("stdin is closed")
    return sys.stdin.buffer


def read_tok(source: str, *, bare: bool = False) -> bytes:
    """Read all bytes of a `.tok` file or of stdin. Reading stops after the header if the input is not a `.tok` file.

    Args:
        source: path of the file, or STDIO.
        bare: the file has no header that could be checked. Default: False.

    Raises:
        TokError: the file cannot be read, or is not a `.tok` file.
        LimitError: the file has more than MAX_FILE_BYTES bytes.
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
    head = file.read(64)  # enough to name the kind of another file
    check(head)
    data = head + file.read(MAX_FILE_BYTES)
    if len(data) > MAX_FILE_BYTES:
        raise LimitError(f"more than {MAX_FILE_BYTES} bytes")
    return data
