"""Commands at work in a folder, each in a new Python as a shell starts it, and the state in which they leave it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL import Image

import tokcodec
from bench import pictures
from tests.robustness.inputs import ROOT, noise
from tests.robustness.processes import TEMPORARY, Ended
from tests.signals import default_signals
from tokcodec.datasets.claims import PREFIX
from tokcodec.models.registry import MODELS_VARIABLE

OLD = b"what was there before"
PATIENCE = 120.0
"""Seconds after which a process that should have ended counts as one that did not."""
STATES = ("absent", "old", "whole", "broken")
SINGLE = ("encode", "decode", "truncate")
"""Commands with one output."""
WORKS = (*SINGLE, "dataset encode")


@dataclass(frozen=True)
class Work:
    """A command to run in the folder of a `Scene`.

    name: of the command.
    command: all words of it.
    outputs: the names of its outputs in out/.
    shards: whether it writes several outputs and goes on where an earlier run stopped.
    """

    name: str
    command: tuple[str, ...]
    outputs: tuple[str, ...]
    shards: bool = False

    def forced(self) -> Work:
        """The same with -f, by which an output that exists is replaced; a data set has no need of it."""
        return self if self.shards else replace(self, command=(*self.command, "-f"))

    def to_stdout(self) -> Work:
        """The same with its output on stdout."""
        return replace(self, command=(*self.command[: self.command.index("-o")], "-o", "-"))


@dataclass(frozen=True)
class Scene:
    """A folder of inputs, and how commands run there.

    folder: has pictures/, a picture as coarse.tok and fine.tok, and out/ for the outputs.
    long: whether the shipped model works on scikit-image's photographs; otherwise `tiny` does on two small pictures.
    models: the folder of `tiny`.
    """

    folder: Path
    long: bool = False
    models: Path | None = None
    wholes: dict[Work, list[bytes]] = field(default_factory=dict)

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def names(self) -> tuple[str, ...]:
        """The pictures."""
        return pictures.SAMPLES if self.long else ("a", "b")

    def prepare(self) -> None:
        """Write the inputs: the photographs give `decode` 16 tiles to draw, and `truncate` 1024 to cut."""
        self.out.mkdir()
        if self.long:
            pictures.write_samples(self.folder / "pictures")
        else:
            (self.folder / "pictures").mkdir()
            for seed, name in enumerate(self.names):
                (self.folder / "pictures" / f"{name}.png").write_bytes(noise(seed))
        image = Image.open(self.folder / "pictures" / f"{self.names[0]}.png")
        model = None if self.models is None else self.models / "tiny"
        for name, pitch in (("coarse", 128), ("fine", 16)):
            data = tokcodec.encode(image, model=model, pitch=pitch, tokens=64 if self.long else 16)
            (self.folder / f"{name}.tok").write_bytes(data)

    def work(self, name: str, tokens: int | None = None) -> Work:
        """One of WORKS: `encode` makes 64 tiles of a photograph, `dataset encode` a shard of each, by two processes.

        tokens: per tile, at most 64 in the long run and 16 otherwise; default three quarters of that.
        """
        count = ("--tokens", str(tokens or (48 if self.long else 12)))
        model = () if self.long else ("--model", "tiny")
        words = (sys.executable, "-m", "tokcodec", *name.split(), *count)
        if name == "encode":
            picture = f"pictures/{self.names[0]}.png"
            return Work(name, (*words, *model, "--pitch", "64", picture, "-o", "out/x.tok"), ("x.tok",))
        if name == "decode":
            return Work(name, (*words, "coarse.tok", "-o", "out/x.png"), ("x.png",))
        if name == "truncate":
            return Work(name, (*words, "fine.tok", "-o", "out/x.tok"), ("x.tok",))
        options = ("--pitch", "128", "--shard-size", "1", "--workers", "2")
        shards = tuple(f"pictures-{i:05d}.parquet" for i in range(len(self.names)))
        return Work(name, (*words, *model, "pictures", "--output", "out", *options), shards, shards=True)

    def start(self, work: Work, *, stdout: int = subprocess.DEVNULL, largest: int = 0) -> subprocess.Popen[bytes]:
        """Start a command as a group of processes of its own, with one core each.

        stdout: a descriptor; default: nowhere.
        largest: bytes that a file may have, as with a quota; default any number.
        """

        def before() -> None:
            default_signals()
            if largest:
                import resource  # POSIX alone has it

                resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

        return subprocess.Popen(
            work.command,
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=before,
        )

    def environment(self) -> dict[str, str]:
        """For processes that work elsewhere: this tokcodec, its models, and one core each."""
        models = {} if self.models is None else {MODELS_VARIABLE: str(self.models)}
        return os.environ | models | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

    def run(
        self, work: Work, moment: Callable[[], bool] | float | None = None, sent: int = signal.SIGKILL
    ) -> Ended:
        """Run a command.

        moment: seconds after which it is sent a signal, or a function that says, asked again and again, when to.
        sent: the signal. SIGINT reaches all its processes, as Ctrl-C does; others reach the command alone.
        """
        started = time.perf_counter()
        process = self.start(work)
        while moment is not None and process.poll() is None:
            if moment() if callable(moment) else time.perf_counter() - started >= moment:
                (os.killpg if sent == signal.SIGINT else os.kill)(process.pid, sent)
                return ended(process, started, sent=True)
            time.sleep(0.0002 if callable(moment) else 0.001)
        return ended(process, started)

    def whole(self, work: Work) -> list[bytes]:
        """What a command writes undisturbed."""
        if work not in self.wholes:
            clear(self.out)
            done = self.run(work)
            assert done.code == 0, done.stderr
            self.wholes[work] = [(self.out / name).read_bytes() for name in work.outputs]
            clear(self.out)
        return self.wholes[work]

    def states(self, work: Work, before: bytes | None) -> list[str]:
        """One of STATES for each output, which had this content before the command ran; `whole` was asked before."""
        paths = [self.out / name for name in work.outputs]
        return [state(path, before, whole) for path, whole in zip(paths, self.wholes[work], strict=True)]

    def temporaries(self) -> list[Path]:
        """Temporary files that a command has left."""
        return sorted(self.out.glob(TEMPORARY))

    def claims(self) -> list[Path]:
        """Files by which runs of `dataset encode` tell others that they are at work."""
        return sorted(self.out.glob(f"{PREFIX}*.json"))

    def strays(self, work: Work) -> list[str]:
        """Files that are neither outputs nor temporary files nor claims."""
        known = {*work.outputs, *(path.name for path in [*self.temporaries(), *self.claims()])}
        return sorted(path.name for path in self.out.iterdir() if path.name not in known)


def ended(process: subprocess.Popen[bytes], started: float, *, sent: bool = False) -> Ended:
    """Wait for the end of a process, and of all that it has started: they have its stderr.

    started: by time.perf_counter.
    sent: whether it still ran when its signal was sent.
    """
    outlived = False
    try:
        said = process.communicate(timeout=PATIENCE)[1]
    except subprocess.TimeoutExpired:
        outlived = True
        os.killpg(process.pid, signal.SIGKILL)
        said = process.communicate()[1]
    text = said.decode(errors="replace")
    return Ended(process.returncode, "", text, time.perf_counter() - started, sent, outlived)


def state(path: Path, before: bytes | None, whole: bytes) -> str:
    """One of STATES for an output, by what was there before and what the whole one is."""
    if not path.exists():
        return "absent" if before is None else "broken"
    found = path.read_bytes()
    if found == whole:
        return "whole"
    return "old" if found == before else "broken"


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def clear(folder: Path) -> None:
    """Remove the files of a folder."""
    for path in folder.iterdir():
        path.unlink()


def share(total: int, parts: int, part: int) -> int:
    """Share of `total` for part number `part`, from 0, of `parts` nearly equal ones."""
    return total // parts + (part < total % parts)
