"""The search for costly inputs: its inputs are valid, and it finds what is worst."""

from __future__ import annotations

from random import Random

import pytest

import tokcodec
from bench.studies.costs.__main__ import report, search
from bench.studies.costs.inputs import (
    Picture,
    TokFile,
    random_file,
    random_picture,
    random_size,
    vary_file,
    vary_picture,
)
from bench.studies.costs.measure import Cost, Input, Meter, run
from bench.studies.costs.units import units
from tokcodec.pictures.limits import DEFAULT_MAX_PIXELS


@pytest.mark.parametrize("seed", range(20))
def test_files_of_the_search_are_valid(seed: int) -> None:
    rng = Random(seed)
    for file in (random_file(rng), vary_file(rng, random_file(rng))):
        header = tokcodec.info(file.data())
        assert (header.width, header.height, header.tokens) == (file.width, file.height, file.tokens)
        assert header.tiles == file.tiles


def test_sizes_are_within_the_limit() -> None:
    rng = Random(1)
    assert all(width * height <= DEFAULT_MAX_PIXELS for width, height in (random_size(rng) for _ in range(500)))


def test_pictures_can_be_encoded() -> None:
    picture = Picture(20, 30, "noise", "PNG", (("tokens", 4),))
    assert run(picture).outcome == "done"
    rng = Random(2)
    assert all(vary_picture(rng, picture, 1000).tiles >= 1 for _ in range(20))
    assert random_picture(rng, 1000).describe()


def test_a_meter_goes_on_after_a_kill() -> None:
    meter = Meter(0.0)  # no input is that fast
    try:
        file = TokFile(16, 16, 16, 1, False, False, 2, 0)
        assert meter.cost(file).outcome == "killed"
        meter.limit = 60
        cost = meter.cost(file)
        assert cost.outcome == "done" and cost.size == 12
    finally:
        meter.close()


def test_units_are_valid_files_that_hold_their_tokens() -> None:
    for unit in units(256 * 256):
        if isinstance(unit.given, TokFile):
            data = unit.given.data()
            assert tokcodec.info(data).tiles == unit.given.tiles
            held = [len(row) for row in tokcodec.read_tokens(data).tolist()]
            assert len(held) == unit.given.tiles


class Costly(Meter):
    """The more bytes, the more it costs."""

    def __init__(self) -> None:
        pass

    def cost(self, given: Input) -> Cost:
        assert isinstance(given, TokFile)
        return Cost(10 + given.payload, float(given.payload), 0.0, "done")


def test_the_search_finds_what_costs_most() -> None:
    found = search(Random(3), Costly(), 0.3, random_file, vary_file, lambda _, cost: cost.seconds)
    assert found[0][1].seconds == 1 << 17
    costs = [cost.seconds for _, cost in found]
    assert costs == sorted(costs, reverse=True)
    assert found[0][0].describe() in report([], found, found, [], "--seed 3")
