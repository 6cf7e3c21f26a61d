"""Packs: complete arrays, the same files after unpacking, and errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file

import tokcodec
from tests.conftest import TINY_VOCABULARY
from tokcodec.container.counts import tile_counts
from tokcodec.container.header import HEADER_SIZE, Header
from tokcodec.contents import pack
from tokcodec.datasets import pack as packs
from tokcodec.datasets.pack import Pack, Packer, check_name, find_packed_model
from tokcodec.errors import OutputError, TokError, UnknownModelError
from tokcodec.models.modelfile import Model
from tokcodec.tokfile import read

Call = Callable[..., Result]
MakeTok = Callable[..., bytes]
FILL = 65535


@pytest.fixture
def files(tiny: Model, make_tok: MakeTok) -> dict[str, bytes]:
    """Plain files of several shapes and an adaptive one of four tiles."""
    coded = np.random.default_rng(5).integers(0, TINY_VOCABULARY, (4, 16))
    return {
        "a.tok": make_tok(),
        "deep/b.tok": make_tok(width=600, height=300, tokens=3, seed=1),
        "Ü \n東.tok": make_tok(width=16383, height=1, pitch=0, tokens=16, seed=2),
        "adaptive.tok": pack(Header(tiny.id, 16, 256, 512, 512), tiny, coded, np.array([0, 3, 7, 0])),
    }


def packed(files: dict[str, bytes]) -> Pack:
    packer = Packer()
    for name, data in files.items():
        packer.add(name, read(data))
    return packer.finish()


@pytest.mark.parametrize("suffix", packs.SUFFIXES)
def test_the_same_files_come_back(files: dict[str, bytes], tiny: Model, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"tokens{suffix}"
    packs.write(path, packed(files))
    found = packs.read(path)
    assert (found.model, found.hash, found.names, len(found)) == ("tiny", tiny.hash, list(files), len(files))
    assert find_packed_model(found) == tiny
    assert {name: found.file(i, tiny) for i, name in enumerate(found.names)} == files


def test_the_arrays_say_what_the_files_hold(files: dict[str, bytes], tmp_path: Path) -> None:
    packs.write(tmp_path / "tokens.npz", packed(files))
    with np.load(tmp_path / "tokens.npz", allow_pickle=False) as arrays:
        tokens, counts, offsets = arrays["tokens"], arrays["counts"], arrays["offsets"]
        assert tokens.dtype == np.uint16 and tokens.shape == (1 + 2 + 1 + 4, 16)
        assert offsets.tolist() == [0, 1, 3, 4, 8]
        assert counts.tolist() == [8, 3, 3, 16, *tile_counts(16, np.array([0, 3, 7, 0]))]
        assert arrays["names"].tolist() == list(files)
        for i, (name, data) in enumerate(files.items()):
            info, plain = tokcodec.info(data), tokcodec.read_tokens(data)
            rows = tokens[offsets[i] : offsets[i + 1]]
            assert np.array_equal(rows[:, : plain.shape[1]], np.where(plain < 0, FILL, plain)), name
            assert (rows[:, plain.shape[1] :] == FILL).all()
            facts = [arrays[key][i] for key in ("widths", "heights", "pitches", "declared", "adaptive")]
            assert facts == [info.width, info.height, info.pitch, info.tokens, info.adaptive]
        assert np.array_equal(tokens != FILL, np.arange(16) < counts[:, None])
        assert (str(arrays["model"]), str(arrays["version"])) == ("tiny", "1")


def test_safetensors_hold_the_same(files: dict[str, bytes], tmp_path: Path) -> None:
    content = packed(files)
    packs.write(tmp_path / "tokens.safetensors", content)
    with safe_open(tmp_path / "tokens.safetensors", framework="numpy") as found:
        assert json.loads(found.metadata()["tokcodec"])["names"] == list(files)
        for name, array in content.arrays.items():
            assert np.array_equal(found.get_tensor(name), array)


@pytest.mark.parametrize("suffix", packs.SUFFIXES)
def test_the_same_bytes_in_every_process(files: dict[str, bytes], tmp_path: Path, suffix: str) -> None:
    (tmp_path / "a.tok").write_bytes(files["a.tok"])
    outputs = set()
    for seed in "123":
        path = tmp_path / f"{seed}{suffix}"
        command = [sys.executable, "-m", "tokcodec", "pack", str(tmp_path / "a.tok"), "-o", str(path)]
        subprocess.run(command, check=True, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True)
        outputs.add(path.read_bytes())
    assert len(outputs) == 1


def test_packs_of_tokcodec_1_0_0_are_read(files: dict[str, bytes], tmp_path: Path) -> None:
    """Their metadata has an entry for each text."""
    content = packed(files)
    texts = {"model": content.model, "hash": content.hash.hex(), "version": "1", "names": json.dumps(content.names)}
    save_file(content.arrays, tmp_path / "old.safetensors", texts)
    found = packs.read(tmp_path / "old.safetensors")
    assert (found.names, found.model, found.hash) == (content.names, content.model, content.hash)


@given(cut=st.integers(1, 12), seed=st.integers(0, 9), adaptive=st.booleans())
def test_a_cut_file_comes_back_as_far_as_every_tile_goes(
    tiny_folder: Path, cut: int, seed: int, adaptive: bool
) -> None:
    from tokcodec.models.modelfile import read_model

    tiny = read_model(tiny_folder / "tiny")
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 8, 2) if adaptive else None
    data = pack(Header(tiny.id, 16, 256, 512, 256), tiny, rng.integers(0, TINY_VOCABULARY, (2, 16)), levels)
    data = data[: max(HEADER_SIZE, len(data) - cut)]
    contents, packer = read(data, tiny), Packer()
    if not contents.held:
        with pytest.raises(TokError, match="cut"):
            packer.add("a.tok", contents)
        return
    packer.add("a.tok", contents)
    content = packer.finish()
    assert content.arrays["counts"].sum() == contents.held
    if most := contents.most():
        header = replace(contents.header, tokens=most)
        assert content.file(0, tiny) == pack(header, tiny, contents.coded, contents.levels)
    else:
        with pytest.raises(TokError, match=r"a\.tok: it was cut"):
            content.file(0, tiny)


def test_large_vocabularies_take_more_bits(tiny: Model) -> None:
    assert packs.token_dtype(tiny) is np.uint16
    assert packs.token_dtype(replace(tiny, radices=(256, 255))) is np.uint16
    assert packs.token_dtype(replace(tiny, radices=(256, 256))) is np.uint32  # 65535 would be a token and FILL


# ---- what is refused


@pytest.mark.parametrize(
    "name",
    ["", ".", "/a", "../a", "a/../../b", "a/..", "C:\\a", "c:a", "\\\\host\\x\\a", "a\\..\\b", "a\0"],
)
def test_names_that_leave_the_folder(name: str) -> None:
    with pytest.raises(TokError, match="not a relative path"):
        check_name(name)


@pytest.mark.parametrize("name", ["a", "a/b.tok", "..a.tok", "a..", "-rf", " ", "東.tok", "\udcff.tok", "a\\b"])
def test_names_that_stay(name: str) -> None:
    check_name(name)


def test_a_pack_that_climbs_is_refused(files: dict[str, bytes], tmp_path: Path) -> None:
    content = packed(files)
    arrays = content.arrays | {"names": np.array(["../evil.tok", *content.names[1:]])}
    np.savez(tmp_path / "x.npz", **arrays, model="tiny", hash=content.hash.hex(), version="1")
    with pytest.raises(TokError, match="not a relative path"):
        packs.read(tmp_path / "x.npz")


def test_files_of_two_models(files: dict[str, bytes], tiny: Model) -> None:
    packer = Packer()
    packer.add("a.tok", read(files["a.tok"]))
    other = replace(read(files["a.tok"]), model=replace(tiny, name="other", hash=bytes(32)))
    with pytest.raises(TokError, match=r"a\.tok was made with tiny .*, b\.tok with other \(00000000"):
        packer.add("b.tok", other)


def test_names_occur_once(files: dict[str, bytes]) -> None:
    packer = Packer()
    packer.add("a.tok", read(files["a.tok"]))
    with pytest.raises(TokError, match="two files of this name"):
        packer.add("a.tok", read(files["a.tok"]))


def test_no_files() -> None:
    with pytest.raises(TokError, match="nothing to pack"):
        Packer().finish()


def test_a_model_that_is_not_there(files: dict[str, bytes], tiny: Model) -> None:
    content = replace(packed(files), hash=b"\1" * 32, model="gone")
    with pytest.raises(UnknownModelError, match=r"needs model gone \(hash 01010101"):
        find_packed_model(content)
    with pytest.raises(UnknownModelError, match="packed with model gone"):
        content.file(0, tiny)


def test_other_suffixes_and_existing_files(files: dict[str, bytes], tmp_path: Path) -> None:
    content = packed(files)
    with pytest.raises(ValueError, match=r"\.npz or \.safetensors"):
        packs.write(tmp_path / "x.tar", content)
    (tmp_path / "x.npz").write_bytes(b"precious")
    with pytest.raises(OutputError, match="exists already"):
        packs.write(tmp_path / "x.npz", content)
    assert (tmp_path / "x.npz").read_bytes() == b"precious"
    packs.write(tmp_path / "x.npz", content, force=True)
    assert packs.read(tmp_path / "x.npz").names == content.names


@pytest.mark.parametrize(
    "change",
    [
        {"tokens": np.zeros((8, 16), np.int32)},
        {"tokens": np.zeros((8, 257), np.uint16)},
        {"counts": np.full(8, 17, np.uint16)},
        {"counts": np.zeros(7, np.uint16)},
        {"levels": np.full(8, 8, np.uint8)},
        {"offsets": np.array([0, 1, 3, 4, 9])},
        {"offsets": np.array([0, 1, 1, 4, 8])},
        {"offsets": np.array([1, 2, 3, 4, 8])},
        {"widths": np.zeros((4, 1), np.uint16)},
        {"adaptive": np.zeros(4, np.uint8)},
    ],
    ids=str,
)
def test_arrays_that_contradict(files: dict[str, bytes], change: dict[str, Any]) -> None:
    content = packed(files)
    with pytest.raises(TokError, match="damaged pack"):
        replace(content, arrays=content.arrays | change)


@pytest.mark.parametrize(
    "change",
    [
        {"tokens": np.full((8, 16), TINY_VOCABULARY, np.uint16)},
        {"widths": np.full(4, 2000, np.uint16)},
        {"widths": np.zeros(4, np.uint16)},
        {"pitches": np.full(4, 7, np.uint16)},
        {"counts": np.zeros(8, np.uint16)},
        {"declared": np.zeros(4, np.uint16)},
    ],
    ids=str,
)
def test_files_that_cannot_be_made(files: dict[str, bytes], tiny: Model, change: dict[str, Any]) -> None:
    content = packed(files)
    content = replace(content, arrays=content.arrays | change)
    with pytest.raises(TokError, match=r"^deep/b\.tok: "):
        content.file(1, tiny)


def test_what_is_no_pack(files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    np.savez(path, a=np.zeros(3))
    pickled = tmp_path / "pickled"
    arrays = packed(files).arrays
    np.savez(pickled, **arrays, names=np.array([print] * 4, object), model="tiny", hash="00" * 32, version="1")
    save_file(arrays, tmp_path / "bare.safetensors")
    for name in ("x.npz", "pickled.npz", "bare.safetensors"):
        with pytest.raises(TokError, match="not a pack"):
            packs.read(tmp_path / name)
    for data in (b"", b"PK", b"PK\3\4 and so on", files["a.tok"], bytes(100), b"\xff" * 100):
        path.write_bytes(data)
        with pytest.raises(TokError, match="not a pack"):
            packs.read(path)
    with pytest.raises(TokError, match="no such file"):
        packs.read(tmp_path / "missing.npz")
    packs.write(tmp_path / "good.npz", packed(files))
    np.savez_compressed(tmp_path / "large.npz", a=np.zeros(100_000, np.uint8))  # a small file that unpacks to much
    monkeypatch.setattr(packs, "MAX_BYTES", 1000)
    for name, text in (("good.npz", "at most 1000 are read"), ("large.npz", "more than 1000 bytes")):
        with pytest.raises(TokError, match=text):
            packs.read(tmp_path / name)


@given(data=st.data())
def test_damaged_packs_raise_tok_errors_alone(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from(WHOLE))
    position, value = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(whole[:position] + bytes([value]) + whole[position + 1 :])
    with suppress(TokError):
        packs.read(path)


WHOLE: list[bytes] = []


@pytest.fixture(autouse=True)
def whole(files: dict[str, bytes], tmp_path: Path) -> None:
    if not WHOLE:
        for suffix in packs.SUFFIXES:
            packs.write(tmp_path / f"whole{suffix}", packed(files))
            WHOLE.append((tmp_path / f"whole{suffix}").read_bytes())


# ---- the command


@pytest.fixture
def toks(files: dict[str, bytes], tmp_path: Path) -> dict[str, bytes]:
    for name, data in files.items():
        (tmp_path / "toks" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "toks" / name).write_bytes(data)
    return files


@pytest.mark.parametrize("suffix", packs.SUFFIXES)
def test_there_and_back(call: Call, toks: dict[str, bytes], suffix: str) -> None:
    result = call("pack", "toks", "-o", f"tokens{suffix}")
    assert result.exit_code == 0
    assert result.stderr.startswith(f"tokens{suffix} (4 files, 8 tiles, ")
    back = ("pack", "--unpack", f"tokens{suffix}", "--output-dir", "back")
    result = call(*back)
    assert result.exit_code == 0
    assert result.stderr.splitlines()[-1].startswith("tokcodec: 4 done, 0 skipped, 0 failed")
    assert {name: (Path("back") / name).read_bytes() for name in toks} == toks
    (Path("back") / "a.tok").write_bytes(b"kept")
    assert "0 done, 4 skipped" in call(*back).stderr and (Path("back") / "a.tok").read_bytes() == b"kept"
    assert "4 done" in call(*back, "-f").stderr and (Path("back") / "a.tok").read_bytes() == toks["a.tok"]


def test_bad_files_do_not_stop_the_others(call: Call, toks: dict[str, bytes]) -> None:
    Path("toks/bad.tok").write_bytes(b"GIF89a")
    Path("toks/cut.tok").write_bytes(toks["a.tok"][:-2])
    result = call("pack", "toks", "-o", "tokens.npz")
    assert result.exit_code == 1
    error, note, done = result.stderr.splitlines()
    assert error == "tokcodec: toks/bad.tok: not a .tok file (starts with 47 49: a GIF)"
    assert note.startswith("tokcodec: toks/cut.tok: note: the file is cut: it holds ")
    assert done.startswith("tokens.npz (5 files, ")
    assert packs.read("tokens.npz").names == ["a.tok", "adaptive.tok", "cut.tok", "Ü \n東.tok", "deep/b.tok"]


def test_a_pack_that_exists_is_kept(call: Call, toks: dict[str, bytes]) -> None:
    Path("tokens.npz").write_bytes(b"precious")
    result = call("pack", "toks", "-o", "tokens.npz")
    assert (result.exit_code, result.stderr) == (1, "tokcodec: tokens.npz: exists already; use -f to overwrite\n")
    assert Path("tokens.npz").read_bytes() == b"precious"
    assert call("pack", "-f", "-q", "toks", "-o", "tokens.npz").stderr == ""
    assert zipfile.is_zipfile("tokens.npz")


def test_errors_name_the_file(call: Call, toks: dict[str, bytes]) -> None:
    Path("bad.npz").write_bytes(b"PK no")
    result = call("pack", "--unpack", "bad.npz", "--output-dir", "out")
    assert (result.exit_code, result.stderr) == (1, "tokcodec: bad.npz: not a pack, or a damaged one\n")
    Path("empty").mkdir()
    assert "tokcodec: nothing to pack" in call("pack", "empty", "-o", "x.npz").stderr
    twice = call("pack", "toks", "toks", "-o", "x.npz")
    assert twice.exit_code == 1 and "two files of this name" in twice.stderr and not Path("x.npz").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["toks"],
        ["toks", "-o", "x.tar"],
        ["toks", "-o", "-"],
        ["toks", "-o", "x.npz", "--output-dir", "x"],
        ["--unpack", "x.npz"],
        ["--unpack", "x.npz", "y.npz", "--output-dir", "x"],
        ["--unpack", "x.npz", "-o", "y.npz", "--output-dir", "x"],
        [],
    ],
)
def test_wrong_usage(call: Call, arguments: list[str]) -> None:
    result = call("pack", *arguments)
    assert result.exit_code == 2 and "Error: " in result.stderr
