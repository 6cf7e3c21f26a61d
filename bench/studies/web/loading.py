"""How long a page on a slow link waits for its first preview, and for its images."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

from bench.browser import Browser

from .gallery import VARIANTS, attributes, jpeg, page, photographs
from .site import NEVER, serve

LATENCY_MS, BYTES_PER_S = 150, 200_000
"""Slow 4G, 1.6 Mbit/s."""
SHARED = 24
"""Images that share the link with the previews' code."""
MAX_S = 30.0


@dataclass
class Load:
    """Seconds from the start of a page."""

    first: float
    """Until something is seen of the first image: its preview or itself."""
    last: float
    """Until the last image has loaded; 0 if none comes."""
    mean: float
    """Until an image has loaded, on average."""


def _load(browser: Browser, address: str, images: int) -> Load:
    browser("Network.clearBrowserCache")
    browser("Page.navigate", url="about:blank")
    browser("Page.navigate", url=address)
    end = time.monotonic() + MAX_S
    while time.monotonic() < end:
        first, loaded = browser.run("[window.first ?? 0, window.loaded ?? []]")
        if first and len(loaded) >= images:
            times = [each / 1000 for each in loaded] or [0.0]
            return Load(first / 1000, max(times), statistics.fmean(times))
        time.sleep(0.1)
    raise TimeoutError(f"{address} does not finish")


def measure(browser: Browser, rounds: int) -> tuple[dict[str, Load], dict[str, Load]]:
    """Medians for each variant: with images that never come, and with images that share the link.

    Args:
        browser: its network is slow from here on.
        rounds: loads of each page, with an empty cache; the variants take turns.
    """
    pictures = photographs(SHARED)
    previews = attributes(pictures)
    with serve({}) as elsewhere:  # a browser opens six connections to a host, and images that never come keep theirs
        files = {f"/photo{i}.jpg": jpeg(picture) for i, picture in enumerate(pictures)}
        for variant in VARIANTS:
            only = [f'{each} src="{elsewhere.address(NEVER)}"' for each in previews[:1]]
            all_images = [f'{each} src="/photo{i}.jpg"' for i, each in enumerate(previews)]
            files[f"/alone-{variant}.html"] = page(variant, only)
            files[f"/shared-{variant}.html"] = page(variant, all_images)
        with serve(files) as site:
            browser.throttle(LATENCY_MS, BYTES_PER_S)
            alone: dict[str, list[Load]] = {}
            shared: dict[str, list[Load]] = {}
            for _ in range(rounds):
                for variant in VARIANTS:
                    if variant != "none":
                        alone.setdefault(variant, []).append(_load(browser, site.address(f"/alone-{variant}.html"), 0))
                    load = _load(browser, site.address(f"/shared-{variant}.html"), SHARED)
                    shared.setdefault(variant, []).append(load)
            browser("Page.navigate", url="about:blank")
    return _medians(alone), _medians(shared)


def _medians(found: dict[str, list[Load]]) -> dict[str, Load]:
    return {variant: _median(loads) for variant, loads in found.items()}


def _median(loads: list[Load]) -> Load:
    middle = (statistics.median(getattr(load, name) for load in loads) for name in ("first", "last", "mean"))
    return Load(*middle)
