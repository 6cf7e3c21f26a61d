"""Folders of models for tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tokcodec.models import registry


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A search path of two empty folders: `shipped` and `user`."""
    monkeypatch.setattr(registry, "_PACKAGE", tmp_path / "package" / "tokcodec")
    monkeypatch.setenv("TOKCODEC_MODELS", str(tmp_path / "user"))
    return tmp_path / "user"
