"""Shared by all commands: messages on stderr, exit codes, signals and the progress bar. Imports little, to start fast.

Exit codes: 0 done, 1 something failed, 2 wrong usage, 130 interrupted, 128 + n ended by signal n.
"""

from __future__ import annotations

import functools
import io
import signal
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

import click

from ..errors import OutputError, printable, reason
from .bundles import bundled

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

STDIO = "-"
"""stdin as an input, stdout as an output."""
PATH = click.Path(readable=False)
"""Type of a path. click's own check would treat an unreadable file as wrong usage and end the run."""
MANY_TILES = 32
"""A single picture with more tiles takes seconds, so it gets a progress bar."""
GRAIN = 1000
"""Positions of the bar for each input."""

SUFFIXES_SHOWN = 5
"""Number of suffixes of left-out files that the last line names."""

_PASSED_ON = (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError)


class Report:
    """The messages of one run of a command, and the exit code that follows from them.

    Args:
        quiet: print errors only.
        verbose: print times, and tracebacks of errors.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self.quiet, self.verbose = quiet, verbose
        self.status = 0
        self.done = self.skipped = self.failed = 0
        self.amounts: dict[str, float] = {}
        self.left_out: Counter[str] = Counter()
        self.bar_shown = False

    def say(self, text: str) -> None:
        """Print a line about work that is done."""
        if not self.quiet:
            self._echo(text)

    def note(self, name: str, text: str) -> None:
        """Print a note about a file: something that the user should know and that is not an error."""
        if not self.quiet:
            self._echo(f"tokcodec: {_label(name)}: note: {text}")

    def note_linked(self, name: str, number: int) -> None:
        """Print a note about the linked folders below a folder that were not searched."""
        text = "a linked folder is left out: --follow-links searches it"
        if number > 1:
            text = f"{number} linked folders are left out: --follow-links searches them"
        self.note(name, text)

    def count(self, unit: str, amount: float) -> None:
        """Add to an amount whose rate `sum_up` prints."""
        self.amounts[unit] = self.amounts.get(unit, 0) + amount

    def sum_up(self, seconds: float, unit: str = "files") -> None:
        """Print counts of done, skipped and failed, and the rates per second."""
        text = f"tokcodec: {self.done} done, {self.skipped} skipped, {self.failed} failed in {seconds:.1f} s"
        if self.done:
            rates = {unit: self.done, **self.amounts}
            text += f": {', '.join(f'{amount / max(seconds, 1e-9):.3g} {unit}/s' for unit, amount in rates.items())}"
        self.say(text + self._left_out())

    def _left_out(self) -> str:
        """The end of the last line: numbers of files with other suffixes in folders."""
        if not self.left_out:
            return ""
        most = sorted(self.left_out.items(), key=lambda item: (-item[1], item[0]))[:SUFFIXES_SHOWN]
        parts = [f"{count} {suffix or 'without a suffix'}" for suffix, count in most]
        if rest := self.left_out.total() - sum(count for _, count in most):
            parts.append(f"{rest} others")
        return f"; left out: {', '.join(parts)}"

    def line(self, text: str) -> None:
        """Print an error that is a complete line already, and set the exit code."""
        self._echo(text)
        self.status = max(self.status, 1)

    def error(self, name: str | None, error: BaseException | str) -> None:
        """Print an error. A plain ValueError counts as wrong usage, since the library raises it for wrong arguments."""
        if name is None and isinstance(error, OSError) and error.filename is not None:
            name = str(error.filename)
        text = error if isinstance(error, str) else reason(error)
        self._echo(f"tokcodec: {_label(name)}: {text}" if name is not None else f"tokcodec: {text}")
        self.status = max(self.status, 2 if type(error) is ValueError else 1)
        self.failed += 1
        if self.verbose and isinstance(error, BaseException):
            import traceback

            click.echo("".join(traceback.format_exception(error)), err=True, nl=False)

    @contextmanager
    def guard(self, source: str | None = None, target: str | None = None) -> Iterator[None]:
        """Report an error of a file instead of raising it, so that the run continues with the next file.

        Args:
            source: name of the input. None: the error names the file.
            target: name of the output, for errors of writing.
        """
        try:
            yield
        except _PASSED_ON:
            raise
        except Exception as error:
            if isinstance(error, OutputError) and target is not None:
                self.error("stdout" if target == STDIO else target, error)
            else:
                self.error(source, error)

    def _echo(self, line: str) -> None:
        wipe = "\r\033[K" if self.bar_shown else ""  # the next update draws the bar again
        click.echo(wipe + printable(line), err=True)


def need_stdout() -> None:
    """Raise OutputError if stdout is closed, since `print` would drop the output without an error."""
    if sys.stdout is None:
        raise OutputError("stdout is closed")


def _label(name: str) -> str:
    return "stdin" if name == STDIO else name


class Bar:
    """A progress bar on a terminal over several inputs, or over the tiles of one large picture.

    Call it with (tiles done, tiles in all) of the current input. `next` moves it to the next input.
    """

    def __init__(self, inputs: int, report: Report) -> None:
        self.inputs, self.finished = inputs, 0
        self.report = report
        self.hidden = report.quiet or sys.stderr is None or not sys.stderr.isatty()
        self._bar: ProgressBar[Any] | None = None

    def __enter__(self) -> Bar:
        if self.inputs > 1:
            self._show()
        return self

    def __call__(self, done: int, tiles: int) -> None:
        if self.inputs == 1 and tiles > MANY_TILES:
            self._show()
        self._move(self.finished * GRAIN + done * GRAIN // tiles)

    def next(self) -> None:
        self.finished += 1
        self._move(self.finished * GRAIN)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.render_finish()
            self._bar, self.report.bar_shown = None, False

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _show(self) -> None:
        if not self.hidden and self._bar is None:
            self._bar = click.progressbar(length=self.inputs * GRAIN, file=sys.stderr, show_percent=True)
            self._bar.__enter__()
            self.report.bar_shown = True

    def _move(self, position: int) -> None:
        if self._bar is not None:
            self._bar.update(position - self._bar.pos)


class Group(click.Group):
    """The command group. Every way to end a command has its exit code and one line of text."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        run: Callable[[], Any] = functools.partial(
            super().main, args, prog_name, complete_var, standalone_mode=False, **extra
        )
        if not standalone_mode:
            return run()
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # for names that the terminal cannot encode
        received: list[int] = []
        try:
            with _signals_raise(received), warnings.catch_warnings():
                if not sys.warnoptions:
                    warnings.simplefilter("ignore")  # Pillow's and torch's: the user gets notes
                status = run()
        except (click.Abort, KeyboardInterrupt):
            status = 128 + signal.SIGINT
        except Exception as error:
            if received:  # compiled code may have replaced the exception of the signal by another one
                status = 128 + received[0]
            elif isinstance(error, click.ClickException):
                error.show()
                status = error.exit_code
            else:
                report = Report()
                report.error(None, error)
                status = report.status
        if status == 128 + signal.SIGINT:
            click.echo("tokcodec: interrupted", err=True)
        sys.exit(status if isinstance(status, int) else 0)


@contextmanager
def _signals_raise(received: list[int]) -> Iterator[None]:
    """Raise an exception for signals that would end the process at once, so that temporary files are removed.

    Args:
        received: gets the numbers of the signals that arrive.
    """

    def end(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(128 + number)

    before: dict[int, Any] = {}
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        usual = signal.SIG_DFL, signal.default_int_handler
        if number is not None and signal.getsignal(number) in usual:  # nohup ignores SIGHUP: keep that
            try:
                before[number] = signal.signal(number, end)
            except ValueError:  # not in the main thread
                break
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def report_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options -q and -v, which reach the command as one `report`. The command returns its status."""

    @functools.wraps(command)
    def with_status(report: Report, **options: Any) -> int:
        command(report=report, **options)
        return report.status

    return bundled(
        "report",
        Report,
        click.option("-q", "--quiet", is_flag=True, help="Print errors only."),
        click.option("-v", "--verbose", is_flag=True, help="Print times, and tracebacks of errors."),
    )(with_status)
