"""Outputs are whole or absent, and the old file survives every failure."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from tokcodec.errors import OutputError
from tokcodec.pictures import files
from tokcodec.pictures.files import check_output, reason, write_atomic

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX permissions, links and devices")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in which only `out` and the files that a test declares may remain."""
    yield tmp_path
    assert not list(tmp_path.rglob(".tokcodec-*"))


def test_new_file(folder: Path) -> None:
    write_atomic(folder / "out", b"data", force=False)
    write_atomic(str(folder / "out2"), lambda stream: stream.write(b"more"), force=True)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {"out": b"data", "out2": b"more"}


def test_existing_file_needs_force(folder: Path) -> None:
    path = folder / "out"
    path.write_bytes(b"old")
    with pytest.raises(OutputError, match=r"^exists already; use -f to overwrite$"):
        write_atomic(path, b"new", force=False)
    with pytest.raises(OutputError, match="exists already"):
        check_output(path, force=False)
    assert path.read_bytes() == b"old"
    check_output(path, force=True)
    write_atomic(path, b"new", force=True)
    assert path.read_bytes() == b"new"


def test_function_is_not_called_if_the_output_is_refused(folder: Path) -> None:
    (folder / "out").touch()
    with pytest.raises(OutputError):
        write_atomic(folder / "out", lambda _: pytest.fail("called"), force=False)


@pytest.mark.parametrize("links", [True, False])
def test_file_that_appears_meanwhile_is_not_overwritten(
    folder: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:
        without_links(monkeypatch)

    def write(stream: BinaryIO) -> None:
        stream.write(b"new")
        (folder / "out").write_bytes(b"other")

    with pytest.raises(OutputError, match="exists already"):
        write_atomic(folder / "out", write, force=False)
    assert (folder / "out").read_bytes() == b"other"


@pytest.mark.parametrize("links", [True, False])
def test_one_of_many_writers_wins(folder: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    if not links:
        without_links(monkeypatch)
    won: list[int] = []
    barrier = threading.Barrier(8)

    def work(i: int) -> None:
        def write(stream: BinaryIO) -> None:
            stream.write(bytes([i]) * 1000)
            barrier.wait()

        try:
            write_atomic(folder / "out", write, force=False)
            won.append(i)
        except OutputError:
            pass

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1 and (folder / "out").read_bytes() == bytes(won) * 1000


def without_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)


def test_file_system_without_links(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_links(monkeypatch)
    write_atomic(folder / "out", b"data", force=False)
    assert (folder / "out").read_bytes() == b"data"


def test_failed_rename_leaves_no_placeholder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_links(monkeypatch)

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OutputError, match="input/output error"):
        write_atomic(folder / "out", b"data", force=False)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit, MemoryError])
@pytest.mark.parametrize("exists", [True, False])
def test_failure_in_the_middle(folder: Path, error: type[BaseException], exists: bool) -> None:
    path = folder / "out"
    if exists:
        path.write_bytes(b"old")

    def write(stream: BinaryIO) -> None:
        stream.write(b"x" * 100_000)
        raise error

    with pytest.raises(error):
        write_atomic(path, write, force=True)
    assert [p.read_bytes() for p in folder.iterdir()] == ([b"old"] if exists else [])


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("code", "text"),
    [(errno.ENOSPC, "disk full"), (errno.EDQUOT, "disk quota exceeded"), (errno.EIO, "input/output error")],
)
def test_errors_of_the_system(folder: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int, text: str) -> None:
    path = folder / "out"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OutputError, match=f"^{text}$"):
        write_atomic(path, b"new", force=True)
    assert path.read_bytes() == b"old" and len(list(folder.iterdir())) == 1


def test_disk_full_while_writing(folder: Path) -> None:
    path = folder / "out"
    path.write_bytes(b"old")

    def write(stream: BinaryIO) -> None:
        stream.write(b"new")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OutputError, match=r"^disk full$"):
        write_atomic(path, write, force=True)
    assert path.read_bytes() == b"old"


def test_file_system_without_fsync(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", fail)
    write_atomic(folder / "out", b"data", force=False)
    assert (folder / "out").read_bytes() == b"data"


def test_folder_and_missing_folder(folder: Path) -> None:
    (folder / "file").touch()
    for path, text in (
        (folder, "is a folder"),
        (folder / "no" / "out", "folder does not exist"),
        (folder / "file" / "out", "not a folder"),
        (folder / ("n" * 300), "name too long"),
    ):
        for force in (True, False):
            with pytest.raises(OutputError, match=text):
                write_atomic(path, b"data", force=force)
            with pytest.raises(OutputError, match=text):
                check_output(path, force=force)


def test_longest_name(folder: Path) -> None:
    path = folder / ("n" * 255)
    write_atomic(path, b"data", force=False)
    assert path.read_bytes() == b"data"


@pytest.mark.parametrize("name", ["-f", "a b", "ü", "new\nline", ".hidden", "no suffix."])
def test_odd_names(folder: Path, name: str) -> None:
    write_atomic(folder / name, b"data", force=False)
    assert (folder / name).read_bytes() == b"data"


def test_reasons() -> None:
    assert reason(OSError(errno.ENOSPC, "No space left on device", "name")) == "disk full"
    assert reason(OSError(errno.EFBIG, "File too large")) == "file too large"
    assert reason(OSError(errno.EBUSY, "Device or resource busy", "name")) == "device or resource busy"
    assert reason(OSError("encoder error")) == "encoder error"
    assert reason(OSError()) == "OSError"


# ---- permissions, links, devices


@posix
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_mode_of_a_new_file_follows_the_umask(folder: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_atomic(folder / "out", b"data", force=False)
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "out").stat().st_mode) == 0o666 & ~umask


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o755])
def test_replaced_file_keeps_its_mode(folder: Path, mode: int) -> None:
    path = folder / "out"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_atomic(path, b"new", force=True)
    assert (stat.S_IMODE(path.stat().st_mode), path.read_bytes()) == (mode, b"new")


@posix
def test_no_right_in_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:  # root may write anywhere
        monkeypatch.setattr(os, "access", lambda *_: False)
    folder.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="permission"):
            write_atomic(folder / "out", b"data", force=False)
    finally:
        folder.chmod(0o700)
    assert list(folder.iterdir()) == []


@posix
def test_symbolic_link_is_written_through(folder: Path) -> None:
    (folder / "real").mkdir()
    real, link = folder / "real" / "file", folder / "link"
    real.write_bytes(b"old")
    link.symlink_to(Path("real") / "file")
    with pytest.raises(OutputError, match="exists already"):
        write_atomic(link, b"new", force=False)
    write_atomic(link, b"new", force=True)
    assert link.is_symlink() and real.read_bytes() == b"new" and not real.is_symlink()


@posix
def test_dangling_and_circular_links(folder: Path) -> None:
    (folder / "link").symlink_to("target")
    write_atomic(folder / "link", b"data", force=False)
    assert (folder / "link").is_symlink() and (folder / "target").read_bytes() == b"data"
    (folder / "circle").symlink_to("circle")
    with pytest.raises(OutputError, match="too many levels of symbolic links"):
        write_atomic(folder / "circle", b"data", force=True)


@posix
def test_hard_link_is_parted(folder: Path) -> None:
    (folder / "out").write_bytes(b"old")
    os.link(folder / "out", folder / "other")
    write_atomic(folder / "out", b"new", force=True)
    assert ((folder / "out").read_bytes(), (folder / "other").read_bytes()) == (b"new", b"old")


@posix
def test_devices_are_written_directly() -> None:
    write_atomic("/dev/null", b"data", force=False)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux only")
@pytest.mark.parametrize("size", [1, 10**6])
def test_full_device(size: int) -> None:
    with pytest.raises(OutputError, match=r"^disk full$"):
        write_atomic("/dev/full", bytes(size), force=False)


@posix
def test_file_size_limit_is_hit_while_writing(folder: Path) -> None:
    """A real failure of write() in the middle of a file, without a full disk."""
    path = folder / "out"
    path.write_bytes(b"old")
    code = """
import resource, sys
from tokcodec.pictures.files import write_atomic
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
write_atomic(sys.argv[1], bytes(200_000), force=True)
"""
    root = Path(files.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], cwd=root, capture_output=True, text=True, check=False
    )
    assert "OutputError: file too large" in done.stderr
    assert path.read_bytes() == b"old" and [p.name for p in folder.iterdir()] == ["out"]


@posix
def test_named_pipe(folder: Path) -> None:
    path = folder / "pipe"
    os.mkfifo(path)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(path.read_bytes()))
    reader.start()
    write_atomic(path, b"data", force=False)
    reader.join(10)
    assert got == [b"data"] and stat.S_ISFIFO(path.stat().st_mode)


# ---- processes that die

CHILD = """
import signal, sys, time
from tests.signals import default_signals
from tokcodec.pictures.files import write_atomic
default_signals()
if sys.argv[2] == "catch":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
def write(stream):
    stream.write(b"x" * 100_000)
    stream.flush()
    print("writing", flush=True)
    time.sleep(60)
write_atomic(sys.argv[1], write, force=True)
"""


@posix
@pytest.mark.parametrize(("how", "sent"), [("catch", "SIGTERM"), ("catch", "SIGINT"), ("none", "SIGKILL")])
def test_killed_while_writing(tmp_path: Path, how: str, sent: str) -> None:
    """Only the kill that nobody can catch leaves the temporary file."""
    path = tmp_path / "out"
    path.write_bytes(b"old")
    root = Path(files.__file__).parents[2]
    command = [sys.executable, "-c", CHILD, str(path), how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=root) as child:
        assert child.stdout is not None and child.stdout.readline() == b"writing\n"
        child.send_signal(getattr(signal, sent))
        child.wait(20)
    assert path.read_bytes() == b"old"
    left = [p.name for p in tmp_path.iterdir() if p != path]
    assert len(left) == (sent == "SIGKILL") and all(name.startswith(".tokcodec-") for name in left)


@posix
def test_readers_see_the_old_or_the_new_file(folder: Path) -> None:
    path = folder / "out"
    versions = [bytes([i]) * 200_000 for i in range(2)]
    path.write_bytes(versions[0])
    seen: set[bytes] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=look)
    reader.start()
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        for version in versions:
            write_atomic(path, version, force=True)
    stop.set()
    reader.join()
    assert seen <= set(versions)
