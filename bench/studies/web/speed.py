"""How long formats/web takes to draw and encode, beside BlurHash and ThumbHash.

Figures are medians of many calls in one page, and "first" is the first call after loading.
"""

from __future__ import annotations

import gzip
import io
import json
import time
from typing import Any

import skimage.data
from PIL import Image

from bench.browser import Browser

from .site import WEB, serve

TIMEOUT_S = 300.0
LIMITS_MS = {
    "preview of 16 tokens at 64x64": 3.0,
    "64 tokens at 256x256, bare": 20.0,
    "64 tokens at 256x256, network": 60.0,
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
  measure("64 tokens at 256x256, network", 20, () => decode(file, model));
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
window.found = found;
</script>"""


def measure(browser: Browser) -> dict[str, dict[str, float]]:
    """Milliseconds by the name of a job: "first", and of many calls "median" and "fastest".

    Raises:
        RuntimeError: the page failed, or took too long.
    """
    stream = io.BytesIO()
    Image.fromarray(skimage.data.astronaut()).resize((256, 256), Image.Resampling.LANCZOS).save(stream, "PNG")
    page = PAGE.replace("RIVALS", json.dumps([f"./{name}" for name in RIVALS.values()]))
    with serve({"/study.html": page.encode(), "/picture.png": stream.getvalue()}) as site:
        browser("Page.navigate", url=site.address("/study.html"))
        end = time.monotonic() + TIMEOUT_S
        while time.monotonic() < end:
            found: dict[str, Any] | None = browser.run("window.found")
            if found and "error" in found:
                raise RuntimeError(found["error"])
            if found:
                return found
            time.sleep(0.2)
    raise RuntimeError("the page does not finish")


def lines(found: dict[str, dict[str, float]]) -> tuple[list[str], bool]:
    """A line for each job, and whether all limits are kept."""
    shown, good = [], True
    for name, times in found.items():
        limit, median = LIMITS_MS.get(name), times.get("median", times["first"])
        verdict = "" if limit is None else f"  limit {limit:4.0f}  {'ok' if median <= limit else 'MISSED'}"
        good &= limit is None or median <= limit
        rest = f"first {times['first']:.1f}, fastest {times.get('fastest', median):.2f}"
        shown.append(f"{name:44} {median:8.2f} ms ({rest}){verdict}")
    return shown, good


def sizes() -> list[str]:
    """A line with the bytes of each file that a page may load, plain and gzipped."""
    shown = []
    rivals = [WEB / name for name in RIVALS.values()]
    for path in [*sorted(WEB.glob("dist/*.js")), *sorted(WEB.glob("*.tokm")), *rivals]:
        if path.is_file():
            data = path.read_bytes()
            name = str(path.relative_to(WEB))
            shown.append(f"{name:44} {len(data):8} bytes, {len(gzip.compress(data, 9)):6} gzipped")
    return shown
