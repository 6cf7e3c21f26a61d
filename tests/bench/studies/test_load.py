"""The study of load: it compares with serial results, and counts what differs."""

from __future__ import annotations

import pytest

from bench.studies import load


def test_results_under_load_equal_serial_ones() -> None:
    done = load.run(0.5, threads=2, processes=1, pictures=2, seed=1)
    assert len(done) == 2
    assert all(part.rounds >= 2 and part.wrong == 0 for part in done)
    page = load.report(done, 2, "--seed 1")
    assert "studies.load --seed 1`" in page[2] and page[-2].startswith("| 2 threads of a process | ")
    assert page[-1].startswith("| process 1 | ")


def test_wrong_results_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "code", lambda seed, number: (b"file", b"pixels"))
    found = load.work(0.01, 2, [(b"file", b"other pixels")], 1, 0)
    assert found.wrong == found.rounds >= 4
    assert f"{found.wrong} wrong" in found.describe()
