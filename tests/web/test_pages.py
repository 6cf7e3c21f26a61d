"""tok-preview.js and index.html in headless Chromium, served as `python -m http.server` does."""

from __future__ import annotations

import base64
import time

import numpy as np
import pytest
import skimage.data
from PIL import Image

import tokcodec
from bench.browser import Browser
from tests.bench.report.test_page import needs_browser
from tests.vectors import contents

from .browsing import Handler, add, background, release, shot, wait_for

pytestmark = [pytest.mark.slow, needs_browser]


def test_the_preview_is_there_until_the_image_is(page: Browser, preview: str) -> None:
    page.run(
        "window.moved = 0; "
        "new PerformanceObserver(l => { moved += l.getEntries().length; }).observe({type: 'layout-shift'})"
    )
    add(page, f'previewsrc="{preview}" src="/late/first.png" width=300 height=200 alt="A cat" style="padding: 5px"')
    page.run("document.body.insertAdjacentHTML('beforeend', '<p id=below>below')")
    place = page.run("JSON.stringify(document.getElementById('below').getBoundingClientRect())")
    wait_for(page, background())
    assert "/late/first.png" in Handler.requested  # nobody waited for the preview
    found = shot(page, 5, 5, 300, 200)
    expected = Image.fromarray(skimage.data.chelsea()).resize((300, 200))
    assert np.sqrt(np.mean((found - np.asarray(expected, float)) ** 2)) < 35
    release("/late/first.png")
    wait_for(page, f"!{background()}")
    assert page.run("img.naturalWidth") == 30 and page.run("img.alt") == "A cat"
    assert page.run("img.getAttribute('style')") == "padding: 5px"
    assert page.run("JSON.stringify(document.getElementById('below').getBoundingClientRect())") == place
    assert page.run("moved") == 0


def test_an_image_that_was_first_or_fails_has_no_preview(page: Browser, preview: str) -> None:
    release("/late/done.png")
    page.run("new Promise(done => { const i = new Image(); i.onload = done; i.src = '/late/done.png'; }).then(() => 1)")
    add(page, f'previewsrc="{preview}" src="/late/done.png" width=30 height=20')
    add(page, f'previewsrc="{preview}" src="/late/missing.png" width=30 height=20', "lost")
    wait_for(page, background("lost"))
    release("/late/missing.png")
    wait_for(page, f"!{background('lost')}")
    assert page.run("img.complete") and page.run(background()) == ""


def test_changes_of_src_and_previewsrc_are_followed(page: Browser, preview: str) -> None:
    release("/late/now.png")
    add(page, 'src="/late/now.png" width=30 height=20')
    wait_for(page, "img.complete")
    page.run(f"img.setAttribute('previewsrc', {preview!r}); img.src = '/late/next.png'")
    wait_for(page, background())
    before = page.run(background())
    other = preview.replace(";base64,D", ";base64,C")  # fewer tokens
    page.run(f"img.setAttribute('previewsrc', {other!r})")
    wait_for(page, f"{background()} && {background()} !== {before!r}")
    page.run("img.removeAttribute('previewsrc')")
    wait_for(page, f"!{background()}")
    release("/late/next.png")


def test_lazy_images_far_away_are_left_alone(page: Browser, preview: str) -> None:
    page.run("document.body.insertAdjacentHTML('beforeend', '<div style=\"height: 9000px\"></div>')")
    add(page, f'previewsrc="{preview}" src="/late/lazy.png" loading=lazy width=30 height=20')
    time.sleep(0.3)
    assert page.run(background()) == "" and "/late/lazy.png" not in Handler.requested
    page.run("img.scrollIntoView()")
    wait_for(page, background())
    wait_for(page, "1")
    release("/late/lazy.png")
    wait_for(page, f"!{background()}")


def test_picture_elements_and_object_fit(page: Browser, preview: str) -> None:
    page.run(
        "document.body.insertAdjacentHTML('beforeend', "
        f"""'<picture><source srcset="/late/source.png"><img id=img previewsrc="{preview}" src="/late/other.png" """
        """width=90 height=20 style="object-fit: cover; object-position: 0 0"></picture>')"""
    )
    wait_for(page, background())
    assert page.run("getComputedStyle(img).backgroundSize").startswith("cover")
    assert "/late/source.png" in Handler.requested and "/late/other.png" not in Handler.requested
    release("/late/source.png")
    wait_for(page, f"!{background()}")


def url_of(vector: str, kind: str = "") -> str:
    return f"data:image/x-tok{kind};base64,{base64.b64encode(contents(vector)).decode()}"


OLD, NEW = "base-2-64.tokm", "base-3-64.tokm"


@pytest.mark.parametrize(
    ("url", "fetched"),
    [
        (url_of("bare-24.tok", "-bare"), {OLD}),
        (url_of("bare-24.tok", "-bare;model=base-2"), {OLD}),
        (url_of("base-3/bare-24.tok", "-bare;model=base-3"), {NEW}),
        (url_of("tile-64.tok"), {OLD}),
        (url_of("base-3/tile-64.tok"), {NEW}),
    ],
    ids=["bare of 1.0", "bare of base-2", "bare of base-3", "base-2", "base-3"],
)
def test_a_page_fetches_the_model_of_its_previews(page: Browser, url: str, fetched: set[str]) -> None:
    mark = f"?{time.monotonic()}"  # the browser caches files by address
    models = [f"/{name}{mark}" for name in (NEW, OLD)]
    page.run(f"stop_previews(); window.stop_previews = start_previews({{ model: {models} }}); 1")
    add(page, f'previewsrc="{url}" src="/late/model{mark}" width=30 height=20')
    wait_for(page, background())
    assert {path[1:].removesuffix(mark) for path in Handler.requested if path in models} == fetched
    release(f"/late/model{mark}")


def test_a_model_that_the_page_lacks_is_named(page: Browser, preview: str) -> None:
    page.run(f"stop_previews(); window.stop_previews = start_previews({{ model: '/{NEW}' }}); 1")
    other = preview.replace(";model=base-3;", ";model=other;")
    for url, name in ((url_of("bare-24.tok", "-bare"), "base-2"), (other, "other")):
        add(page, f'previewsrc="{url}" src="/late/lacks.png" width=30 height=20', name)
        wait_for(page, f"warned.some((line) => line.includes('it needs the model {name}, '))")
        assert page.run(background(name)) == ""
    release("/late/lacks.png")


def test_both_models_are_there_by_default(page: Browser, preview: str) -> None:
    for name, url in (("old", url_of("bare-24.tok", "-bare")), ("new", preview)):
        add(page, f'previewsrc="{url}" src="/late/both.png" width=30 height=20', name)
    for name in ("old", "new"):
        wait_for(page, background(name))
    release("/late/both.png")


def test_the_padding_shows_the_page(page: Browser, preview: str) -> None:
    add(page, f'previewsrc="{preview}" src="/late/padding.png" style="object-fit: cover; padding: 0 30px"')
    wait_for(page, background())
    assert page.run("getComputedStyle(img).backgroundClip") == "content-box, border-box"
    release("/late/padding.png")
    wait_for(page, f"!{background()}")
    assert page.run("getComputedStyle(img).backgroundClip") == "border-box"


def test_bad_previews_leave_the_image_as_it_is(page: Browser) -> None:
    add(page, 'previewsrc="data:image/x-tok;base64,AAAA" src="/late/bad.png" width=30 height=20')
    time.sleep(0.3)
    assert page.run(background()) == ""
    release("/late/bad.png")
    wait_for(page, "img.complete && img.naturalWidth")


def test_nothing_where_the_browser_knows_the_attribute(browser: Browser, site: str, preview: str) -> None:
    browser.open(f"{site}/blank", 800)
    browser.run("HTMLImageElement.prototype.previewSrc = ''; HTMLImageElement.prototype.decode = async () => {}; 1")
    add(browser, f'previewsrc="{preview}" src="/late/native.png" width=30 height=20')
    browser.run("import('/tok-preview.js').then(m => m.start()).then(() => 1)")
    time.sleep(0.3)
    assert browser.run(background()) == ""
    release("/late/native.png")


def test_a_browser_that_knows_the_attribute_but_not_the_type_is_helped(
    browser: Browser, site: str, preview: str
) -> None:
    browser.open(f"{site}/blank", 800)
    browser.run("HTMLImageElement.prototype.previewSrc = ''; 1")
    add(browser, f'previewsrc="{preview}" src="/late/foreign.png" width=30 height=20')
    browser.run("import('/tok-preview.js').then(m => { window.end = m.start(); })")
    wait_for(browser, background())
    browser.run("end()")
    assert browser.run(background()) == ""
    release("/late/foreign.png")


def test_a_preview_without_an_image_to_come_is_none(page: Browser, preview: str) -> None:
    """It is no fallback: an element without a source stays empty."""
    add(page, f'previewsrc="{preview}" width=30 height=20')
    time.sleep(0.3)
    assert page.run(background()) == ""
    page.run("img.src = '/late/then.png'")
    wait_for(page, background())
    release("/late/then.png")


def test_previews_have_limits(page: Browser) -> None:
    long = tokcodec.encode(Image.fromarray(skimage.data.chelsea()), tokens=64) + bytes(4096)
    many = tokcodec.encode(Image.new("RGB", (640, 480)), tokens=1, pitch=16)[:40]
    for number, data in enumerate((long, many)):
        url = f"data:image/x-tok;base64,{base64.b64encode(data).decode()}"
        add(page, f'previewsrc="{url}" src="/late/limits.png" width=30 height=20', f"limit{number}")
    time.sleep(0.5)
    assert page.run(background("limit0")) == page.run(background("limit1")) == ""
    said = " ".join(page.run("warned"))
    assert "at most 4096 bytes" in said and "at most 256 tiles" in said
    release("/late/limits.png")


def test_a_finer_preview_follows(page: Browser, preview: str) -> None:
    """First 64 samples of the sum of codewords, then what the network draws, at the size of the box."""
    add(page, f'previewsrc="{preview}" src="/late/fine.png" width=300 height=200')
    wait_for(page, "blobs.length === 2")
    assert page.run("blobs") == [54 + 3 * 64 * 43, 54 + 3 * 300 * 200]
    wait_for(page, f"{background()} && !{background()}.includes('undefined')")
    release("/late/fine.png")
    wait_for(page, f"!{background()}")


def test_the_model_is_asked_for_again_after_a_failure(page: Browser, preview: str) -> None:
    page.run("stop_previews(); window.stop_previews = start_previews({ model: '/flaky.tokm' }); 1")
    add(page, f'previewsrc="{preview}" src="/late/flaky.png" width=30 height=20', "first")
    wait_for(page, "warned.length")
    assert "503" in page.run("warned")[0]
    add(page, f'previewsrc="{preview}" src="/late/flaky.png" width=30 height=20', "second")
    wait_for(page, background("second"))
    release("/late/flaky.png")


def test_images_that_leave_and_previews_that_end_are_forgotten(page: Browser, preview: str) -> None:
    add(page, f'previewsrc="{preview}" src="/late/leaves.png" width=30 height=20')
    wait_for(page, background())
    page.run("window.gone = document.getElementById('img'); gone.remove(); 1")
    wait_for(page, "!gone.getAnimations().length")
    add(page, f'previewsrc="{preview}" src="/late/leaves.png" width=90 height=60', "other")
    wait_for(page, f"blobs.length === 3 && {background('other')}")
    assert page.run("ended") == 0
    page.run("stop_previews()")
    assert page.run(background("other")) == "" and page.run("ended") == 1
    release("/late/leaves.png")


def test_another_start_ends_the_first(page: Browser, preview: str) -> None:
    add(page, f'previewsrc="{preview}" src="/late/twice.png" width=30 height=20 style="background: lime"')
    wait_for(page, background())
    page.run("start_previews(); 1")
    wait_for(page, background())
    release("/late/twice.png")
    wait_for(page, f"!{background()}")
    assert page.run("getComputedStyle(img).backgroundColor") == "rgb(0, 255, 0)"


def test_what_the_page_does_to_its_own_styles_stays(page: Browser, preview: str) -> None:
    add(page, f'previewsrc="{preview}" src="/late/styled.png" width=90 height=60')
    wait_for(page, "blobs.length === 1 && img.getAnimations().length")
    page.run("img.setAttribute('style', 'background: blue'); 1")
    release("/late/styled.png")
    wait_for(page, "img.complete && img.naturalWidth")
    time.sleep(0.3)
    assert page.run("getComputedStyle(img).backgroundColor") == "rgb(0, 0, 255)"
    assert page.run(background()) in ("", "initial", "none")


@pytest.mark.parametrize("size", [0, 1.5, 1000])
def test_a_size_that_cannot_be_is_refused_at_once(page: Browser, size: float) -> None:
    assert "size must be" in page.run(
        f"(() => {{ try {{ start_previews({{ size: {size} }}) }} catch (e) {{ return e.message }} }})()"
    )


# ---- the page


@pytest.mark.parametrize("width", [360, 1600])
def test_the_page_works_and_fits(browser: Browser, site: str, width: int) -> None:
    browser.open(f"{site}/index.html", width)
    wait_for(browser, "document.documentElement.dataset.ready")
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run("document.querySelectorAll('#gallery img[previewsrc]').length") == 20
    browser.run("window.first = document.querySelector('#gallery img'); 1")
    wait_for(browser, "first.getAnimations().length || first.complete")
    card = "[document.querySelector('#{0} span').textContent, document.querySelector('#{0} button').value]"
    for most in (26, 90, 200):
        size, url = browser.run(card.format(f"tok{most}"))
        bare = most < 100
        data = base64.b64decode(url.partition(";base64,")[2])
        assert url.startswith(f"data:image/x-tok{'-bare;model=base-3' * bare};base64,")
        assert size == f"{len(data)} bytes" and 0.8 * most <= len(data) <= most
        tokcodec.decode(data, container="bare" if bare else "tok")
    assert browser.run(card.format("webp"))[1].startswith("data:image/webp;base64,")
    before = browser.run(card.format("tok26"))
    browser.run("[...document.querySelectorAll('button')].find(b => b.textContent === 'rocket').click()")
    wait_for(browser, "document.documentElement.dataset.shown === '2'")
    assert browser.run(card.format("tok26"))[1] != before[1]
    browser.run("document.getElementById('cards').style.setProperty('--shape', '1 / 99')")  # of a very tall picture
    assert browser.run("document.getElementById('original').getBoundingClientRect().height") <= 500
    targets = "[...document.querySelectorAll('button, .file')]"
    assert browser.run(f"Math.min(...{targets}.map(e => e.getBoundingClientRect().height))") >= 44  # a finger's width
    assert [error for error in browser.errors() if not error.startswith((site, "blob:")) and "404" not in error] == []
