"""Pages of images with previews: tokcodec's as README.md has it, ThumbHash, and none."""

from __future__ import annotations

import base64
import io
import json
import subprocess
from html import escape

import numpy as np
import skimage.data
from PIL import Image

import tokcodec
from tokcodec.container.bare import data_url
from tokcodec.models.registry import DEFAULT_MODEL

from .site import WEB

SIDE, QUALITY = 400, 80
"""Pixels of the longer side of an image, and the quality of its JPEG: 14 to 36 kB."""
TOKENS = 16
NAMES = ("astronaut", "chelsea", "coffee", "rocket")
VARIANTS = ("none", "ThumbHash", "BlurHash", "tokcodec")
THUMBHASH = "/node_modules/thumbhash/thumbhash.js"
BLURHASH = "/node_modules/blurhash/dist/esm/index.js"
_BEGIN = """const start = () => document.querySelectorAll("img").forEach(show);
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", start);
  else start();"""

HEADS = {
    "none": "",
    "ThumbHash": f"""<link rel="modulepreload" href="{THUMBHASH}">
<script type="module" async>
  import {{ thumbHashToDataURL }} from "{THUMBHASH}";
  const show = (img) => {{
    const hash = Uint8Array.from(atob(img.dataset.thumbhash), (c) => c.charCodeAt(0));
    img.style.background = `url(${{thumbHashToDataURL(hash)}}) center / cover`;
  }};
  {_BEGIN}
</script>""",
    "BlurHash": f"""<link rel="modulepreload" href="{BLURHASH}">
<script type="module" async>
  import {{ decode }} from "{BLURHASH}";
  const canvas = Object.assign(document.createElement("canvas"), {{ width: 32, height: 32 }});
  const context = canvas.getContext("2d");
  const show = (img) => {{
    context.putImageData(new ImageData(decode(img.dataset.blurhash, 32, 32), 32, 32), 0, 0);
    img.style.background = `url(${{canvas.toDataURL()}}) center / 100% 100%`;
  }};
  {_BEGIN}
</script>""",
    "tokcodec": """<link rel="modulepreload" href="/dist/previews.js">
<link rel="preload" href="/base-3-64.first.tokm" as="fetch" crossorigin>
<script type="module" async>
  import { start } from "/dist/previews.js";
  start();
</script>""",
}
WATCH = """<script>
  window.first = 0;
  window.loaded = [];
  document.addEventListener("load", ({ target }) => target.tagName === "IMG" && loaded.push(performance.now()), true);
  const watch = () => {
    const [img] = document.images;
    if (img && (img.getAnimations().length || img.style.background || loaded.length)) first = performance.now();
    else requestAnimationFrame(watch);
  };
  watch();
</script>"""


def photographs(number: int) -> list[Image.Image]:
    """Parts of photographs of scikit-image, all different."""
    found = []
    for i in range(number):
        whole = Image.fromarray(getattr(skimage.data, NAMES[i % len(NAMES)])()[..., :3])
        part = 1 - 0.09 * (i // len(NAMES) % 8)
        left, top = whole.width * (1 - part) / 2, whole.height * (1 - part) / 2
        found.append(whole.crop((int(left), int(top), int(whole.width - left), int(whole.height - top))))
        found[-1].thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return found


def jpeg(picture: Image.Image) -> bytes:
    """The image that a preview stands for."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=QUALITY)
    return stream.getvalue()


def _hashes(pictures: list[Image.Image]) -> list[tuple[str, str]]:
    """ThumbHashes in base64, and BlurHashes, by their own code."""
    small = [picture.copy() for picture in pictures]
    for picture in small:
        picture.thumbnail((100, 100))
    script = f"""import {{ rgbaToThumbHash }} from {json.dumps((WEB / THUMBHASH[1:]).as_uri())};
    import {{ encode }} from {json.dumps((WEB / BLURHASH[1:]).as_uri())};
    import {{ readFileSync }} from "node:fs";
    const all = JSON.parse(readFileSync(0, "utf8"));
    const made = all.map(([w, h, text]) => {{
      const data = Uint8ClampedArray.from(Buffer.from(text, "base64"));
      return [Buffer.from(rgbaToThumbHash(w, h, data)).toString("base64"), encode(data, w, h, 4, 3)];
    }});
    process.stdout.write(JSON.stringify(made));"""
    pixels = [np.asarray(picture.convert("RGBA")).tobytes() for picture in small]
    jobs = [[p.width, p.height, base64.b64encode(data).decode()] for p, data in zip(small, pixels, strict=True)]
    command = ["node", "--input-type=module", "-e", script]
    done = subprocess.run(command, input=json.dumps(jobs), capture_output=True, text=True, check=True)
    return [(thumbhash, blurhash) for thumbhash, blurhash in json.loads(done.stdout)]


def attributes(pictures: list[Image.Image]) -> list[str]:
    """The attributes of an `img` that hold the previews and the size."""
    found = []
    for picture, (thumbhash, blurhash) in zip(pictures, _hashes(pictures), strict=True):
        url = data_url(tokcodec.encode(picture, tokens=TOKENS, container="bare"), DEFAULT_MODEL)
        size = f'width="{picture.width}" height="{picture.height}"'
        found.append(f'{size} data-thumbhash="{thumbhash}" data-blurhash="{escape(blurhash)}" previewsrc="{url}"')
    return found


def page(variant: str, images: list[str], style: str = "") -> bytes:
    """A page of images.

    Args:
        variant: one of VARIANTS.
        images: attributes of the images, sources included.
        style: CSS of the page.
    """
    body = "\n".join(f"<img {each}>" for each in images)
    head = f'<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><style>{style}</style>'
    return f"{head}\n{HEADS[variant]}\n{WATCH}\n<body>\n{body}\n</body>".encode()


def installed() -> bool:
    """Whether `npm install` was run in formats/web."""
    return all((WEB / name[1:]).is_file() for name in (THUMBHASH, BLURHASH))
