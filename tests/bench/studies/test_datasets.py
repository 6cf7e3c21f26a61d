"""The scripts about data sets: the shards that speed is measured on, and the page of the language."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from bench.studies import language
from bench.studies.datasets import measure, processor
from bench.studies.datasets.figures import THERE, Figures, page
from bench.studies.datasets.processor import ProcessorTime
from tests.datasets.make import DAMAGED, Here, make_parquet, make_tar, png
from tokcodec.datasets.runs import plan_encoding
from tokcodec.options import EncodeOptions


def test_shards_to_measure_on(tmp_path: Path) -> None:
    source = make_tar(tmp_path / "a.tar", {f"{i}.png": DAMAGED if i == 9 else png(i) for i in range(10)})
    pictures = list(measure.jpegs([str(source)], 5))
    assert len(pictures) == 5 and all(data[:2] == b"\xff\xd8" for data in pictures)
    measure.write_shard(tmp_path / "out.parquet", pictures, 12)
    file = pq.ParquetFile(tmp_path / "out.parquet")
    assert (file.metadata.num_rows, file.metadata.num_row_groups) == (12, 1)
    assert file.read().column("image")[7].as_py()["bytes"] == pictures[2]


FIGURES = Figures(
    {"encode -r": 10.0, "local, 1 worker": 9.0, "local, 2 workers": 5.0, THERE: 8.0},
    {"local, 1 worker": 1.2, "local, 2 workers": 1.0, THERE: 3.5},
    {"encode -r": 11.0, "local, 1 worker": 8.5, "local, 2 workers": 9.5, THERE: 9.0},
    {"local, 1 worker": 0.5, "local, 2 workers": 1.0, THERE: 1.25},
    [(250, 5.0, 400.0), (1000, 20.0, 410.0)],
)


def test_the_page_of_speed_and_memory() -> None:
    text = page(FIGURES, [bytes(1500), bytes(2500)] * 500, 8, 3, ["--tokens", "16"])
    assert "    python -m bench.studies.datasets PICTURES --pictures 1000 --shards 8 --rounds 3 --tokens 16\n" in text
    assert "1,000 JPEGs of quality 90, 2 kB on average, in 8 Parquet files.\nSettings: --tokens 16, " in text
    assert "| local, 2 workers | 5.00 | 9.50 | 200 | 1.80 | 1.00 |\n" in text
    assert f"| {THERE}, without start | 4.50 | 7.75 | 222 | 2.00 | 1.11 |\n" in text
    assert "| 2 workers over twice 1, without start | 0.975 | at least 0.95 | kept |\n" in text
    assert "| Ray over 2 workers, without start | 0.889 | at least 0.95 | missed |\n" in text
    assert "| memory of the large over the small shard | 1.025 | at most 1.25 | kept |\n" in text
    assert "| 1,000 | 20 | 410 |\n" in text
    assert "{" not in text and max(map(len, text.splitlines())) < 240


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")
def test_the_processor_time_of_processes_below(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process below another one that works for 0.3 s, and a process that sleeps."""
    monkeypatch.setattr(processor, "EVERY", 0.02)
    work = "import time\nwhile time.process_time() < 0.3: pass"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-Sc', {work!r}])"
    with ProcessorTime() as busy:
        subprocess.run([sys.executable, "-Sc", outer], check=True)
    with ProcessorTime() as idle:
        subprocess.run([sys.executable, "-Sc", "import time; time.sleep(0.1)"], check=True)
    assert 0.25 <= busy.seconds < 0.8 and idle.seconds < 0.2


def test_without_ray_nothing_is_said_of_it() -> None:
    seconds = {name: took for name, took in FIGURES.seconds.items() if name != THERE}
    found = replace(FIGURES, seconds=seconds)
    assert [name for name, *_ in found.verdicts()] == [
        "2 workers over twice 1, without start",
        "memory of the large over the small shard",
    ]


def test_the_page_of_the_language(tiny: object, tmp_path: Path) -> None:
    source = make_parquet(tmp_path / "a.parquet", [png(i, 96, 64) for i in range(6)])
    for pitch in (32, 64):
        options = EncodeOptions(model="tiny", pitch=pitch)
        list(plan_encoding([str(source)], str(tmp_path / f"{pitch}"), options).outcomes(Here()))
    folders = [str(tmp_path / "32"), str(tmp_path / "64")]
    found = CliRunner().invoke(language.main, [*folders, "--out", str(tmp_path / "results")])
    assert found.exit_code == 0, found.output
    page = (tmp_path / "results" / "language.md").read_text()
    assert "for tiny (hash " in page and "## Pitch 32" in page and "36 tiles, 24 of them with one to the left" in page
    assert (tmp_path / "results" / language.PLOT).stat().st_size > 1000
