"""Ensures that only one run at a time writes to an output, by a claim that other runs on any machine find.

A claim is a hidden file with a unique name. A run first writes its claim and then lists the folder, so that at least
one of two simultaneous runs sees the other. This needs no locks, and so works on every file system. The claim is
rewritten every BEAT seconds. A claim is stale if its process has ended, or, on another machine, if it has not been
rewritten for STALE seconds.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType

from pyarrow.fs import FileType

from ..errors import OutputError, TokError
from .sources.places import Place

PREFIX = ".tokcodec-run-"
BEAT = 30.0
STALE = 300.0
PATIENCE = 2.0
"""Seconds in which runs that started at the same time agree which one continues."""


@dataclass(frozen=True)
class Owner:
    """The process of a run.

    host: name of its machine, for messages.
    machine: identifies the machine, or the container on it.
    pid: number of the process there.
    born: start of the process in the system's units, which distinguishes it from a later process of the same number.
    since: start of the run, in seconds since 1970.
    seen: last write of the claim, in seconds since 1970.
    """

    host: str = "an unknown machine"
    machine: str = ""
    pid: int = 0
    born: str = ""
    since: float = 0.0
    seen: float = 0.0

    @classmethod
    def current(cls) -> Owner:
        return cls(socket.gethostname(), _machine(), os.getpid(), _born(os.getpid()) or "", time.time())

    def ended(self) -> bool | None:
        """Whether the process has ended; None if it runs on another machine."""
        if self.machine != _machine():
            return None
        if os.path.isdir("/proc/self"):
            return _born(self.pid) != self.born
        if os.name != "posix":
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            pass
        return False


def _machine() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip() + os.readlink("/proc/self/ns/pid")
    except OSError:
        return f"{uuid.getnode():x}"


def _born(pid: int) -> str | None:
    """The start of a process as Linux counts it; None if it has ended."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state in "ZX" else fields[18]


class Claim:
    """The claim of this run on an output, as a context. Raises OutputError if another run is working there."""

    def __init__(self, output: Place) -> None:
        self.output = output
        self.place = output / f"{PREFIX}{os.urandom(8).hex()}.json"
        self.owner = Owner.current()
        self.lost = False
        self._end = threading.Event()
        self._beat = threading.Thread(target=self._keep, daemon=True)

    def check(self) -> None:
        """Raise OutputError if the claim was deleted, perhaps by a run that considered this one dead."""
        if self.lost:
            raise OutputError(f"{self.output.name}: the claim of this run is gone: another run may be at work here")

    def __enter__(self) -> Claim:
        self._new_folders = self.output.missing_folders()
        try:
            self._write()
            self._agree()
        except BaseException:
            self._remove()
            raise
        self._beat.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end.set()
        self._beat.join()
        if not self.lost:
            self._remove()

    def _write(self) -> None:
        data = json.dumps(asdict(replace(self.owner, seen=time.time()))).encode()
        for last in (False, False, True):
            try:
                self.place.write(lambda stream: stream.write(data))
                return
            except OutputError as error:
                if not last and error.errno == errno.ENOENT:  # the run that is at work has swept the temporary file
                    continue
                failure = OutputError(str(error).replace(self.place.name, self.output.name))
                failure.errno = error.errno
                raise failure from error

    def _remove(self) -> None:
        self.place.delete()
        for folder in self._new_folders:  # nothing was written, if it is empty
            with suppress(OSError):
                os.rmdir(folder)

    def _keep(self) -> None:
        if hasattr(signal, "pthread_sigmask"):  # signals are for the main thread, which may hold them back
            signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
        while not self._end.wait(BEAT):
            with suppress(TokError):  # the next time it may work
                if self.place.type() == FileType.NotFound:
                    self.lost = True
                    return
                self._write()

    def _agree(self) -> None:
        """Return when no other run has a claim. If several start at the same time, the first by name continues."""
        end = time.monotonic() + PATIENCE
        while at_work := others(self.output, self.place.base):
            place, owner = at_work[0]
            began_before = self.owner.since - owner.since > PATIENCE
            if began_before or place.name < self.place.name or time.monotonic() > end:
                since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(owner.since))
                way_out = (
                    f"if it is dead, delete {place.name}, or wait {STALE / 60:.0f} minutes"
                    if owner.ended() is None
                    else "wait for it, or end it"
                )
                raise OutputError(
                    f"{self.output.name}: another run has been at work here since {since} "
                    f"(pid {owner.pid} on {owner.host}); {way_out}"
                )
            time.sleep(0.1)


def others(output: Place, own: str = "") -> list[tuple[Place, Owner]]:
    """Claims of other runs that may be at work, in the order of their names; stale ones are deleted.

    own: the name of this run's claim. Raises SourceError if the folder cannot be listed.
    """
    times = output.times(PREFIX)
    found = []
    for name in sorted(times.keys() - {own}):
        place = output / name
        owner = _read(place)
        if owner is None:
            continue
        mine, other = times.get(own), times[name]
        if mine is None or other is None:  # without the file system's clock, those of the machines
            mine, other = time.time(), owner.seen
        if owner.ended() or (owner.ended() is None and mine - other > STALE):
            place.delete()
        else:
            found.append((place, owner))
    return found


def _read(place: Place) -> Owner | None:
    """The owner of a claim, None if it is gone."""
    try:
        with place.stream() as stream:
            return Owner(**json.loads(stream.read(1 << 16)))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        return Owner()
