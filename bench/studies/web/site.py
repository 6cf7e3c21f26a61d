"""A server for the pages of the study: the folder formats/web, further files, and images that never come."""

from __future__ import annotations

import gzip
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from bench.browser import Browser

WEB = Path(__file__).parents[3] / "formats" / "web"
NEVER = "/never"
TYPES = {".html": "text/html", ".js": "text/javascript", ".jpg": "image/jpeg", ".png": "image/png"}
TEXT = {".html", ".js"}
"""Sent gzipped, as hosts do it. Model files are sent as they are."""


class Site(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.ended = files, threading.Event()

    def address(self, path: str) -> str:
        """The whole address of a path that begins with a slash."""
        return f"http://127.0.0.1:{self.server_port}{path}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The browser may close a connection at any time."""


class Handler(SimpleHTTPRequestHandler):
    server: Site
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if path == NEVER:
            self.server.ended.wait()
            return
        file = WEB / path.lstrip("/")
        data = self.server.files.get(path) or (file.read_bytes() if file.is_file() else None)
        if data is None:
            self.send_error(404)
            return
        suffix = Path(path).suffix
        self.send_response(200)
        if suffix in TEXT:
            data = gzip.compress(data, 9)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Type", TYPES.get(suffix, "application/octet-stream"))
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "max-age=600")
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()
        with suppress(ConnectionError):
            self.wfile.write(data)

    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def serve(files: dict[str, bytes]) -> Iterator[Site]:
    """A running server.

    Args:
        files: contents by path, besides those of formats/web.
    """
    site = Site(files)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    try:
        yield site
    finally:
        site.ended.set()
        site.shutdown()
        site.server_close()


@contextmanager
def new_browser() -> Iterator[Browser]:
    """A browser with an empty folder of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = Browser(Path(folder))
        try:
            yield browser
        finally:
            browser.close()
