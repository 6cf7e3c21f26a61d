"""Pictures in tars: no member hides another, for any names of keys and columns."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pyarrow as pa
import pytest

from tests.datasets.make import Here, decode, make_parquet, make_tar, png
from tokcodec.datasets.columns import IMAGE_TYPE
from tokcodec.datasets.runs import plan_encoding
from tokcodec.options import EncodeOptions

pytestmark = pytest.mark.usefixtures("tiny")


def members_of(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        found = [(member.name, archive.extractfile(member).read()) for member in archive]  # type: ignore[union-attr]
    assert len(dict(found)) == len(found)
    return dict(found)


def test_no_member_of_a_tar_hides_another(tmp_path: Path) -> None:
    make_tar(tmp_path / "t.tar", {"0.jpg": png(0), "0.png": b"other", "0.seg.png": b"s"})
    list(plan_encoding([str(tmp_path / "t.tar")], str(tmp_path / "one"), EncodeOptions(model="tiny")).outcomes(Here()))
    decode(tmp_path / "one", "tar")
    members = members_of(tmp_path / "tar" / "t.tar")
    assert members.keys() == {"0.png", "0.source_png", "0.seg.png"} and members["0.source_png"] == b"other"


def test_keys_and_columns_that_fit_no_tar(tmp_path: Path) -> None:
    other = pa.array([{"bytes": b"\x89PNG", "path": "x"}] + [None] * 6, IMAGE_TYPE)
    keys = ["img.1", "img_1", "", "../h", "/abs", "a\0b", "b/"]
    source = make_parquet(
        tmp_path / "p.parquet",
        [png(0)] * 7,
        key=keys,
        **{"o": other, "a/b": ["t"] * 7, "x.": ["u"] * 7, "PNG": [1] * 7},
    )
    planned = plan_encoding([str(source)], str(tmp_path / "tokens"), EncodeOptions(model="tiny"), column="image")
    list(planned.outcomes(Here()))
    (outcome,) = decode(tmp_path / "tokens", "tar")
    assert outcome.errors == 6
    members = members_of(tmp_path / "tar" / "p.tar")
    stems = ["img_1", *(f"row-{i:08d}" for i in range(1, 7))]
    assert sorted({name.split(".")[0] for name in members}) == stems
    assert members["img_1.o"] == b"\x89PNG"
    for i, stem in enumerate(stems):
        kinds = {name.removeprefix(stem)[1:] for name in members if name.startswith(stem)}
        assert kinds == {"error" if i else "png", "source_a_b", "source_x_", "PNG.json"} | ({"o"} if not i else set())
