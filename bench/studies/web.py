"""`python -m bench.studies.web`: times formats/web in headless Chromium, and BlurHash and ThumbHash if installed.

`npm install` in formats/web installs the two rivals. Figures are medians of many calls in one page, and "first" is the
first call after loading. The exit status is 1 if a limit is missed.
"""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
import tempfile
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import click
import skimage.data
from PIL import Image

from tokcodec.models.registry import find_model
from tokcodec.tokenizers.web import pack_web

WEB = Path(__file__).parents[2] / "formats" / "web"
BROWSERS = ("chromium", "chromium-headless-shell", "google-chrome")
TIMEOUT_S = 300.0
LIMITS_MS = {
    "preview of 16 tokens at 64x64": 3.0,
    "64 tokens at 256x256, bare": 20.0,
    "64 tokens at 256x256, network": 120.0,
    "encode 64 tokens": 80.0,
    "gallery of 100 previews": 300.0,
}
RIVALS = {"blurhash": "node_modules/blurhash/dist/esm/index.js", "thumbhash": "node_modules/thumbhash/thumbhash.js"}

PAGE = """<!doctype html><meta charset="utf-8"><script type="module">
const found = {};
const median = (rounds, work) => {
  const times = Array.from({ length: rounds }, () => {
    const start = performance.now();
    work();
    return performance.now() - start;
  });
  const first = times[0];
  times.sort((a, b) => a - b);
  return { first, median: times[rounds >> 1], fastest: times[0] };
};
const measure = (name, rounds, work) => (found[name] = median(rounds, work));
try {
  const began = performance.now();
  const { decode, loadModel } = await import("./tok.js");
  const { encode } = await import("./tok-encode.js");
  const fetched = async (name) => (await fetch(name)).arrayBuffer();
  const model = loadModel(await fetched("base-3-64.tokm"));
  found["code and model"] = { first: performance.now() - began };
  const bitmap = await createImageBitmap(await (await fetch("picture.png")).blob());
  const canvas = new OffscreenCanvas(256, 256);
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  const picture = canvas.getContext("2d").getImageData(0, 0, 256, 256);
  measure("encode 64 tokens", 20, () => encode(picture, model));
  const [preview, file] = [encode(picture, model, { tokens: 16, bare: true }), encode(picture, model)];
  const small = { bare: true, width: 64, height: 64, look: "bare" };
  measure("preview of 16 tokens at 64x64", 100, () => decode(preview, model, small));
  measure("64 tokens at 256x256, bare", 40, () => decode(file, model, { look: "bare" }));
  measure("gallery of 100 previews", 5, () => { for (let i = 0; i < 100; i++) decode(preview, model, small); });
  if (LOOK) {
    const drawing = loadModel(await fetched("network.tokm"));
    measure("64 tokens at 256x256, network", 5, () => decode(file, drawing));
  }
  const rivals = await Promise.all(RIVALS.map((name) => import(name).catch(() => null)));
  const less = new OffscreenCanvas(64, 64);
  less.getContext("2d").drawImage(bitmap, 0, 0, 64, 64);
  const pixels = less.getContext("2d").getImageData(0, 0, 64, 64);
  if (rivals[0]) {
    const hash = rivals[0].encode(pixels.data, 64, 64, 4, 3);
    measure("BlurHash, 4x3: encode 64x64", 40, () => rivals[0].encode(pixels.data, 64, 64, 4, 3));
    measure("BlurHash, 4x3: decode at 64x64", 100, () => rivals[0].decode(hash, 64, 64));
  }
  if (rivals[1]) {
    const hash = rivals[1].rgbaToThumbHash(64, 64, pixels.data);
    measure("ThumbHash: encode 64x64", 40, () => rivals[1].rgbaToThumbHash(64, 64, pixels.data));
    measure("ThumbHash: decode at 32x32", 100, () => rivals[1].thumbHashToRGBA(hash));
  }
} catch (error) {
  found.error = String(error.stack);
}
await fetch("found", { method: "POST", body: JSON.stringify(found) });
</script>"""


class Server(ThreadingHTTPServer):
    """Serves the folder formats/web and further files, and receives the results of the page."""

    def __init__(self, files: dict[str, tuple[bytes, str]]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.found, self.done = files, {}, threading.Event()  # type: ignore[var-annotated]


class Handler(SimpleHTTPRequestHandler):
    server: Server

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments, directory=str(WEB))

    def do_GET(self) -> None:
        if self.path not in self.server.files:
            return super().do_GET()
        data, kind = self.server.files[self.path]
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        return None

    def do_POST(self) -> None:
        self.server.found = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()
        self.server.done.set()

    def log_message(self, *arguments: Any) -> None:
        pass


def run_page(files: dict[str, tuple[bytes, str]]) -> dict[str, Any]:
    """The results of the page in a new browser."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise click.ClickException("Chromium is not installed (Debian: apt-get install chromium)")
    server = Server(files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command = [browser, *flags, *quiet, "--remote-debugging-port=0", f"--user-data-dir={folder}"]
        address = f"http://127.0.0.1:{server.server_port}/study.html"
        output = subprocess.DEVNULL
        process = subprocess.Popen([*command, address], stdout=output, stderr=output)
        try:
            if not server.done.wait(TIMEOUT_S):
                raise click.ClickException("the page does not finish")
        finally:
            process.terminate()
            process.wait(20)
            server.shutdown()
            server.server_close()
    return server.found


def sizes() -> None:
    """Print the bytes of the code of tokcodec and the rivals, plain and gzipped."""
    patterns = ("tok*.js", "codec/*.js", "previews/*.js")
    ours = sorted(str(path.relative_to(WEB)) for pattern in patterns for path in WEB.glob(pattern))
    for name in (*ours, "base-3-64.tokm", *RIVALS.values()):
        if (WEB / name).is_file():
            data = (WEB / name).read_bytes()
            print(f"{name:44} {len(data):8} bytes, {len(gzip.compress(data, 9)):6} gzipped")


@click.command()
@click.option("--look", help="Also draw with the network of this look.")
def main(look: str | None) -> None:
    """Measure the speed of formats/web in headless Chromium; the exit status is 1 if a limit is missed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        Image.fromarray(skimage.data.astronaut()).resize((256, 256), Image.Resampling.LANCZOS).save(path)
        picture = path.read_bytes()
    rivals = json.dumps([f"./{name}" for name in RIVALS.values()])
    page = PAGE.replace("RIVALS", rivals).replace("LOOK", json.dumps(look))
    files = {"/study.html": (page.encode(), "text/html"), "/picture.png": (picture, "image/png")}
    if look:
        files["/network.tokm"] = (pack_web(find_model(), 64, look=look), "application/octet-stream")
    found = run_page(files)
    if "error" in found:
        raise click.ClickException(found["error"])
    sizes()
    good = True
    for name, times in found.items():
        limit, median = LIMITS_MS.get(name), times.get("median", times["first"])
        verdict = "" if limit is None else f"  limit {limit:4.0f}  {'ok' if median <= limit else 'MISSED'}"
        good &= limit is None or median <= limit
        rest = f"first {times['first']:.1f}, fastest {times.get('fastest', median):.2f}"
        print(f"{name:44} {median:8.2f} ms ({rest}){verdict}")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
