"""Files and folders by one interface: names, hidden files, and complete writes."""

from __future__ import annotations

import os
import pickle
import zipfile
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


@pytest.mark.parametrize("scheme", ["", "file://", "local://"])
def test_names_that_mean_something_in_a_uri(tmp_path: Path, scheme: str) -> None:
    names = ["a", "a#1", "a#2", "a?v=1", "a b", "a%20b"]
    make_folder(tmp_path / "in", {name: name.encode() for name in names})
    place = Place(f"{scheme}{tmp_path}/in")
    assert place.walk() == sorted(names)
    for name in names:
        inside = pickle.loads(pickle.dumps(place / name))
        assert inside.open().read() == inside.stream().read() == name.encode() and inside.base == name
        (Place(f"{scheme}{tmp_path}") / f"out/{name}").write(lambda stream, name=name: stream.write(name.encode()))
        assert (tmp_path / "out" / name).read_bytes() == name.encode()


def test_members_of_an_archive(tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("sub/a#1.png", b"abc")
    place = Place(f"zip://::{tmp_path}/z.zip")
    assert place.walk() == ["sub/a#1.png"] and (place / "sub").type() == FileType.Directory
    assert pickle.loads(pickle.dumps(place / "sub/a#1.png")).stream().read() == b"abc"


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    try:
        (tmp_path / "\udcff").mkdir()
    except (OSError, UnicodeError):
        pytest.skip("this file system has names in UTF-8 alone")
    place = Place(str(tmp_path)) / "\udcff"
    (place / "a\udcfe").write(lambda stream: stream.write(b"abc"))
    (place / ".tokcodec-0.tmp").write(lambda stream: None)
    Place(str(tmp_path)).sweep()
    assert Place(str(tmp_path)).walk(hidden=True) == ["\udcff/a\udcfe"]
    inside = pickle.loads(pickle.dumps(place / "a\udcfe"))
    assert (inside.type(), inside.size(), inside.open().read()) == (FileType.File, 3, b"abc")


def test_what_is_no_regular_file_is_left_out(tmp_path: Path) -> None:
    make_folder(tmp_path, {"a": b"12"})
    os.mkfifo(tmp_path / "fifo")
    for name, target in (("b", "a"), ("c", "fifo"), ("d", "none"), ("e", "e")):
        (tmp_path / name).symlink_to(target)
    assert Place(str(tmp_path)).walk_sizes() == [("a", 2), ("b", 2)]


def test_the_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_folder(tmp_path, {"a/b/c": b"", ".hidden/d": b""})
    scandir = os.scandir

    def refuse(path: str) -> Any:  # not even root may
        if os.path.basename(os.path.normpath(path)) in ("b", ".hidden"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.chdir(tmp_path.parent)
    with pytest.raises(SourceError, match=f"^{tmp_path.name}/a/b: permission denied$"):
        Place(tmp_path.name).walk()


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
