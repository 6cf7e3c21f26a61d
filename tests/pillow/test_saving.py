"""The Pillow plug-in saves pictures as `encode` does, and unchanged ones with their own bytes; imageio on top of it."""

from __future__ import annotations

import copy
import io
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

import tokcodec
from tests.pillow.check import same
from tokcodec.errors import LimitError, TokError
from tokcodec.models.modelfile import Model
from tokcodec.pillow import TokImageError

Make = Callable[..., bytes]
pytestmark = pytest.mark.usefixtures("pillow_plugin")


def saved(image: Image.Image, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "TOK", **options)
    return stream.getvalue()


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
