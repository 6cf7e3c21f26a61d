"""What a page of many images with previews takes that is scrolled to its end: time, CPU and memory."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from bench.browser import Browser

from .gallery import VARIANTS, attributes, page, photographs
from .site import NEVER, new_browser, serve

STYLE = "body { margin: 0 } img { width: 200px; height: 150px; float: left; object-fit: cover }"
WIDTH, HEIGHT = 1000, 800
DISTINCT = 24
SCROLLS, PAUSE_S = 20, 0.1
MAX_S = 120.0
FINE_BYTES = 54 + 3 * 65 * 65
"""Larger bitmaps than a rough preview's are those of the network."""

WATCH = f"""(() => {{
  window.bitmaps = new Map();
  const create = URL.createObjectURL;
  URL.createObjectURL = (blob) => {{
    const address = create(blob);
    bitmaps.set(address, blob.size);
    return address;
  }};
  window.fine = () => [...document.images].filter((img) => {{
    const {{ top, bottom }} = img.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
  }}).every((img) => {{
    const [address] = /blob:[^"]+/.exec(getComputedStyle(img).backgroundImage) ?? [];
    return (bitmaps.get(address) ?? 0) > {FINE_BYTES};
  }});
}})();"""


@dataclass
class Costs:
    """Of a page from its start until all that is in view is fine."""

    wait_s: float
    """After the last scroll."""
    cpu_s: float
    """Of all processes of the browser."""
    memory_mb: float
    """Proportional set size of all processes."""


def measure(images: int) -> dict[str, Costs]:
    """Costs without previews and with each kind of them, each in a new browser, by variant.

    Args:
        images: their number. None of them comes.
    """
    previews = attributes(photographs(DISTINCT))
    found = {}
    with serve({}) as elsewhere:
        listed = [f'{previews[i % DISTINCT]} src="{elsewhere.address(NEVER)}?{i}"' for i in range(images)]
        for variant in VARIANTS:
            with serve({"/page.html": page(variant, listed, STYLE)}) as site, new_browser() as browser:
                found[variant] = _scroll(browser, site.address("/page.html"), variant == "tokcodec")
    return found


def _scroll(browser: Browser, address: str, waits: bool) -> Costs:
    browser("Emulation.setDeviceMetricsOverride", width=WIDTH, height=HEIGHT, deviceScaleFactor=1, mobile=False)
    browser("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
    before = cpu_seconds(browser.pid)
    browser("Page.navigate", url=address)
    while not browser.run("document.readyState !== 'loading' && document.images.length > 0"):
        time.sleep(0.05)
    time.sleep(1)
    for i in range(1, SCROLLS + 1):
        browser.run(f"scrollTo(0, document.documentElement.scrollHeight * {i / SCROLLS}); 1")
        time.sleep(PAUSE_S)
    began = time.monotonic()
    while waits and not browser.run("fine()"):
        if time.monotonic() - began > MAX_S:
            raise TimeoutError("what is in view does not become fine")
        time.sleep(0.02)
    waited = time.monotonic() - began
    return Costs(waited, cpu_seconds(browser.pid) - before, memory_mb(browser.pid))


def _family(pid: int) -> list[int]:
    """A process and all that it started."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # it has ended
    family = [pid]
    for each in family:
        family += [child for child, parent in parents.items() if parent == each]
    return family


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and all that it started."""
    ticks = 0
    for each in _family(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    """Proportional set size of a process and all that it started."""
    kilobytes = 0
    for each in _family(pid):
        lines = Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()
        kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kilobytes / 1024
