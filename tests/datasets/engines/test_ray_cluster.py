"""A Ray cluster with a fake GPU: the other commands, the requested resources, and other pipelines."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result

from tests.datasets.engines.check import check
from tests.datasets.make import DAMAGED, Here, make_parquet, plain, png
from tokcodec.datasets import Decoder, Encoder
from tokcodec.datasets.engines.ray import STORE_BYTES, Ray
from tokcodec.models.registry import MODELS_VARIABLE

ray: Any = pytest.importorskip("ray", reason="needs Ray: pip install 'tokcodec[ray]'")
pytestmark = pytest.mark.slow

Call = Callable[..., Result]
ENGINES = ["ray", "local"]
PICTURES = {f"k{i}": DAMAGED if i == 7 else png(i) for i in range(12)}


@pytest.fixture(scope="module", autouse=True)
def cluster(tiny_folder: Path) -> Iterator[None]:
    """A running cluster with the model `tiny` on all its machines."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(MODELS_VARIABLE, str(tiny_folder))
        ray.init(
            "local",
            num_cpus=2,
            num_gpus=1,
            include_dashboard=False,
            log_to_driver=False,
            object_store_memory=STORE_BYTES,
        )
        yield
        ray.shutdown()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    keys = list(PICTURES)
    for i in range(3):
        part = keys[i::3]
        label = [[int(key[1:])] * (i + 1) for key in part]
        make_parquet(tmp_path / "in" / f"{i}.parquet", [PICTURES[key] for key in part], key=part, label=label)
    return tmp_path / "in"


@pytest.fixture
def tokens(call: Call, source: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The pictures encoded by an engine in this process."""
    monkeypatch.setattr("tokcodec.datasets.engines.local.Local", lambda *sizes: Here())
    done = call("dataset", "encode", "in", "--output", "tokens", "--model", "tiny")
    assert "tokcodec: 3 done, 0 skipped, 0 failed" in done.stderr
    return source.parent / "tokens"


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("to", ["folder", "tar", "parquet"])
def test_decode(call: Call, tokens: Path, tmp_path: Path, to: str) -> None:
    said = []
    for engine in ENGINES:
        arguments = ["--output", engine, "--to", to, "--format", "webp", "--engine", engine]
        done = call("dataset", "decode", "tokens", *arguments)
        assert done.exit_code == 1 and "tokcodec: 3 done, 0 skipped, 0 failed" in done.stderr
        said.append([line for line in done.stderr.splitlines() if "k7" in line])
    assert said[0] == said[1] == ["tokcodec: k7: damaged or unsupported PNG picture"]
    assert files(tmp_path / "ray") == files(tmp_path / "local")
    made = [name for name in files(tmp_path / "ray") if not name.startswith(".tokcodec/")]
    assert len(made) == (11 if to == "folder" else 3)


def test_verify(call: Call, tokens: Path) -> None:
    path = tokens / "1.parquet"
    table = pq.ParquetFile(path).read()
    data = table.column("tok").to_pylist()
    data[0] = data[0][:-2]
    pq.write_table(table.set_column(table.column_names.index("tok"), "tok", pa.array(data)), path)
    ours, theirs = (call("dataset", "verify", "tokens", "--engine", engine) for engine in ENGINES)
    assert ours.stdout == "tokens: 12 samples, 1 without a file, 1 damaged, 0 keys twice\n"
    assert (ours.exit_code, ours.stdout, ours.stderr) == (1, theirs.stdout, theirs.stderr)
    assert ours.stderr.startswith("tokcodec: k1: the file is cut")


@dataclass(frozen=True)
class Job:
    name: str


def given(job: Job) -> tuple[dict[str, float], str | None]:
    """The resources of a worker: those of Ray, and the GPUs that libraries see."""
    resources: dict[str, float] = ray.get_runtime_context().get_assigned_resources()
    return resources, os.environ.get("CUDA_VISIBLE_DEVICES")


def test_cores_and_gpus_of_a_worker() -> None:
    (both,) = Ray(cpus=2, gpus=1).run(given, [Job("a")])
    assert both == ({"CPU": 2.0, "GPU": 1.0}, "0")
    shared = list(Ray(gpus=0.5).run(given, [Job(str(i)) for i in range(4)]))
    assert shared == [({"CPU": 1.0, "GPU": 0.5}, "0")] * 4
    ((resources, _),) = Ray().run(given, [Job("a")])
    assert resources == {"CPU": 1.0}


def test_a_gpu_without_cuda(call: Call, source: Path, tmp_path: Path) -> None:
    """The model runs on the worker's GPU, unless another device is requested."""
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is CUDA here")
    command = ["dataset", "encode", "in", "--output", "out", "--model", "tiny", "--engine", "ray", "--num-gpus", "0.5"]
    command += ["--workers", "1"]  # each imports torch
    done = call(*command, "-q")
    assert (done.exit_code, done.stderr) == (1, "tokcodec: no CUDA device here; use --device cpu\n")
    assert not list((tmp_path / "out").glob("*"))
    done = call(*command, "--device", "cpu")
    assert done.exit_code == 1 and "tokcodec: 3 done, 0 skipped, 0 failed" in done.stderr
    check(tmp_path / "out", PICTURES, {key: plain(data) for key, data in PICTURES.items() if data != DAMAGED})


@ray.remote(num_cpus=1)
class Idle:
    """An actor of somebody else, which keeps a core."""

    def ready(self) -> bool:
        return True


def test_rows_keep_their_order_and_types_with_one_free_core(call: Call, source: Path, tmp_path: Path) -> None:
    """A task of the engine reads, encodes and writes its shard, so that one core is sufficient."""
    other = Idle.remote()
    assert ray.get(other.ready.remote())
    done = call("dataset", "encode", "in", "--output", "out", "--model", "tiny", "--engine", "ray", "--workers", "2")
    ray.kill(other)
    assert done.exit_code == 1 and "tokcodec: 3 done, 0 skipped, 0 failed" in done.stderr
    for path in source.iterdir():
        before, after = (pq.ParquetFile(folder / path.name).read() for folder in (source, tmp_path / "out"))
        for column in ("key", "label"):
            assert after.column(column) == before.column(column)


def test_map_batches(source: Path, tmp_path: Path) -> None:
    """The recipe for those who have a pipeline: Parquet to Parquet by `Encoder`, and back by `Decoder`.

    Keys put the rows in order, Arrow batches keep the types, and one of two cores is left for reading.
    """
    one = {"batch_format": "pyarrow", "compute": ray.data.ActorPoolStrategy(size=1)}
    pictures = ray.data.read_parquet(str(source)).map_batches(
        Encoder, batch_size=5, fn_constructor_kwargs={"model": "tiny"}, **one
    )
    pictures.write_parquet(str(tmp_path / "out"))
    back = ray.data.read_parquet(str(tmp_path / "out")).map_batches(
        Decoder, fn_constructor_kwargs={"format": "webp"}, **one
    )
    decoded = {row["key"]: row["image"] for row in back.take_all()}
    expected = {key: None if data == DAMAGED else plain(data) for key, data in PICTURES.items()}
    found = pq.read_table(tmp_path / "out").sort_by("key")
    assert found.column("key").to_pylist() == sorted(PICTURES)
    assert dict(zip(found.column("key").to_pylist(), found.column("tok").to_pylist(), strict=True)) == expected
    assert found.schema.field("label").type == pa.list_(pa.int64())
    assert found.schema.field("tokens").type == pa.list_(pa.uint16())
    assert all({*row["label"]} == {int(row["key"][1:])} for row in found.to_pylist())
    assert {key for key, image in decoded.items() if image is not None} == set(PICTURES) - {"k7"}
    assert decoded["k0"]["bytes"][:4] == b"RIFF"
