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
    for path in WEB.glob("tok*.js"):
        assert set(re.findall(r"""from "(.*)";""", path.read_text())) <= {"./tok.js", "./tok-bitmap.js"}


def test_types_name_what_is_exported() -> None:
    for module in ("tok", "tok-encode", "tok-preview"):
        code, types = (WEB / f"{module}.js").read_text(), (WEB / f"{module}.d.ts").read_text()
        exported = set(re.findall(r"^export (?:async )?(?:function|const|class) (\w+)", code, re.MULTILINE)) - {
            "shared"
        }
        if module == "tok-preview":
            exported |= {"toBlob", "toDataURL"}
        assert exported == set(re.findall(r"^export (?:function|class) (\w+)", types, re.MULTILINE)), module


def test_the_package_is_small(tmp_path: Path) -> None:
    npm = shutil.which("npm") or pytest.skip("npm is not installed")
    command = [npm, "pack", "--json", "--dry-run", "--offline"]
    done = subprocess.run(command, cwd=WEB, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (listing,) = json.loads(done.stdout)
    assert listing["size"] <= PACKAGE_LIMIT
    names = {file["path"] for file in listing["files"]}
    assert {"tok.js", "tok.d.ts", "tok-encode.js", "tok-preview.js", "base-2-64.tokm", "README.md"} <= names
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
