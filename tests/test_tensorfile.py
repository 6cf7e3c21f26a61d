"""safetensors files: round trips, the same bytes in every process, and one line for damage."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tokcodec.tensorfile import MAX_HEADER, load_tensors, read_about, save_tensors, tensor_names

VIEWS: dict[str, NDArray[Any]] = {
    "transposed": np.arange(6, dtype=np.int16).reshape(2, 3).T,
    "every other": np.arange(10.0)[::2],
    "reversed": np.arange(6.0)[::-1],
    "one column": np.arange(12, dtype=np.float16).reshape(3, 4)[:, 1],
    "in Fortran's order": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "repeated": np.broadcast_to(np.float32(3), (2, 2)),
    "big-endian": np.arange(4, dtype=">f4"),
    "scalar": np.array(2.5),
    "empty": np.zeros((0, 3)),
}


def test_what_is_saved_is_what_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(save_tensors(VIEWS))
    found = load_tensors(tmp_path / "file", 1 << 20)
    assert found.keys() == VIEWS.keys()
    for name, array in VIEWS.items():
        assert found[name].shape == array.shape and np.array_equal(found[name], array), name
    assert sorted(tensor_names(tmp_path / "file", 1 << 20)) == sorted(VIEWS)
    assert list(load_tensors(tmp_path / "file", 1 << 20, ("sc",))) == ["scalar"]


def test_the_same_bytes_in_every_process() -> None:
    code = """
import sys, numpy as np
from tokcodec.tensorfile import save_tensors
about = {word: word * 2 for word in ("model", "hash", "version", "names", "licence", "source")}
sys.stdout.buffer.write(save_tensors({name: np.arange(3) for name in set(about)}, about))
"""
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True, env=os.environ | {"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("0", "1", "2", "3")
    }
    assert len(outputs) == 1


def test_what_a_file_says_of_itself(tmp_path: Path) -> None:
    from safetensors import safe_open

    (tmp_path / "file").write_bytes(save_tensors({"x": np.zeros(1)}, {"b": [1, "ü"], "a": "text"}))
    with safe_open(tmp_path / "file", framework="numpy") as file:
        assert read_about(file.metadata()) == {"a": "text", "b": [1, "ü"]}
    assert read_about({"a": "text", "b": "[1]"}) == {"a": "text", "b": "[1]"}  # a file of 1.0.0
    assert read_about(None) == {}
    with pytest.raises(ValueError, match="not a JSON object"):
        read_about({"tokcodec": "[]"})


def raw(kind: str, shape: list[int], data: bytes) -> bytes:
    header = json.dumps({"x": {"dtype": kind, "shape": shape, "data_offsets": [0, len(data)]}}).encode()
    return struct.pack("<Q", len(header)) + header + data


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (raw("BF16", [2], bytes(4)), "'x' is of a type that NumPy lacks .BF16"),
        (raw("F8_E4M3", [2], bytes(2)), "'x' is of a type that NumPy lacks"),
        (raw("F32", [3], bytes(4)), "not readable as safetensors"),
        (raw("F32", [-1], bytes(4)), "not readable as safetensors"),
        (raw("F32", [1], bytes(4))[:-1], "not readable as safetensors"),
        (b"", "not readable as safetensors"),
        (b"\x80\x04pickle", "not readable as safetensors"),
        (struct.pack("<Q", MAX_HEADER + 1) + bytes(8), f"at most {MAX_HEADER} are read"),
        (bytes(200), "200 bytes, and at most 160 are read"),
    ],
)
def test_damage_is_one_line(tmp_path: Path, data: bytes, text: str) -> None:
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(ValueError, match=text) as caught:
        load_tensors(tmp_path / "file", 160)
    assert "\n" not in str(caught.value)
