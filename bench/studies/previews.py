"""`python -m bench.studies.previews DIR`: compares previews of 24 to 400 bytes for web pages.

Previews are made by ThumbHash, BlurHash, picture formats (reduced to the scale and quality of best PSNR within the
bytes) and formats/web in Node, as for `<img previewsrc>`. All are enlarged to the picture's size (bicubic). Writes a
table of PSNR, LPIPS, recognition and colour, and a table of the bytes that a page downloads once for each.
"""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
from PIL import Image

import tokcodec
from bench import pictures
from bench.codecs.classical import classical_codecs
from bench.codecs.downscale import Downscaled
from bench.codecs.interface import Codec, Scene
from bench.codecs.previews import preview_codecs
from bench.metrics import Meter, Pixels
from bench.recognition import Recogniser
from bench.report.cells import markdown_lines
from tokcodec.models.registry import DEFAULT_MODEL, find_model
from tokcodec.ratecontrol.lpips import LPIPS

ROOT = Path(__file__).parents[2]
WEB = ROOT / "formats" / "web"
MODEL = WEB / f"{DEFAULT_MODEL}-64.tokm"
BUDGETS = (24, 26, 36, 100, 200, 400)
BARE_UP_TO = 100
"""Up to this number of bytes a preview is a bare file of one tile, and above a `.tok` file with any number of tiles."""
LOOKS = {"light": 512, "bare": 64}
"""Longer side in samples of the previews that tok-preview.js draws: first bare, then with the network."""
NAMES = {
    "thumbhash": "ThumbHash",
    "blurhash": "BlurHash, 4x4",
    "webp-down": "WebP made small",
    "avif-down": "AVIF made small",
    "jpegxl-down": "JPEG XL made small",
}
FIRST = ["dist/previews.js", f"{MODEL.stem}.first.tokm"]
CODE = {
    "ThumbHash": ["node_modules/thumbhash/thumbhash.js"],
    "BlurHash, 4x4": ["node_modules/blurhash/dist/esm/index.js"],
    "WebP made small": [],
    "AVIF made small": [],
    "JPEG XL made small": [],
    "tokcodec on the web, before the first preview": FIRST,
    "tokcodec on the web, all": [
        *FIRST,
        "dist/tok-worker.js",
        f"{MODEL.stem}.rest.tokm",
        f"{MODEL.stem}.network.tokm",
    ],
}

COLUMNS = {
    "bytes": ("bytes", 1),
    "psnr": ("PSNR dB", 2),
    "lpips_squeeze": ("LPIPS", 3),
    "lpips_squeeze_half": ("LPIPS half", 3),
    "features_lite0": ("lite0", 3),
    "features_lite2": ("lite2", 3),
    "top1": ("top-1", 2),
    "top5": ("top-5", 2),
    "delta_e_8": ("ΔE 8x8", 2),
    "delta_e_32": ("ΔE 32x32", 2),
}
"""Heading and decimals by metric."""

Found = tuple[str, int, int, Pixels]
"""Codec, budget, bytes and the picture."""


def in_node(pixels: Pixels) -> Iterator[Found]:
    """Previews of a picture by formats/web."""
    height, width = pixels.shape[:2]
    budgets = [{"size": size, "bare": size <= BARE_UP_TO} for size in BUDGETS]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pixels"
        path.write_bytes(np.asarray(Image.fromarray(pixels).convert("RGBA")).tobytes())
        job = {"model": MODEL, "pixels": path, "width": width, "height": height, "budgets": budgets, "looks": LOOKS}
        command = ["node", str(Path(__file__).with_suffix(".mjs"))]
        done = subprocess.run(command, input=json.dumps(job, default=str), capture_output=True, text=True, check=True)
        for size, (length, made) in zip(BUDGETS, json.loads(done.stdout), strict=True):
            for look, across, down in made:
                drawn = np.fromfile(f"{path}.{size}.{look}", np.uint8).reshape(down, across, 4)
                large = Image.fromarray(drawn[..., :3]).resize((width, height), Image.Resampling.BICUBIC)
                yield f"tokcodec on the web, {look}", size, length, np.asarray(large)


def rival_codecs() -> list[Codec]:
    """The other codecs."""
    small = (Downscaled(codec) for codec in classical_codecs())
    return [*preview_codecs(), *(codec for codec in small if codec.label in NAMES)]


def rivals(pixels: Pixels, meter: Meter) -> Iterator[Found]:
    """Previews of a picture by the other codecs."""
    scene = Scene(pixels, BUDGETS, meter, whole=True)
    for codec in rival_codecs():
        for point in codec.points(scene):
            if point.decoded is None or point.size is None:
                raise RuntimeError(f"{codec.label}: {point.error}")
            fixed = [min((b for b in BUDGETS if b >= point.size), default=BUDGETS[-1])]
            for budget in point.best.get("psnr", []) if isinstance(codec, Downscaled) else fixed:
                yield NAMES[codec.label], budget, point.size, point.decoded


def downloads() -> list[str]:
    """Table of the bytes that a page downloads once, as lines."""
    rows = []
    for name, files in CODE.items():
        paths = [WEB / file for file in files]
        if any(not path.is_file() for path in paths):
            raise click.ClickException("the code of ThumbHash and BlurHash is needed: cd formats/web && npm install")
        cells = []
        for model in (False, True):
            data = [path.read_bytes() for path in paths if (path.suffix == ".tokm") is model]
            packed = sum(len(gzip.compress(each, 9)) for each in data)
            cells.append(f"{sum(map(len, data)):,} ({packed:,})" if data else "none")
        rows.append([name, *cells])
    return markdown_lines(["", "code, bytes (gzipped)", "model, bytes (gzipped)"], rows)


def versions() -> str:
    """Versions of all codecs, as a sentence."""
    found = {"tokcodec": tokcodec.__version__, MODEL.name: f"model hash {find_model().hash.hex()[:16]}"}
    found["node"] = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip()
    for codec in rival_codecs():
        found |= codec.versions()
    return "Versions: " + ", ".join(f"{name} {version}" for name, version in found.items()) + "."


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--limit", type=click.IntRange(1), help="Only the first N files.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=ROOT / "bench/results/previews.md")
@click.option("--lpips-weights", type=click.Path(path_type=Path), help="SqueezeNet's [env: TOKCODEC_LPIPS].")
def main(folder: Path, limit: int | None, out: Path, lpips_weights: Path | None) -> None:
    """Compare previews of the pictures of FOLDER."""
    import torch

    if shutil.which("node") is None:
        raise click.ClickException("node is not installed (Debian: apt-get install nodejs)")
    torch.set_num_threads(1)
    lpips, recogniser = LPIPS("squeeze", lpips_weights), Recogniser()
    rows: dict[tuple[int, str], list[dict[str, float]]] = defaultdict(list)
    chosen = pictures.find(folder, (None,), limit)[0]
    for each in chosen:
        pixels = pictures.read(each.path)
        meter = Meter(pixels, lpips, None, recogniser)
        for name, budget, size, drawn in [*rivals(pixels, meter), *in_node(pixels)]:
            rows[budget, name].append(meter.measure(drawn) | {"bytes": size})
        click.echo(f"{each.name} done", err=True)
    table = []
    for (budget, name), found in sorted(rows.items(), key=lambda item: item[0][0]):
        mean = {key: float(np.mean([row[key] for row in found])) for key in COLUMNS}
        few = "" if len(found) == len(chosen) else f" ({len(found)} of {len(chosen)} pictures)"
        table.append([f"{budget} B", f"{name}{few}", *(f"{mean[key]:.{n}f}" for key, (_, n) in COLUMNS.items())])
    text = [
        "# Previews on the web",
        "",
        f"`python -m bench.studies.previews DIR`: means over {len(chosen)} whole pictures, the first of "
        f"{chosen[0].width} x {chosen[0].height} pixels.",
        "Previews are compared at the size of the picture.",
        "Bytes are those of the hash or the file with all headers; only `.tok` files hold the size of the original.",
        "LPIPS is LPIPS-squeeze, and half means that both pictures were averaged 2x2 first.",
        "lite0 and lite2 are the distances of the features of two EfficientNets on the centre square from those of the "
        "original, and no codec was trained on lite2.",
        "top-1 and top-5 compare the answer of lite0 with its answer to the original.",
        "BlurHash is encoded by blurhash-python. The encoder of the npm package makes some hashes worse "
        "([finding](../../findings/blurhash_npm_mirror.sh)).",
        "ΔE is CIEDE2000 between the mean colours of 8x8 or 32x32 fields of the picture.",
        "",
        versions(),
        "",
        *markdown_lines(["at most", "", *(heading for heading, _ in COLUMNS.values())], table),
        "",
        "A page downloads once (tokcodec minified, the others as published).",
        "Chromium 156 shows WebP, AVIF with the small header and JPEG XL without code.",
        "In a browser that lacks one of them the picture stays empty.",
        "",
        *downloads(),
        "",
    ]
    out.write_text("\n".join(text), encoding="utf-8")
    click.echo("\n".join(text))


if __name__ == "__main__":
    main()
