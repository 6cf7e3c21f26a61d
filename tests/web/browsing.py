"""A site that Chromium opens, whose images wait, and what tests do to its pages."""

from __future__ import annotations

import base64
import io
import threading
import time
from contextlib import suppress
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import skimage.data
from PIL import Image

from bench.browser import Browser

BLANK = b"<!doctype html><meta charset=utf-8><link rel=icon href=data:,><body style='margin:0'>"
POLICY = "require-trusted-types-for 'script'; trusted-types tokcodec"
TRUSTED = f'<!doctype html><meta http-equiv="content-security-policy" content="{POLICY}"><body>'.encode()
PAGE = """
import { start } from "/tok-preview.js";
window.warned = [];
console.warn = (text) => warned.push(text);
window.blobs = [];
const createObjectURL = URL.createObjectURL;
URL.createObjectURL = (blob) => (blobs.push(blob.size), createObjectURL(blob));
const terminate = Worker.prototype.terminate;
window.ended = 0;
Worker.prototype.terminate = function () {
  ended++;
  terminate.call(this);
};
window.start_previews = start;
window.stop_previews = start();
"""


class Handler(SimpleHTTPRequestHandler):
    """The folder, an empty page, and images that wait until the test lets them go."""

    gates: ClassVar[dict[str, threading.Event]] = {}
    requested: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        name = self.path.split("?")[0]
        if name == "/blank":
            self.reply(BLANK, "text/html")
        elif name == "/trusted":
            self.reply(TRUSTED, "text/html")
        elif name == "/flaky.tokm":
            self.requested.append(self.path)
            if self.requested.count(self.path) == 1:
                self.send_error(503)
            else:
                self.reply((Path(self.directory) / "base-3-64.tokm").read_bytes(), "application/octet-stream")
        elif name.startswith("/late/"):
            self.requested.append(self.path)
            self.gates.setdefault(self.path, threading.Event()).wait(30)
            if "missing" in name:
                self.send_error(404)
            else:
                self.reply(PHOTOGRAPH, "image/png")
        else:
            self.requested.append(self.path)
            super().do_GET()

    def reply(self, data: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        with suppress(ConnectionError):  # the test may have left the page
            self.wfile.write(data)

    def end_headers(self) -> None:
        self.send_header("Access-Control-Allow-Origin", "*")
        super().end_headers()

    def log_message(self, *arguments: Any) -> None:
        pass


def png() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(skimage.data.chelsea()).resize((30, 20)).save(stream, "PNG")
    return stream.getvalue()


PHOTOGRAPH = png()


def wait_for(browser: Browser, condition: str) -> None:
    end = time.monotonic() + 60
    while not browser.run(f"Boolean({condition})"):
        assert time.monotonic() < end, condition
        time.sleep(0.02)


def release(path: str) -> None:
    Handler.gates.setdefault(path, threading.Event()).set()


def add(page: Browser, attributes: str, name: str = "img") -> None:
    page.run(f"document.body.insertAdjacentHTML('beforeend', {f'<img id={name} {attributes}>'!r})")


def background(name: str = "img") -> str:
    """An expression: the preview that the element shows, or an empty text."""
    return f"getComputedStyle(document.getElementById('{name}')).backgroundImage.replace(/^none$|, none$/, '')"


def shot(page: Browser, x: int, y: int, width: int, height: int) -> np.ndarray[Any, Any]:
    """Colours of a part of the window, float height x width x 3."""
    data = page("Page.captureScreenshot", clip={"x": x, "y": y, "width": width, "height": height, "scale": 1})["data"]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"), float)
