"""Files and folders by one interface: names, what is hidden, and writing all or nothing."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from pyarrow.fs import FileType

from tests.datasets.make import make_folder
from tokcodec.datasets.sources.places import Place
from tokcodec.errors import MissingPackageError, OutputError, SourceError


def test_files_below_a_folder_are_found_without_hidden_ones_and_without_going_in_circles(tmp_path: Path) -> None:
    make_folder(tmp_path, {"b": b"", "a/c": b"", ".hidden": b"", ".git/d": b"", "a/.e": b""})
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    assert Place(str(tmp_path)).walk() == ["a/c", "b"]


@pytest.mark.parametrize("scheme", ["", "file://", "local://"])  # this machine, pyarrow's, fsspec's alone
def test_paths_of_all_kinds(tmp_path: Path, scheme: str) -> None:
    if scheme == "local://":
        pytest.importorskip("fsspec")
    make_folder(tmp_path, {"sub/a.txt": b"abc"})
    place = pickle.loads(pickle.dumps(Place(f"{scheme}{tmp_path}")))
    assert place.type() == FileType.Directory and (place / "none").type() == FileType.NotFound
    assert place.walk() == ["sub/a.txt"]
    inside = place / "sub/a.txt"
    assert (inside.size(), inside.stem, inside.name) == (3, "a", f"{scheme}{tmp_path}/sub/a.txt")
    assert inside.open().read() == inside.stream().read() == b"abc"
    (place / "new/b.txt").write(lambda stream: stream.write(b"def"))
    assert (tmp_path / "new" / "b.txt").read_bytes() == b"def"


def test_relative_names_are_found_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_folder(tmp_path, {"in/a": b"abc"})
    monkeypatch.chdir(tmp_path)
    place = Place("in") / "a"
    sent = pickle.dumps(place)
    monkeypatch.chdir("/")
    found = pickle.loads(sent)
    assert found.name == "in/a" and found.size() == 3


def test_what_fails_leaves_nothing_and_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")

    def fail(stream: Any) -> None:
        stream.write(b"new")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        (Place(str(tmp_path)) / "a").write(fail)
    assert [path.name for path in tmp_path.iterdir()] == ["a"] and (tmp_path / "a").read_bytes() == b"old"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=r"file/b\.txt: "):
        (Place(str(tmp_path)) / "file/b.txt").write(lambda stream: None)


def test_what_a_kill_left_is_swept(tmp_path: Path) -> None:
    make_folder(tmp_path, {"sub/.tokcodec-0123.tmp": b"", ".tokcodec-4.tmp": b"", "keep": b"", ".keep": b""})
    Place(str(tmp_path)).sweep()
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [".keep", "keep"]


def test_unknown_schemes() -> None:
    pytest.importorskip("fsspec")
    with pytest.raises((SourceError, MissingPackageError), match=r"nonsense://a/b: "):
        Place("nonsense://a/b").type()
