"""Writing, replacing and removing a model: completely or not at all, after a kill at any moment."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.models.make import make
from tokcodec.errors import OutputError, TokError
from tokcodec.models import folders
from tokcodec.models.modelfile import read_model
from tokcodec.models.registry import damaged, find_model, free_folder, installed, remove_model

CALLS = ("open", "os.mkdir", "os.rename", "os.link", "os.remove", "os.rmdir", "os.listdir", "os.scandir")
"""Python's names (audit events) of the system calls by which a folder is written, replaced and removed."""

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")


def killed(work: Callable[[], object], number: int, place: Path) -> bool:
    """Do work in a process that ends before its file operation `number`. Returns whether it ended there."""
    child = os.fork()
    if child == 0:
        left = number

        def count(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            if event in CALLS and str(place) in str(arguments[0]):
                left -= 1
                if left < 0:
                    os._exit(9)

        sys.addaudithook(count)
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 9), status
    return status == 9


@needs_fork
def test_a_model_that_is_replaced_is_the_old_or_the_new_one_at_every_moment(place: Path) -> None:
    old, new = make(place / "small"), make(place.parent / "other" / "small", salt=1)
    seen, number = [], 0
    while killed(lambda: make(place / "small", salt=1, overwrite=True), number, place):
        found = find_model("small")
        assert found == read_model(place / "small")
        found.verify()
        assert len(installed()) == 1 and not damaged()
        seen.append(found.hash)
        number += 1
        again = make(place / "small", overwrite=True)  # puts back what stands aside, and goes on
        assert again.hash == old.hash and not list(place.glob(".*.old"))
        for partial in place.glob(".partial-*"):
            os.utime(partial, (0, 0))
        make(place / "small", overwrite=True)
        assert [child.name for child in place.iterdir()] == ["small"]
    assert set(seen) == {old.hash, new.hash} and number > 20
    assert find_model("small").hash == new.hash
    assert [child.name for child in place.iterdir()] == ["small"]


@needs_fork
def test_a_new_model_is_whole_or_not_there(place: Path) -> None:
    number = 0
    while killed(lambda: make(place / "small"), number, place):
        assert not damaged()
        for model in installed():
            model.verify()
            remove_model("small")
        number += 1
    assert number > 10 and [model.name for model in installed()] == ["small"]


@needs_fork
def test_a_model_that_is_removed_is_whole_or_gone(place: Path) -> None:
    make(place / "small")
    number = 0
    while killed(lambda: remove_model("small"), number, place):
        assert not damaged()
        for model in installed():
            model.verify()
        make(place / "small", overwrite=True)
        number += 1
    assert number > 5 and not installed()


@pytest.fixture
def aside(place: Path) -> Path:
    """A folder of models in which a killed process has renamed a model."""
    make(place / "small")
    (place / "small").rename(place / ".small.old")
    return place


def test_a_model_left_aside_counts(aside: Path) -> None:
    assert find_model("small") == read_model(aside / "small")
    with pytest.raises(OutputError, match="exists already"):
        make(aside / "small", salt=1)
    with pytest.raises(OutputError, match="exists already"):
        free_folder("small", aside, overwrite=False)
    assert free_folder("small", aside, overwrite=True) == aside / "small"
    remove_model("small")
    assert not list(aside.iterdir())


def test_a_failed_write_puts_the_old_model_back(aside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename, calls = Path.rename, []

    def fails_once(self: Path, target: Path) -> Path:
        calls.append(self)
        if self.name.startswith(".partial"):
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails_once)
    with pytest.raises(OutputError, match="small: cannot be written"):
        make(aside / "small", salt=1, overwrite=True)
    assert len(calls) == 4 and [child.name for child in aside.iterdir()] == ["small"]
    read_model(aside / "small").verify()


def test_partial_folders_are_deleted_once_nobody_writes_them(place: Path) -> None:
    (place / ".partial-1").mkdir(parents=True)
    (place / ".partial-2").mkdir()
    os.utime(place / ".partial-1", (0, 0))
    make(place / "small")
    assert sorted(child.name for child in place.iterdir()) == [".partial-2", "small"]
    assert [model.name for model in installed()] == ["small"] and not damaged()


def test_a_link_to_a_model_stays_and_what_it_leads_to_is_replaced(place: Path) -> None:
    make(place.parent / "elsewhere")
    place.mkdir()
    (place / "small").symlink_to("../elsewhere")
    new = make(place / "small", salt=1, overwrite=True)
    assert (place / "small").is_symlink() and read_model(place.parent / "elsewhere").hash == new.hash
    remove_model("small")
    assert not list(place.iterdir()) and read_model(place.parent / "elsewhere").hash == new.hash


@pytest.mark.skipif(os.name != "posix", reason="no umask")
@pytest.mark.parametrize("umask", [0o077, 0o022, 0o027])
def test_rights_are_what_the_umask_leaves(place: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        make(place / "small")
        make(place / "small", salt=1, overwrite=True)
    finally:
        os.umask(before)
    assert stat.S_IMODE((place / "small").stat().st_mode) == 0o777 & ~umask
    for file in (place / "small").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o666 & ~umask


def test_folders_are_no_names(tmp_path: Path) -> None:
    """A folder with such a name but without a model is not changed."""
    (tmp_path / ".small.old").write_text("a file")
    assert folders.current_folder(tmp_path / "small") == tmp_path / "small"
    with pytest.raises(TokError):
        read_model(tmp_path / "small")
