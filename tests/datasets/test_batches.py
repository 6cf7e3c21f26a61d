"""The callables for pipelines: tables in, tables out, errors as rows."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pytest
from PIL import Image

import tokcodec
from tests.datasets.make import DAMAGED, plain, png
from tokcodec.datasets import Decoder, Encoder
from tokcodec.datasets.sources.parquet import samples_of
from tokcodec.errors import SourceError, UnknownModelError

pytestmark = pytest.mark.usefixtures("tiny")


def batch(**columns: Any) -> pa.Table:
    return pa.table({"image": pa.array([{"bytes": png(0), "path": "x"}, {"bytes": DAMAGED, "path": "y"}])} | columns)


def test_there_and_back() -> None:
    encoded = Encoder(model="tiny", tokens=5)(batch(key=["a", "b"], label=[1, 2]))
    first, damaged = encoded.to_pylist()
    assert first["tok"] == plain(png(0), tokens=5) and (first["key"], first["label"]) == ("a", 1)
    assert damaged["error"].startswith("tokcodec: b: damaged or unsupported PNG")
    decoded = Decoder(format="png")(encoded)
    assert decoded.column_names == ["key", "width", "height", "image", "error", "label"]
    one, two = decoded.to_pylist()
    picture = Image.open(io.BytesIO(one["image"]["bytes"]))
    assert picture.tobytes() == tokcodec.decode(first["tok"]).tobytes() and one["image"]["path"] == "a.png"
    assert two["image"] is None and two["error"] == damaged["error"]


def test_record_batches_and_plain_binary_columns_are_as_good() -> None:
    record = pa.RecordBatch.from_pydict({"jpg": [png(0)], "other": [1]})
    (row,) = Encoder(model="tiny")(record).to_pylist()
    assert row["tok"] == plain(png(0)) and row["other"] == 1
    assert not row["key"]


def test_a_sample_without_a_key_has_none_in_its_error() -> None:
    assert Encoder(model="tiny")(batch()).column("error").to_pylist()[1].startswith("tokcodec: damaged or")


def test_columns_in_the_way_are_renamed() -> None:
    table = batch(tok=["mine", "too"], source_tok=[1, 2])
    encoded = Encoder(model="tiny")(table)
    assert encoded.column("source_source_tok").to_pylist() == ["mine", "too"]
    assert encoded.column("source_tok").to_pylist() == [1, 2]


def test_pictures_above_the_limit_are_errors() -> None:
    small, large = png(0, 8, 8), png(1, 90, 90)
    table = Encoder(model="tiny", max_sample_bytes=len(small))(pa.table({"image": [small, large], "key": ["a", "b"]}))
    first, second = table.to_pylist()
    assert first["tok"] == plain(small) and second["tok"] is None
    words = f"the picture has {len(large)} bytes, more than the limit of {len(small)} (--max-sample-bytes raises it)"
    assert second["error"] == f"tokcodec: b: {words}"


def test_rows_share_the_bytes_that_a_dictionary_repeats() -> None:
    column = pa.array([png(0), None, png(0)]).dictionary_encode()
    first, missing, again = samples_of(pa.table({"image": column}), "image").pictures
    assert first is again and isinstance(missing, Exception)


def test_wrong_arguments() -> None:
    for options in ({"tokens": 17}, {"pitch": 100}, {"container": "bare"}, {"tokens": 3, "target_size": 100}):
        with pytest.raises(ValueError):
            Encoder(model="tiny", **options)
    with pytest.raises(UnknownModelError):
        Encoder(model="none")
    with pytest.raises(TypeError):
        Encoder(model="tiny", nonsense=1)
    with pytest.raises(ValueError, match="unknown picture format"):
        Decoder(format="xyz")
    for options in ({"tokens": 0}, {"look": "x"}, {"dtype": "float16"}, {"container": "bare"}):
        with pytest.raises(ValueError):
            Decoder(**options)
    with pytest.raises(ValueError, match=r"tokens must be 1\.\.16"):
        Decoder(model="tiny", tokens=17)
    with pytest.raises(UnknownModelError):
        Decoder(model="none")
    with pytest.raises(TypeError, match=r"map_batches\(batch_format='pyarrow'\)"):
        Encoder(model="tiny")({"image": [png(0)]})
    with pytest.raises(SourceError, match="no column of encoded pictures"):
        Encoder(model="tiny")(pa.table({"a": [1]}))
    with pytest.raises(SourceError, match="no column 'tok'"):
        Decoder()(pa.table({"a": [1]}))


def test_a_model_that_is_not_installed_is_no_fault_of_the_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = Encoder(model="tiny")(batch())
    (error, _) = Decoder(model="base-2")(encoded).column("error").to_pylist()
    assert "was made with model id" in error
    monkeypatch.setenv("TOKCODEC_MODELS", "/none")
    with pytest.raises(UnknownModelError):
        Decoder()(encoded)
