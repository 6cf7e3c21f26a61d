"""`tokcodec encode --manifest`."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from PIL import Image

import tokcodec
from tokcodec.models.modelfile import Model

Call = Callable[..., Result]


@pytest.fixture
def photos(tiny: Model, picture: bytes, tmp_path: Path) -> Path:
    (tmp_path / "photos" / "sub").mkdir(parents=True)
    (tmp_path / "photos" / "a.png").write_bytes(picture)
    turned = Image.Exif()
    turned[0x112] = 6
    Image.new("RGB", (30, 20), (1, 2, 255)).save(tmp_path / "photos" / "sub" / "ü.png", exif=turned)
    return tmp_path / "photos"


OPTIONS = "encode", "-r", "photos", "--manifest", "p.json", "--model", "tiny", "--tokens", "6"


def test_a_folder_becomes_one_file(call: Call, photos: Path, tmp_path: Path) -> None:
    result = call(*OPTIONS, "photos")  # the same folder twice is no error
    assert result.exit_code == 0 and result.stderr.startswith("2 previews -> p.json\ntokcodec: 2 done, 0 skipped, 0 fa")
    made = json.loads((tmp_path / "p.json").read_text("utf-8"))
    assert list(made) == ["a.png", "sub/ü.png"]
    data = tokcodec.encode(Image.open(photos / "a.png"), container="bare", tokens=6, model="tiny")
    url = f"data:image/x-tok-bare;model=tiny;base64,{base64.b64encode(data).decode()}"
    with Image.open(photos / "a.png") as image:
        assert (made["a.png"]["width"], made["a.png"]["height"]) == image.size
    assert made["a.png"]["previewsrc"] == url
    assert {key: made["sub/ü.png"][key] for key in ("width", "height", "colour")} == {
        "width": 20,
        "height": 30,
        "colour": "#0102ff",
    }
    assert sorted(path.name for path in photos.rglob("*.*")) == ["a.png", "ü.png"]


def test_bad_pictures_are_left_out_and_old_files_stay(call: Call, photos: Path, tmp_path: Path) -> None:
    assert call(*OPTIONS, "-q").exit_code == 0
    before = (tmp_path / "p.json").read_bytes()
    result = call(*OPTIONS, "-q")
    assert (result.exit_code, result.stderr) == (1, "tokcodec: p.json: exists already; use -f to overwrite\n")
    (photos / "b.png").write_bytes(b"no picture")
    (tmp_path / "a.png").write_bytes((photos / "a.png").read_bytes())
    result = call(*OPTIONS, "a.png", "-q", "-f")
    lines = result.stderr.splitlines()
    assert result.exit_code == 1 and len(lines) == 2
    assert "a.png is already the name of" in lines[0] and "b.png: not a picture" in lines[1]
    assert json.loads((tmp_path / "p.json").read_bytes()) == json.loads(before)
    photo = (photos / "a.png").read_bytes()
    result = call("encode", "photos/a.png", "--manifest", "photos/sub/../a.png", "--model", "tiny", "-q", "-f")
    assert result.exit_code == 1 and result.stderr.endswith("is one of the pictures, which are never overwritten\n")
    assert (photos / "a.png").read_bytes() == photo
    result = call("encode", "photos/b.png", "--manifest", "p.json", "--model", "tiny", "-q", "-f")
    assert result.exit_code == 1 and json.loads((tmp_path / "p.json").read_bytes()) == json.loads(before)


def test_previews_have_16_tokens_unless_another_number_is_asked_for(call: Call, tmp_path: Path) -> None:
    Image.linear_gradient("L").save(tmp_path / "a.png")
    for options, tokens in (((), 16), (("--tokens", "4"), 4), (("--target-size", "20"), None)):
        assert call("encode", "a.png", "--manifest", "p.json", "-qf", *options).exit_code == 0
        url = json.loads((tmp_path / "p.json").read_bytes())["a.png"]["previewsrc"]
        data = base64.b64decode(url.partition(";base64,")[2])
        assert data[0] + 1 == tokens if tokens else len(data) <= 20


@pytest.mark.parametrize(
    "options",
    [
        ("a.png", "--manifest", "-"),
        ("-", "--manifest", "p.json"),
        ("a.png", "--manifest", "p.json", "-o", "x"),
        ("a.png", "--manifest", "p.json", "--output-dir", "x"),
        ("a.png", "--manifest", "p.json", "--bare", "--base64"),
        ("a.png", "--manifest", "p.json", "--pitch", "64"),
    ],
)
def test_options_that_do_not_go_together(call: Call, options: tuple[str, ...]) -> None:
    assert call("encode", *options).exit_code == 2
