"""Several processes that write one output: one of them wins, whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import tokcodec
from tests.robustness.inputs import MakeTok, expected_outputs
from tests.robustness.processes import TEMPORARY, Commands, needs_fork
from tests.robustness.races import Race
from tests.robustness.works import SINGLE, Scene, share

pytestmark = needs_fork
Tabulate = Callable[[str, dict[str, object]], None]
KINDS = [*((name, force) for name in SINGLE for force in (False, True)), ("dataset encode", False)]
"""The kinds of races, among which `--rounds` are divided."""
TITLE = "Racing writers"


@pytest.mark.parametrize("force", [False, True])
def test_processes_that_write_the_same_output(commands: Commands, place: Path, make_tok: MakeTok, force: bool) -> None:
    """One output is complete: without -f the first, and the others print a line. With -f it is the last."""
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


@pytest.mark.slow
@pytest.mark.parametrize(("name", "force"), KINDS[:-1])
def test_a_reader_meanwhile_finds_one_of_them(
    scene: Scene, name: str, force: bool, numbers: dict[str, int], tabulate: Tabulate
) -> None:
    """Writers with other numbers of tokens each; the output is read as long as any of them runs."""
    counts = [8 + 48 * i // 7 for i in range(8)] if scene.long else [4, 8, 12, 16]
    works = [scene.work(name, count) for count in counts]
    wholes, race = [scene.whole(work)[0] for work in works], Race()
    for _ in range(share(numbers["rounds"], len(KINDS), KINDS.index((name, force)))):
        if force:
            race.of_one_file(scene, [work.forced() for work in works], wholes, winners=len(works))
        else:
            race.of_one_file(scene, works, wholes, winners=1)
    tabulate(TITLE, race.row(f"{name}{' -f' * force}", len(works)))
    assert race.faults == []


@pytest.mark.slow
def test_two_encoders_of_one_data_set(scene: Scene, numbers: dict[str, int], tabulate: Tabulate) -> None:
    race = Race()
    for i in range(share(numbers["rounds"], len(KINDS), len(KINDS) - 1)):
        race.of_shards(scene, scene.work("dataset encode"), writers=2, apart=0.3 * i)
    tabulate(TITLE, race.row("dataset encode, the same twice", 2))
    assert race.faults == []
