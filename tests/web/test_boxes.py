"""What previews leave alone, and what `start` takes: boxes, copies, other types, failures; in headless Chromium."""

from __future__ import annotations

import time

import numpy as np
import pytest

from bench.browser import Browser
from tests.bench.report.test_page import needs_browser

from .browsing import Handler, add, background, release, shot, wait_for

pytestmark = [pytest.mark.slow, needs_browser]
LIME = np.array([0, 255, 0])
SVG = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'><rect width='50%' height='100%' fill='red'/></svg>"


def limes(page: Browser, *points: tuple[int, int]) -> list[bool]:
    """Whether the page, which is lime, or what the test made lime shows at these points."""
    found = shot(page, 0, 0, 600, 600)
    return [bool(np.abs(found[y, x] - LIME).max() < 40) for x, y in points]


@pytest.fixture
def lime(page: Browser) -> Browser:
    page.run("document.body.style.background = 'lime'; 1")
    return page


@pytest.mark.parametrize(
    ("style", "page_at", "preview_at"),
    [
        ("width:200px; height:200px; padding:30px; object-fit:cover", [(12, 130), (248, 130)], [(130, 130), (130, 40)]),
        ("width:200px; height:200px; object-fit:scale-down", [(100, 10), (100, 190)], [(100, 100)]),
        ("width:500px; height:500px; object-fit:scale-down", [(20, 250), (250, 40)], [(250, 250), (60, 250)]),
        ("width:500px; height:500px; object-fit:none", [(20, 250), (250, 40)], [(250, 250), (60, 250)]),
        ("width:500px; height:500px; object-fit:none; object-position:0 0", [(250, 450)], [(10, 10), (390, 290)]),
    ],
)
def test_previews_keep_to_the_place_of_the_image(
    lime: Browser, preview: str, style: str, page_at: list[tuple[int, int]], preview_at: list[tuple[int, int]]
) -> None:
    add(lime, f'previewsrc="{preview}" src="/late/box.png" width=400 height=300 style="display:block; {style}"')
    wait_for(lime, background())
    assert limes(lime, *page_at) == [True] * len(page_at)
    assert limes(lime, *preview_at) == [False] * len(preview_at)


def test_the_pages_own_background_stays_behind(page: Browser, preview: str) -> None:
    style = "padding:20px 30px; background:linear-gradient(lime, lime) 0 0 / 20px 100% no-repeat, lime"
    add(page, f'previewsrc="{preview}" src="/late/own.png" width=100 height=80 style="display:block; {style}"')
    wait_for(page, "img.getAnimations().length")
    assert limes(page, (5, 60), (155, 60), (80, 60)) == [True, True, False]


@pytest.mark.parametrize(
    "copying",
    [
        "b.append(img.cloneNode())",
        "b.innerHTML = a.innerHTML",
        "{ const t = document.createElement('template'); t.innerHTML = a.innerHTML; b.append(t.content) }",
        "b.append(document.importNode(img))",
    ],
)
def test_copies_take_nothing_of_ours(page: Browser, preview: str, copying: str) -> None:
    page.run("document.body.innerHTML = '<div id=a></div><div id=b></div>'; 1")
    path = f"/late/copy.png?{time.monotonic()}"
    html = f'<img id="img" previewsrc="{preview}" src="{path}" width="60" height="40">'
    page.run(f"a.innerHTML = {html!r}; 1")
    wait_for(page, "img.getAnimations().length")
    page.run(f"window.img = a.firstElementChild; {copying}; window.twin = b.firstElementChild; 1")
    assert page.run("[img.outerHTML, twin.outerHTML]") == [html, html]
    wait_for(page, "twin.getAnimations().length")
    release(path)
    wait_for(page, "!img.getAnimations().length && !twin.getAnimations().length")
    assert page.run("getComputedStyle(twin).backgroundImage") == "none"


def test_ordinary_types_are_shown_without_the_model(lime: Browser) -> None:
    lime.run("stop_previews(); window.stop_previews = start_previews({ model: '/late/no.tokm' }); 1")
    add(lime, f'previewsrc=" {SVG}" src="/late/ordinary.png" width=100 height=80 style="display:block"')
    wait_for(lime, background())
    assert (shot(lime, 20, 40, 1, 1) == [255, 0, 0]).all()
    assert limes(lime, (80, 40)) == [True]  # what is transparent shows the page
    assert not any("no.tokm" in path for path in Handler.requested)
    release("/late/ordinary.png")
    wait_for(lime, f"!{background()}")


def test_types_that_are_not_ours_are_passed_over_in_silence(page: Browser) -> None:
    for number, url in enumerate(("data:image/x-other;base64,AAAA", "data:image/png;base64,AAAA", "a.png", "data:,a")):
        add(page, f'previewsrc="{url}" src="/late/others.png" width=30 height=20', f"other{number}")
    time.sleep(0.3)
    assert page.run("document.getAnimations().length") == 0 and page.run("warned") == []


def test_a_preview_covers_the_image_before_the_change_of_src(page: Browser, preview: str) -> None:
    release("/late/before.png")
    add(page, 'src="/late/before.png" width=300 height=200 style="display:block"')
    wait_for(page, "img.complete && img.naturalWidth")
    page.run("stop_previews(); window.stop_previews = start_previews(); 1")  # also an image that was there before
    page.run(f"img.setAttribute('data-previewsrc', {SVG!r}); img.src = '/late/after.png'; 1")
    wait_for(page, background())
    assert (shot(page, 20, 40, 1, 1) == [255, 0, 0]).all()
    release("/late/after.png")
    wait_for(page, "img.complete && !img.getAnimations().length")
    assert np.abs(shot(page, 20, 40, 1, 1) - [255, 0, 0]).max() > 40


def test_the_largest_contentful_paint_is_the_images(page: Browser, preview: str) -> None:
    page.run(
        "window.largest = []; new PerformanceObserver(l => l.getEntries().forEach(e => largest.push(e.url)))"
        ".observe({type: 'largest-contentful-paint', buffered: true}); 1"
    )
    add(page, f'previewsrc="{preview}" src="/late/largest.png" width=300 height=200')
    wait_for(page, "blobs.length === 2 && img.getAnimations().length")
    time.sleep(0.3)
    assert page.run("largest") == []
    release("/late/largest.png")
    wait_for(page, "largest.length")
    assert page.run("largest")[0].endswith("/late/largest.png")


def test_an_attribute_and_a_root_of_ones_own(page: Browser) -> None:
    page.run("stop_previews(); document.body.innerHTML = '<div id=host></div>'; host.attachShadow({ mode: 'open' }); 1")
    page.run("window.end = start_previews({ attribute: 'data-Tiny', root: host.shadowRoot }); 1")
    images = f'<img src=/late/root.png width=30 height=20 data-tiny="{SVG}">'
    page.run(f"host.shadowRoot.innerHTML = {images!r}; document.body.insertAdjacentHTML('beforeend', {images!r}); 1")
    page.run("window.inside = host.shadowRoot.firstElementChild; 1")
    wait_for(page, "inside.getAnimations().length")
    assert page.run("document.body.lastElementChild.getAnimations().length") == 0
    page.run("window.stop_previews = start_previews(); 1")  # of another root: the first goes on
    assert page.run("inside.getAnimations().length") == 1
    release("/late/root.png")
    wait_for(page, "!inside.getAnimations().length")
    page.run("end(); 1")


def test_a_warning_names_the_image_and_comes_once_for_each_cause(page: Browser) -> None:
    for number, text in enumerate(("AAAA", "AAAA", "?")):
        url = f"data:image/x-tok;base64,{text}"
        add(page, f'previewsrc="{url}" src="/late/warned{number}.png" width=30 height=20', f"warned{number}")
    wait_for(page, "warned.length === 2")
    time.sleep(0.2)
    first, second = sorted(page.run("warned"))
    assert "/late/warned0.png: " in first and "/late/warned2.png: not base64" in second


def test_errors_go_to_the_page_that_wants_them(page: Browser) -> None:
    page.run("window.failed = []; 1")
    page.run("start_previews({ onError: (error, img) => failed.push([img.id, error.message]) }); 1")
    for number in range(2):
        add(page, 'previewsrc="data:image/x-tok;base64,?" src="/late/error.png" width=30 height=20', f"e{number}")
    wait_for(page, "failed.length === 2")
    assert page.run("failed") == [["e0", "not base64"], ["e1", "not base64"]] and page.run("warned") == []


def test_without_a_worker_the_network_stays_away_from_the_page(page: Browser, preview: str) -> None:
    page.run("stop_previews(); window.Worker = class { constructor() { throw new Error('refused'); } }; 1")
    page.run("window.stop_previews = start_previews(); 1")
    add(page, f'previewsrc="{preview}" src="/late/rough.png" width=300 height=200')
    wait_for(page, "warned.length")
    assert page.run("blobs.length") == 1 and page.run(f"Boolean({background()})")
    assert "tok-worker.js: previews stay rough" in page.run("warned")[0]


def test_a_model_that_is_missing_is_named(page: Browser, preview: str) -> None:
    page.run("start_previews({ model: '/blank' }); 1")
    add(page, f'previewsrc="{preview}" src="/late/model.png" width=30 height=20')
    wait_for(page, "warned.length")
    assert "/blank: " in page.run("warned")[0]


@pytest.mark.parametrize(("colour", "halo"), [("black", "rgb(255, 255, 255)"), ("#ffffe0", "rgb(0, 0, 0)")])
def test_the_text_of_alt_has_a_halo(page: Browser, preview: str, colour: str, halo: str) -> None:
    """Firefox writes it over the preview."""
    add(page, f'previewsrc="{preview}" src="/late/halo{colour[1:]}.png" width=30 height=20 style="color: {colour}"')
    wait_for(page, background())
    assert page.run("getComputedStyle(img).textShadow").startswith(halo)
    release(f"/late/halo{colour[1:]}.png")
    wait_for(page, f"!{background()}")
    assert page.run("getComputedStyle(img).textShadow") == "none"
