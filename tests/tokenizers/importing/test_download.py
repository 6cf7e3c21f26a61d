"""Downloading checkpoints from the Hugging Face hub, which a module in memory stands for."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from tests.tokenizers.importing.tiny import torch_file
from tokcodec.errors import MissingPackageError, UnknownModelError
from tokcodec.tokenizers import importing
from tokcodec.tokenizers.importing import import_model


def fake_hub(monkeypatch: pytest.MonkeyPatch, files: dict[str, Path], failure: Exception | None = None) -> list[Any]:
    """A huggingface_hub that holds `files`; the calls it gets are listed."""

    class EntryNotFoundError(Exception): ...

    class LocalEntryNotFoundError(EntryNotFoundError, FileNotFoundError): ...

    calls: list[Any] = []

    def hf_hub_download(repository: str, name: str, *, revision: str | None) -> str:
        calls.append((repository, name, revision))
        if failure:
            raise failure
        if name not in files:
            raise EntryNotFoundError(f"404: {name}")
        return str(files[name])

    hub, errors = types.ModuleType("huggingface_hub"), types.ModuleType("huggingface_hub.errors")
    hub.hf_hub_download = hf_hub_download  # type: ignore[attr-defined]
    errors.EntryNotFoundError = EntryNotFoundError  # type: ignore[attr-defined]
    errors.LocalEntryNotFoundError = LocalEntryNotFoundError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    monkeypatch.setitem(sys.modules, "huggingface_hub.errors", errors)
    return calls


def test_download(monkeypatch: pytest.MonkeyPatch, weights: Any, tmp_path: Path) -> None:
    file = torch_file(tmp_path, weights)
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n")
    calls = fake_hub(monkeypatch, {file.name: file, "README.md": tmp_path / "README.md"})
    model = import_model("hf:org/Tiny-4@v1.0", "tiny")
    assert calls == [("org/Tiny-4", name, "v1.0") for name in ("model.safetensors", "pytorch_model.bin", "README.md")]
    assert "imported from hf:org/Tiny-4@v1.0;" in model.description and model.licence == "mit"


def test_download_of_a_named_file(monkeypatch: pytest.MonkeyPatch, weights: Any, tmp_path: Path) -> None:
    file = torch_file(tmp_path, weights)
    calls = fake_hub(monkeypatch, {"16x/model.pt": file})
    import_model("hf:org/Tiny-4:16x/model.pt", "tiny")
    assert calls[0] == ("org/Tiny-4", "16x/model.pt", None)
    with pytest.raises(UnknownModelError, match=r"the repository does not hold none\.pt$"):
        import_model("hf:org/Tiny-4:none.pt", "other")


def test_download_without_a_card(monkeypatch: pytest.MonkeyPatch, checkpoint: Path) -> None:
    fake_hub(monkeypatch, {"model.safetensors": checkpoint / "model.safetensors"})
    assert import_model("hf:org/Tiny-4", "tiny").licence == "not stated"


def test_download_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'tokcodec\[hub\]'"):
        import_model("hf:org/name", "tiny")


def test_download_without_network_or_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_hub(monkeypatch, {}, ConnectionError("Name or service not known\nRetry"))
    with pytest.raises(UnknownModelError, match=r"be downloaded \(Name or service not known\); without a network"):
        import_model("hf:org/name", "tiny")
    fake_hub(monkeypatch, {})
    local = sys.modules["huggingface_hub.errors"].LocalEntryNotFoundError
    with pytest.raises(UnknownModelError, match="the repository holds neither"):
        import_model("hf:org/name", "tiny")
    hub = sys.modules["huggingface_hub"]

    def offline(*_: Any, **__: Any) -> str:
        raise local("not cached")

    monkeypatch.setattr(hub, "hf_hub_download", offline)
    with pytest.raises(UnknownModelError, match=r"cannot be downloaded \(not cached\)"):
        import_model("hf:org/name", "tiny")


@pytest.mark.parametrize("source", ["hf:", "hf:name", "hf:a/b/c", "hf:a/b@", "hf:../../etc"])
def test_download_of_what_is_no_repository(source: str) -> None:
    with pytest.raises(ValueError, match="not of the form"):
        import_model(source, "tiny")


def test_nothing_is_fetched_for_a_path(monkeypatch: pytest.MonkeyPatch, checkpoint: Path) -> None:
    monkeypatch.setattr(importing, "download", lambda source: pytest.fail("fetched"))
    import_model(checkpoint, "tiny")
