"""The Pillow plug-in: lazy opening, errors of Pillow's kinds, saving, and imageio on top of it."""

from __future__ import annotations

import copy
import io
import os
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, UnidentifiedImageError

import tokcodec
import tokcodec.pillow
from tokcodec.container.header import HEADER_SIZE
from tokcodec.errors import HeaderCheckError, LimitError, TokError, UnknownModelError
from tokcodec.models.modelfile import Model
from tokcodec.models.registry import MODELS_VARIABLE
from tokcodec.pillow import TokImageError, TokImageFile

ROOT = Path(__file__).parents[1]
Make = Callable[..., bytes]
pytestmark = pytest.mark.usefixtures("pillow_plugin")


@pytest.fixture
def sample() -> Image.Image:
    """A picture of 40x30 pixels."""
    ramp = np.add.outer(np.arange(30) * 5, np.arange(40) * 2).astype(np.uint8)
    return Image.fromarray(np.stack([ramp, ramp[::-1], 255 - ramp], 2))


def same(a: Image.Image, b: Image.Image) -> bool:
    return a.mode == b.mode and a.size == b.size and a.tobytes() == b.tobytes()


def saved(image: Image.Image, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "TOK", **options)
    return stream.getvalue()


# ---- opening


def test_registered_once_however_often_it_is_called() -> None:
    tokcodec.pillow.register()
    assert Image.ID.count("TOK") == 1
    assert Image.registered_extensions()[".tok"] == "TOK" and Image.MIME["TOK"] == "image/x-tok"


@pytest.mark.parametrize("kind", ["path", "string", "stream", "bytes"])
def test_pixels_are_those_of_decode(kind: str, make_tok: Make, tmp_path: Path) -> None:
    data = make_tok(90, 40, pitch=32)
    path = tmp_path / "a b.tok"
    path.write_bytes(data)
    source: Any = {"path": path, "string": str(path), "stream": path.open("rb"), "bytes": io.BytesIO(data)}[kind]
    with Image.open(source) as image:
        assert isinstance(image, TokImageFile)
        assert (image.format, image.mode, image.size) == ("TOK", "RGB", (90, 40))
        assert image.get_format_mimetype() == "image/x-tok"
        assert same(image, tokcodec.decode(data))


def test_known_by_content_whatever_the_name(make_tok: Make, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(make_tok())
    with Image.open(path) as image:
        assert image.format == "TOK"


def test_info(make_tok: Make) -> None:
    data = make_tok(90, 40, tokens=5, pitch=32)
    with Image.open(io.BytesIO(data)) as image:
        assert image.info == {"tokens": 5, "pitch": 32, "bpp": 8 * len(data) / (90 * 40), "model": "tiny"}
    with Image.open(io.BytesIO(make_tok(pitch=0))) as image:
        assert image.info["pitch"] == "fit"


def test_opening_and_verifying_need_neither_torch_nor_weights(make_tok: Make, tmp_path: Path) -> None:
    (tmp_path / "a.tok").write_bytes(make_tok())
    code = (
        "import sys, tokcodec.pillow; from PIL import Image; tokcodec.pillow.register()\n"
        "image = Image.open('a.tok'); print(image.size, image.mode, image.info['model']); image.verify()\n"
        "assert 'torch' not in sys.modules"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (result.stdout, result.stderr) == ("(40, 30) RGB tiny\n", "")


def test_size_and_mode_without_the_model(make_tok: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_tok()
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path))
    with Image.open(io.BytesIO(data)) as image:
        assert (image.size, image.mode, image.info["tokens"]) == ((40, 30), "RGB", 8)
        assert "model" not in image.info
    for method in ("load", "verify"):
        with pytest.raises(TokImageError, match=f"needs model id {data[2]:02x}, which is not installed") as caught:
            getattr(Image.open(io.BytesIO(data)), method)()
        assert isinstance(caught.value.__cause__, UnknownModelError)


def test_decoded_once_and_only_when_needed(make_tok: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    decode = tokcodec.decode
    monkeypatch.setattr(tokcodec.pillow, "decode", lambda *a, **k: calls.append(1) or decode(*a, **k))
    image = Image.open(io.BytesIO(make_tok()))
    assert (image.width, image.height, image.getbands(), calls) == (40, 30, ("R", "G", "B"), [])
    whole = image.copy()
    image.load()
    image.putpixel((0, 0), (1, 2, 3))
    assert image.getpixel((0, 0)) == (1, 2, 3) != whole.getpixel((0, 0))
    image.convert("L").resize((5, 5))
    image.thumbnail((10, 10))
    assert image.size == (10, 8) and image.getpixel((9, 7)) is not None
    assert calls == [1]


@pytest.mark.parametrize(
    "use",
    [
        lambda image: image.copy(),
        lambda image: copy.copy(image),
        lambda image: pickle.loads(pickle.dumps(image)),
        lambda image: Image.fromarray(np.asarray(image)),
        lambda image: image.crop((0, 0, 40, 30)),
    ],
)
def test_every_use_loads_by_itself(use: Callable[[Image.Image], Image.Image], make_tok: Make) -> None:
    data = make_tok()
    assert same(use(Image.open(io.BytesIO(data))), tokcodec.decode(data))


def test_the_file_is_closed_as_pillow_does_it(make_tok: Make, tmp_path: Path) -> None:
    path = tmp_path / "a.tok"
    path.write_bytes(make_tok())
    for finish in (Image.Image.load, TokImageFile.verify, TokImageFile.close):
        image: Any = Image.open(path)
        stream = image.fp
        finish(image) if finish is not Image.Image.load else image.load()
        assert stream.closed and image.fp is None
    mine = io.BytesIO(make_tok())
    Image.open(mine).load()
    assert not mine.closed
    with Image.open(path) as image:
        pass
    with pytest.raises(ValueError, match="closed image"):
        image.load()


def test_a_file_that_changes_after_opening_keeps_its_size(make_tok: Make, tmp_path: Path) -> None:
    path = tmp_path / "a.tok"
    path.write_bytes(make_tok())
    with Image.open(path) as image:
        path.write_bytes(make_tok(3000, 2000))
        image.load()
        assert image.im.size == image.size == (40, 30)


# ---- what is wrong with a file


@pytest.mark.parametrize("length", range(1, HEADER_SIZE))
def test_a_cut_header_is_not_identified_and_the_reason_is_told(length: int, make_tok: Make) -> None:
    with (
        pytest.warns(UserWarning, match=f"TOK: header truncated \\({length} of 10 bytes\\)"),
        pytest.raises(UnidentifiedImageError),
    ):
        Image.open(io.BytesIO(make_tok()[:length]))


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [
        (1, 0x20, "needs a newer tokcodec .format version 2"),
        (1, 0x18, "needs a newer tokcodec .unknown flags 1000"),
        (7, None, "declares 40 x 16384 pixels"),
    ],
)
def test_what_this_version_cannot_read(at: int, value: int | None, reason: str, make_tok: Make) -> None:
    data = bytearray(make_tok())
    if value is None:
        data[6:8] = bytes([data[6] | 0x3F, 0xFF])
    else:
        data[at] = value
    with pytest.warns(UserWarning, match=f"TOK: {reason}"), pytest.raises(UnidentifiedImageError):
        Image.open(io.BytesIO(data))


@pytest.mark.parametrize("data", [b"", b"\xf4\x10 no picture at all", b"some text that is no picture"])
def test_other_files_are_not_ours(data: bytes) -> None:
    with warnings.catch_warnings(), pytest.raises(UnidentifiedImageError):
        warnings.simplefilter("error")
        Image.open(io.BytesIO(data))
    with pytest.raises(SyntaxError):
        TokImageFile(io.BytesIO(data))


def test_other_pictures_open_as_before(sample: Image.Image) -> None:
    stream = io.BytesIO()
    sample.save(stream, "PNG")
    with Image.open(stream) as image:
        assert image.format == "PNG" and same(image, sample)


@pytest.mark.parametrize("bit", [16, 31, 33, 50, 63, 64, 79])
def test_a_damaged_header_fails_verify_and_load(bit: int, make_tok: Make) -> None:
    data = bytearray(make_tok())
    data[bit // 8] ^= 0x80 >> bit % 8
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        for method in ("verify", "load"):
            try:
                image = Image.open(io.BytesIO(data))
            except Image.DecompressionBombError:  # the damage made it that large
                continue
            with pytest.raises(OSError) as caught:
                getattr(image, method)()
            assert isinstance(caught.value, TokError) and isinstance(caught.value, TokImageError)
            assert isinstance(caught.value.__cause__, (HeaderCheckError, UnknownModelError))
            assert str(caught.value) == str(caught.value.__cause__) != ""


def test_verify_passes_a_good_header_and_needs_no_payload(make_tok: Make) -> None:
    for length in (HEADER_SIZE, len(make_tok())):
        Image.open(io.BytesIO(make_tok()[:length])).verify()


def test_a_cut_file_loads_with_a_warning(make_tok: Make) -> None:
    data = make_tok()[: HEADER_SIZE + 2]
    image = Image.open(io.BytesIO(data))
    with pytest.warns(tokcodec.TokWarning, match="the file is cut: it holds . of 8 tokens") as caught:
        image.load()
    assert caught[0].filename == __file__
    assert same(image, tokcodec.decode(data, warn=lambda text: None))


def test_pillows_pixel_limit_holds(make_tok: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_tok()  # 1200 pixels
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 599)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(data))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1199)
    with pytest.warns(Image.DecompressionBombWarning):
        Image.open(io.BytesIO(data)).load()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1200)
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        Image.open(io.BytesIO(data)).load()


def test_the_largest_picture_is_refused_by_default(make_tok: Make) -> None:
    data = bytearray(make_tok())[:20]
    data[4:8] = (9 << 28 | 16382 << 14 | 16382).to_bytes(4, "big")
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(data))


def test_errors_of_the_codec_are_both_kinds() -> None:
    assert issubclass(TokImageError, OSError) and issubclass(TokImageError, TokError)
    assert str(TokImageError("a reason")) == "a reason"


# ---- saving


def test_saving_is_encoding(sample: Image.Image, tiny: Model, tmp_path: Path) -> None:
    expected = tokcodec.encode(sample, tokens=5, pitch=16, model="tiny")
    assert saved(sample, tokens=5, pitch=16, model="tiny") == expected
    for path in (tmp_path / "a.tok", str(tmp_path / "B.TOK")):
        sample.save(path, tokens=5, pitch=16, model="tiny", device="cpu")
        assert Path(path).read_bytes() == expected
    assert saved(sample, model="tiny", pitch="fit") == tokcodec.encode(sample, pitch="fit", model="tiny")


def test_options_that_are_not_ours_are_ignored_as_pillow_does(sample: Image.Image, tiny: Model) -> None:
    assert saved(sample, model="tiny", quality=80, optimize=True) == saved(sample, model="tiny")
    assert saved(sample, model="tiny", container="bare") == saved(sample, model="tiny")


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "LA", "CMYK", "I;16", "F", "HSV", "YCbCr"])
def test_other_modes_are_converted_by_the_codecs_rules(mode: str, sample: Image.Image, tiny: Model) -> None:
    if mode == "F":
        image = Image.fromarray(np.asarray(sample.convert("L"), np.float32) / 255)
    else:
        image = sample.convert("L").convert(mode) if mode in ("I;16", "1", "LA") else sample.convert(mode)
    assert image.mode == mode
    if "A" in mode:
        image.putalpha(100)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data = saved(image, model="tiny")
    assert data == tokcodec.encode(image, model="tiny", warn=lambda text: None)
    noted = "A" in mode or mode in ("CMYK", "I;16")
    assert any(issubclass(one.category, tokcodec.TokWarning) for one in caught) == noted


def test_what_cannot_be_converted(sample: Image.Image, tiny: Model) -> None:
    stream = io.BytesIO(b"before")
    with pytest.raises(TokImageError, match="float picture"):
        Image.fromarray(np.full((5, 5), 7, np.float32)).save(stream, "TOK", model="tiny")
    with pytest.raises(TokImageError) as caught:
        Image.new("RGB", (16384, 1)).save(stream, "TOK", model="tiny")
    assert isinstance(caught.value.__cause__, LimitError)
    with pytest.raises(TokImageError, match="no model named 'none'"):
        sample.save(stream, "TOK", model="none")
    assert stream.getvalue() == b"before"


@pytest.mark.parametrize("options", [{"tokens": 0}, {"tokens": 17}, {"pitch": 100}, {"device": "tpu"}])
def test_wrong_options_are_value_errors_and_leave_nothing(
    options: dict[str, Any], sample: Image.Image, tiny: Model, tmp_path: Path
) -> None:
    stream = io.BytesIO(b"before")
    for target in (stream, tmp_path / "new.tok"):
        with pytest.raises(ValueError) as caught:
            sample.save(target, "TOK", **({"model": "tiny"} | options))
        assert not isinstance(caught.value, TokError)
    assert stream.getvalue() == b"before" and not list(tmp_path.iterdir())


def test_a_failed_save_to_a_path_leaves_no_part_of_a_file(sample: Image.Image, tiny: Model, tmp_path: Path) -> None:
    """Pillow empties an existing file before it calls the plug-in, so the old one cannot be kept."""
    path = tmp_path / "a.tok"
    path.write_bytes(b"before")
    with pytest.raises(ValueError, match="tokens must be"):
        sample.save(path, tokens=0, model="tiny")
    assert path.read_bytes() in (b"", b"before")


def test_a_file_can_be_saved_over_itself(make_tok: Make, tiny: Model, tmp_path: Path) -> None:
    path = tmp_path / "a.tok"
    path.write_bytes(make_tok(tokens=16))
    with Image.open(path) as image:
        pixels = image.copy()
    with Image.open(path) as image:
        image.save(path, tokens=3, model="tiny")
    assert path.read_bytes() == tokcodec.encode(pixels, tokens=3, model="tiny")


def test_saved_as_another_format(make_tok: Make) -> None:
    data, stream = make_tok(), io.BytesIO()
    Image.open(io.BytesIO(data)).save(stream, "PNG")
    assert same(Image.open(stream), tokcodec.decode(data))


# ---- saving an opened picture again


@pytest.mark.parametrize("length", [None, -3])
def test_an_unchanged_picture_is_saved_with_its_own_bytes(length: int | None, make_tok: Make, tmp_path: Path) -> None:
    path = tmp_path / "a.tok"
    path.write_bytes(data := make_tok(90, 40, pitch=32)[:length])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tokcodec.TokWarning)  # the cut file
        with Image.open(path) as image:
            assert saved(image) == saved(image, quality=80) == data
            image.save(path)
            assert path.read_bytes() == data
            assert image.getpixel((1, 1)) and saved(image) == data


def test_the_bytes_go_through_pickle(make_tok: Make) -> None:
    data = make_tok()
    image = Image.open(io.BytesIO(data))
    for one in (pickle.loads(pickle.dumps(image)), copy.deepcopy(image)):
        assert same(one, image) and saved(one) == data
        one.putpixel((0, 0), (1, 2, 3))
        assert saved(one) == tokcodec.encode(one) != data


def _by_access(image: Image.Image) -> None:
    access = image.load()
    assert access is not None
    access[3, 3] = (1, 2, 3)


@pytest.mark.parametrize(
    "change",
    [
        _by_access,
        lambda image: image.paste((1, 2, 3), (0, 0, 5, 5)),
        lambda image: image.thumbnail((20, 20)),
        lambda image: image.putalpha(255),
        lambda image: ImageDraw.Draw(image).line((0, 0, 9, 9), (1, 2, 3)),
    ],
)
def test_a_changed_picture_is_encoded(change: Callable[[Image.Image], None], make_tok: Make) -> None:
    data = make_tok(90, 40)
    image = Image.open(io.BytesIO(data))
    change(image)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tokcodec.TokWarning)  # transparency
        assert saved(image) == tokcodec.encode(image) != data


def test_options_and_copies_mean_a_new_encode(make_tok: Make, tiny: Model) -> None:
    data = make_tok(tokens=16)
    image = Image.open(io.BytesIO(data))
    assert tokcodec.info(saved(image, tokens=3, model="tiny")).tokens == 3
    assert saved(image.copy()) == tokcodec.encode(image) != data


# ---- imageio


def test_imageio_reads_and_writes_through_pillow(sample: Image.Image, tiny: Model, tmp_path: Path) -> None:
    iio = pytest.importorskip("imageio.v3")
    path = tmp_path / "a.tok"
    iio.imwrite(path, np.asarray(sample), plugin="pillow", tokens=6, model="tiny")
    data = path.read_bytes()
    assert data == tokcodec.encode(sample, tokens=6, model="tiny")
    decoded = np.asarray(tokcodec.decode(data))
    assert np.array_equal(iio.imread(path, plugin="pillow"), decoded)
    assert np.array_equal(iio.imread(path), decoded)
    assert np.array_equal(iio.imread(data, plugin="pillow"), decoded)
    assert iio.improps(path, plugin="pillow").shape == (30, 40, 3)
    assert iio.immeta(path, plugin="pillow")["model"] == "tiny"


# ---- limits


def test_the_limits_are_those_of_the_last_registration(make_tok: Make) -> None:
    data = make_tok(90, 40, pitch=16)
    tiles = tokcodec.info(data).tiles
    limits: dict[str, Any]
    for limits, text in [({"max_tiles": tiles - 1}, "--max-tiles"), ({"max_pixels": 90 * 40 - 1}, "--max-pixels")]:
        tokcodec.pillow.register(**limits)
        image = Image.open(io.BytesIO(data))
        assert image.size == (90, 40)
        with pytest.raises(TokImageError, match=text):
            image.load()
    tokcodec.pillow.register()
    assert Image.open(io.BytesIO(data)).convert("L").size == (90, 40)
    with pytest.raises(ValueError, match="at least 1"):
        tokcodec.pillow.register(max_tiles=0)


def test_a_warning_made_an_error_comes_through_the_encoder(make_tok: Make) -> None:
    image = Image.open(io.BytesIO(make_tok()[:-3]))
    with warnings.catch_warnings():
        warnings.simplefilter("error", tokcodec.TokWarning)
        with pytest.raises(tokcodec.TokWarning, match="the file is cut"):
            tokcodec.encode(image, model="tiny")
