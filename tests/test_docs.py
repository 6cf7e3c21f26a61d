"""Runs all examples of the documentation: shell and Python blocks completely, console blocks up to their options.

Blocks of one document share a folder with a photograph and follow each other. `# writes NAME` is checked, and with it
`, N bytes` and `in M tokens`. Links lead to files, and their anchors to headings.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import tokcodec
from tokcodec.cli import cli
from tokcodec.cli.train import train

ROOT = Path(__file__).parents[1]
CARDS = [path.relative_to(ROOT) for path in sorted(ROOT.glob("models/*/README.md"))]
DOCUMENTS = [path.relative_to(ROOT) for path in (ROOT / "README.md", ROOT / "bench/README.md", *ROOT.glob("docs/*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
WRITES = re.compile(r" writes ([\w./-]+)(?:, (\d+) bytes)?(?: in (\d+) tokens)?")
# Packages that may be missing.
NEEDS = {
    "docs/command-line.md": ("torch",),
    "docs/datasets.md": ("pyarrow", "ray", "datasets", "webdataset"),
    "docs/settings.md": ("pyarrow", "skimage"),
}
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#:]*)(?:#([\w-]*))?\)")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the examples need: photographs, and `tokcodec` on the path for pipes."""
    rng = np.random.default_rng(4)
    (tmp_path / "photos").mkdir()
    for name in ("photo.jpg", "photos/a.jpg", "photos/b.png"):
        noise = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8))
        noise.resize((320, 240), Image.Resampling.BICUBIC).save(tmp_path / name)
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "tokcodec"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tokcodec "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    if importlib.util.find_spec("pyarrow"):  # data sets in this process too
        from tests.datasets.make import Here

        monkeypatch.setattr("tokcodec.datasets.engines.local.Local", lambda *sizes: Here())
    return tmp_path


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="the examples are for bash")
@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_examples(document: Path, folder: Path) -> None:
    for package in NEEDS.get(document.as_posix(), ()):
        pytest.importorskip(package, reason=f"the examples need {package}")
    scope: dict[str, object] = {}
    for kind, text in BLOCK.findall((ROOT / document).read_text(encoding="utf-8")):
        if kind == "toml":
            tomllib.loads(text)
        elif kind == "python":
            exec(compile(text, f"{document}", "exec"), scope)
        elif kind == "html":
            assert all((ROOT / "formats" / "web" / name).is_file() for name in re.findall(r'from "\./([\w.-]+)"', text))
        elif kind in ("js", "jsx", "astro"):
            assert imported(text) <= exported(), document
        elif kind in ("sh", "console"):
            for line in text.splitlines():
                command, _, comment = line.partition(" #")
                (run if kind == "sh" else check)(command.strip())
                if written := WRITES.match(comment):
                    check_written(folder / written[1], written[2], written[3], line)
        else:
            raise AssertionError(f"{document}: a block of kind {kind!r} is not run")


def imported(code: str) -> set[str]:
    """The modules of our npm package that a block imports, as package.json names them."""
    return {f".{path}" for path in re.findall(r'from "tokcodec(/[\w-]+)?"', code)}


def exported() -> set[str]:
    """The modules of our npm package. Its recipes run in tests/web/test_site.py."""
    return set(json.loads((ROOT / "formats" / "web" / "package.json").read_text())["exports"])


def check_written(path: Path, size: str | None, tokens: str | None, line: str) -> None:
    """Check that a file exists, with the bytes and tokens that the line states."""
    data = path.read_bytes()
    assert data and (size is None or len(data) == int(size)), f"{line}: {len(data)} bytes"
    assert tokens is None or tokcodec.info(data).declared == int(tokens), line


def run(command: str) -> None:
    """Run a line of a shell block. A plain command runs in this process, which saves importing torch."""
    if re.search(r"[|<>$;&]", command):
        result = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True)
        assert result.returncode == 0, f"{command}\n{result.stderr}"
    elif command:
        program, *arguments = shlex.split(command)
        if arguments[:2] == ["-m", "bench.pictures"]:
            subprocess.run([sys.executable, *arguments], check=True)
            return
        assert program == "tokcodec", command
        done = CliRunner().invoke(cli, arguments, prog_name="tokcodec")
        assert done.exit_code == 0, f"{command}\n{done.output}\n{done.exception!r}"


def check(command: str) -> None:
    """Check that the targets and options of a line exist. Its command takes long or needs what a test lacks."""
    words = shlex.split(command)
    if words[:1] == ["make"]:
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), command
    elif words[:3] == ["python", "-m", "bench"] or words[:1] == ["tokcodec"]:
        check_options(words[1:] if words[0] == "tokcodec" else words[2:], command)
    elif words[:2] == ["npx", "tokcodec-previews"]:
        usage = (ROOT / "formats" / "web" / "site" / "command.js").read_text()
        assert all(word in usage for word in words if word.startswith("-")), command
    elif words[:3] == ["python", "-m", "tokcodec_squares"]:
        pass  # a package of the document's own: tests/tokenizers/test_families.py
    elif words[:2] == ["python", "-m"] and words[2].startswith("bench."):
        assert (ROOT / f"{words[2].replace('.', '/')}.py").exists(), command
    else:
        known = ["git"], ["cd"], ["pip", "install"], ["npm", "install"], ["npm", "pack"]
        assert words[:1] in known or words[:2] in known, command


def check_options(words: list[str], command: str) -> None:
    """Check that every option exists."""
    if words[0] == "bench":
        from bench.__main__ import main as found
    else:
        found = cli
    if words[0] == "train" and words[1] not in train.commands:
        words = ["train", "cascade", *words[1:]]
    part: click.Command = found
    for word in words if part is cli else ():
        if isinstance(part, click.Group) and word in part.commands:
            part = part.commands[word]
    known = part.get_help(click.Context(part))
    for word in words:
        assert not word.startswith("--") or re.search(rf"{word}\b", known), f"{command}: {word}"


@pytest.mark.parametrize("document", [*DOCUMENTS, Path("CONTRIBUTING.md"), *CARDS], ids=str)
def test_links(document: Path) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    for target, anchor in LINK.findall(text):
        path = ROOT / document.parent / target if target else ROOT / document
        assert path.exists(), f"{document}: {target}"
        assert not anchor or anchor in anchors(path.read_text(encoding="utf-8")), f"{document}: {target}#{anchor}"


def anchors(text: str) -> list[str]:
    """Anchors of a document's headings, as code hosts make them."""
    return [re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in HEADING.findall(text)]


def test_the_index_has_every_document() -> None:
    listed = {(ROOT / "docs" / target).resolve() for target, _ in LINK.findall((ROOT / "docs/README.md").read_text())}
    there = [*ROOT.glob("docs/*.md"), *ROOT.glob("formats/*.md"), *ROOT.glob("formats/web/*.md")]
    there += [*ROOT.glob("bench/*.md"), *ROOT.glob("bench/results/*.md"), *ROOT.glob("models/*/README.md")]
    assert {path for path in there if path != ROOT / "docs/README.md"} <= listed
