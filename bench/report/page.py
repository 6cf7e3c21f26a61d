"""The report as one self-contained `index.html` with viewer, plots and tables. It loads nothing from the network."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import jinja2

from bench.report.cells import title_of
from bench.report.tables import tables, version_lines

# The most important tables are open. The others are collapsed.
_OPEN = ("tokcodec by tokens", "Who is ahead", "Within a byte budget")


def render(summary: dict[str, Any], plots: list[dict[str, str]], viewer: dict[str, Any]) -> str:
    """The page's HTML. `plots` as `plots.draw` returns them, `viewer` as `viewer.build` does."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # As images, since ids of inline drawings would collide.
    drawn = [
        {"title": plot["title"], "uri": "data:image/svg+xml;base64," + base64.b64encode(plot["svg"].encode()).decode()}
        for plot in plots
    ]
    shown = [{"table": table, "open": table.title.startswith(_OPEN)} for table in tables(summary)]
    return environment.get_template("page.html.j2").render(
        parts=[title_of(part) for part in summary["parts"]],
        versions=version_lines(summary),
        plots=drawn,
        tables=shown,
        viewer=viewer,
    )


def write(path: Path, summary: dict[str, Any], plots: list[dict[str, str]], viewer: dict[str, Any]) -> None:
    """Write the page as UTF-8."""
    path.write_text(render(summary, plots, viewer), encoding="utf-8")
