"""Files from other people: only regular ones of a limited size, without waiting for others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tokcodec.regularfile import open_regular, read_regular


def test_a_regular_file_and_a_link_to_one_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "file", 5) == read_regular(tmp_path / "link", 5) == b"12345"
    with pytest.raises(ValueError, match="5 bytes, and at most 4 are read"):
        open_regular(tmp_path / "file", 4)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_pipes_devices_and_folders_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/null")
    for path in (tmp_path / "pipe", tmp_path / "link", tmp_path):
        with pytest.raises((ValueError, IsADirectoryError), match="not a regular file"):
            read_regular(path, 10)


def test_the_systems_errors_come_through(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "none", 1)
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(OSError, match="symbolic links"):
        open_regular(tmp_path / "circle", 1)
