"""Stages of a picture, and their animations."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tokcodec.container.header import Header
from tokcodec.contents import pack
from tokcodec.models.modelfile import Model
from tokcodec.progressive import LAST_MS, STAGE_MS, animation, is_animation, stages
from tokcodec.tokfile import read

MakeTok = Callable[..., bytes]


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (8, [1, 2, 4, 8]), (13, [1, 2, 4, 8, 13]), (16, [1, 2, 4, 8, 16])],
)
def test_powers_of_two_and_all(make_tok: MakeTok, tokens: int, expected: list[int]) -> None:
    contents = read(make_tok(tokens=tokens, width=600))
    assert stages(contents) == expected
    assert stages(contents, 16) == expected
    assert stages(contents, 5) == sorted({k for k in (1, 2, 4, 5) if k <= tokens} | {min(tokens, 5)})


def test_what_a_cut_file_holds(make_tok: MakeTok) -> None:
    data = make_tok(tokens=16, width=600)
    for length in range(10, len(data)):
        contents = read(data[:length])
        last = stages(contents)[-1]
        assert last == max(1, -(-contents.held // 2))


def test_of_an_adaptive_file_the_least_number_that_shows_all(tiny: Model) -> None:
    coded = np.zeros((2, 16), int)
    contents = read(pack(Header(tiny.id, 16, 16, 32, 16), tiny, coded, np.array([4, 6])))  # counts 4 and 2
    assert stages(contents) == [1, 2, 4, 8, 14]  # 14 * 64 / 256 and 14 * 32 / 256, rounded, are 4 and 2


def test_a_model_that_needs_all_tokens_has_one_stage(make_tok: MakeTok) -> None:
    contents = read(make_tok(tokens=16))
    assert stages(replace(contents, model=replace(contents.model, ordered=False))) == [16]


@pytest.mark.parametrize(
    ("path", "expected"), [("a.gif", True), ("b/c.PNG", True), ("d.webp", True), ("a.gif/b", False), ("stages", False)]
)
def test_is_animation(path: str, expected: bool) -> None:
    assert is_animation(path) is expected


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".PNG"])
@pytest.mark.parametrize("number", [1, 3])
def test_animations_show_every_stage(suffix: str, number: int) -> None:
    pictures = [Image.new("RGB", (30, 20), (80 * k, 250 - 80 * k, 40)) for k in range(number)]
    with Image.open(io.BytesIO(animation(pictures, suffix))) as image:
        assert getattr(image, "n_frames", 1) == number and image.size == (30, 20)
        durations = []
        for index, picture in enumerate(pictures):
            image.seek(index)
            shown = np.asarray(image.convert("RGB"), int)
            durations.append(image.info.get("duration"))
            assert abs(shown - np.asarray(picture, int)).max() <= 6  # WebP and GIF round colours
        if number > 1:
            assert durations == [STAGE_MS] * (number - 1) + [LAST_MS]
            assert image.info["loop"] == 0  # for ever
