"""The report page: self-contained by its text, and driven in headless Chromium over the DevTools protocol's pipe."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.__main__ import main
from bench.browser import Browser, find_browser
from bench.report import page
from bench.report.summary import summarise
from tests.bench.conftest import svg_only

pytestmark = pytest.mark.slow
needs_browser = pytest.mark.skipif(find_browser() is None, reason="no Chromium here (Debian: apt-get install chromium)")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    made = Browser(tmp_path_factory.mktemp("profile"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def report(photographs: Path, tmp_path_factory: pytest.TempPathFactory, fake_everywhere: None) -> Path:
    """A page of two pictures with the stand-in codec and a few rivals."""
    out = tmp_path_factory.mktemp("report")
    rivals = ("--codec", "webp-down", "--codec", "thumbhash", "--codec", "tokcodec", "--pitch", "256")
    arguments = [str(photographs), "--out", str(out), "--crop", "256", "--jobs", "1", *rivals]
    with pytest.MonkeyPatch.context() as patch:
        svg_only(patch)
        result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "not in the page" not in result.output
    return out / "index.html"


def test_page_is_self_contained_and_small(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    assert len(text) < 8e6
    links = re.findall(r"""(?:src|href|action)\s*=\s*["']([^"']*)""", text) + re.findall(r"url\(([^)]*)", text)
    assert links
    assert all(link.startswith(("data:", "#")) for link in links)
    assert "fetch(" not in text
    assert "XMLHttpRequest" not in text
    assert '<html lang="en">' in text


def test_page_escapes_names() -> None:
    row = {
        "picture": "<b>&</script>",
        "subset": "crop256",
        "width": 256,
        "height": 256,
        "codec": "webp",
        "setting": {"quality": 1},
        "bytes": 900,
        "metrics": {"psnr": 20.0},
        "versions": {"<i>": "</script>"},
    }
    failed = row | {"metrics": None, "bytes": None, "error": "<script>alert(1)</script>"}
    shown = {
        "images": ["data:,"],
        "curves": ["</script><script>"],
        "rivals": [],
        "lpips": None,
        "pictures": [{"name": "<b>", "original": 0, "steps": [{"tokens": 1, "ours": {}, "rivals": {}}]}],
    }
    text = page.render(summarise([row, failed]), [], shown)
    assert text.count("<script") == text.count("</script>") == 2
    assert "<b>" not in text
    assert "<i>" not in text


@needs_browser
@pytest.mark.parametrize("width", [360, 1600])
def test_page_fits_and_logs_no_error(browser: Browser, report: Path, width: int) -> None:
    browser.open(report, width)
    browser.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert (
        browser.run(
            "[...document.querySelectorAll('.card, .wipe, select, input')]"
            ".filter(e => e.getBoundingClientRect().right > innerWidth).length"
        )
        == 0
    )
    assert browser.run("[...document.images].filter(i => i.getClientRects().length && !i.naturalWidth).length") == 0
    assert browser.run("document.querySelectorAll('.viewer').length") == 2
    assert browser.errors() == []


@needs_browser
def test_slider_changes_picture_and_bytes(browser: Browser, report: Path) -> None:
    browser.open(report, 1000)
    state = """(() => { const card = document.querySelector('.viewer'); return {
      tokens: card.querySelector('.tokens output').textContent,
      ours: card.querySelector('[data-side=ours] .decoded').src,
      caption: card.querySelector('[data-side=ours] figcaption').textContent,
      rival: card.querySelector('[data-side=rival] .decoded').src,
      rivalCaption: card.querySelector('[data-side=rival] figcaption').textContent,
      said: card.querySelector('input').getAttribute('aria-valuetext') }; })()"""
    start = browser.run(state)
    assert start["tokens"] == start["said"] == "64 tokens, 106 bytes"
    assert start["caption"].startswith("tokcodec perceptual 106 bytes · ")
    browser.run("document.querySelector('.viewer input').focus()")
    browser.key("ArrowRight")
    after = browser.run(state)
    assert after["tokens"] == "96 tokens, 154 bytes"
    assert after["ours"] != start["ours"]
    assert after["rivalCaption"] != start["rivalCaption"]
    rival = re.search(r"(\d+) bytes", after["rivalCaption"])
    assert rival is not None
    assert 106 < int(rival[1]) <= 154
    browser.key("Home")
    assert browser.run(state)["tokens"] == "1 token, 12 bytes"
    assert "no file of at most 12 bytes" in browser.run("document.querySelector('[data-side=rival] .none').innerText")
    browser.key("End")
    assert browser.run(state)["tokens"] == "256 tokens, 394 bytes"
    before = browser.run(state)["ours"]
    choose_first = "(s => { s.selectedIndex = 0; s.dispatchEvent(new Event('input')); })"
    browser.run(f"{choose_first}(document.querySelector('.curve'))")
    assert browser.run(state)["ours"] != before
    assert browser.run(state)["caption"].startswith("tokcodec fidelity")
    assert browser.errors() == []


@needs_browser
def test_wipe_by_keyboard_pointer_and_touch(browser: Browser, report: Path) -> None:
    browser.open(report, 1000)
    at = "Number(document.querySelector('.wipe').getAttribute('aria-valuenow'))"
    box = "(b => [b.left, b.top, b.width, b.height])(document.querySelector('.wipe').getBoundingClientRect())"
    assert browser.run(at) == 30
    browser.run("document.querySelector('.wipe').focus()")
    browser.key("ArrowRight")
    assert browser.run(at) == 32
    browser.key("End")
    assert browser.run(at) == 100
    browser.key("Home")
    assert browser.run(at) == 0
    assert browser.run("getComputedStyle(document.querySelector('.wipe .original')).clipPath").startswith("inset(0")

    browser.run("document.querySelector('.wipe').scrollIntoView({block: 'center'})")
    left, top, width, height = browser.run(box)
    for kind, share in (("mousePressed", 0.25), ("mouseMoved", 0.6), ("mouseReleased", 0.6), ("mouseMoved", 0.9)):
        browser(
            "Input.dispatchMouseEvent",
            type=kind,
            x=left + share * width,
            y=top + height / 2,
            button="left",
            buttons=1,
            clickCount=1,
        )
    assert browser.run(at) == 60, "a drag moves it, a later move without a button does not"
    both = "[...document.querySelector('.viewer').querySelectorAll('.wipe')].map(w => w.getAttribute('aria-valuenow'))"
    assert browser.run(both) == ["60", "60"]

    browser.open(report, 360)
    browser.run("document.querySelector('.wipe').scrollIntoView({block: 'center'})")
    left, top, width, height = browser.run(box)
    for kind, share in (("touchStart", 0.3), ("touchMove", 0.5), ("touchMove", 0.75), ("touchEnd", None)):
        points = [] if share is None else [{"x": left + share * width, "y": top + height / 2}]
        browser("Input.dispatchTouchEvent", type=kind, touchPoints=points)
    assert browser.run(at) == pytest.approx(75, abs=1)
    assert browser.errors() == []


@needs_browser
def test_every_control_has_a_name(browser: Browser, report: Path) -> None:
    browser.open(report, 1000)
    browser("Accessibility.enable")
    nodes = browser("Accessibility.getFullAXTree")["nodes"]
    controls = [
        n
        for n in nodes
        if not n.get("ignored") and n["role"]["value"] in ("slider", "combobox", "region", "image", "img")
    ]
    assert sum(n["role"]["value"] == "slider" for n in controls) == 6
    unnamed = [n for n in controls if not n.get("name", {}).get("value")]
    assert unnamed == [], json.dumps(unnamed)
