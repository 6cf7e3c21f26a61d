"""The scripts about data sets: the shards that speed is measured on, and the page of the language."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from bench.studies import datasets, language
from tests.datasets.make import DAMAGED, Here, make_parquet, make_tar, png
from tokcodec.datasets.runs import plan_encoding
from tokcodec.options import EncodeOptions


def test_shards_to_measure_on(tmp_path: Path) -> None:
    source = make_tar(tmp_path / "a.tar", {f"{i}.png": DAMAGED if i == 9 else png(i) for i in range(10)})
    pictures = list(datasets.jpegs([str(source)], 5))
    assert len(pictures) == 5 and all(data[:2] == b"\xff\xd8" for data in pictures)
    datasets.write_shard(tmp_path / "out.parquet", pictures, 12)
    file = pq.ParquetFile(tmp_path / "out.parquet")
    assert (file.metadata.num_rows, file.metadata.num_row_groups) == (12, 1)
    assert file.read().column("image")[7].as_py()["bytes"] == pictures[2]


@pytest.mark.parametrize(("value", "most", "good"), [(2, False, True), (1, False, False), (1, True, True)])
def test_verdicts(value: float, most: bool, good: bool, capsys: pytest.CaptureFixture[str]) -> None:
    assert datasets.verdict("x", value, 1.5, most) == good
    assert capsys.readouterr().out == f"x: {value:.2f}, limit 1.5  {'ok' if good else 'MISSED'}\n"


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
