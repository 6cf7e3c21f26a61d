"""tok.js in Node, fed with jobs, and in Chromium; the models that it reads, and pictures."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
from PIL import Image

import tokcodec
from bench.browser import Browser
from tests.vectors import FOLDERS
from tokcodec.models.registry import DEFAULT_MODEL, find_model
from tokcodec.tokenizers.web import pack_web

from .browsing import PAGE, Handler, wait_for

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
def wholes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both shipped models' files for the web with all tokens of all scales, by the model's name."""
    folder = tmp_path_factory.mktemp("models")
    paths = {name: folder / f"{name}.tokm" for name in FOLDERS}
    for name, path in paths.items():
        path.write_bytes(pack_web(find_model(name), 256, all_scales=True))
    return paths


@pytest.fixture(scope="session")
def whole(wholes: dict[str, Path]) -> Path:
    """That of the default model."""
    return wholes[DEFAULT_MODEL]


@pytest.fixture(scope="session")
def photographs() -> dict[str, Image.Image]:
    """Of a tile's size, of a few tiles, and neither."""
    astronaut = Image.fromarray(skimage.data.astronaut())
    return {
        "tile": astronaut.resize((256, 256), Image.Resampling.LANCZOS),
        "astronaut": astronaut,
        "cat": Image.fromarray(skimage.data.chelsea()),
    }


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(WEB)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    for gate in Handler.gates.values():
        gate.set()
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    made = Browser(tmp_path_factory.mktemp("profile"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def preview() -> str:
    data = tokcodec.encode(Image.fromarray(skimage.data.chelsea()), tokens=16, container="bare")
    return f"data:image/x-tok-bare;model={DEFAULT_MODEL};base64,{base64.b64encode(data).decode()}"


@pytest.fixture
def page(browser: Browser, site: str) -> Browser:
    """An empty page with previews started."""
    browser.open(f"{site}/blank", 800)
    browser.run(
        f"const s = document.createElement('script'); s.type = 'module'; s.textContent = {PAGE!r};"
        "document.head.append(s); 1"
    )
    wait_for(browser, "window.stop_previews")
    return browser


def pixels_of(path: Path, size: dict[str, int]) -> np.ndarray[Any, Any]:
    """Colours of what the job `decode` wrote, int H x W x 3; it is opaque."""
    found = np.fromfile(path, np.uint8).reshape(size["height"], size["width"], 4)
    assert (found[..., 3] == 255).all()
    return found[..., :3].astype(int)
