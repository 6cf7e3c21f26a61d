"""Runs commands in processes of their own, which may be killed, sent signals and given fewer rights.

A server that has tokcodec imported forks them, since the import takes longer than all the rest. `works` starts commands
as a shell does.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.robustness.inputs import ROOT

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX processes, signals and rights")
TEMPORARY = ".tokcodec-*.tmp"
"""What a command writes to before the output is whole."""

SERVER = """
import json, os, signal, sys
import PIL.Image, PIL.ImageCms
import tokcodec.cli, tokcodec.codec, tokcodec.pictures.files, tokcodec.models.registry, tokcodec.tokenizers.cascade
from tests.signals import default_signals
PIL.Image.init()
# The coder loads a part of numpy at its first use, and a signal in that moment makes its Rust panic, with a message.
tokcodec.container.entropy.decode_tokens(b"", 1, 1, tokcodec.container.tables.FrequencyTables.uniform(1, (2,)))

def die_at(step, folder):
    def count(event, arguments):
        nonlocal step
        if arguments and isinstance(arguments[0], (str, bytes)) and os.fsdecode(arguments[0]).startswith(folder):
            step -= 1
            if step == 0:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(count)

def command(arguments, folder, user, step, start):
    default_signals()  # here and not in the server, which lives as long as the runner does
    os.read(start, 1)  # until all of this request are there
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for stream, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(f"{name}-{os.getpid()}", os.O_WRONLY | os.O_CREAT), stream)
    os.chdir(folder)
    if user:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    if step:
        die_at(step, folder)
    try:
        tokcodec.cli.cli(arguments, prog_name="tokcodec")
    except SystemExit as end:
        return end.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()

for line in sys.stdin:
    commands, folder, user, step = json.loads(line)
    start, go = os.pipe()
    pids = []
    for arguments in commands:
        pids.append(os.fork())
        if not pids[-1]:
            os.close(go)
            code = 99
            try:
                code = command(arguments, folder, user, step, start)
            finally:
                os._exit(code)
    os.close(start)
    print(json.dumps(pids), flush=True)
    os.close(go)
    print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]), flush=True)
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    code: its exit status; -n: killed by signal n.
    stdout, stderr: its messages.
    seconds: how long it ran.
    sent: whether it still ran when its signal was sent.
    outlived: whether something that it started ran on.
    """

    code: int
    stdout: str
    stderr: str
    seconds: float
    sent: bool = False
    outlived: bool = False

    @property
    def lines(self) -> list[str]:
        return self.stderr.splitlines()


class Commands:
    """Runs `tokcodec` in processes that the server forks.

    folder: for what the commands print.
    modules: a folder with modules that are found before all others.
    preloaded: a module that the server imports too.
    """

    def __init__(self, folder: Path, modules: Path | None = None, preloaded: str = "tokcodec") -> None:
        self.folder = folder
        paths = [str(ROOT)] if modules is None else [str(modules), str(ROOT)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
        self.server = subprocess.Popen(
            [sys.executable, "-c", f"import {preloaded}\n{SERVER}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=folder,
            env=environment,
            text=True,
        )

    def run(
        self,
        *commands: Sequence[str],
        folder: Path,
        user: int = 0,
        step: int = 0,
        after: float | None = None,
        sent: int = signal.SIGKILL,
    ) -> list[Ended]:
        """Run commands at the same time in a folder.

        user: number of the user whose rights they have; 0: those of this process.
        step: they are killed at this access to a name below the folder, counted from 1; 0: at none.
        after: seconds until they get a signal. Default: never.
        sent: the signal.
        """
        assert self.server.stdin is not None and self.server.stdout is not None
        print(json.dumps([commands, str(folder), user, step]), file=self.server.stdin, flush=True)
        pids = json.loads(self.server.stdout.readline())
        started = time.perf_counter()
        if after is not None:
            time.sleep(after)
            for pid in pids:
                with suppress(ProcessLookupError):  # it was faster
                    os.kill(pid, sent)
        codes = json.loads(self.server.stdout.readline())
        seconds = time.perf_counter() - started
        return [
            Ended(code, self._printed(f"stdout-{pid}"), self._printed(f"stderr-{pid}"), seconds)
            for pid, code in zip(pids, codes, strict=True)
        ]

    def _printed(self, name: str) -> str:
        path = self.folder / name
        if not path.exists():  # ended before it could open it
            return ""
        text = path.read_text(errors="surrogateescape")
        path.unlink()
        return text

    def close(self) -> None:
        self.server.communicate()
