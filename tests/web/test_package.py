"""The npm package, its types and its example."""

from __future__ import annotations

import fnmatch
import gzip
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import WEB

SOURCES = [path for pattern in ("tok*.js", "codec/*.js", "previews/*.js") for path in WEB.glob(pattern)]
DECODER_LIMIT, PREVIEWS_LIMIT = 72_000, 102_000
"""Bytes of the modules that `tok.js`, and `tok-preview.js` with its worker, load; comments and types included."""
FIRST_LIMIT = 21_500
"""Bytes, gzipped, that a page needs for its first previews."""
PACKAGE_LIMIT = 650_000


def modules_of(*names: str) -> set[Path]:
    """Modules and all that they import."""
    found: set[Path] = set()
    waiting = [WEB / name for name in names]
    while waiting:
        path = waiting.pop().resolve()
        if path not in found:
            found.add(path)
            imports = re.findall(r'^(?:import|export) .* from "(.*)";$', path.read_text(), re.MULTILINE)
            assert all(name.startswith(".") for name in imports), path
            waiting += [path.parent / name for name in imports]
    return found


def test_modules_are_small_and_need_nothing_else() -> None:
    previews = modules_of("tok-preview.js", "tok-worker.js")
    assert sum(path.stat().st_size for path in modules_of("tok.js")) <= DECODER_LIMIT
    assert sum(path.stat().st_size for path in previews) <= PREVIEWS_LIMIT
    assert not {path.name for path in previews} & {"encode.js", "search.js", "transform.js", "range-encoder.js"}
    assert all(len(path.read_text().splitlines()) <= 300 for path in SOURCES)


def test_the_first_preview_needs_little(node: str, tmp_path: Path) -> None:
    parts = [WEB / "dist" / "previews.js", WEB / "base-3-64.first.tokm"]
    assert sum(len(gzip.compress(path.read_bytes(), 9)) for path in parts) <= FIRST_LIMIT


def test_bundles_are_those_of_the_code(node: str, tmp_path: Path) -> None:
    tool("esbuild")
    subprocess.run([node, "build.mjs", str(tmp_path)], cwd=WEB, check=True)
    ours = {path.name: path.read_text() for path in (WEB / "dist").iterdir()}
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert "thumbhash" in made.pop("rivals.js").lower()  # of the page alone
    assert ours == made, "make them again: cd formats/web && npm run build"
    addresses = re.findall(r'"(\.[^" ]*\.(?:js|tokm))"', "".join(made.values()))
    assert len(addresses) >= 5 and all((WEB / "dist" / address).is_file() for address in addresses)


def test_webassembly_is_that_of_its_source(node: str, tmp_path: Path) -> None:
    if not (WEB / "node_modules" / "wabt").is_dir():
        pytest.skip("npm install was not run in formats/web")
    subprocess.run([node, "simd.mjs", str(tmp_path / "code.js")], cwd=WEB, check=True)
    made, ours = (path.read_text() for path in (tmp_path / "code.js", WEB / "codec" / "simd-code.js"))
    assert made == ours, "make it again: cd formats/web && npm run simd"


def test_every_module_is_used() -> None:
    entries = modules_of(*(path.name for path in WEB.glob("tok*.js")))
    assert {path.resolve() for path in SOURCES} == entries


def test_start_does_nothing_without_a_page(node: str) -> None:
    code = 'import { start } from "./tok-preview.js"; start()(); console.log("fine");'
    done = subprocess.run([node, "--input-type=module", "-e", code], cwd=WEB, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("fine\n", "")


def tool(name: str) -> str:
    """A program of the package's devDependencies."""
    path = WEB / "node_modules" / ".bin" / name
    if not path.exists():
        pytest.skip("npm install was not run in formats/web")
    return str(path)


def test_types_are_those_of_the_code(node: str, tmp_path: Path) -> None:
    command = [tool("tsc"), "--outDir", str(tmp_path)]
    done = subprocess.run(command, cwd=WEB, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    ours = {path.relative_to(WEB / "types"): path.read_text() for path in (WEB / "types").rglob("*.d.ts")}
    made = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*.d.ts")}
    assert ours == made, "make them again: cd formats/web && npm run types"


def test_types_of_a_wrong_use_are_refused(node: str, tmp_path: Path) -> None:
    """`Model` is a class: no object of the same shape passes for one, as `decode` has it."""
    tsc = tool("tsc")
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "tokcodec").symlink_to(WEB)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    begin = 'import { decode, loadModel, readTokens, type Model } from "tokcodec";\n'
    begin += 'import { encode } from "tokcodec/encode";\nimport { start, toBlob } from "tokcodec/preview";\n'
    begin += "const model: Model = loadModel(new ArrayBuffer(8));\nconst bytes = new Uint8Array(4);\n"
    uses = {
        "const picture = decode(bytes, model, { bare: true, width: 3 }); const n: number = picture.data[0];": True,
        "const rows: Int16Array[] = readTokens(bytes, model); const all: readonly string[] = model.looks;": True,
        'const file: Uint8Array = encode(new ImageData(1, 1), model, { tokens: 3, pitch: "fit" });': True,
        "const end: () => void = start({ size: 32 }); const blob: Blob = toBlob(bytes, model);": True,
        'import { previewOf } from "tokcodec/site"; const { width } = await previewOf("a.jpg", { tokens: 4 });': True,
        'import { previews } from "tokcodec/vite"; const plugins = [previews({ targetSize: 90 })];': True,
        'import { previewOf } from "tokcodec/site"; previewOf(3);': False,
        "decode(bytes, { ...model });": False,
        'decode(bytes, model, { width: "3" });': False,
        "start({ sizes: 32 });": False,
    }
    options = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2022", "--lib", "es2022,dom"]
    names = []
    for number, use in enumerate(uses):
        names.append(f"use{number}.ts")
        (tmp_path / names[-1]).write_text(begin + use)
    (tmp_path / "photos.ts").write_text(
        '/// <reference types="tokcodec/photos" />\nimport photo from "./a.jpg?preview";\n'
        "export const a: string = photo.src;\nexport const b: string = photo.width;\n"
    )
    done = subprocess.run([tsc, *options, *names, "photos.ts"], cwd=tmp_path, capture_output=True, text=True)
    refused = set(re.findall(r"^(use\d+\.ts)\(6,", done.stdout, re.MULTILINE))
    assert refused == {name for name, good in zip(names, uses.values(), strict=True) if not good}, done.stdout
    assert len(re.findall(r"^use", done.stdout, re.MULTILINE)) == len(refused), done.stdout
    assert re.findall(r"^photos\.ts\((\d)", done.stdout, re.MULTILINE) == ["4"]


FRAMEWORKS = {
    "react.tsx": "export const a = <img previewsrc={0} />;",
    "vue.tsx": "/** @jsxImportSource vue */ export const a = <img previewsrc={0} />;",
    "svelte.ts": 'import type {{ SvelteHTMLElements }} from "svelte/elements";\n'
    'export const a: SvelteHTMLElements["img"] = {{ previewsrc: {0} }};',
    "astro.ts": "declare global {{ namespace astroHTML.JSX {{ interface ImgHTMLAttributes {{ src?: string }} }} }}\n"
    "export const a: astroHTML.JSX.ImgHTMLAttributes = {{ previewsrc: {0} }};",
}
COMPONENTS = {
    "react.tsx": 'import {{ Preview }} from "./react.js"; export const a = <Preview src="a.jpg" colour={0} />;',
    "vue.tsx": '/** @jsxImportSource vue */ import {{ Preview }} from "./vue.js";\n'
    'export const a = <Preview src="a.jpg" colour={0} />;',
}


def test_frameworks_know_the_attribute(node: str, tmp_path: Path) -> None:
    """It may be a text, and nothing else."""
    tsc = tool("tsc")
    if not (WEB / "node_modules" / "svelte").is_dir():
        pytest.skip("npm install was not run in formats/web")
    (tmp_path / "node_modules").symlink_to(WEB / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    types = sorted((WEB / "frameworks").glob("*.d.ts"))
    assert {Path(name).stem for name in FRAMEWORKS} == {path.name.removesuffix(".d.ts") for path in types}
    for path in types:
        (tmp_path / path.name).write_text(path.read_text())
    uses = FRAMEWORKS | {f"preview-{name}": code for name, code in COMPONENTS.items()}
    for name, code in uses.items():
        quoted = code.replace("={0}", "={{{0}}}") if name.endswith("tsx") else code
        (tmp_path / f"right-{name}").write_text(quoted.format('"data:,"'))
        (tmp_path / f"wrong-{name}").write_text(quoted.format("3"))
    names = [path.name for path in tmp_path.glob("*.ts*")]
    options = ["--noEmit", "--strict", "--skipLibCheck", "--jsx", "react-jsx", "--module", "nodenext"]
    done = subprocess.run(
        [tsc, *options, "--lib", "es2022,dom", "--target", "es2022", *names],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    refused = re.findall(r"^(.*)\(\d+,\d+\): error TS2322", done.stdout, re.MULTILINE)
    assert sorted(refused) == sorted(f"wrong-{name}" for name in uses), done.stdout


def test_the_package_is_small(tmp_path: Path) -> None:
    npm = shutil.which("npm") or pytest.skip("npm is not installed")
    command = [npm, "pack", "--json", "--dry-run", "--offline"]
    done = subprocess.run(command, cwd=WEB, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (listing,) = json.loads(done.stdout)
    assert listing["size"] <= PACKAGE_LIMIT
    names = {file["path"] for file in listing["files"]}
    package = json.loads((WEB / "package.json").read_text())
    entries = [[entry] if isinstance(entry, str) else entry.values() for entry in package["exports"].values()]
    targets = [target.removeprefix("./") for entry in entries for target in entry]
    assert all(fnmatch.filter(names, target) for target in targets)
    assert {target.removeprefix("./") for target in package["bin"].values()} <= names
    assert {"README.md", "LICENSE", *(str(path.relative_to(WEB)) for path in SOURCES)} <= names
    assert (WEB / "LICENSE").read_bytes() == (WEB.parents[1] / "LICENSE").read_bytes()
    assert not any(name.startswith(("samples", "demo", "index")) for name in names)
