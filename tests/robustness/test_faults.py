"""Kills, full disks, missing rights, odd names, several processes: outputs are whole or absent, old ones survive.

Nearly all of this happens in processes of their own. A server that has torch imported forks them, since the import
takes longer than all the rest.
"""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tokcodec
from tokcodec.models.modelfile import Model

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX processes, signals and rights")

MakeTok = Callable[..., bytes]
ROOT = Path(__file__).parents[2]
NOBODY = 65534
KILLS = 20
TEMPORARY = ".tokcodec-*.tmp"

SERVER = """
import json, os, signal, sys
import PIL.Image, PIL.ImageCms, torch
import tokcodec.cli, tokcodec.codec, tokcodec.pictures.files, tokcodec.models.registry, tokcodec.tokenizers.cascade
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
    """How a command ended: its exit code (-n: killed by signal n), its messages, how long it ran."""

    code: int
    stdout: str
    stderr: str
    seconds: float


class Commands:
    """Runs `tokcodec` in processes that the server forks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder  # for what the commands print
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self.server = subprocess.Popen(
            [sys.executable, "-c", SERVER],
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

        user: whose rights they have; step: kill them at this access to a name below the folder, counted from 1; after:
        send them a signal after so many seconds.
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


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Iterator[Commands]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOKCODEC_MODELS", str(tiny_folder))
        started = Commands(tmp_path_factory.mktemp("printed"))
    yield started
    started.close()


def photograph(seed: int, width: int = 300, height: int = 200) -> bytes:
    """A PNG of coarse noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).resize((width, height)).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def place(tmp_path: Path, tiny: Model) -> Path:
    """A folder with a few pictures and a `.tok` of an older one beside every second of them."""
    for i in range(4):
        (tmp_path / f"{i}.png").write_bytes(photograph(i))
        if i % 2:
            (tmp_path / f"{i}.tok").write_bytes(b"old")
    return tmp_path


ENCODE = ["encode", "-f", "--model", "tiny", "--pitch", "64", *(f"{i}.png" for i in range(4))]


def expected_outputs() -> list[bytes]:
    pictures = [Image.open(io.BytesIO(photograph(i))) for i in range(4)]
    return [tokcodec.encode(picture, model="tiny", pitch=64) for picture in pictures]


def check_outputs(place: Path, expected: list[bytes]) -> int:
    """Each output is whole, or as it was before. Returns how many are new; puts the old ones back."""
    new = 0
    for i, data in enumerate(expected):
        path = place / f"{i}.tok"
        if path.exists() and path.read_bytes() == data:
            new += 1
        elif i % 2:
            assert path.read_bytes() == b"old"
        else:
            assert not path.exists()
        path.unlink(missing_ok=True)
        if i % 2:
            path.write_bytes(b"old")
    return new


# ---- processes that end before they are done


def test_killed_at_a_random_moment_during_encode(commands: Commands, place: Path) -> None:
    expected = expected_outputs()
    for _ in range(2):  # the first run finds nothing in memory: it is no measure
        (whole,) = commands.run(ENCODE, folder=place)
        assert whole.code == 0 and check_outputs(place, expected) == 4
    rng, codes, found = random.Random(), [], []
    for i in range(KILLS):
        moment = whole.seconds * (i + rng.random()) / KILLS  # random, and early as well as late
        (ended,) = commands.run(ENCODE, folder=place, after=moment)
        codes.append(ended.code)
        found.append(check_outputs(place, expected))
        for path in place.glob(TEMPORARY):  # what a kill that nobody can catch may leave
            path.unlink()
        assert sorted(path.suffix for path in place.iterdir()) == [".png"] * 4 + [".tok"] * 2
    assert codes.count(-signal.SIGKILL) >= KILLS // 4 and set(codes) <= {0, -signal.SIGKILL}
    assert commands.run(ENCODE, folder=place)[0].code == 0 and check_outputs(place, expected) == 4


def test_killed_at_each_step_of_writing(commands: Commands, place: Path, make_tok: MakeTok) -> None:
    """At every access to a file, instead of waiting for chance to hit the milliseconds that matter."""
    data = make_tok()
    expected = tokcodec.truncate(data, tokens=3)
    (place / "in.tok").write_bytes(data)
    arguments = ["truncate", "-f", str(place / "in.tok"), "--tokens", "3", "-o", str(place / "1.tok")]
    for old in (b"old", None):
        states = []
        for step in range(1, 50):
            (place / "1.tok").unlink(missing_ok=True)
            if old:
                (place / "1.tok").write_bytes(old)
            (ended,) = commands.run(arguments, folder=place, step=step)
            states.append((place / "1.tok").read_bytes() if (place / "1.tok").exists() else None)
            left = list(place.glob(TEMPORARY))
            for path in left:
                path.unlink()
            if ended.code == 0:
                break
            assert ended.code == -signal.SIGKILL and len(left) <= 1
        assert 4 <= step < 49 and states[0] == old and states[-1] == expected and not left
        assert set(states) == {old, expected}


@pytest.mark.parametrize(("sent", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_during_encode(commands: Commands, place: Path, sent: str, code: int) -> None:
    expected = expected_outputs()
    seconds = commands.run(ENCODE, folder=place)[0].seconds
    check_outputs(place, expected)
    codes = []
    for i in range(4):
        (ended,) = commands.run(ENCODE, folder=place, after=seconds * (i + 1) / 6, sent=getattr(signal, sent))
        assert "Traceback" not in ended.stderr
        if ended.code == 130:
            assert ended.stderr.endswith("tokcodec: interrupted\n")
        assert not list(place.glob(TEMPORARY))
        check_outputs(place, expected)
        assert ended.code in (0, code), ended.stderr
        codes.append(ended.code)
    assert code in codes


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_goes_away(place: Path, make_tok: MakeTok, unbuffered: str) -> None:
    """As `| head` does, in the midst of more than a pipe holds: no word and no success, with and without python -u."""
    (place / "in.tok").write_bytes(make_tok(2000, 2000, pitch=16, tokens=16))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered}
    command = [sys.executable, "-m", "tokcodec", "truncate", "in.tok", "--tokens", "15", "-o", "-"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=place, env=environment, bufsize=0
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.read(1) == b"\xf5"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


# ---- several processes


@pytest.mark.parametrize("force", [False, True])
def test_processes_that_write_the_same_output(commands: Commands, place: Path, make_tok: MakeTok, force: bool) -> None:
    """One wins whole: without -f the first and the others are told, with -f the last."""
    data = make_tok(width=200, height=200, pitch=16, tokens=16)
    (place / "in.tok").write_bytes(data)
    expected = [tokcodec.truncate(data, tokens=tokens) for tokens in (2, 7, 12, 16)]
    options = ["-f"] if force else []
    for _ in range(8):
        (place / "out.tok").unlink(missing_ok=True)
        ended = commands.run(
            *(["truncate", *options, "in.tok", "--tokens", str(n), "-o", "out.tok"] for n in (2, 7, 12, 16)),
            folder=place,
        )
        written = (place / "out.tok").read_bytes()
        winners = [data for data, end in zip(expected, ended, strict=True) if end.code == 0]
        assert written in winners and len(winners) == (4 if force else 1)
        for end in ended:
            assert end.code == 0 or end.stderr == "tokcodec: out.tok: exists already; use -f to overwrite\n"
        assert not list(place.glob(TEMPORARY))


def test_two_encoders_of_one_name(commands: Commands, place: Path) -> None:
    expected = expected_outputs()
    encode = ["encode", "--model", "tiny", "--pitch", "64"]
    ended = commands.run([*encode, "0.png", "-o", "x.tok"], [*encode, "2.png", "-o", "x.tok"], folder=place)
    assert sorted(end.code for end in ended) == [0, 1]
    assert (place / "x.tok").read_bytes() == expected[0 if ended[0].code == 0 else 2]


# ---- disks and rights

FULL = """
import json, os, sys
from tokcodec.cli import cli

def run(commands):
    results = {}
    for name, arguments in commands.items():
        try:
            cli(arguments, prog_name="tokcodec")
        except SystemExit as end:
            results[name] = end.code
    with open("disk/old.tok", "rb") as file:
        results["old"] = file.read().hex()
    return results | {"left": sorted(os.listdir("disk"))}

full = run(json.loads(sys.argv[1]))
os.truncate("disk/filler", 44 * 1024)
print(json.dumps([full, run(json.loads(sys.argv[1]))]))
"""


def in_namespace(script: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a shell script that may mount, unseen by the rest of the system; skip the test where that is not allowed."""
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None:
        pytest.skip("no unshare(1) to mount a file system without leaving a trace")
    trial = [*unshare, "sh", "-c", "mount -t tmpfs -o size=64k tmpfs disk"]
    tried = subprocess.run(trial, cwd=folder, capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no right to mount a small tmpfs: {tried.stderr.strip()}")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [*unshare, "sh", "-ec", script, "sh", sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_full_disk(place: Path, make_tok: MakeTok) -> None:
    """A tmpfs of 64 KiB: with no block left, and with some but too few."""
    (place / "disk").mkdir()
    (place / "in.tok").write_bytes(make_tok(300, 200))
    encode = ["encode", "--model", "tiny", "-f", "0.png", "-o"]
    runs = {
        "over the old": [*encode, "disk/old.tok"],
        "beside it": [*encode, "disk/new.tok"],
        "too large": ["decode", "in.tok", "-o", "disk/new.bmp"],
        "many": ["encode", "--model", "tiny", "0.png", "2.png", "--output-dir", "disk"],
    }
    script = """
mount -t tmpfs -o size=64k tmpfs disk
printf old > disk/old.tok
head -c 60K /dev/zero > disk/filler
exec "$1" -c "$2" "$3"
"""
    done = in_namespace(script, FULL, json.dumps(runs), folder=place)
    assert done.returncode == 0, done.stderr
    full, nearly_full = json.loads(done.stdout)
    assert full == dict.fromkeys(runs, 1) | {"old": b"old".hex(), "left": ["filler", "old.tok"]}
    left = ["0.tok", "2.tok", "filler", "new.tok", "old.tok"]
    new = tokcodec.encode(Image.open(place / "0.png"), model="tiny").hex()
    assert nearly_full == dict.fromkeys(runs, 0) | {"too large": 1, "old": new, "left": left}
    errors = [line for line in done.stderr.splitlines() if line.startswith("tokcodec: disk")]
    targets = ["old.tok", "new.tok", "new.bmp", "0.tok", "2.tok", "new.bmp"]
    assert errors == [f"tokcodec: disk/{target}: disk full" for target in targets]


def test_read_only_disk(place: Path, make_tok: MakeTok) -> None:
    (place / "disk").mkdir()
    (place / "in.tok").write_bytes(make_tok())
    script = """
mount -t tmpfs -o size=64k tmpfs disk
printf old > disk/old.tok
mount -o remount,ro disk
for name in new old; do "$1" -m tokcodec truncate -f in.tok --tokens 2 -o disk/$name.tok || echo $?; done
cat disk/old.tok
ls -A disk
"""
    done = in_namespace(script, folder=place)
    assert done.stdout == "1\n1\noldold.tok\n"
    assert done.stderr == "".join(f"tokcodec: disk/{name}.tok: read-only file system\n" for name in ("new", "old"))


@pytest.fixture
def shared(make_tok: MakeTok, tiny_folder: Path) -> Iterator[Path]:
    """A folder that belongs to a user without privileges; pytest's own are closed to others."""
    if os.geteuid() == 0 and not all(path.stat().st_mode & 0o001 for path in (ROOT, *ROOT.parents)):
        pytest.skip("a user without privileges may not read the checkout")
    folder = Path(tempfile.mkdtemp(prefix="tokcodec-test-"))
    try:
        (folder / "in.tok").write_bytes(make_tok())
        (folder / "in.png").write_bytes(photograph(0))
        for path in (folder, *folder.iterdir()):
            os.chmod(path, 0o755)
            if os.geteuid() == 0:
                os.chown(path, NOBODY, NOBODY)
        yield folder
    finally:
        subprocess.run(["chmod", "-R", "u+rwx", str(folder)], check=True)
        shutil.rmtree(folder)


@pytest.fixture
def as_user(
    tmp_path_factory: pytest.TempPathFactory, shared: Path, tiny_folder: Path
) -> Iterator[Callable[..., Ended]]:
    """Run a command in `shared` without root's rights, which go beyond all others'."""
    shutil.copytree(tiny_folder, shared / "models")
    for path in (shared / "models", *(shared / "models").rglob("*")):
        path.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOKCODEC_MODELS", str(shared / "models"))
        commands = Commands(tmp_path_factory.mktemp("printed"))

    def run(*arguments: str) -> Ended:
        (ended,) = commands.run(arguments, folder=shared, user=NOBODY if os.geteuid() == 0 else 0)
        assert not list(shared.rglob(TEMPORARY))
        return ended

    yield run
    commands.close()


CUT = ["truncate", "in.tok", "--tokens", "2", "-o"]
ENCODE_ONE = ["encode", "--model", "tiny"]


def test_rights(as_user: Callable[..., Ended], shared: Path) -> None:
    """Folders and inputs that are closed; a read-only output is replaced with -f, which is what -f says."""
    ended = as_user(*CUT, "out.tok")
    assert ended.code == 0, ended.stderr
    expected = (shared / "out.tok").read_bytes()

    closed = shared / "closed"
    closed.mkdir(mode=0o555)
    for arguments in ([*CUT, "closed/x.tok"], [*ENCODE_ONE, "in.png", "-o", "closed/x.tok"]):
        ended = as_user(*arguments)
        assert (ended.code, ended.stderr) == (1, "tokcodec: closed/x.tok: no permission to write in its folder\n")
    ended = as_user(*ENCODE_ONE, "in.png", "--output-dir", "closed/sub")
    assert (ended.code, list(closed.iterdir())) == (1, [])
    assert ended.stderr == "tokcodec: closed/sub/in.tok: its folder cannot be made: permission denied\n"

    (shared / "hidden").mkdir(mode=0)
    (shared / "secret").write_bytes(b"")
    (shared / "secret").chmod(0)
    for name in ("hidden/in.tok", "secret"):  # and what comes after it has its turn
        for arguments in (["info"], ["decode", "-f"], [*ENCODE_ONE, "-f"]):
            good = "in.png" if "encode" in arguments else "in.tok"
            ended = as_user(*arguments, name, good)
            said = (ended.stdout + ended.stderr).splitlines()
            stem = name.removesuffix(".tok")  # in a closed folder the output is refused first
            assert ended.code == 1 and any(
                line.startswith(f"tokcodec: {stem}") and line.endswith(": permission denied") for line in said
            )
            assert any(line.startswith(good) for line in said)
    ended = as_user("decode", "-r", "hidden", "--output-dir", "out")
    assert (ended.code, ended.stderr.splitlines()[0]) == (1, "tokcodec: hidden: permission denied")

    (shared / "out.tok").write_bytes(b"old")
    (shared / "out.tok").chmod(0o444)
    assert as_user(*CUT, "out.tok").code == 1 and (shared / "out.tok").read_bytes() == b"old"
    assert as_user(*CUT, "out.tok", "-f").code == 0 and (shared / "out.tok").read_bytes() == expected
    assert (shared / "out.tok").stat().st_mode & 0o777 == 0o444


# ---- names

NAMES = ["with space", "new\nline", "Übergröße 東京", "-rf", "--help", "bad\udcff", "*", "%s", "\x1b[2J", "n" * 251]


def test_names(commands: Commands, place: Path, make_tok: MakeTok) -> None:
    """As inputs, as outputs, as folders; every message stays on one line and moves no cursor."""
    data = make_tok()
    expected = tokcodec.truncate(data, tokens=2)
    inputs = [f"{name}.tok" for name in NAMES]
    for name in inputs:
        (place / name).write_bytes(data)

    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tokcodec", "info", "--", *inputs]
    described = subprocess.run(command, cwd=place, env=environment, capture_output=True, check=True)
    assert len(described.stdout.splitlines()) == len(NAMES) and described.stderr == b""
    assert b"\x1b" not in described.stdout

    pictures = [f"{name}.png" for name in NAMES]
    for arguments in (["decode", "--", *inputs], ["encode", "--model", "tiny", "-f", "--", *pictures]):
        (ended,) = commands.run(arguments, folder=place)
        assert ended.code == 0 and "\x1b" not in ended.stderr
        assert sum(" -> " in line for line in ended.stderr.splitlines()) == len(NAMES)
    assert set(pictures) <= set(os.listdir(place))

    for name in NAMES:
        folder = place / "out" / name
        folder.mkdir(parents=True)
        target = os.path.join("out", name, f"{name}.tok")
        (place / "in.tok").write_bytes(data)
        (ended,) = commands.run(["truncate", "in.tok", "--tokens", "2", "-o", target], folder=place)
        assert ended.code == 0 and [path.read_bytes() for path in folder.iterdir()] == [expected]
        assert len(ended.stderr.splitlines()) == 1
    (ended,) = commands.run(["truncate", "in.tok", "--tokens", "2", "-o", "-dash.tok"], folder=place)
    assert ended.code == 0 and (place / "-dash.tok").read_bytes() == expected
