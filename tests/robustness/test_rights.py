"""Missing rights: one line that names what is closed, and the next file has its turn."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.robustness.inputs import ROOT, MakeTok, noise
from tests.robustness.processes import TEMPORARY, Commands, Ended, needs_fork

pytestmark = needs_fork
NOBODY = 65534
CUT = ["truncate", "in.tok", "--tokens", "2", "-o"]
ENCODE_ONE = ["encode", "--model", "tiny"]


@pytest.fixture
def shared(make_tok: MakeTok, tiny_folder: Path) -> Iterator[Path]:
    """A folder that belongs to a user without privileges; pytest's own are closed to others."""
    if os.geteuid() == 0 and not all(path.stat().st_mode & 0o001 for path in (ROOT, *ROOT.parents)):
        pytest.skip("a user without privileges may not read the checkout")
    folder = Path(tempfile.mkdtemp(prefix="tokcodec-test-"))
    try:
        (folder / "in.tok").write_bytes(make_tok())
        (folder / "in.png").write_bytes(noise(0))
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
        # Others may not even read the standard library, as where Python lies in root's home: torch loads most of it.
        commands = Commands(tmp_path_factory.mktemp("printed"), preloaded="torch")

    def run(*arguments: str) -> Ended:
        (ended,) = commands.run(arguments, folder=shared, user=NOBODY if os.geteuid() == 0 else 0)
        assert not list(shared.rglob(TEMPORARY))
        return ended

    yield run
    commands.close()


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
    assert ended.stderr == "tokcodec: closed/sub/in.tok: cannot create its folder: permission denied\n"

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
