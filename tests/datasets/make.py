"""Small sources of data sets, the bytes of a plain encode, and runs in this process."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

import tokcodec
from tokcodec.datasets.runs import plan_decoding, plan_encoding
from tokcodec.datasets.shards.outcome import Outcome
from tokcodec.options import DecodeOptions, EncodeOptions

DAMAGED = b"\x89PNG\r\n\x1a\n and then no picture"


def png(seed: int, width: int = 48, height: int = 32) -> bytes:
    """A picture with some structure."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(coarse).resize((width, height)).save(stream, "PNG")
    return stream.getvalue()


def plain(data: bytes, **options: Any) -> bytes:
    """The bytes of `tokcodec encode`."""
    return tokcodec.encode(Image.open(io.BytesIO(data)).convert("RGB"), **{"model": "tiny"} | options)


def make_folder(folder: Path, pictures: Mapping[str, bytes]) -> Path:
    for name, data in pictures.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def make_tar(path: Path, members: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def make_parquet(path: Path, pictures: Sequence[bytes | None], **columns: Any) -> Path:
    """A file as in Hugging Face's data sets: a struct of bytes and path."""
    images = [None if data is None else {"bytes": data, "path": None} for data in pictures]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pq.write_table(pa.table({"image": pa.array(images, kind)} | columns), path, row_group_size=7)
    return path


def rows(folder: Path) -> list[dict[str, Any]]:
    """All rows of a data set, by their keys."""
    found = [row for path in folder.rglob("*.parquet") for row in pq.ParquetFile(path).read().to_pylist()]
    return sorted(found, key=lambda row: str(row["key"]))


class Here:
    """An engine in this process."""

    def run(self, function: Callable[[Any], Any], tasks: Sequence[Any]) -> Generator[Any, None, None]:
        yield from map(function, tasks)


def encoded(tmp_path: Path, **columns: Any) -> Path:
    """A data set of one shard."""
    size = len(next(iter(columns.values())))
    source = make_parquet(tmp_path / "p.parquet", [png(i) for i in range(size)], **columns)
    list(plan_encoding([str(source)], str(tmp_path / "tokens"), EncodeOptions(model="tiny")).outcomes(Here()))
    return tmp_path / "tokens"


def decode(source: Path, to: str, format: str = "png", **options: Any) -> list[Outcome]:
    """Decode a data set to a folder beside it of the name `to`."""
    output = source.parent / to
    planned = plan_decoding(str(source), str(output), DecodeOptions(**options), to=to, format=format)
    return list(planned.outcomes(Here()))


def unfinish(record: Path) -> None:
    """Leave the record of a shard as after a kill."""
    found = json.loads(record.read_text())
    record.write_text(json.dumps(found | {"samples": None, "errors": None}))
