"""`.tok` in other tools: file(1), the desktop's MIME database and a Kaitai Struct parser."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import tokcodec
from tokcodec.container.header import MAGIC, PITCHES, Header, pack_header

ROOT = Path(__file__).parents[1]
FORMATS = ROOT / "formats"
VECTORS = [
    path for path in sorted((FORMATS / "vectors").rglob("*.tok")) if path.read_bytes()[0] == MAGIC
]  # not the bare
FLAGS = 0b0011  # that version 1 knows: flat, adaptive
HASH = bytes(range(0xAB, 0xAB + 32))
SIZES = [(1, 1), (1, 1024), (1025, 1), (1920, 1080), (4096, 4097), (16383, 16383)]


def tool(name: str) -> str:
    return shutil.which(name) or pytest.skip(f"{name} is not installed")


def output(*command: str | Path, stdin: bytes = b"", **environment: str) -> str:
    result = subprocess.run(command, input=stdin, capture_output=True, env=os.environ | environment)
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout.decode()


def header(width: int = 320, height: int = 200, *, tokens: int = 64, pitch: int = 256, flags: int = 0) -> bytes:
    """A header with any flags. For flags other than 0 its check is wrong, which these tools cannot notice."""
    plain = bytearray(pack_header(Header(HASH[0], tokens, pitch, width, height), HASH))
    plain[1] |= flags
    return bytes(plain)


def strangers() -> dict[str, bytes]:
    """Files that are not version 1 `.tok`, some of them nearly."""
    good = header()
    return {
        "cut": good[:9],
        "version": bytes([good[0], 0x20]) + good[2:],
        **{f"flag {flag}": header(flags=flag) for flag in (0x4, 0x8)},
        "magic": bytes([0xF4]) + good[1:],
        "text": "F5 is no text, õ is".encode(),
        "jpeg": b"\xff\xd8\xff\xe0" + bytes(20),
    }


# ---- file(1)


def describe(*arguments: str | Path, stdin: bytes = b"") -> str:
    return output(tool("file"), "-b", "-m", FORMATS / "tok.magic", *arguments, stdin=stdin).strip()


def sizes_of(text: str) -> tuple[int, int]:
    """Width and height, which file(1) prints as terms: 511+1 x 255+1 pixels."""
    found = re.search(r", (\d+)\+(\d+) x (\d+)\+(\d+) pixels,", text)
    assert found, text
    a, b, c, d = map(int, found.groups())
    return a + b, c + d


def test_magic_compiles_without_a_warning(tmp_path: Path) -> None:
    command = [tool("file"), "-C", "-m", FORMATS / "tok.magic"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert (
        describe("--mime-type", VECTORS[0])
        == output(command[0], "-b", "--mime-type", "-m", tmp_path / "tok.magic.mgc", VECTORS[0]).strip()
    )


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_file_describes_every_vector(path: Path) -> None:
    info = tokcodec.info(path.read_bytes())
    text = describe(path)
    assert text.startswith("tok picture version 1, ") and sizes_of(text) == (info.width, info.height)
    assert (f", pitch {info.pitch}, " if info.pitch else ", one tile, ") in text
    assert f", {info.tokens} tokens a tile" in text and text.endswith(f", model {info.model_id:02x}")
    assert describe("--mime-type", path) == "image/x-tok"
    assert describe("--extension", path) == "tok"


@pytest.mark.parametrize("size", SIZES)
def test_file_prints_every_size_exactly(size: tuple[int, int]) -> None:
    assert sizes_of(describe("-", stdin=header(*size))) == size


def test_file_knows_every_pitch_flag_and_number_of_tokens() -> None:
    texts = [describe("-", stdin=header(pitch=pitch)) for pitch in PITCHES]
    assert [re.findall("one tile|pitch [0-9]+", text) for text in texts] == [
        [f"pitch {pitch}" if pitch else "one tile"] for pitch in PITCHES
    ]
    for tokens in (1, 2, 255, 256):
        assert f", {tokens} tokens a tile, model ab" in describe("-", stdin=header(tokens=tokens))
    for flags in range(FLAGS + 1):
        assert ("a tile at most" in describe("-", stdin=header(flags=flags))) == bool(flags & 2)


@pytest.mark.parametrize("name", strangers())
def test_file_takes_no_other_file_for_ours(name: str) -> None:
    assert "tok" not in describe("-", stdin=strangers()[name])
    big = bytearray(header())
    big[4:8] = (9 << 28 | 16383 << 14 | 99).to_bytes(4, "big")  # a width of 16384
    assert describe("-", stdin=bytes(big)) == "data"


# ---- shared-mime-info


@pytest.fixture(scope="module")
def mime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a MIME database that holds our type alone."""
    folder = tmp_path_factory.mktemp("share")
    packages = folder / "mime" / "packages"
    packages.mkdir(parents=True)
    shutil.copy(FORMATS / "tok-mime.xml", packages)
    output(tool("update-mime-database"), folder / "mime")
    return folder


def test_the_mime_database_takes_our_type(mime: Path) -> None:
    assert (mime / "mime" / "types").read_text() == "image/x-tok\n"
    assert "50:image/x-tok:*.tok\n" in (mime / "mime" / "globs2").read_text()
    rule = b"[50:image/x-tok]\n>0=" + (2).to_bytes(2, "big") + b"\xf5\x10&" + bytes([0xFF, 0xF0 | 0xF & ~FLAGS]) + b"\n"
    assert rule in (mime / "mime" / "magic").read_bytes()
    assert (mime / "mime" / "image" / "x-tok.xml").is_file()


def content_type(file: Path, mime: Path) -> str:
    text = output(tool("gio"), "info", "-a", "standard::content-type", file, XDG_DATA_HOME=str(mime))
    return re.findall("standard::content-type: (.*)", text)[0]


def test_the_desktop_knows_a_file_by_its_name_and_by_its_content(mime: Path, tmp_path: Path) -> None:
    named, nameless = tmp_path / "cut.tok", tmp_path / "nameless"
    named.write_bytes(header()[:5])
    assert content_type(named, mime) == "image/x-tok"
    for flags in range(FLAGS + 1):
        nameless.write_bytes(header(flags=flags))
        assert content_type(nameless, mime) == "image/x-tok"
    for name, data in strangers().items():
        if name != "cut":
            nameless.write_bytes(data)
            assert content_type(nameless, mime) != "image/x-tok", name


# ---- Kaitai Struct

COMPILE = """
const compiler = require("kaitai-struct-compiler");
const source = require("js-yaml").load(require("fs").readFileSync(process.argv[1], "utf8"));
compiler.compile("python", source, null, false).then(
    files => process.stdout.write(JSON.stringify(files)),
    error => { console.error(String(error)); process.exit(1); });
"""


@pytest.fixture(scope="module")
def kaitai(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The class Tok, made from tok.ksy by the compiler of `npm install --prefix build kaitai-struct-compiler js-yaml`.

    Installed globally it does as well.
    """
    pytest.importorskip("kaitaistruct")
    places = [str(ROOT / "build" / "node_modules"), os.environ.get("NODE_PATH", "")]
    if shutil.which("npm"):
        places.append(output("npm", "root", "--global", "--silent").strip())
    paths = {"NODE_PATH": os.pathsep.join(filter(None, places))}
    there = "for (const name of ['kaitai-struct-compiler', 'js-yaml']) require.resolve(name)"
    if subprocess.run([tool("node"), "-e", there], env=os.environ | paths, capture_output=True).returncode:
        pytest.skip("kaitai-struct-compiler and js-yaml are not installed for node")
    files = json.loads(output(tool("node"), "-e", COMPILE, FORMATS / "tok.ksy", **paths))
    assert list(files) == ["tok.py"]
    folder = tmp_path_factory.mktemp("kaitai")
    (folder / "tok_of_kaitai.py").write_text(files["tok.py"])
    sys.path.insert(0, str(folder))
    try:
        module: ModuleType = import_module("tok_of_kaitai")
    finally:
        sys.path.remove(str(folder))
    return module.Tok


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_kaitais_parser_agrees_on_every_vector(path: Path, kaitai: Any) -> None:
    data = path.read_bytes()
    info, found = tokcodec.info(data), kaitai.from_bytes(data)
    assert (found.width, found.height, found.pitch) == (info.width, info.height, info.pitch)
    assert (found.columns, found.rows, found.tokens) == (info.columns, info.rows, info.tokens)
    assert (found.version, found.model_id) == (1, info.model_id)
    assert found.check == int.from_bytes(data[8:10], "big") and found.payload == data[10:]


@pytest.mark.parametrize("pitch", PITCHES)
def test_kaitais_parser_counts_tiles_as_we_do(pitch: int, kaitai: Any) -> None:
    from tokcodec.pictures.tiling import Grid

    for width in (1, 23, 24, 383, 384, 385, 640, 16383):
        found, grid = kaitai.from_bytes(header(width, 200, pitch=pitch)), Grid.for_picture(width, 200, pitch)
        assert (found.pitch, found.columns, found.rows) == (pitch, grid.columns, grid.rows)


def test_kaitais_parser_knows_the_flags_and_refuses_other_files(kaitai: Any) -> None:
    for flags in range(FLAGS + 1):
        found = kaitai.from_bytes(header(flags=flags))
        assert (found.flat, found.adaptive) == (bool(flags & 1), bool(flags & 2))
    kaitaistruct = import_module("kaitaistruct")
    for data in strangers().values():
        with pytest.raises((kaitaistruct.KaitaiStructError, EOFError)):
            kaitai.from_bytes(data)
