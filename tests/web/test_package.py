"""The npm package, its types and its example."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tokcodec.tokfile import read

from .conftest import WEB

LIMITS = {"tok.js": 30_000, "tok-preview.js": 5_000}
PACKAGE_LIMIT = 400_000


def test_modules_are_small_and_need_nothing_else() -> None:
    for name, limit in LIMITS.items():
        assert (WEB / name).stat().st_size <= limit
    ours = {"./tok.js", "./tok-bitmap.js", "./tok-background.js", "./tok-drawer.js"}
    for path in WEB.glob("tok*.js"):
        assert set(re.findall(r"""from "(.*)";""", path.read_text())) <= ours


def test_types_name_what_is_exported() -> None:
    package = json.loads((WEB / "package.json").read_text())
    entries = [entry for entry in package["exports"].values() if isinstance(entry, dict)]
    assert len(entries) == 4
    for entry in entries:
        module = entry["default"].removesuffix(".js")
        assert entry["types"] == f"{module}.d.ts"
        code, types = (WEB / f"{module}.js").read_text(), (WEB / f"{module}.d.ts").read_text()
        exported = set(re.findall(r"^export (?:async )?(?:function|const|class) (\w+)", code, re.MULTILINE)) - {
            "shared"
        }
        assert exported == set(re.findall(r"^export (?:function|class) (\w+)", types, re.MULTILINE)), module
        again = r"^export \{.*\} from .*;$"
        assert re.findall(again, code, re.MULTILINE) == [
            line.replace(".d.ts", ".js") for line in re.findall(again, types, re.MULTILINE)
        ]


def test_the_package_is_small(tmp_path: Path) -> None:
    npm = shutil.which("npm") or pytest.skip("npm is not installed")
    command = [npm, "pack", "--json", "--dry-run", "--offline"]
    done = subprocess.run(command, cwd=WEB, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (listing,) = json.loads(done.stdout)
    assert listing["size"] <= PACKAGE_LIMIT
    names = {file["path"] for file in listing["files"]}
    assert {"tok.js", "tok.d.ts", "tok-encode.js", "tok-preview.js", "base-2-64.tokm", "README.md", "LICENSE"} <= names
    assert {path.name for path in WEB.glob("tok*.js")} <= names
    assert (WEB / "LICENSE").read_bytes() == (WEB.parents[1] / "LICENSE").read_bytes()
    assert not any(name.startswith(("samples", "demo", "index")) for name in names)


def test_the_example_makes_previews(node: str, photographs: dict[str, Image.Image], tmp_path: Path) -> None:
    photographs["cat"].save(tmp_path / "cat.ppm")
    command = [node, str(WEB / "examples" / "previews.mjs"), str(tmp_path), "12"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 'src="cat.ppm" width="451" height="300"' in done.stdout
    text = re.findall(r'previewsrc="data:image/x-tok-bare;base64,(.*)">', done.stdout)[0]
    found = read(base64.b64decode(text), container="bare")
    assert found.held == 12 and np.isclose(found.header.width / found.header.height, 451 / 300, rtol=0.03)
    (tmp_path / "a cut.ppm").write_bytes((tmp_path / "cat.ppm").read_bytes()[:-1])
    photographs["tile"].save(tmp_path / '"z<.ppm')
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr == "a cut.ppm: the file is cut\n"
    assert 'src="cat.ppm"' in done.stdout and 'src="&#34;z&#60;.ppm"' in done.stdout
