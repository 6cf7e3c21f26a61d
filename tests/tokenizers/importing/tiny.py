"""A small checkpoint of TiTok's shape, and files with it."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from tokcodec.tokenizers.published.titok_modules import Layout  # noqa: E402

LAYOUT = Layout(width=64, layers=1, n_tokens=4, hidden=32)


def torch_file(tmp_path: Path, content: object) -> Path:
    torch.save(content, tmp_path / "pytorch_model.bin")
    return tmp_path / "pytorch_model.bin"
