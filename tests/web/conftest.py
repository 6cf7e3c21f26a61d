"""tok.js in Node, fed with jobs; the models that it reads, and pictures."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
from PIL import Image

from tokcodec.models.registry import find_model
from tokcodec.tokenizers.web import pack_web

HERE = Path(__file__).parent
WEB = HERE.parents[1] / "formats" / "web"

Run = Callable[..., list[Any]]


@pytest.fixture(scope="session")
def node() -> str:
    """The program. It has to know ES modules and `??=`."""
    found = shutil.which("node") or pytest.skip("node is not installed (Debian: apt-get install nodejs)")
    version = subprocess.run([found, "--version"], capture_output=True, text=True).stdout
    if int(version.lstrip("v").split(".")[0]) < 18:
        pytest.skip(f"node {version.strip()} is older than 18")
    return found


@pytest.fixture(scope="session")
def run(node: str) -> Run:
    """Results of jobs of `run.mjs`; of one that ends with a TokError {"error": text}."""

    def work(*jobs: dict[str, Any]) -> list[Any]:
        command = [node, str(HERE / "run.mjs")]
        done = subprocess.run(command, input=json.dumps(jobs, default=str), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout))

    return work


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default model's file for the web with all tokens of all scales."""
    path = tmp_path_factory.mktemp("models") / "whole.tokm"
    path.write_bytes(pack_web(find_model(), 256, all_scales=True))
    return path


@pytest.fixture(scope="session")
def photographs() -> dict[str, Image.Image]:
    """Of a tile's size, of a few tiles, and neither."""
    astronaut = Image.fromarray(skimage.data.astronaut())
    return {
        "tile": astronaut.resize((256, 256), Image.Resampling.LANCZOS),
        "astronaut": astronaut,
        "cat": Image.fromarray(skimage.data.chelsea()),
    }


def pixels_of(path: Path, size: dict[str, int]) -> np.ndarray[Any, Any]:
    """Colours of what the job `decode` wrote, int H x W x 3; it is opaque."""
    found = np.fromfile(path, np.uint8).reshape(size["height"], size["width"], 4)
    assert (found[..., 3] == 255).all()
    return found[..., :3].astype(int)
