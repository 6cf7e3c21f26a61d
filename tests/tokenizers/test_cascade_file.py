"""A third-party cascade: types, values and sizes that are not allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.tokenizers.test_cascade import tensors, write
from tests.tokenizers.test_look import random_look
from tokcodec.errors import ModelFileError
from tokcodec.tokenizers import cascade_file
from tokcodec.tokenizers.cascade_file import check_tensors, read_cascade
from tokcodec.tokenizers.look import LIGHT
from tokcodec.tokenizers.web import pack_web

STEP, MEAN, DIMS = (tensors()[name] for name in ("step", "mean", "dims"))


def with_first(array: NDArray[Any], value: float) -> NDArray[Any]:
    changed = array.copy()
    changed.flat[0] = value
    return changed


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"planes": np.array([8.0, 4.0])}, r"planes are float64 \[2\]"),
        ({"planes": np.array([[8, 4]])}, r"planes are int64 \[1, 2\]"),
        ({"planes": np.array([-8, 4])}, "must hold: 1 <= chroma <= luma <= 64"),
        ({"planes": np.array([8, -4])}, "must hold"),
        ({"planes": np.array([4, 8])}, "must hold"),
        ({"planes": np.array([65, 4])}, "must hold"),
        ({"words": np.zeros((2, 20, 2, 8, 3), np.float32)}, "words are float32"),
        ({"words": np.zeros((2, 20, 2, 8, 3), np.uint8)}, "words are uint8"),
        ({"words": np.zeros((0, 20, 2, 8, 3), np.int8)}, r"words are int8 \[0, "),
        ({"words": np.zeros((2, 20, 2, 8, 0), np.int8)}, "words are int8"),
        ({"words": np.zeros((1, 1, 2, 4097, 1), np.int8)}, "4097 codewords"),
        ({"mean": MEAN.astype(np.int32)}, "mean holds int32"),
        ({"mean": MEAN.astype(np.complex64)}, "mean holds complex64"),
        ({"mean": with_first(MEAN, np.nan)}, "mean holds float16, or values that are not finite"),
        ({"step": with_first(STEP, np.inf)}, "step holds float32, or values that are not finite"),
        ({"step": with_first(STEP, -1)}, "step holds negative values"),
        ({"dims": DIMS.astype(np.float32)}, "dims holds float32"),
        ({"dims": DIMS.astype(np.bool_)}, "dims holds bool"),
        ({"dims": with_first(DIMS, DIMS.flat[1])}, "dims name a coefficient twice"),
    ],
)
def test_what_a_cascade_has_not(changes: dict[str, NDArray[Any]], message: str) -> None:
    check_tensors(tensors())
    with pytest.raises(ValueError, match=message):
        check_tensors(tensors() | changes)


def test_numbers_of_a_scale_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cascade_file, "MAX_NUMBERS", 20 * 2 * 8 * 3 - 1)
    with pytest.raises(ValueError, match=r"8 codewords of 3 numbers for 20 tokens: at most .* and 959 numbers"):
        check_tensors(tensors())


def test_the_web_export_checks_the_same(tmp_path: Path) -> None:
    bad = write(tmp_path / "bad", {"step": with_first(STEP, np.nan)})
    for work in (read_cascade, lambda model: pack_web(model, 4)):
        with pytest.raises(ModelFileError, match="step holds"):
            work(bad)
    look = random_look() | {"stem.bias": np.full(8, np.nan, np.float32)}
    model = write(tmp_path / "look", looks={LIGHT: look})
    with pytest.raises(ModelFileError, match=r"the look 'light' does not fit .stem.bias holds values"):
        pack_web(model, 4, look=LIGHT)
