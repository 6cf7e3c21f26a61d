"""results.jsonl: complete jobs only, the last run wins, cut lines are skipped, comparison ignores timings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import results
from bench.results import Row


def job(picture: str = "a", codec: str = "webp", run: str = "r1", rows: int = 3, **changes: Any) -> list[Row]:
    return [
        {
            "subset": "whole",
            "picture": picture,
            "codec": codec,
            "job": codec,
            "setting": {"quality": i},
            "run": run,
            "bytes": 100 + i,
            "metrics": {"psnr": 20.0 + i},
            "encode_s": 0.1,
            "part": [i, rows],
        }
        | changes
        for i in range(rows)
    ]


def test_round_trip(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    assert results.load(file) == []
    results.append(file, job())
    results.append(file, job("b"))
    assert results.complete(results.load(file)) == job() + job("b")


@given(cut=st.integers(0, 2000))
def test_any_cut_leaves_whole_jobs(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    file = tmp_path_factory.mktemp("cut") / "results.jsonl"
    everything = [job(name) for name in "abcd"]
    data = "".join(results.dumps(rows) + "\n" for rows in everything).encode()
    file.write_bytes(data[:cut])
    kept = results.complete(results.load(file))
    ends = [sum(len(results.dumps(rows)) + 1 for rows in everything[: n + 1]) for n in range(4)]
    whole = sum(end <= cut + 1 for end in ends)  # the last newline is not needed
    assert kept == [row for rows in everything[:whole] for row in rows]


def test_a_later_run_of_a_job_replaces_the_earlier_one() -> None:
    old, new = job(), job(run="r2", rows=2)
    assert results.complete(old + new) == new
    assert results.complete(new + old) == old
    assert results.complete(old + new[:1]) == old, "an unfinished run replaces nothing"
    assert results.finished(new) == {("whole", "a", "webp", "r2")}


def test_junk_lines_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    line = results.dumps(job()).encode()
    file.write_bytes(b'\xff\xfe{"picture"\n[1]\n{"no": "rows"}\n{"rows": [1]}\n\n' + line + b'\n{"pict')
    assert results.load(file) == job()


def test_rewrite_sorts_and_replaces(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    results.append(file, job("b"))
    results.append(file, job("a"))
    results.rewrite(file, results.load(file))
    first = file.read_bytes()
    assert [json.loads(line)["picture"] for line in first.splitlines()] == ["a", "b"]
    results.rewrite(file, reversed(results.load(file)))
    assert file.read_bytes() == first
    assert list(tmp_path.iterdir()) == [file]


def test_a_failed_rewrite_keeps_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    results.append(file, job())
    before = file.read_bytes()
    with pytest.raises(TypeError):
        results.rewrite(file, [row | {"bytes": object()} for row in job()])
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_lines_are_short_and_finite() -> None:
    rows = job("é", rows=2)
    rows[1]["metrics"], rows[0]["metrics"]["top1"] = {"psnr": 1 / 3}, 1.0
    assert results.dumps(rows) == (
        '{"subset":"whole","picture":"é","codec":"webp","job":"webp","run":"r1","encode_s":0.1,'
        '"fields":["setting","bytes"],"metrics":["psnr","top1"],'
        '"rows":[[{"quality":0},100,20,1],[{"quality":1},101,0.3333,null]]}'
    )
    with pytest.raises(ValueError, match="JSON"):
        results.to_json({"psnr": float("inf")})


def test_failed_rows_have_no_values(tmp_path: Path) -> None:
    rows = job(rows=2)
    rows[1] |= {"metrics": None, "bytes": None, "error": "OSError: no"}
    results.append(tmp_path / "results.jsonl", rows)
    assert results.load(tmp_path / "results.jsonl") == rows


def test_fields_that_only_some_rows_have_come_back(tmp_path: Path) -> None:
    rows = job(rows=3)
    rows[0] |= {"peak_mb": 120.5}
    rows[1] |= {"bytes": None, "metrics": None, "error": "OSError: no", "setting": None}
    results.append(tmp_path / "results.jsonl", rows)
    assert results.load(tmp_path / "results.jsonl") == rows


def test_compare() -> None:
    old, new = job(), job(encode_s=9.0, versions={"webp": "2"})
    assert results.compare(old, new) == []
    new[1] = new[1] | {"bytes": 99, "metrics": {"psnr": 25.0}}
    assert results.compare(old, new[1:]) == [
        'only in the old results: whole a webp {"quality": 0}',
        'whole a webp {"quality": 1}: bytes 101 -> 99, psnr 21.0 -> 25.0',
    ]


def test_run_id_depends_on_every_fact() -> None:
    facts = {"a": 1, "b": (1, 2)}
    assert results.run_id(facts) == results.run_id({"b": [1, 2], "a": 1})
    assert results.run_id(facts) != results.run_id(facts | {"a": 2})
