"""What is drawn when, where the worker comes from, and what is fetched; in headless Chromium."""

from __future__ import annotations

import time

import pytest

from bench.browser import Browser
from tests.bench.report.test_page import needs_browser

from .browsing import Handler, add, background, release, wait_for

pytestmark = [pytest.mark.slow, needs_browser]
COUNT = """
window.blobs = [];
window.create = URL.createObjectURL;
URL.createObjectURL = (blob) => (blobs.push(blob.size), create(blob));
1
"""
ROUGH = 54 + 3 * 64 * 64
"""A rough preview has at most this number of bytes."""


def test_small_boxes_stay_rough(page: Browser, preview: str) -> None:
    add(page, f'previewsrc="{preview}" src="/late/small.png" width=64 height=43')
    wait_for(page, background())
    time.sleep(0.3)
    assert page.run("blobs.length") == 1


def test_previews_out_of_view_are_let_go_and_drawn_again(page: Browser, preview: str) -> None:
    add(page, f'previewsrc="{preview}" src="/late/far.png" width=64 height=43')
    page.run("document.body.insertAdjacentHTML('beforeend', '<div style=\"height: 9000px\"></div>')")
    wait_for(page, background())
    page.run("scrollTo(0, 5000); 1")
    wait_for(page, "!img.getAnimations().length")
    page.run("scrollTo(0, 0); 1")
    wait_for(page, "img.getAnimations().length")
    assert page.run("blobs.length") == 2
    release("/late/far.png")
    wait_for(page, "!img.getAnimations().length")


def test_previews_near_the_view_wait_for_the_network_until_they_are_in_it(page: Browser, preview: str) -> None:
    page.run("document.body.insertAdjacentHTML('beforeend', '<div style=\"height: 1000px\"></div>')")
    add(page, f'previewsrc="{preview}" src="/late/near.png" width=90 height=60')
    scrolled = f'<img id=inner previewsrc="{preview}" src="/late/near.png" width=90 height=60 style="margin: 500px">'
    scroller = f'<div style="position: absolute; top: 0; height: 99px; overflow: auto">{scrolled}</div>'
    page.run(f"document.body.insertAdjacentHTML('beforeend', {scroller!r}); 1")
    wait_for(page, background())
    wait_for(page, background("inner"))
    time.sleep(0.3)
    assert page.run("blobs.length") == 2
    page.run("img.scrollIntoView(); 1")
    wait_for(page, "blobs.length === 3")


def test_saving_data_keeps_the_network_away(page: Browser, preview: str) -> None:
    page.run("Object.defineProperty(navigator, 'connection', { value: { saveData: true }, configurable: true }); 1")
    before = len(Handler.requested)
    add(page, f'previewsrc="{preview}" src="/late/saved.png" width=300 height=200')
    wait_for(page, background())
    time.sleep(0.5)
    assert page.run("blobs.length") == 1
    assert not any("network" in path for path in Handler.requested[before:])


def test_the_worker_starts_under_trusted_types_again_and_again(browser: Browser, site: str, preview: str) -> None:
    browser.open(f"{site}/trusted", 800)
    browser.run(COUNT)
    browser.run("import('/tok-preview.js').then((module) => { window.start = module.start; })")
    for number in range(2):
        browser.run("window.end = start(); 1")
        browser.run(
            "window.img = new Image(90, 60); document.body.append(img); "
            f"img.setAttribute('previewsrc', {preview!r}); img.src = '/late/trusted{number}.png'; 1"
        )
        wait_for(browser, f"blobs.filter((size) => size > {ROUGH}).length > {number}")
        browser.run("end(); img.remove(); 1")


def test_the_worker_starts_from_another_host(browser: Browser, site: str, preview: str) -> None:
    browser.open(f"{site}/blank", 800)
    browser.run(COUNT)
    elsewhere = site.replace("127.0.0.1", "localhost")
    browser.run(f"import('{elsewhere}/dist/previews.js').then((module) => {{ window.end = module.start(); }})")
    add(browser, f'previewsrc="{preview}" src="/late/elsewhere.png" width=90 height=60')
    wait_for(browser, f"blobs.some((size) => size > {ROUGH})")
    browser.run("end(); 1")


def test_a_worker_that_is_named_is_used(page: Browser, preview: str) -> None:
    page.run("stop_previews(); window.stop_previews = start_previews({ worker: '/late/missing.js' }); 1")
    release("/late/missing.js")
    add(page, f'previewsrc="{preview}" src="/late/named.png" width=90 height=60')
    wait_for(page, "warned.length")
    assert "no worker at" in page.run("warned")[0] and "/late/missing.js: previews stay rough" in page.run("warned")[0]
