"""`python -m bench.studies.web`: measures formats/web in headless Chromium, beside BlurHash and ThumbHash.

`npm install` in formats/web installs the two rivals. The exit status is 1 if a limit is missed.
"""

from __future__ import annotations

import sys

import click

from bench.browser import find_browser
from bench.report.cells import markdown_lines

from . import crowd, gallery, loading, site, speed


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Loads of each page.")
@click.option("--images", type=click.IntRange(1), default=500, show_default=True, help="Images of the scrolled page.")
@click.option("--part", type=click.Choice(["speed", "loading", "crowd"]), multiple=True, help="Only these.")
def main(rounds: int, images: int, part: tuple[str, ...]) -> None:
    """Measure how fast formats/web is, how early pages show previews, and what many of them cost."""
    if find_browser() is None:
        raise click.ClickException("Chromium is not installed (Debian: apt-get install chromium)")
    if not gallery.installed():
        raise click.ClickException("ThumbHash and BlurHash are needed: cd formats/web && npm install")
    good = True
    for line in speed.sizes():
        click.echo(line)
    if not part or "speed" in part:
        with site.new_browser() as browser:
            lines, good = speed.lines(speed.measure(browser))
        click.echo("\n".join(["", *lines]))
    if not part or "loading" in part:
        with site.new_browser() as browser:
            rows = _loading_rows(*loading.measure(browser, rounds))
        link = f"{loading.LATENCY_MS} ms, {loading.BYTES_PER_S * 8 / 1e6} Mbit/s"
        click.echo(f"\nSlow 4G ({link}), medians of {rounds} loads\n")
        head = ["", "first preview alone, s", f"first of {loading.SHARED}, s", "last image, s", "images on average, s"]
        click.echo("\n".join(markdown_lines(head, rows)))
    if not part or "crowd" in part:
        found = crowd.measure(images)
        rows = [
            [name, f"{cost.wait_s:.1f}", f"{cost.cpu_s:.1f}", f"{cost.memory_mb:.0f}"] for name, cost in found.items()
        ]
        click.echo(f"\n{images} images, scrolled to the end in {crowd.SCROLLS * crowd.PAUSE_S:.0f} s\n")
        click.echo("\n".join(markdown_lines(["", "until the view is fine, s", "CPU, s", "memory, MB"], rows)))
    sys.exit(0 if good else 1)


def _loading_rows(alone: dict[str, loading.Load], shared: dict[str, loading.Load]) -> list[list[str]]:
    rows = []
    for name, load in shared.items():
        first = f"{alone[name].first:.2f}" if name in alone else "-"
        rows.append([name, first, f"{load.first:.2f}", f"{load.last:.2f}", f"{load.mean:.2f}"])
    return rows


if __name__ == "__main__":
    main()
