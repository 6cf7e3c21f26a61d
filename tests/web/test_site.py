"""From a folder of pictures to a site: the command tokcodec-previews, the plug-in of Vite, and components."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import skimage.data
from click.testing import CliRunner
from PIL import Image

from bench.browser import Browser
from tests.bench.report.test_page import needs_browser
from tokcodec.cli.main import cli

from .browsing import background, release, wait_for
from .conftest import WEB
from .test_package import tool

COMMAND = WEB / "site" / "command.js"


@pytest.fixture(autouse=True)
def _needs_packages(node: str) -> None:
    if not all((WEB / "node_modules" / name).is_dir() for name in ("sharp", "react-dom", "vue")):
        pytest.skip("npm install was not run in formats/web")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures that nobody resizes: of colours, grey and turned, and transparent."""
    made = tmp_path / "photos"
    (made / "sub").mkdir(parents=True)
    cat = Image.fromarray(skimage.data.chelsea()).resize((200, 133))
    cat.save(made / "cat.png")
    turned = Image.Exif()
    turned[0x112] = 6
    cat.convert("L").save(made / "sub" / "turned.png", exif=turned)
    cat.putalpha(Image.linear_gradient("L").resize(cat.size))
    cat.save(made / "sub" / "clear.webp", lossless=True)
    return made


def previews(node: str, *arguments: Any, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([node, COMMAND, *map(str, arguments)], cwd=cwd, capture_output=True, text=True)


def script(node: str, code: str, *arguments: Any) -> subprocess.CompletedProcess[str]:
    command = [node, "--input-type=module", "-e", code, *map(str, arguments)]
    return subprocess.run(command, cwd=WEB, capture_output=True, text=True)


def test_a_manifest_is_that_of_python(node: str, folder: Path) -> None:
    done = previews(node, folder, "-o", "web.json", cwd=folder.parent)
    assert (done.returncode, done.stderr) == (0, "tokcodec-previews: 3 previews -> web.json\n")
    result = CliRunner().invoke(cli, ["encode", "-r", str(folder), "--manifest", str(folder.parent / "python.json")])
    assert result.exit_code == 0, result.output
    ours, theirs = (json.loads((folder.parent / f"{name}.json").read_text()) for name in ("web", "python"))
    assert ours == theirs and set(ours) == {"cat.png", "sub/turned.png", "sub/clear.webp"}
    assert (ours["sub/turned.png"]["width"], ours["sub/turned.png"]["height"]) == (133, 200)


def test_a_bad_picture_is_named_and_left_out(node: str, folder: Path) -> None:
    for name in ("bad.png", ".hidden.png", "phone.heic"):
        (folder / name).write_bytes(b"no picture")
    (folder.parent / "web.json").symlink_to("real.json")
    (folder.parent / "real.json").write_text("old")
    done = previews(node, "photos", "photos/cat.png", "gone", "-o", "web.json", cwd=folder.parent)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "tokcodec-previews: gone: no such file or folder",
        "tokcodec-previews: photos/bad.png: Input file contains unsupported image format",
        "tokcodec-previews: 3 previews -> web.json; left out: 1 .heic",
    ]
    before = (folder.parent / "real.json").read_text()
    assert json.loads(before).keys() == {"cat.png", "sub/turned.png", "sub/clear.webp"}
    done = previews(node, "photos/bad.png", "-o", "web.json", cwd=folder.parent)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert (folder.parent / "web.json").is_symlink() and (folder.parent / "web.json").read_text() == before
    assert {path.name for path in folder.parent.iterdir()} == {"photos", "web.json", "real.json"}


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("photos/cat.png", "is one of the pictures, which are never overwritten"),
        ("gone/web.json", "its folder does not exist"),
    ],
)
def test_a_place_that_cannot_be_is_refused_before_the_work(node: str, folder: Path, output: str, said: str) -> None:
    before = (folder / "cat.png").read_bytes()
    done = previews(node, "photos", "-o", output, cwd=folder.parent)
    assert (done.returncode, done.stderr) == (1, f"tokcodec-previews: {output}: {said}\n")
    assert (folder / "cat.png").read_bytes() == before


@pytest.mark.parametrize("arguments", ["", "x", "x -o y --tokens 65", "x -o y --colour", "x -o -"])
def test_wrong_usage(node: str, arguments: str, tmp_path: Path) -> None:
    done = previews(node, *arguments.split(), cwd=tmp_path)
    assert done.returncode == 2 and "usage: " in done.stderr


VITE = """
import { previews } from "./site/vite.js";
const watched = [];
const context = { addWatchFile: (file) => watched.push(file), error: (text) => { throw new Error(text); } };
const load = (id) => previews({ tokens: 4 }).load.call(context, id);
const [good, bad] = process.argv.slice(1);
console.log(JSON.stringify({
  code: await load(`${good}?preview`),
  other: [await load(good), await load(`${good}?url`)],
  failed: await load(`${bad}?preview`).catch((error) => error.message),
  watched,
}));
"""


def test_the_plug_in_of_vite(node: str, folder: Path) -> None:
    good, bad = folder / "cat.png", folder / "bad.png"
    bad.write_bytes(b"no picture")
    done = script(node, VITE, good, bad)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    first, second = found["code"].splitlines()
    assert first == 'import src from "./cat.png?url";'
    photo = json.loads(second.removeprefix("export default { src, ...").removesuffix(" };"))
    assert photo.keys() == {"width", "height", "previewsrc", "colour"} and photo["width"] == 200
    assert found["other"] == [None, None] and found["watched"] == [str(good), str(bad)]
    assert found["failed"] == f"{bad}: Input file contains unsupported image format"


ELEVENTY = """
import configure from "./eleventy.config.js";
const copied = [];
const codes = {};
configure({ addPassthroughCopy: (what) => copied.push(what), addShortcode: (name, code) => (codes[name] = code) });
console.log(JSON.stringify({ copied, html: await codes.photo("photos/cat.png", "A cat") }));
"""


def test_the_recipe_for_eleventy(node: str, folder: Path) -> None:
    """Eleventy itself was run by hand: it needs 130 packages."""
    guide = (WEB.parents[1] / "docs" / "web.md").read_text()
    (recipe,) = re.findall(r"^```js\n// (eleventy\.config\.js\n.*?)^```", guide, re.MULTILINE | re.DOTALL)
    name, _, code = recipe.partition("\n")
    (folder.parent / name).write_text(code)
    (folder.parent / "package.json").write_text('{"type": "module"}')
    (folder.parent / "node_modules").mkdir()
    (folder.parent / "node_modules" / "tokcodec").symlink_to(WEB)
    command = [node, "--input-type=module", "-e", ELEVENTY]
    done = subprocess.run(command, cwd=folder.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert 'src="/photos/cat.png" alt="A cat" width="200" height="133"' in found["html"]
    assert 'previewsrc="data:image/x-tok-bare;model=base-3;base64,' in found["html"]
    for path in found["copied"][1]:
        assert list(WEB.glob(path.removeprefix("node_modules/tokcodec/"))), path


SERVER = """
import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { createSSRApp, h } from "vue";
import { renderToString } from "vue/server-renderer";
import { Preview as ReactPreview } from "./frameworks/react.js";
import { Preview as VuePreview } from "./frameworks/vue.js";
const photo = { src: "a.jpg", width: 3, height: 2, previewsrc: "data:,", colour: "#123456", alt: "A" };
console.log(renderToStaticMarkup(createElement(ReactPreview, { ...photo, style: { margin: 0 } })));
console.log(await renderToString(createSSRApp({ render: () => h(VuePreview, { ...photo, style: { margin: 0 } }) })));
"""


def test_components_on_the_server(node: str) -> None:
    done = script(node, SERVER)
    assert done.returncode == 0, done.stderr
    react, vue = done.stdout.splitlines()
    for html in (react, vue):
        assert "<img " in html and 'src="a.jpg"' in html and 'previewsrc="data:,"' in html
        assert "colour" not in html and "background-color:#123456;margin:0" in html


PAGES = {
    "react": """
import { createElement } from "react";
import { createRoot } from "react-dom/client";
import { Preview } from "./frameworks/react.js";
window.mount = (photo) => createRoot(document.body).render(createElement(Preview, photo));
""",
    "vue": """
import { createApp, h } from "vue";
import { Preview } from "./frameworks/vue.js";
window.mount = (photo) => createApp({ render: () => h(Preview, photo) }).mount(document.body);
""",
}


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize("framework", PAGES)
def test_components_in_a_browser(framework: str, browser: Browser, site: str, preview: str) -> None:
    command = [tool("esbuild"), "--bundle", "--format=esm", "--minify", '--define:process.env.NODE_ENV="production"']
    done = subprocess.run(command, cwd=WEB, input=PAGES[framework], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    browser.open(f"{site}/blank", 800)
    browser.run(
        f"const s = document.createElement('script'); s.type = 'module'; s.textContent = {json.dumps(done.stdout)};"
        "document.head.append(s); 1"
    )
    wait_for(browser, "window.mount")
    photo = {"id": "img", "src": f"/late/{framework}.png", "width": 90, "height": 60, "alt": ""}
    browser.run(f"mount({json.dumps(photo | {'previewsrc': preview, 'colour': '#123456'})}); 1")
    wait_for(browser, f"document.getElementById('img') && {background()}")
    assert browser.run("getComputedStyle(img).backgroundColor") == "rgb(18, 52, 86)"
    release(f"/late/{framework}.png")
    wait_for(browser, f"!{background()}")
