"""Files below folders: order, hidden names, links, folders that cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tokcodec.filetree import walk


@pytest.fixture
def top(tmp_path: Path) -> str:
    """A folder of files and links. Two of its links lead to one folder, and one back to the top."""
    for name in ("in/b", "in/a", "in/.hidden", "in/deep/c", "in/.folder/d", "out/e", "out/deep/f"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name, target in (("1", "../out"), ("2", "../out"), ("circle", "."), ("gone", "none"), ("self", "self")):
        (tmp_path / "in" / name).symlink_to(target)
    return str(tmp_path / "in")


def test_files_come_before_those_of_subfolders(top: str) -> None:
    linked: list[str] = []
    found = list(walk(top, linked=linked))
    assert [path for path, _ in found] == ["a", "b", "gone", "self", "deep/c"]
    assert all(entry.path == os.path.join(top, path) for path, entry in found)
    assert linked == ["1", "2", "circle"]


def test_hidden_names(top: str) -> None:
    assert [path for path, _ in walk(top, hidden=True)] == [".hidden", "a", "b", "gone", "self", ".folder/d", "deep/c"]


def test_linked_folders_are_searched_once(top: str) -> None:
    linked: list[str] = []
    found = [path for path, _ in walk(top, follow_links=True, linked=linked)]
    assert found == ["a", "b", "gone", "self", "1/e", "1/deep/f", "deep/c"] and not linked


def test_a_folder_that_cannot_be_read(tmp_path: Path) -> None:
    missing = str(tmp_path / "none")
    failures: list[OSError] = []
    assert not list(walk(missing, failed=failures.append))
    (error,) = failures
    assert error.filename == missing
    with pytest.raises(FileNotFoundError):
        list(walk(missing))
