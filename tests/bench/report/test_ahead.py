"""Who is ahead, on curves whose crossing is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.report.ahead import ahead_table, lead, who_is_ahead
from bench.report.part import Part
from bench.report.summary import summarise
from bench.results import Row, to_json
from tests.bench.report.test_summary import row

SIZES = np.asarray([100.0, 200.0, 400.0])


@pytest.mark.parametrize(
    ("means", "ends"),
    [
        ([1, -1, -1], (0, math.sqrt(100 * 200))),
        ([3, 1, -1], (0, math.sqrt(200 * 400))),
        ([1, 0, 1], (0, 200)),
        ([1, -1, 1], (0, math.sqrt(100 * 200))),
        ([-1, 1, -1], (math.sqrt(100 * 200), math.sqrt(200 * 400))),
        ([0, 1, 1], (100, math.inf)),
        ([-3, -1, 1], (math.sqrt(200 * 400), math.inf)),
        ([-1, -2, 0], (0, 0)),
        ([1, 2, 3], (0, math.inf)),
    ],
)
def test_the_first_range_above_0(means: list[float], ends: tuple[float, float]) -> None:
    assert lead(SIZES, np.asarray(means, np.float64)) == pytest.approx(ends)


def rows(gains: dict[str, list[int]], rival: str = "avif") -> list[Row]:
    """Files of 96, 192 and 384 bytes by the fidelity look and the rival, which is worse by these dB for each picture.

    The rival's square pixels are best at 384 bytes, and its smooth ones else.
    """
    found = []
    for picture, differences in gains.items():
        for size, gain in zip((96, 192, 384), differences, strict=True):
            ours = {"pitch": 256, "size": size, "look": "fidelity"}
            found.append(row(picture, "tokcodec", ours, size, size / 10 + gain))
            for ending in ("down", "nearest"):
                loss = 0 if (ending == "nearest") == (size == 384) else 5
                found.append(row(picture, f"{rival}-{ending}", {"scale": 0.5, "quality": 1}, size, size / 10 - loss))
    return found


def test_files_with_a_target_are_compared_at_their_targets() -> None:
    made = rows({"a": [2, 1, -1], "b": [2, 1, -1]})
    for each in made:
        if each["codec"] == "tokcodec":
            each["codec"] = "tokcodec-effort6"
            each["setting"] = {"look": "fidelity", "target": {96: 108, 192: 202, 384: 396}[each["bytes"]]}
    (found,) = who_is_ahead(Part("crop256", made))
    assert found["budgets"] == [108, 202, 396]
    assert found["up_to"] == pytest.approx(math.sqrt(202 * 396))


def test_a_larger_target_is_not_served_by_a_smaller_file() -> None:
    made = rows({"a": [5, 1, -40], "b": [5, 1, -40]})
    for each in made:
        if each["codec"] == "tokcodec":
            each["setting"] = {"look": "fidelity", "target": each["bytes"]}
    (found,) = who_is_ahead(Part("crop256", made))
    assert [each["mean"] for each in found["differences"]] == pytest.approx([5, 1, -40])


def test_who_is_ahead_of_the_best_of_a_rival() -> None:
    made = rows({"a": [2, 1, -1], "b": [2, 1, -1]})
    (found,) = who_is_ahead(Part("crop256", made))
    assert (found["metric"], found["curve"], found["rival"]) == ("psnr", "tokcodec fidelity", "avif")
    at = {size: each["mean"] for size, each in zip(found["budgets"], found["differences"], strict=True)}
    expected = {96: 2, 108: 2, 128: 2, 192: 1, 202: 1, 300: 1, 384: -1, 396: -1, 4096: -1}
    assert {size: at[size] for size in expected} == pytest.approx(expected)
    assert 36 not in at, "the rival has no file that small"
    assert found["up_to"] == found["low"] == found["high"] == pytest.approx(math.sqrt(300 * 384))


def test_the_interval_is_that_of_resampled_pictures() -> None:
    made = rows({"a": [2, 1, -1], "b": [-1, -2, -3], "c": [3, 2, 1]})
    (found,) = who_is_ahead(Part("crop256", made))
    assert found["low"] == 0 and found["high"] is None
    assert found["up_to"] == pytest.approx(300 * (384 / 300) ** 0.25)


def test_the_table_says_it_in_words() -> None:
    facts = summarise(rows({"a": [2, 1, -1], "b": [2, 1, -1]}))
    to_json(facts)
    table = ahead_table(facts["parts"][0])
    assert table is not None
    (cells,) = table.rows
    shown = dict(zip(table.header, cells, strict=True))
    assert shown["against"] == "AVIF" and shown["ahead up to"] == "339 B [339, 339]"
    assert (shown["108 B"], shown["300 B"], shown["396 B"]) == ("ahead", "ahead", "behind")
    always, never = "over 4096 B [over 4096, over 4096]", "below 96 B [below 96, below 96]"
    later = "339 B [339, 339], from 157"
    for gains, words in (([2, 2, 2], always), ([-1, 0, -1], never), ([-1, 1, -1], later)):
        table = ahead_table(summarise(rows({"a": gains, "b": gains}))["parts"][0])
        assert table is not None and table.rows[0][3] == words


def test_without_rivals_there_is_no_table() -> None:
    assert ahead_table(summarise(rows({"a": [1, 1, 1]}, rival="other"))["parts"][0]) is None
