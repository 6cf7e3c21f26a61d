"""Twenty ways in which inputs are bad, through the command: one line with file and reason, no output, no traceback.

What the parts refuse is tested with the parts; here it is what a user sees. Kills, signals, rights and full disks are
in `test_faults.py`.
"""

from __future__ import annotations

import binascii
import hashlib
import io
import json
import os
import pickle
import shutil
import socket
import struct
import subprocess
import sys
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from PIL import Image, ImageCms

import tokcodec
from tokcodec.container.header import HEADER_SIZE
from tokcodec.models.modelfile import Model

Call = Callable[..., Result]
MakeTok = Callable[..., bytes]
ROOT = Path(__file__).parents[2]
READERS = (["info"], ["decode"], ["truncate", "--tokens", "1", "-o", "out.tok"])
"""The commands that read a `.tok`."""


def listing(folder: Path) -> dict[str, int]:
    """Everything below a folder, and when it was last changed."""
    return {str(path.relative_to(folder)): path.lstat().st_mtime_ns for path in sorted(folder.rglob("*"))}


@pytest.fixture
def fails(call: Call, tmp_path: Path) -> Callable[..., str]:
    """Run a command that must fail with one line for `name` that holds `words`, and change nothing."""

    def check(*arguments: str, name: str, words: str = "", code: int = 1, stdin: bytes | None = None) -> str:
        before = listing(tmp_path)
        result = call(*arguments, stdin=stdin)
        assert (result.exit_code, result.stdout) == (code, ""), result.output
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"tokcodec: {name}: ") and words in line, line
        assert listing(tmp_path) == before
        return line

    return check


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, bytes], None]:
    """Write a file of tmp_path."""

    def write(name: str, data: bytes) -> None:
        (tmp_path / name).write_bytes(data)

    return write


def sealed(data: bytes, model: Model) -> bytes:
    """The file with a check that is right, whatever its header says."""
    return data[:8] + binascii.crc_hqx(data[:8] + model.hash, 0xFFFF).to_bytes(2, "big") + data[HEADER_SIZE:]


def png(width: int, height: int, rows: bytes = b"") -> bytes:
    """An 8-bit grey PNG that declares a size."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", binascii.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def photograph(width: int, height: int) -> Image.Image:
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, 255 - x], -1).astype(np.uint8))


# ---- files


@pytest.mark.parametrize("command", [*READERS, ["encode", "--model", "tiny"]], ids=lambda command: command[0])
def test_01_empty_missing_or_a_folder(fails: Callable[..., str], put: Any, tmp_path: Path, command: list[str]) -> None:
    put("in.tok", b"")
    (tmp_path / "folder").mkdir()
    fails(*command, "in.tok", name="in.tok", words="empty")
    fails(*command, "folder", name="folder", words="is a folder")
    fails(*command, "missing.tok", name="missing.tok", words="no such file")


@pytest.mark.parametrize("command", READERS, ids=lambda command: command[0])
def test_02_not_a_tok_file(fails: Callable[..., str], put: Any, command: list[str]) -> None:
    put("in.tok", saved(photograph(8, 8), "JPEG"))
    fails(*command, "in.tok", name="in.tok", words="not a .tok file (starts with FF D8: a JPEG)")
    put("in.tok", b"photo,bytes\n")
    fails(*command, "in.tok", name="in.tok", words="text")


def test_02_not_a_picture(fails: Callable[..., str], put: Any, make_tok: MakeTok) -> None:
    for data in (make_tok(), b"photo,bytes\n", bytes(100)):
        put("in.png", data)
        fails("encode", "--model", "tiny", "in.png", name="in.png", words="not a picture")


@pytest.mark.parametrize("command", READERS, ids=lambda command: command[0])
def test_03_header_cut_at_each_byte(fails: Callable[..., str], make_tok: MakeTok, command: list[str]) -> None:
    data = make_tok()
    for length in range(1, HEADER_SIZE):
        words = f"header truncated ({length} of {HEADER_SIZE} bytes)"
        fails(*command, "-", name="stdin", words=words, stdin=data[:length])


def test_04_payload_cut_at_each_byte(call: Call, make_tok: MakeTok) -> None:
    data, before = make_tok(tokens=6), 0
    for length in range(HEADER_SIZE, len(data)):
        held = tokcodec.info(data[:length]).held
        assert held is not None and before <= held < 6
        result = call("decode", "-f", "-", "-o", "x.png", stdin=data[:length])
        assert result.exit_code == 0 and f"note: the file is cut: it holds {held} of 6 tokens\n" in result.stderr
        with Image.open("x.png") as decoded:
            assert decoded.size == (40, 30)
            if held:  # what it shows is what a file of so many tokens shows
                assert np.array_equal(np.asarray(decoded), np.asarray(tokcodec.decode(data, tokens=held)))
            else:  # nothing is known: grey
                assert decoded.getcolors() == [(1200, (128, 128, 128))]
        before = held
    assert before >= 4


@pytest.mark.parametrize("command", READERS, ids=lambda command: command[0])
def test_05_every_flipped_bit_of_the_header(fails: Callable[..., str], make_tok: MakeTok, command: list[str]) -> None:
    data = make_tok()
    for bit in range(8 * HEADER_SIZE):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        if command == ["info"] and bit // 8 == 2:  # the header of a model that is not installed cannot be checked
            continue
        fails(*command, "-", name="stdin", stdin=bytes(damaged))


def test_05_every_flipped_bit_of_the_payload(call: Call, make_tok: MakeTok, tiny: Model) -> None:
    """A picture, perhaps a wrong one."""
    data = make_tok(tokens=4)
    for bit in range(8 * HEADER_SIZE, 8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        tokens = tokcodec.read_tokens(bytes(damaged))
        assert tokens.min() >= -1 and tokens.max() < tiny.radices[0]
        result = call("decode", "-", stdin=bytes(damaged))
        assert result.exit_code == 0 and result.stdout_bytes.startswith(b"\x89PNG")


@pytest.mark.parametrize("junk", [b"\0", b"\xff" * 9, b"\xf5\x10 another file", bytes(10_000)])
def test_06_junk_behind_the_payload_is_ignored(call: Call, make_tok: MakeTok, junk: bytes) -> None:
    data = make_tok()
    assert call("decode", "-", stdin=data + junk).stdout_bytes == call("decode", "-", stdin=data).stdout_bytes
    facts = json.loads(call("info", "--json", "-", stdin=data + junk).stdout)
    assert facts["complete"] and facts["held"] == 8 and facts["bytes"] == len(data) + len(junk)


@pytest.mark.parametrize("command", READERS, ids=lambda command: command[0])
def test_07_newer_version_or_reserved_flag(
    fails: Callable[..., str], make_tok: MakeTok, tiny: Model, command: list[str]
) -> None:
    data = make_tok()
    for second in (0x00, 0x20, 0xF0, 0x14, 0x18, 0x1C):
        newer = sealed(data[:1] + bytes([second]) + data[2:], tiny)
        fails(*command, "-", name="stdin", words="needs a newer tokcodec", stdin=newer)


def test_08_another_model(
    fails: Callable[..., str], put: Any, make_tok: MakeTok, tiny: Model, tmp_path: Path, tiny_folder: Path
) -> None:
    """Never decoded with the wrong codebook: both are named, and how to get the right one."""
    other = make_tok()[:2] + bytes([tiny.id ^ 1]) + make_tok()[3:]
    put("in.tok", other)
    line = fails("decode", "in.tok", name="in.tok", words=f"needs model id {tiny.id ^ 1:02x}, which is not installed")
    assert f"tiny ({tiny.id:02x})" in line and "tokcodec models import" in line
    line = fails("decode", "--model", "tiny", "in.tok", name="in.tok", words=f"made with model id {tiny.id ^ 1:02x}")
    assert f"'tiny' (id {tiny.id:02x})" in line
    put("in.tok", make_tok())
    shutil.copytree(tiny_folder / "tiny", tmp_path / "twin")  # the same id, another hash
    manifest = json.loads((tmp_path / "twin" / "model.json").read_text())
    manifest.update(hash=manifest["hash"][:-2] + "00", name="twin")
    (tmp_path / "twin" / "model.json").write_text(json.dumps(manifest))
    fails("decode", "--model", "./twin", "in.tok", name="in.tok", words="another model than 'twin'")


@pytest.mark.parametrize("damage", ["missing", "cut", "changed", "pickle"])
@pytest.mark.parametrize("part", ["model.safetensors", "tables.safetensors"])
def test_09_weights_missing_cut_changed_or_a_pickle(
    fails: Callable[..., str],
    put: Any,
    picture: bytes,
    tiny_folder: Path,
    make_tok: MakeTok,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    damage: str,
    part: str,
) -> None:
    class Exploit:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "exploited"),)

    def no_network(*_: object) -> None:
        raise AssertionError("network access")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    put("in.tok", make_tok())
    put("in.png", picture)
    shutil.copytree(tiny_folder / "tiny", tmp_path / "models" / "tiny")
    monkeypatch.setenv("TOKCODEC_MODELS", str(tmp_path / "models"))
    path = tmp_path / "models" / "tiny" / part
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "pickle":
        path.write_bytes(pickle.dumps(Exploit()))
        manifest = path.parent / "model.json"  # a manifest that was changed along with it does not help
        text = manifest.read_text().replace(
            hashlib.sha256(data).hexdigest(), hashlib.sha256(path.read_bytes()).hexdigest()
        )
        manifest.write_text(text)
    else:
        path.write_bytes(data[:-1] if damage == "cut" else data[:-1] + bytes([data[-1] ^ 1]))
    fails("decode", "in.tok", "-o", "out.png", name="in.tok", words=str(path))
    if part == "model.safetensors":
        fails("encode", "--model", "tiny", "in.png", "-o", "out.tok", name="in.png", words=str(path))


# ---- sizes and counts


def bomb(model: Model, flags: int, tokens: int = 256, pitch: int = 1) -> bytes:
    """20 bytes that declare 16383x16383 pixels: a million tiles at the least pitch."""
    shape = pitch << 28 | 16382 << 14 | 16382
    head = bytes([0xF5, 0x10 | flags, model.id, tokens - 1]) + shape.to_bytes(4, "big") + b"\0\0"
    return sealed(head + b"\x12\x34\x56\x78\x9a\xbc\xde\xf0\x12\x34", model)


FLAGS = pytest.mark.parametrize("flags", [0, 1, 2, 3], ids=["tables", "flat", "adaptive", "adaptive flat"])


@FLAGS
@pytest.mark.parametrize("pitch", [0, 1, 15])
def test_10_a_giant_in_20_bytes(fails: Callable[..., str], tiny: Model, call: Call, flags: int, pitch: int) -> None:
    data = bomb(tiny, flags, tiny.n_tokens, pitch)
    fails("decode", "-", "-o", "x.png", name="stdin", words="16383x16383 = 268402689 pixels exceed", stdin=data)
    fails("decode", "--max-pixels", "99", "-", "-o", "x.png", name="stdin", words="limit of 99 ", stdin=data)
    result = call("info", "-", stdin=data)
    assert result.exit_code == 0 and result.stdout.startswith("-: 16383x16383 pixels")


@FLAGS
@pytest.mark.parametrize("use", ["info", "decode", "truncate", "read_tokens"])
def test_10_a_giant_costs_neither_time_nor_memory(tiny: Model, flags: int, use: str) -> None:
    data = bomb(tiny, flags, tiny.n_tokens)
    arguments = {"tokens": 1} if use == "truncate" else {}
    seconds, peak = [], 0
    for _ in range(4):  # the first loads the model; of the others the fastest counts
        tracemalloc.start()
        started = time.process_time()
        try:
            getattr(tokcodec, use)(data, **arguments)
        except tokcodec.TokError as error:
            assert use in ("decode", "read_tokens"), error
        except ValueError as error:
            assert use == "truncate" and "cut" in str(error)
        seconds.append(time.process_time() - started)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    # A few numbers for each of a million tiles; the tokens that are declared would be 16 of them for each, or 256.
    assert min(seconds) < 0.1 and peak < 40 << 20, f"{min(seconds):.3f} s, {peak} bytes"


def test_10_refused_before_torch_is_loaded(put: Any, tiny: Model, tmp_path: Path, tiny_folder: Path) -> None:
    put("in.tok", bomb(tiny, 0, tiny.n_tokens))
    code = """
import sys, tokcodec, tokcodec.errors
try:
    tokcodec.decode(open("in.tok", "rb").read())
except tokcodec.errors.LimitError:
    sys.exit("torch" in sys.modules)
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=False).returncode == 0


def test_11_more_tokens_than_the_model_has(fails: Callable[..., str], make_tok: MakeTok, tiny: Model) -> None:
    data = make_tok()
    data = sealed(data[:3] + bytes([tiny.n_tokens]) + data[4:], tiny)  # the field is the number less 1
    for command in READERS:
        words = f"declares {tiny.n_tokens + 1} tokens per tile; 'tiny' (id {tiny.id:02x}) has {tiny.n_tokens}"
        fails(*command, "-", name="stdin", words=words, stdin=data)


@pytest.mark.parametrize("number", ["0", "-1", "257", "9999", "x"])
@pytest.mark.parametrize("command", ["encode", "decode", "truncate"])
def test_11_tokens_out_of_range_are_wrong_usage(call: Call, tmp_path: Path, command: str, number: str) -> None:
    result = call(command, "--tokens", number, "in", "-o", "out")
    assert result.exit_code == 2 and listing(tmp_path) == {}
    assert "1<=x<=256" in result.stderr or number == "x"


def test_12_picture_bomb(fails: Callable[..., str], call: Call, put: Any) -> None:
    put("in.png", png(50_000, 50_000))
    fails("encode", "--model", "tiny", "in.png", name="in.png", words="50000x50000")
    put("in.png", png(15_000, 15_000))
    line = fails("encode", "--model", "tiny", "in.png", name="in.png", words="15000x15000 = 225000000 pixels")
    assert "--max-pixels raises it" in line
    put("in.png", png(20, 10, bytes(21 * 10)))
    fails("encode", "--model", "tiny", "--max-pixels", "199", "in.png", name="in.png", words="limit of 199 ")
    assert call("encode", "--model", "tiny", "--max-pixels", "200", "in.png").exit_code == 0


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_13_cut_picture(fails: Callable[..., str], put: Any, kind: str) -> None:
    """Never encoded with its grey remainder."""
    data = saved(photograph(64, 64), kind)
    for length in (8, len(data) // 3, len(data) // 2, 3 * len(data) // 4):
        put("in", data[:length])
        fails("encode", "--model", "tiny", "in", name="in")


@pytest.mark.parametrize("size", [(1, 1), (1, 10_000), (10_000, 1), (257, 3), (33, 511)])
@pytest.mark.parametrize("pitch", ["256", "fit", "2048"])
def test_14_extreme_sizes_come_back(call: Call, put: Any, size: tuple[int, int], pitch: str) -> None:
    put("in.png", saved(photograph(*size)))
    assert call("encode", "--model", "tiny", "--tokens", "2", "--pitch", pitch, "in.png").exit_code == 0
    assert call("decode", "in.tok", "-o", "out.png").exit_code == 0
    with Image.open("out.png") as decoded:
        assert decoded.size == size


GREY_16 = Image.fromarray((np.arange(64, dtype=np.uint16) * 1000).reshape(8, 8))
FLOAT = Image.fromarray(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8))
PALETTE = photograph(8, 8).convert("P")
LAB = ImageCms.applyTransform(
    photograph(8, 8),
    ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"),
)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
FRAMES = [photograph(8, 8), photograph(8, 8).transpose(Image.Transpose.ROTATE_90)]


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (saved(photograph(8, 8).convert("RGBA")), ""),  # opaque all over: nothing is lost
        (saved(Image.new("RGBA", (8, 8), (200, 0, 0, 9))), "transparency is composited on white"),
        (saved(Image.new("LA", (8, 8), (200, 9))), "transparency is composited on white"),
        (saved(PALETTE, transparency=PALETTE.getpixel((0, 0))), "transparency is composited on white"),
        (saved(GREY_16), ""),
        (saved(FLOAT, "TIFF"), ""),
        (saved(photograph(8, 8).convert("CMYK"), "TIFF"), "CMYK without a usable colour profile"),
        (saved(LAB, "TIFF"), ""),
        (saved(photograph(8, 8), icc_profile=SRGB), ""),
        (saved(photograph(8, 8), icc_profile=b"no profile"), "the colour profile is damaged and is ignored"),
        (saved(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:]), "only the first of several frames"),
    ],
    ids=["RGBA opaque", "RGBA", "LA", "P", "16 bit", "float", "CMYK", "Lab", "ICC", "bad ICC", "animated"],
)
def test_15_unusual_pictures_with_at_most_one_note(call: Call, put: Any, data: bytes, note: str) -> None:
    put("in", data)
    result = call("encode", "--model", "tiny", "in")
    assert result.exit_code == 0, result.output
    *notes, done = result.stderr.splitlines()
    assert done.startswith("in -> in.tok (") and len(notes) == bool(note)
    assert not note or notes[0].startswith(f"tokcodec: in: note: {note}")


def test_15_a_picture_that_has_no_meaning(fails: Callable[..., str], put: Any) -> None:
    put("in", saved(Image.fromarray(np.full((8, 8), 1e6, np.float32)), "TIFF"))
    fails("encode", "--model", "tiny", "in", name="in", words="float picture with values outside [0, 1]")


def test_15_orientation_is_applied_once(call: Call, put: Any) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    put("turned.jpg", saved(photograph(40, 24), "JPEG", exif=exif))
    assert call("encode", "--model", "tiny", "turned.jpg").exit_code == 0
    assert "24x40 pixels" in call("info", "turned.tok").stdout
    assert call("decode", "turned.tok").exit_code == 0
    with Image.open("turned.png") as decoded:
        assert decoded.size == (24, 40) and not decoded.getexif()


# ---- outputs and surroundings


def test_16_outputs_that_are_taken(
    fails: Callable[..., str], put: Any, make_tok: MakeTok, tmp_path: Path, picture: bytes
) -> None:
    put("in.tok", make_tok())
    put("in.png", picture)
    (tmp_path / "link.tok").symlink_to("in.tok")
    os.link(tmp_path / "in.tok", tmp_path / "hard.tok")
    fails("encode", "--model", "tiny", "in.png", name="in.tok", words="exists already; use -f to overwrite")
    fails("decode", "in.tok", name="in.png", words="exists already")
    fails("decode", "-f", "in.tok", "-o", "missing/out.png", name="missing/out.png", words="folder does not exist")
    for target in ("in.tok", "link.tok", "hard.tok", str(tmp_path / "in.tok")):
        arguments = ["truncate", "-f", "--tokens", "1", "in.tok", "-o", target]
        fails(*arguments, name=target, words="is the input, which is never overwritten")
    if os.path.exists("/dev/full"):
        fails("decode", "-f", "in.tok", "-o", "/dev/full", name="/dev/full", words="disk full")


def test_17_closed_stdin(put: Any, tmp_path: Path, tiny: Model) -> None:
    """Of a process: see test_console for the other commands and streams, test_faults for a closed pipe."""
    shell = f"{sys.executable} -m tokcodec decode - -o out.png <&-"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run(["sh", "-c", shell], cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (1, b"tokcodec: stdin: stdin is closed\n")
    assert listing(tmp_path) == {}


def test_18_the_same_tokens_and_pixels_everywhere(call: Call, make_tok: MakeTok) -> None:
    """Threads and the networks' arithmetic; other machines are compared by the vectors."""
    import torch

    data = make_tok(width=300, height=150, pitch=128)
    threads = torch.get_num_threads()
    pictures = []
    try:
        for number in (1, 2, 8):
            torch.set_num_threads(number)
            for dtype in ("float32", "bfloat16"):
                assert np.array_equal(tokcodec.read_tokens(data), tokcodec.read_tokens(data, model="tiny"))
                result = call("decode", "--dtype", dtype, "--format", "ppm", "-", stdin=data)
                pictures.append(np.asarray(Image.open(io.BytesIO(result.stdout_bytes)), int))
    finally:
        torch.set_num_threads(threads)
    assert max(np.abs(picture - pictures[0]).max() for picture in pictures) <= 2


def test_19_no_gpu_or_a_full_one(
    fails: Callable[..., str], call: Call, put: Any, make_tok: MakeTok, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from tokcodec.tokenizers.cascade import CascadeTokenizer

    put("in.tok", make_tok())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    result = call("decode", "--device", "cuda", "in.tok")
    assert (result.exit_code, result.stderr) == (1, "tokcodec: no CUDA device here; use --device cpu\n")
    assert call("decode", "--device", "auto", "in.tok").stderr.startswith("in.tok -> in.png")  # and no other word

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(CascadeTokenizer, "decode", full)
    fails("decode", "in.tok", "-o", "x.png", name="in.tok", words="memory is full; use --device cpu")


def test_20_three_bad_ones_among_many(call: Call, make_tok: MakeTok, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    names = ["with space", "new\nline", "Übergröße 東京", "-rf", *(f"sub/{i:03}" for i in range(196))]
    good, bad = make_tok(16, 16, tokens=1), ["sub/003", "sub/100", "sub/195"]
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "circle").symlink_to("..")
    for name in names:
        (folder / f"{name}.tok").write_bytes(b"" if name in bad else good)
    result = call("decode", "-q", "-r", "in", "--output-dir", "out")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [f"tokcodec: in/{name}.tok: empty file" for name in bad]
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert found == {f"{name}.png" for name in names if name not in bad}
    result = call("decode", "-q", "in/sub/000.tok", "in/./sub/000.tok", "--output-dir", "again")
    assert result.exit_code == 1 and "again/000.png is the output for in/sub/000.tok" in result.stderr
