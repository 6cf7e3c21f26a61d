"""Data sets of tokens that several modules here decode."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.datasets.make import DAMAGED, Here, make_folder, make_parquet, make_tar, png
from tokcodec.datasets.runs import plan_encoding
from tokcodec.models.modelfile import Model
from tokcodec.options import EncodeOptions


@pytest.fixture
def tokens(tiny: Model, tmp_path: Path) -> Path:
    """A data set of a folder, a tar and a Parquet file."""
    sources = [
        make_folder(tmp_path / "photos", {"a.png": png(0), "sub/b.c.png": png(1), "d.png": DAMAGED}),
        make_tar(tmp_path / "t.tar", {"x/0.png": png(2), "x/0.cls": b"5", "x/0.raw": b"\xff"}),
        make_parquet(tmp_path / "p.parquet", [png(3)], label=[{"name": "cat"}], key=["../k"]),
    ]
    planned = plan_encoding([str(source) for source in sources], str(tmp_path / "tokens"), EncodeOptions(model="tiny"))
    list(planned.outcomes(Here()))
    return tmp_path / "tokens"
