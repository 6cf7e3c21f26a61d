"""`python -m bench.studies.settings`: updates the figures and pictures of docs/settings.md.

Runs the commands in the page's `sh` blocks and updates the bytes and tokens after each `# writes NAME`. Copies the
differences to other codecs from bench/results/summary.md, and writes docs/pictures/settings-*.jpg. Needs Node for the
picture that formats/web draws.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
from PIL import Image

import tokcodec
from bench.report import figure
from bench.report.cells import markdown_lines, read_table

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "settings.md"
SUMMARY = ROOT / "bench" / "results" / "summary.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
WRITES = re.compile(r"# writes ([\w./-]+), \d+ bytes( in \d+ tokens)?")
QUALITY = 68

LIMITS = (
    ("psnr", "tokcodec-adaptive fidelity", "PSNR"),
    ("lpips_squeeze", "tokcodec-adaptive perceptual", "LPIPS"),
)
RIVALS = {
    "webp-down": "WebP made small",
    "webp-nearest": "the same, square pixels",
    "avif-down": "AVIF made small",
    "avif-nearest": "the same, square pixels",
}
BUDGETS, KODAK = ("0.005", "0.01", "0.02", "0.03", "0.05", "0.1", "0.2"), 768 * 512

# Draws a bare file with formats/web: reads a job in JSON from standard input, and writes RGBA to standard output.
BROWSER = """
import { readFileSync } from "node:fs";
const { web, file, width, height } = JSON.parse(readFileSync(0, "utf8"));
const { decode, loadModel } = await import(`${web}/tok.js`);
const model = loadModel(readFileSync(`${web}/base-3-64.tokm`));
process.stdout.write(decode(readFileSync(file), model, { bare: true, width, height }).data);
"""


@dataclass(frozen=True)
class Sheet:
    """A picture of the page: cells with the original and decoded pictures."""

    original: str
    """Name of the original."""
    shown: tuple[tuple[str, str, str], ...]
    """Picture, caption, and the file whose bytes the caption gives ("": none) of each cell."""
    across: int = 3
    """Cells in a row."""
    box: tuple[int, int, int, int] | None = None
    """Part to show: left, top, right, bottom. None: all."""
    size: tuple[int, int] | None = None
    """Size of a cell. None: actual size."""
    psnr: bool = False
    """Give the PSNR of the whole picture in captions."""
    webp: bool = False
    """Add a cell with WebP in the bytes of the previous one."""

    def draw(self, folder: Path) -> Image.Image:
        """Draw the cells on white from the files in a folder."""
        original = Image.open(folder / self.original).convert("RGB")
        cells = [(self._part(original), "original")]
        for name, words, file in self.shown:
            picture = Image.open(folder / name).convert("RGB")
            size = (folder / file).stat().st_size if file else 0
            text = f"{words}, {size} bytes" if file else words
            if self.psnr:
                text = figure.caption(words, original, size, picture)
            cells.append((self._part(picture), text))
        if self.webp:
            picture, text = figure.webp(original, size)
            cells.append((self._part(picture), text))
        return figure.sheet([cells[at : at + self.across] for at in range(0, len(cells), self.across)])

    def _part(self, picture: Image.Image) -> Image.Image:
        part = picture.crop(self.box) if self.box else picture
        return part.resize(self.size, Image.Resampling.LANCZOS) if self.size else part


CHELSEA, COFFEE, ASTRONAUT = (f"photographs/{name}.png" for name in ("chelsea", "coffee", "astronaut"))
HALF = (300, 200)  # of coffee's 600x400
SHEETS = {
    "preview": Sheet(
        COFFEE,
        (("browser.png", "in a browser", "preview.tok"), ("preview.png", "by tokcodec decode", "preview.tok")),
        size=HALF,
    ),
    "thumbnail": Sheet(CHELSEA, (("thumbnail.png", "--target-size 1k", "thumbnail.tok"),)),
    "adaptive": Sheet(
        ASTRONAUT,
        (("equal.png", "equal tokens", "equal.tok"), ("adaptive.png", "--adaptive", "adaptive.tok")),
        box=(120, 0, 420, 300),
        psnr=True,
    ),
    "progressive": Sheet(
        COFFEE,
        (
            *((f"first-{size}.png", f"the first {size} bytes", "") for size in (60, 120, 250, 600)),
            ("whole.png", "all of it", "whole.tok"),
        ),
        size=HALF,
    ),
    "tokens": Sheet(
        COFFEE,
        (
            ("pictures/photographs/coffee.png.png", "--pitch fit", "fit.tok"),
            ("p256.png", "--pitch 256", "p256.tok"),
            ("p128.png", "--pitch 128", "p128.tok"),
        ),
        across=2,
        size=HALF,
    ),
    "looks": Sheet(
        COFFEE,
        (("fidelity.png", "fidelity", "paper.tok"), ("perceptual.png", "perceptual", "paper.tok")),
        box=(150, 100, 450, 300),
        psnr=True,
    ),
    "limit": Sheet(
        CHELSEA,
        (("large.png", "tokcodec", "large.tok"),),
        box=(90, 0, 390, 300),
        psnr=True,
        webp=True,
    ),
}


def commands(text: str) -> Iterator[list[str]]:
    """The words of every line of the page's `sh` blocks, without comments."""
    for block in BLOCK.findall(text):
        for line in block.splitlines():
            yield shlex.split(line, comments=True)


def renew(text: str, folder: Path) -> str:
    """The page with new figures, from the files that its commands wrote to the folder and from the results."""

    def found(match: re.Match[str]) -> str:
        path = folder / match[1]
        tokens = f" in {tokcodec.info(path.read_bytes()).declared} tokens" if match[2] else ""
        return f"# writes {match[1]}, {path.stat().st_size} bytes{tokens}"

    head, *rows = limits()
    table = re.compile(rf"^{re.escape(head[: head.index('|', 2)])}.*?\n\n", re.MULTILINE | re.DOTALL)
    return table.sub("\n".join([head, *rows]) + "\n\n", WRITES.sub(found, text))


def limits() -> list[str]:
    """Table of differences to other codecs at equal bytes for the whole Kodak photographs, as lines."""
    sizes = [f"{round(float(bpp) * KODAK / 8):,} B" for bpp in BUDGETS]
    table = []
    text = SUMMARY.read_text(encoding="utf-8")
    for metric, ours, words in LIMITS:
        names, rows = read_table(text, f"Difference in {metric} at equal bytes, 24 whole pictures")
        for rival, label in RIVALS.items():
            values = dict(zip(names, next(row for row in rows if row[0] == f"{ours} less {rival}"), strict=True))
            cells = [values[f"{bpp} bpp"].split(" [")[0] for bpp in BUDGETS]
            table.append([label, words, *cells])
    return markdown_lines(["tokcodec less", "", *sizes], table)


def draw_in_browser(file: Path, size: tuple[int, int]) -> Image.Image:
    """A bare file as formats/web draws it. Raises CalledProcessError if its code fails."""
    job = {"web": str(ROOT / "formats" / "web"), "file": str(file), "width": size[0], "height": size[1]}
    command = ["node", "--input-type=module", "-e", BROWSER]
    done = subprocess.run(command, input=json.dumps(job).encode(), stdout=subprocess.PIPE, check=True)
    return Image.frombytes("RGBA", size, done.stdout).convert("RGB")


@click.command()
def main() -> None:
    """Update the figures and pictures of docs/settings.md."""
    if shutil.which("node") is None:
        raise click.ClickException("node is not installed (Debian: apt-get install nodejs)")
    text = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for program, *arguments in commands(text):
            module = ["-m", "tokcodec"] if program == "tokcodec" else []
            subprocess.run([sys.executable, *module, *arguments], cwd=folder, check=True)
        draw_in_browser(folder / "preview.tok", HALF).save(folder / "browser.png")
        for sheet, what in SHEETS.items():
            path = PAGE.parent / "pictures" / f"settings-{sheet}.jpg"
            what.draw(folder).save(path, quality=QUALITY, optimize=True)
            click.echo(f"{path}: {path.stat().st_size} bytes")
        PAGE.write_text(renew(text, folder), encoding="utf-8")
    print("\n".join(match[0] for match in WRITES.finditer(PAGE.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
