"""tok.js against the Python package: tokens exactly, pixels within a tolerance, files that either decodes."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tokcodec
from bench.studies.fuzz import web
from tests.vectors import FILES, FOLDERS, VECTORS
from tokcodec.container.header import Header
from tokcodec.contents import pack
from tokcodec.models.registry import find_model
from tokcodec.pictures.limits import FIT
from tokcodec.pictures.tiling import Grid
from tokcodec.tokenizers import load_tokenizer
from tokcodec.tokenizers.cascade import CascadeTokenizer
from tokcodec.tokenizers.tiles import draw
from tokcodec.tokenizers.web import pack_web, pack_web_parts
from tokcodec.tokfile import read

from .conftest import WEB, Run, pixels_of

SMALL = WEB / "base-3-64.tokm"
BUDGET_BARE, BUDGET_NETWORK = 2.0, 4.0  # levels on average

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "one tile": ("tile", {"tokens": 64}),
    "two tiles": ("cat", {"tokens": 32}),
    "fit": ("cat", {"tokens": 256, "pitch": "fit"}),
    "bare": ("cat", {"tokens": 24, "container": "bare"}),
    "scale 1": ("astronaut", {"tokens": 32, "pitch": 128}),
    "scale 2, adaptive": ("cat", {"tokens": 16, "pitch": 64, "adaptive": True}),
    "scale 3": ("cat", {"tokens": 5, "pitch": 32}),
}
PREFIXES = ["one tile", "bare", "scale 2, adaptive"]


@pytest.fixture(scope="module")
def files(photographs: dict[str, Image.Image], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("files")
    paths = {}
    for number, (case, (name, options)) in enumerate(CASES.items()):
        paths[case] = folder / f"{number}.tok"
        paths[case].write_bytes(tokcodec.encode(photographs[name], **options))
    model, rng = find_model(), np.random.default_rng(3)
    header = Header(model.id, 40, FIT, 300, 200)
    paths["flat"] = folder / "flat.tok"
    paths["flat"].write_bytes(pack(header, model, rng.integers(0, 4096, (1, 40))))
    return paths


def container(case: str) -> str:
    return "bare" if case == "bare" else "tok"


def job(name: str, path: Path, case: str, model: Path, **more: Any) -> dict[str, Any]:
    return {"job": name, "file": path, "bare": case == "bare", "model": model, **more}


def rows_of(data: bytes, form: str) -> list[list[int]]:
    return [[token for token in row if token >= 0] for row in read(data, container=form).coded.tolist()]


def drawn(data: bytes, form: str = "tok", look: str = "bare", size: tuple[int, int] | None = None) -> Any:
    """Python's pixels, int H x W x 3; look: "bare" for the sum of codewords alone."""
    found = read(data, container=form, size=size)
    tokenizer = load_tokenizer(found.model, "cpu")
    assert isinstance(tokenizer, CascadeTokenizer)
    if look == "bare":
        from safetensors.numpy import load_file

        tensors = {k.removeprefix("decoder."): v for k, v in load_file(found.model.weights_path).items()}
        tokenizer, look = CascadeTokenizer(tensors), "fidelity"
    else:  # Python does not draw with the light network, save here
        tokenizer.looks = (*tokenizer.looks, look)
    grid = Grid.for_picture(found.header.width, found.header.height, found.header.pitch)
    return np.asarray(draw(tokenizer, grid, found.coded, found.counts(), look, None, found.scale), int)


# ---- tokens


def test_tokens_are_exact(files: dict[str, Path], run: Run, whole: Path) -> None:
    assert read(files["flat"].read_bytes()).header.flat
    assert sorted({read(path.read_bytes(), container=container(c)).scale for c, path in files.items()}) == [0, 1, 2, 3]
    found = run(*(job("tokens", path, case, whole) for case, path in files.items()))
    for rows, (case, path) in zip(found, files.items(), strict=True):
        assert rows == rows_of(path.read_bytes(), container(case)), case


@pytest.mark.parametrize("case", PREFIXES)
def test_every_prefix_holds_what_python_says(case: str, files: dict[str, Path], run: Run, whole: Path) -> None:
    data = files[case].read_bytes()
    (found,) = run(job("prefixes", files[case], case, whole))
    header = 2 if case == "bare" else 10
    assert all(set(refused) == {"error"} for refused in found[:header])
    for length in range(header, len(data) + 1):
        assert found[length] == rows_of(data[:length], container(case)), length


@pytest.mark.parametrize("model", FOLDERS)
def test_vectors(model: str, run: Run, wholes: dict[str, Path]) -> None:
    vectors = {name: expected for name, expected in FILES.items() if expected["model"] == model}
    found = run(*(job("tokens", VECTORS / name, vectors[name]["container"], wholes[model]) for name in vectors))
    for rows, (name, expected) in zip(found, vectors.items(), strict=True):
        assert rows == expected["tokens"], name
    named = {name: expected for name, expected in vectors.items() if expected["container"] == "tok"}
    found = run(*({"job": "header", "file": VECTORS / name} for name in named))
    for header, (name, expected) in zip(found, named.items(), strict=True):
        assert header["tokens"] == expected["tokens_per_tile"]
        for key in ("width", "height", "pitch", "flat", "adaptive"):
            assert header[key] == expected[key], name


def test_a_file_of_the_other_model_is_refused(run: Run, wholes: dict[str, Path]) -> None:
    for name, other in (("dot-1.tok", "base-3"), ("base-3/dot-1.tok", "base-2")):
        (found,) = run(job("tokens", VECTORS / name, "tok", wholes[other]))
        assert "model" in found["error"]


# ---- pixels


def test_pixels_of_the_bare_sum(files: dict[str, Path], run: Run, whole: Path, tmp_path: Path) -> None:
    sizes = run(*(job("decode", path, case, whole, out=tmp_path / path.stem) for case, path in files.items()))
    for size, (case, path) in zip(sizes, files.items(), strict=True):
        expected = drawn(path.read_bytes(), container(case))
        assert np.abs(pixels_of(tmp_path / path.stem, size) - expected).mean() < BUDGET_BARE / 4, case


def test_pixels_of_a_prefix(files: dict[str, Path], run: Run, whole: Path, tmp_path: Path) -> None:
    """Half of the tiles have a token more, or there are grey ones."""
    path, out = tmp_path / "prefix.tok", tmp_path / "pixels"
    for length in (12, 30, 31):
        path.write_bytes(files["scale 1"].read_bytes()[:length])
        (size,) = run(job("decode", path, "", whole, out=out))
        assert np.abs(pixels_of(out, size) - drawn(path.read_bytes())).mean() < BUDGET_BARE / 4


@pytest.mark.parametrize(("case", "size"), [("one tile", (64, 64)), ("fit", (96, 64)), ("scale 1", (128, 128))])
def test_small_pictures_are_the_large_ones_reduced(
    case: str, size: tuple[int, int], files: dict[str, Path], run: Run, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "pixels"
    (found,) = run(job("decode", files[case], case, whole, out=out, width=size[0]))
    assert (found["width"], found["height"]) == size
    large = Image.fromarray(drawn(files[case].read_bytes()).astype(np.uint8))
    expected = np.asarray(large.resize(size, Image.Resampling.LANCZOS), int)
    assert np.abs(pixels_of(out, found) - expected).mean() < BUDGET_BARE / 2


def test_pixels_of_a_network(files: dict[str, Path], run: Run, tmp_path: Path) -> None:
    """int8 weights against float ones."""
    out = tmp_path / "pixels"
    for case in ("one tile", "two tiles"):
        (size,) = run(job("decode", files[case], case, SMALL, out=out))
        expected = drawn(files[case].read_bytes(), look="light")
        found = pixels_of(out, size)
        assert np.abs(found - expected).mean() < BUDGET_NETWORK / 4
        assert np.abs(found - expected).mean() < np.abs(drawn(files[case].read_bytes()) - expected).mean() / 2


def test_webassembly_draws_what_javascript_draws(files: dict[str, Path], run: Run, tmp_path: Path) -> None:
    fast, plain = tmp_path / "fast", tmp_path / "plain"
    (size,) = run(job("decode", files["two tiles"], "", SMALL, out=fast))
    run({"job": "plain"}, job("decode", files["two tiles"], "", SMALL, out=plain))
    difference = np.abs(pixels_of(fast, size) - pixels_of(plain, size))
    assert difference.max() <= 1 and 0 < difference.sum() < difference.size / 100


@pytest.mark.parametrize("size", [(300, 1), (2, 300)])
def test_pixels_of_a_strip(
    size: tuple[int, int], photographs: dict[str, Image.Image], run: Run, whole: Path, tmp_path: Path
) -> None:
    """Both draw it with the network folded across the strip."""
    path, out, model = tmp_path / "strip.tok", tmp_path / "pixels", tmp_path / "model.tokm"
    path.write_bytes(tokcodec.encode(photographs["cat"].resize(size), tokens=16, pitch=128))
    model.write_bytes(pack_web(find_model(), 16, all_scales=True, look="fidelity"))
    (found,) = run(job("decode", path, "", model, out=out))
    assert np.abs(pixels_of(out, found) - drawn(path.read_bytes(), look="fidelity")).max() <= 2


# ---- encoding


def psnr(a: Any, b: Any) -> float:
    return float(10 * np.log10(255**2 / np.mean((np.asarray(a, float) - b) ** 2)))


@pytest.mark.parametrize(
    "options",
    [
        {"tokens": 64},
        {"tokens": 16, "bare": True},
        {"tokens": 32, "pitch": 128},
        {"tokens": 40, "pitch": 96},
        {"tokens": 4, "pitch": "fit"},
    ],
)
def test_files_are_those_of_python(
    options: dict[str, Any], photographs: dict[str, Image.Image], run: Run, whole: Path, tmp_path: Path
) -> None:
    theirs = {k: v for k, v in options.items() if k != "bare"}
    form = "bare" if options.get("bare") else "tok"
    small = photographs["cat"].resize((30, 200))  # one side of the tile shrinks and the other grows
    for picture in (*photographs.values(), small):
        expected = tokcodec.encode(picture, container=form, warn=lambda note: None, **theirs)
        assert encoded(picture, whole, run, tmp_path, **options) == expected


def test_the_small_model_file_makes_the_same_files(
    photographs: dict[str, Image.Image], run: Run, tmp_path: Path
) -> None:
    """It lacks small coefficients of the mean, but none that a token changes."""
    for picture in photographs.values():
        expected = tokcodec.encode(picture, tokens=64, container="bare")
        assert encoded(picture, SMALL, run, tmp_path, tokens=64, bare=True) == expected


def encoded(picture: Image.Image, model: Path, run: Run, folder: Path, **options: Any) -> bytes:
    pixels, path = folder / "pixels", folder / "made.tok"
    pixels.write_bytes(picture.convert("RGBA").tobytes())
    width, height = picture.size
    run({"job": "encode", "pixels": pixels, "width": width, "height": height, "model": model, "out": path, **options})
    return path.read_bytes()


def test_a_size_is_used_and_never_exceeded(
    photographs: dict[str, Image.Image], run: Run, whole: Path, tmp_path: Path
) -> None:
    pixels, path, picture = tmp_path / "pixels", tmp_path / "made.tok", photographs["cat"]
    pixels.write_bytes(np.asarray(picture.convert("RGBA")).tobytes())
    common = {"job": "encode", "pixels": pixels, "width": picture.width, "height": picture.height, "model": whole}
    quality = []
    for size in (30, 100, 400, 1000):
        run(common | {"targetSize": size, "out": path})
        data = path.read_bytes()
        assert 0.9 * size <= len(data) <= size
        quality.append(psnr(drawn(data), picture))
    assert quality == sorted(quality)
    assert quality[-1] > psnr(drawn(tokcodec.encode(picture, target_size=1000)), picture) - 0.7
    for bad in (0, -5, 3.5, 11):  # no file has 11 bytes
        (found,) = run(common | {"targetSize": bad, "out": path, "expected": "RangeError"})
        assert "targetSize must be" in found["refused"]


def test_a_background_is_that_of_python(
    photographs: dict[str, Image.Image], run: Run, whole: Path, tmp_path: Path
) -> None:
    pixels, picture = tmp_path / "pixels", photographs["tile"].convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    pixels.write_bytes(picture.tobytes())
    job = {"job": "encode", "pixels": pixels, "width": picture.width, "height": picture.height, "model": whole}
    for colour in ("#ffffff", "#ff8000"):
        theirs = tokcodec.encode(picture, tokens=32, background=colour, warn=lambda note: None)
        assert encoded(picture, whole, run, tmp_path, tokens=32, background=colour) == theirs
    for bad in ("", "orange", "#fff", "#ffffff00"):
        (found,) = run(job | {"background": bad, "out": tmp_path / "made.tok", "expected": "RangeError"})
        assert "background must be" in found["refused"]


@pytest.mark.parametrize("bare", [False, True])
def test_pixels_must_be_bytes(bare: bool, run: Run, whole: Path, tmp_path: Path) -> None:
    common = {"job": "encode", "width": 1, "height": 1, "model": whole, "out": tmp_path / "x", "bare": bare}
    for values in ([0, 0, 0, 255], "abcd", None):
        assert "RGBA" in run(common | {"values": values, "expected": "TypeError"})[0]["refused"]


# ---- bad files


def test_mutated_files_cause_tok_errors_alone(files: dict[str, Path], run: Run, whole: Path) -> None:
    bare = [case == "bare" for case in files]
    (found,) = run(
        {"job": "mutate", "files": list(files.values()), "bare": bare, "model": whole, "number": 2000, "seed": 5}
    )
    assert 100 < found["refused"] < 1990


def test_bad_files_have_pythons_tokens_or_a_tok_error(node: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert web.run(1200, 7)
    outcomes = [line.split(" | ")[0] for line in capsys.readouterr().out.splitlines()]
    assert {"| tokens, as Python", "| refused", "| drawn"} <= set(outcomes)


def test_other_tokens_than_pythons_are_found(
    node: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "_digest", lambda data, container: [1, 1, 1])
    assert not web.run(40, 0)
    printed = capsys.readouterr().out
    assert "| BUG | 40 |" in printed and "but Python [1, 1, 1]" in printed


def test_what_a_small_model_file_lacks_is_said(files: dict[str, Path], run: Run) -> None:
    tokens, scale = run(job("tokens", files["fit"], "", SMALL), job("tokens", files["scale 1"], "", SMALL))
    assert "256 tokens" in tokens["error"] and "64" in tokens["error"]
    assert "192 pixels" in scale["error"] and "--scales all" in scale["error"]


def test_more_tokens_than_the_model_file_has_are_left_out(
    files: dict[str, Path], run: Run, whole: Path, tmp_path: Path
) -> None:
    first, few, all_tokens = (tmp_path / name for name in ("first.tokm", "few", "all"))
    first.write_bytes(pack_web_parts(find_model(), 4, 64, all_scales=True)["first"])
    for case in ("one tile", "two tiles", "flat", "bare"):
        sizes = run(
            job("decode", files[case], case, first, out=few, look="bare"),
            job("decode", files[case], case, whole, out=all_tokens, tokens=4, look="bare"),
        )
        a, b = (pixels_of(path, size) for path, size in zip((few, all_tokens), sizes, strict=True))
        assert np.abs(a - b).max() <= 1, case  # the first part lacks small coefficients of the mean
    (size,) = run(job("decode", files["scale 2, adaptive"], "", first, out=few))
    assert (pixels_of(few, size) != 128).any()


def test_pixels_beyond_the_limit_are_refused(files: dict[str, Path], run: Run, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "pixels"
    limits = [{"maxPixels": 1000}, {"width": 16383, "height": 16383}]
    for found in run(*(job("decode", files["one tile"], "", whole, out=out, **more) for more in limits)):
        assert "pixels exceed the limit" in found["error"]


def test_tiles_beyond_the_limit_are_refused(files: dict[str, Path], run: Run, whole: Path, tmp_path: Path) -> None:
    out, path = tmp_path / "pixels", files["scale 1"]
    number = read(path.read_bytes()).tiles
    (found,) = run(job("decode", path, "", whole, out=out, maxTiles=number - 1))
    assert found["error"] == f"{number} tiles exceed the limit of {number - 1} (maxTiles)" and not out.exists()
    assert "error" not in run(job("decode", path, "", whole, out=out, maxTiles=number))[0]


def test_tiles_without_tokens_are_not_drawn(run: Run, tmp_path: Path) -> None:
    """Not even by the network, which takes some 60 ms a tile."""
    model, path, out = find_model(), tmp_path / "empty.tok", tmp_path / "pixels"
    data = pack(Header(model.id, 1, 256, 4096, 4096), model, np.zeros((256, 1), int))
    path.write_bytes(data[:10])
    before = os.times().children_user
    (size,) = run(job("decode", path, "", SMALL, out=out, width=64))
    assert (pixels_of(out, size) == 128).all() and pixels_of(out, size).shape == (64, 64, 3)
    assert os.times().children_user - before < 5  # seconds; 256 tiles drawn one by one take 15


def test_cut_and_damaged_model_files_are_refused(run: Run, tmp_path: Path) -> None:
    lengths = [0, 3, 8, 100, 2000, SMALL.stat().st_size - 4]
    assert all("error" in found for found in run(*({"job": "load", "file": SMALL, "length": n} for n in lengths)))
    damaged = tmp_path / "damaged.tokm"
    data = SMALL.read_bytes()
    for old, new in ((b'"half":8', b'"half":9'), (b"[64,2,64]", b"[64,2,63]"), (b'"format":1', b'"format":3')):
        assert old in data
        damaged.write_bytes(data.replace(old, new))
        assert "error" in run({"job": "load", "file": damaged})[0]


# ---- text


def test_base64_takes_time_in_proportion(run: Run) -> None:
    before = os.times().children_user
    assert run({"job": "text", "text": "=" * 300_000 + "a"}) == [{"error": "not base64"}]
    assert os.times().children_user - before < 10  # seconds; it was 59 when it took its square


def test_base64_and_data_urls(run: Run) -> None:
    data = bytes(range(245, 256)) + b"?>"
    text = base64.b64encode(data).decode()
    variants = [text, text.rstrip("="), base64.urlsafe_b64encode(data).decode(), f" {text[:4]}\n{text[4:]} "]
    assert run(*({"job": "text", "text": variant} for variant in variants)) == [list(data)] * len(variants)
    for bad in ("a", "ab=c", "ab!d"):
        assert run({"job": "text", "text": bad}) == [{"error": "not base64"}]
    kinds = {"": None, "-bare": "base-2", "-bare;model=base-3": "base-3"}
    for kind, model in kinds.items():
        url = f"data:image/x-tok{kind};base64,{text}"
        expected = {"bytes": list(data), "bare": bool(kind), "model": model, "again": url}
        assert run({"job": "url", "url": url}) == [expected]
    for wrong in ("-bare;model=", "-bare;model=a/b"):
        assert "error" in run({"job": "url", "url": f"data:image/x-tok{wrong};base64,{text}"})[0]
    assert run({"job": "url", "url": f"data:image/x-tok;base64,{text.replace('+', '%2B')}"})[0]["bytes"] == list(data)
    with_parameters = f"data:image/x-tok;charset=utf-8;name=a b;base64,{text[:4]}%0A{text[4:]}"
    assert run({"job": "url", "url": with_parameters})[0]["bytes"] == list(data)
    for other in ("image/png;base64", "image/x-tok;charset=utf-8", "image/x-tokens;base64"):
        assert "error" in run({"job": "url", "url": f"data:{other},AAAA"})[0]
