"""The codec, the training and the bench read the same pixels from the same file, also from unusual ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from bench import pictures as bench_pictures
from tokcodec.pictures.images import read_picture
from tokcodec.pictures.suffixes import PICTURE_SUFFIXES
from tokcodec.pictures.tiling import centre_square
from tokcodec.training.data import load_pictures, read_training_picture

SIZE = (280, 260)


def transparent_red(path: Path) -> None:
    Image.new("RGBA", SIZE, (255, 0, 0, 0)).save(path)


def half_grey_of_16_bits(path: Path) -> None:
    Image.fromarray(np.full(SIZE[::-1], 32768, np.uint16)).save(path)


def turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.linear_gradient("L").resize(SIZE).save(path, exif=exif)


def with_a_profile(path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    Image.new("RGB", SIZE, (200, 100, 50)).save(path, icc_profile=profile.tobytes())


def palette_with_a_transparent_colour(path: Path) -> None:
    picture = Image.new("P", SIZE, 1)
    picture.putpalette([0, 0, 0, 10, 200, 30])
    picture.save(path, transparency=1)


@pytest.mark.parametrize(
    ("make", "colour"),
    [
        (transparent_red, (255, 255, 255)),
        (half_grey_of_16_bits, (128, 128, 128)),
        (turned, None),
        (with_a_profile, None),
        (palette_with_a_transparent_colour, (255, 255, 255)),
    ],
)
def test_odd_pictures(tmp_path: Path, make: Callable[[Path], None], colour: tuple[int, ...] | None) -> None:
    path = tmp_path / "odd.png"
    make(path)
    codec = np.asarray(read_picture(path, warn=lambda note: None))
    trained = read_training_picture(path.read_bytes())
    assert isinstance(trained, torch.Tensor)
    assert np.array_equal(trained.numpy().transpose(1, 2, 0), codec)
    assert np.array_equal(bench_pictures.read(path), codec)
    assert colour is None or (codec == colour).all()


def test_the_same_files_are_pictures(tmp_path: Path) -> None:
    """All of them use one list of suffixes."""
    for suffix in PICTURE_SUFFIXES:
        Image.new("RGB", SIZE).save(tmp_path / f"{suffix[1:]}{suffix.upper()}", "PNG")
    assert len(load_pictures([tmp_path])) == len(PICTURE_SUFFIXES)
    assert len(bench_pictures.find(tmp_path, [None])[0]) == len(PICTURE_SUFFIXES)


@pytest.mark.parametrize("size", [(512, 512), (600, 400), (451, 300), (64, 200), (1, 3)])
def test_a_centre_square_is_the_middle_of_the_picture(size: tuple[int, int]) -> None:
    """The centre square is in the middle of a picture that grows brighter towards both ends of the longer side."""
    ramp = np.abs(np.linspace(-1, 1, max(size))) * 255
    pixels = np.broadcast_to(ramp if size[0] == max(size) else ramp[:, None], size[::-1])
    picture = Image.fromarray(pixels.astype(np.uint8)).convert("RGB")
    square = np.asarray(centre_square(picture, 64), float)
    assert square.shape == (64, 64, 3)
    assert np.abs(square - square[::-1, ::-1]).max() < 14
