"""The Pillow plug-in in the loaders of others: torch's DataLoader and Hugging Face's data sets."""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tokcodec
import tokcodec.pillow

Make = Callable[..., bytes]
MODULE = """
import io
import numpy as np
from PIL import Image
{imports}
class Files:
    def __init__(self, files):
        self.files = files
    def __len__(self):
        return len(self.files)
    def __getitem__(self, index):
        return np.asarray(Image.open(io.BytesIO(self.files[index])))
def start(worker):
    import tokcodec.TokImagePlugin
"""
KINDS = {"by the import": "import tokcodec.TokImagePlugin", "by worker_init_fn": ""}


@pytest.fixture
def module(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A user's module that defines a data set of `.tok` files, with the imports that the test asks for."""
    (tmp_path / "users_data.py").write_text(MODULE.format(imports=request.param))
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("users_data")
    del sys.modules["users_data"]


@pytest.fixture
def own_forkserver() -> Iterator[None]:
    """A fork server with the environment of this test: one that is running keeps that of the test that started it."""
    stop: Callable[[], None] = forkserver._forkserver._stop  # type: ignore[attr-defined]
    stop()
    yield
    stop()


@pytest.mark.usefixtures("pillow_plugin", "own_forkserver")
@pytest.mark.parametrize(
    ("module", "context"),
    [(KINDS["by the import"], "spawn"), (KINDS["by worker_init_fn"], "forkserver")],
    ids=["spawn, by the import", "forkserver, by worker_init_fn"],
    indirect=["module"],
)
def test_workers_that_inherit_nothing_read_tok_files(module: Any, context: str, make_tok: Make) -> None:
    torch_data = pytest.importorskip("torch.utils.data")
    files = [make_tok(40, 30), make_tok(40, 30, tokens=2)]
    init = None if hasattr(module, "tokcodec") else module.start
    loader = torch_data.DataLoader(
        module.Files(files), batch_size=2, num_workers=1, multiprocessing_context=context, worker_init_fn=init
    )
    (batch,) = loader
    assert np.array_equal(batch.numpy(), np.stack([np.asarray(tokcodec.decode(data)) for data in files]))


@pytest.mark.usefixtures("pillow_plugin")
@pytest.mark.parametrize("processes", [None, 2])
def test_a_map_that_reads_a_column_keeps_its_bytes(processes: int | None, make_tok: Make, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    files = [make_tok(tokens=n) for n in (16, 8, 4)]
    features = datasets.Features(image=datasets.Image())
    rows = datasets.Dataset.from_dict({"image": [{"bytes": one, "path": None} for one in files]}, features=features)
    mapped = rows.map(
        lambda row: {"image": row["image"], "width": row["image"].size[0]},
        num_proc=processes,
        cache_file_name=str(tmp_path / "map.arrow"),
    )
    assert mapped["width"][:] == [40, 40, 40]
    stored = mapped.cast_column("image", datasets.Image(decode=False))
    assert [one["bytes"] for one in stored["image"]] == files


@pytest.mark.usefixtures("pillow_plugin")
def test_the_import_keeps_the_limits_of_an_earlier_registration(make_tok: Make) -> None:
    tokcodec.pillow.register(max_tiles=1)
    importlib.reload(importlib.import_module("tokcodec.TokImagePlugin"))
    with pytest.raises(tokcodec.pillow.TokImageError, match="--max-tiles"):
        Image.open(io.BytesIO(make_tok(90, 40, pitch=16))).load()
    tokcodec.pillow.register()
