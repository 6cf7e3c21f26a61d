"""Several processes that write one output: one of them wins, whole."""

from __future__ import annotations

from pathlib import Path

import pytest

import tokcodec
from tests.robustness.inputs import MakeTok, expected_outputs
from tests.robustness.processes import TEMPORARY, Commands, needs_fork

pytestmark = needs_fork


@pytest.mark.parametrize("force", [False, True])
def test_processes_that_write_the_same_output(commands: Commands, place: Path, make_tok: MakeTok, force: bool) -> None:
    """One wins whole: without -f the first and the others are told, with -f the last."""
    data = make_tok(width=200, height=200, pitch=16, tokens=16)
    (place / "in.tok").write_bytes(data)
    expected = [tokcodec.truncate(data, tokens=tokens) for tokens in (2, 7, 12, 16)]
    options = ["-f"] if force else []
    for _ in range(8):
        (place / "out.tok").unlink(missing_ok=True)
        ended = commands.run(
            *(["truncate", *options, "in.tok", "--tokens", str(n), "-o", "out.tok"] for n in (2, 7, 12, 16)),
            folder=place,
        )
        written = (place / "out.tok").read_bytes()
        winners = [data for data, end in zip(expected, ended, strict=True) if end.code == 0]
        assert written in winners and len(winners) == (4 if force else 1)
        for end in ended:
            assert end.code == 0 or end.stderr == "tokcodec: out.tok: exists already; use -f to overwrite\n"
        assert not list(place.glob(TEMPORARY))


def test_two_encoders_of_one_name(commands: Commands, place: Path) -> None:
    expected = expected_outputs()
    encode = ["encode", "--model", "tiny", "--pitch", "64"]
    ended = commands.run([*encode, "0.png", "-o", "x.tok"], [*encode, "2.png", "-o", "x.tok"], folder=place)
    assert sorted(end.code for end in ended) == [0, 1]
    assert (place / "x.tok").read_bytes() == expected[0 if ended[0].code == 0 else 2]
