"""`tokcodec encode --target-...` and `--adaptive`: their files and errors."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from PIL import Image

import tokcodec
from tokcodec.cli.targets import parse_size
from tokcodec.models.modelfile import Model

Call = Callable[..., Result]


@pytest.fixture(autouse=True)
def a_picture(tiny: Model, picture: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture)


@pytest.mark.parametrize(("text", "size"), [("60", 60), ("60b", 60), ("0.1k", 100), ("0.1ki", 102)])
def test_a_target_size_is_kept(call: Call, tmp_path: Path, text: str, size: int) -> None:
    assert parse_size(text) == size
    found = call("encode", "--model", "tiny", "--target-size", text, "a.png")
    assert found.exit_code == 0, found.output
    assert 11 < len((tmp_path / "a.tok").read_bytes()) <= size


def test_bpp_and_psnr(call: Call, tmp_path: Path) -> None:
    assert call("encode", "--model", "tiny", "--target-bpp", "0.2", "a.png").exit_code == 0
    assert len((tmp_path / "a.tok").read_bytes()) <= 0.2 * 40 * 30 / 8
    found = call("encode", "-f", "--model", "tiny", "--target-psnr", "40", "--pitch", "fit", "a.png")
    assert found.exit_code == 0
    assert "note: no PSNR of 40 dB with this model at this pitch: this is the best file" in found.stderr


def test_a_pitch_beside_a_target_is_kept(call: Call, tmp_path: Path) -> None:
    assert call("encode", "--model", "tiny", "--target-size", "60", "--pitch", "16", "a.png").exit_code == 0
    assert tokcodec.info((tmp_path / "a.tok").read_bytes()).pitch == 16


def test_adaptive_with_tokens(call: Call, tmp_path: Path) -> None:
    options = ("encode", "--model", "tiny", "--tokens", "4", "--pitch", "16", "a.png")
    assert call(*options, "-o", "equal.tok").exit_code == 0
    assert call(*options, "--adaptive", "-o", "adaptive.tok").exit_code == 0
    sizes = [len((tmp_path / name).read_bytes()) for name in ("equal.tok", "adaptive.tok")]
    assert sizes[1] <= sizes[0]


def test_bare_has_a_target_too(call: Call, tmp_path: Path) -> None:
    assert call("encode", "--model", "tiny", "--bare", "--target-size", "9", "-o", "a.tok", "a.png").exit_code == 0
    assert len((tmp_path / "a.tok").read_bytes()) <= 9


def test_several_pictures(call: Call, tmp_path: Path, picture: bytes) -> None:
    (tmp_path / "b.png").write_bytes(picture)
    assert call("encode", "--model", "tiny", "--target-size", "30", "a.png", "b.png").exit_code == 0
    assert (tmp_path / "a.tok").read_bytes() == (tmp_path / "b.tok").read_bytes()
    assert len((tmp_path / "a.tok").read_bytes()) <= 30


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--target-size", "0"), "at least 11 bytes, not 0"),
        (("--target-size", "10"), "at least 11 bytes, not 10"),
        (("--target-size", "-5"), "'-5' is not a size"),
        (("--target-size", "3m"), "'3m' is not a size such as 120, 1.5k (k = 1000) or 2ki (ki = 1024)"),
        (("--target-size", "nan"), "'nan' is not a size"),
        (("--target-bpp", "0"), "0.0 is not in the range x>0"),
        (("--target-bpp", "nan"), "a number above 0, not nan"),
        (("--target-bpp", "inf"), "a number above 0, not inf"),
        (("--target-bpp", "1bpp"), "'1bpp' is not a valid float range"),
        (("--target-psnr", "-1"), "-1.0 is not in the range 0<x<=100"),
        (("--target-psnr", "1e9"), "1000000000.0 is not in the range 0<x<=100"),
        (("--target-psnr", "nan"), "above 0 and at most 100 dB, not nan"),
        (("--target-psnr", "30dB"), "'30dB' is not a valid float range"),
        (("--target-lpips", "0"), "0.0 is not in the range 0<x<=1"),
        (("--target-lpips", "x"), "'x' is not a valid float range"),
        (("--target-size", "1k", "--target-bpp", "1"), "give one target, not 2: size and bpp"),
        (("--target-size", "1k", "--tokens", "4"), "a target chooses the tokens"),
        (("--target-size", "2", "--bare"), "at least 3 bytes, not 2"),
    ],
)
def test_impossible_targets_are_wrong_usage(call: Call, tmp_path: Path, options: tuple[str, ...], reason: str) -> None:
    found = call("encode", "--model", "tiny", *options, "a.png")
    assert found.exit_code == 2
    assert reason in " ".join(found.stderr.split())
    assert not (tmp_path / "a.tok").exists()


def test_too_small_for_this_picture(call: Call, tmp_path: Path) -> None:
    found = call("encode", "--model", "tiny", "--target-size", "11", "--pitch", "16", "a.png")
    assert found.exit_code == 1
    assert "tokcodec: a.png: this picture needs at least" in found.stderr
    assert not (tmp_path / "a.tok").exists()


# ---- focus


def test_focus_and_map(call: Call, tmp_path: Path) -> None:
    Image.new("RGBA", (3, 2), "white").save(tmp_path / "mask.png")
    options = ["--model", "tiny", "--pitch", "16", "--target-size", "60", "a.png"]
    for focus in (["--focus", "0,0,8,8", "--focus", "50%,50%,9,9:2"], ["--focus-map", "mask.png"]):
        found = call("encode", "-f", *focus, *options)
        assert found.exit_code == 0, found.output
        assert len((tmp_path / "a.tok").read_bytes()) <= 60


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--focus", "0,0,8,8"], "focus distributes tokens over tiles: give a target or adaptive with it"),
        (
            ["--focus", "0,0,8", "--adaptive"],
            "focus must be X,Y,W,H or X,Y,W,H:WEIGHT in pixels or percent, not '0,0,8'",
        ),
    ],
)
def test_focus_that_cannot_be(call: Call, tmp_path: Path, options: list[str], text: str) -> None:
    found = call("encode", "--model", "tiny", *options, "a.png")
    assert found.exit_code == 2 and text in found.stderr and not (tmp_path / "a.tok").exists()


def test_focus_outside_of_one_picture(call: Call, tmp_path: Path) -> None:
    """This is not wrong usage, since other files of the run may be valid."""
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    for options in (["--adaptive"], ["--target-size", "60"]):
        found = call("encode", "-f", "--model", "tiny", *options, "--focus", "20,0,8,8", "a.png", "dot.png")
        assert found.exit_code == 1 and (tmp_path / "a.tok").exists() and not (tmp_path / "dot.tok").exists()
        assert "dot.png: focus 20,0,8,8 is outside of the picture of 1x1 pixels" in found.stderr


def test_a_map_that_cannot_be_read(call: Call, tmp_path: Path) -> None:
    (tmp_path / "mask.png").write_bytes(b"no picture")
    for name in ("mask.png", "nowhere.png"):
        found = call("encode", "--model", "tiny", "--adaptive", "--focus-map", name, "a.png")
        assert found.exit_code == 1 and found.stderr.startswith(f"tokcodec: --focus-map {name}: ")
        assert found.stderr.count("\n") == 1 and not (tmp_path / "a.tok").exists()


def test_a_map_with_transparency_and_a_map_from_stdin(call: Call, tmp_path: Path) -> None:
    layer = Image.new("RGBA", (4, 3), (255, 255, 255, 0))
    layer.putpixel((0, 0), (255, 255, 255, 255))
    layer.save(tmp_path / "layer.png")
    options = ["encode", "--model", "tiny", "--pitch", "16", "--target-size", "60", "a.png"]
    found = call(*options, "--focus-map", "layer.png", "-o", "layer.tok")
    assert found.exit_code == 0
    assert "--focus-map layer.png: note: transparency is composited on black" in found.stderr
    found = call(*options, "--focus-map", "-", "-o", "stdin.tok", stdin=(tmp_path / "layer.png").read_bytes())
    assert found.exit_code == 0, found.stderr
    with Image.open(tmp_path / "a.png") as picture:
        want = tokcodec.encode(picture, target_size=60, pitch=16, model="tiny", focus_map=layer, warn=print)
    assert want == (tmp_path / "layer.tok").read_bytes() == (tmp_path / "stdin.tok").read_bytes()
    found = call(*options[:-1], "-", "--focus-map", "-", stdin=b"")
    assert found.exit_code == 2 and "either the picture or the map" in found.stderr


def test_an_effort_without_torch_is_wrong_usage(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    found = call("encode", "--model", "tiny", "--effort", "1", "a.png")
    assert found.exit_code == 2
    assert found.stderr.endswith("Error: effort 1 needs PyTorch: pip install 'tokcodec[torch]'\n")
    assert not (tmp_path / "a.tok").exists()


def test_a_size_is_for_a_look_without_an_effort(call: Call, tmp_path: Path) -> None:
    found = call("encode", "--model", "tiny", "--tune", "fidelity", "--target-bpp", "0.2", "a.png")
    assert found.exit_code == 0 and (tmp_path / "a.tok").exists()
    for options in ([], ["--tokens", "8"], ["--target-psnr", "12"], ["--adaptive"]):
        found = call("encode", "--model", "tiny", "--tune", "light", *options, "-f", "a.png")
        assert found.exit_code == 2
        assert found.stderr.endswith("tune says for which look to encode: give effort or a target size with it\n")


def test_verbose_says_rounds_and_gain(call: Call, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("torch")
    assert call("encode", "-v", "--model", "tiny", "--effort", "2", "--tune", "fidelity", "a.png").exit_code == 0
    assert caplog.messages[0].startswith("effort 2 for fidelity: 2 rounds, error -")
