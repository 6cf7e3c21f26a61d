"""The same file everywhere: whatever threads, precision or device; and only with the model that the file names.

Further: `test_vectors` decodes the vectors by NumPy, `test_models` has the hash and what a manifest may say,
`test_importing` the pickles that `models import` meets.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

import tokcodec
from tests.robustness.inputs import ROOT
from tests.robustness.vectors import BACK_ENDS, Found, decode_vector, same_tokens
from tests.vectors import FILES
from tokcodec.errors import ModelFileError
from tokcodec.models.manifest import MANIFEST, TABLES, WEIGHTS
from tokcodec.models.modelfile import Model
from tokcodec.models.registry import MODELS_VARIABLE, find_model

# The vectors' tolerance is for float32. Networks in bfloat16 keep 8 bits of every number, and how a product of them is
# summed depends on the processor: with oneDNN's kernels for AMX pixels differ by up to 3 levels, 0.28 in the mean; the
# same processor held to AVX2 or AVX-512 (ONEDNN_MAX_CPU_ISA) has 1 level and 0.06. So that the wider limit hides no
# wrong decoder, the mean is limited too.
BFLOAT16_TOLERANCE, BFLOAT16_MEAN = 4, 0.5
"""Levels of 255: the most by which a pixel may differ, and the mean over all vectors' pixels stays below."""


LARGE = "adaptive-many-16.tok", "adaptive-many-16-cut-300.tok"
"""Vectors of 54 tiles each, which take two thirds of the time of all of them."""
SPARED = {name for name in FILES if name.endswith(LARGE) or "-cut-" in name}
"""Vectors that not every number of threads draws, except in the long run: the large ones of both models, and beginnings
of others, since they have the same tiles."""


def check_vectors(device: str = "cpu", dtype: str = "float32", but: Collection[str] = ()) -> None:
    """Every vector gives the tokens that are written down, and pixels within the tolerance.

    but: vectors that are not drawn.
    """
    differences = []
    for name, expected in FILES.items():
        assert same_tokens(name), name
        if name in but:
            continue
        differences.append(decode_vector(name, device, dtype)[0].ravel())
        assert differences[-1].max() <= (BFLOAT16_TOLERANCE if dtype == "bfloat16" else expected["tolerance"]), name
    if dtype == "bfloat16":  # of all together: the smallest vector has three values
        assert np.concatenate(differences).mean() < BFLOAT16_MEAN


# ---- threads, precision, device


@pytest.fixture(params=[1, 2, 8], ids="{} threads".format)
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.fixture(params=["highest", "medium"])
def precision(request: pytest.FixtureRequest) -> Iterator[str]:
    """medium: float32 products may be computed in bfloat16 or TF32, where the machine is faster at them."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(request.param)
    yield request.param
    torch.set_float32_matmul_precision(before)


@pytest.mark.slow
def test_any_number_of_threads_and_either_precision(
    threads: int, precision: str, long: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the two large vectors two threads draw one and eight the other; in the long run all threads draw both."""
    monkeypatch.setattr("tokcodec.tokenizers.MANY_DRAWN", 0)  # torch, as if it paid off for every job
    assert torch.get_num_threads() == threads
    drawn = {1: (), 2: LARGE[1:], 8: LARGE[:1]}[threads]
    but = () if long else SPARED.difference(drawn)
    check_vectors(dtype="bfloat16" if precision == "medium" else "float32", but=but)


def test_a_process_with_bfloat16_and_eight_threads() -> None:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import {__name__} as t; t.check_vectors(but=t.SPARED)"
    settings = {"OMP_NUM_THREADS": "8", "MKL_NUM_THREADS": "8", "ONEDNN_DEFAULT_FPMATH_MODE": "BF16"}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=os.environ | settings, check=True)


@pytest.mark.slow
@pytest.mark.parametrize(("threads", "at_once"), [(1, 1), (2, 1), (8, 1), (1, 8)])
@pytest.mark.parametrize("back_end", BACK_ENDS)
def test_processes_with_numbers_of_threads(
    back_end: str, threads: int, at_once: int, long: bool, tabulate: Callable[[str, dict[str, object]], None]
) -> None:
    """Threads of the libraries, and threads of Python that decode at once: all vectors, or three small ones at once."""
    if back_end == "CUDA" and not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    if at_once == 1 and not long:
        pytest.skip("other tests here set the threads of this process: only with --report")
    names = () if long else ("tile-64.tok", "dot-1.tok", "bare-24.tok")
    command = [sys.executable, "-m", "tests.robustness.vectors", back_end, str(at_once), *names]
    settings = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    done = subprocess.run(command, cwd=ROOT, env=os.environ | settings, stdout=subprocess.PIPE, check=True)
    found = Found(**json.loads(done.stdout))
    tabulate(
        "Threads and back ends",
        {
            "by": back_end,
            "threads": threads,
            "calls at once": at_once,
            "files": found.files,
            "tokens": f"{found.other_tokens} OTHERS" if found.other_tokens else "equal",
            "pixels off by levels": f"{found.levels} (at most {found.tolerance})",
            "hash of all pixels": found.pixels[:8],
        },
    )
    assert not found.other_tokens and found.levels <= found.tolerance


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_on_cuda(precision: str, dtype: str) -> None:
    check_vectors("cuda", dtype)


MARGIN = 1e-9
"""Two codewords whose scores differ by less, relatively, may be exchanged by another order of summation."""


@pytest.mark.parametrize("scale", range(4))
def test_both_back_ends_find_the_same_tokens(scale: int) -> None:
    """In float64 no two codewords of these tiles are closer than MARGIN, and so the tokens are equal."""
    pixels = np.stack([skimage.data.astronaut()[y : y + 256, :256] for y in (0, 100, 256)])
    tiles = pixels.transpose(0, 3, 1, 2) / 255
    by_numpy, by_torch = (tokcodec.load_tokenizer(None, "cpu", drawing=many) for many in (0, 1 << 20))
    assert (type(by_numpy._array(np.zeros(1))), type(by_torch._array(np.zeros(1)))) == (np.ndarray, torch.Tensor)  # type: ignore[attr-defined]
    found, other = by_numpy.encode(tiles, scale=scale), by_torch.encode(tiles, scale=scale)
    assert np.array_equal(found, other)
    # A change by MARGIN of all pixels changes no token either: none was decided by less.
    assert np.array_equal(found, by_numpy.encode(tiles * (1 - MARGIN), scale=scale))
    drawn = [tokenizer.decode(found[:, :64], "fidelity", scale) for tokenizer in (by_numpy, by_torch)]
    assert np.abs(drawn[0] - drawn[1]).max() < 1e-4


def test_tokens_within_autocast() -> None:
    """What surrounds a call cannot reach the tokens: no float takes part in them."""
    with torch.autocast("cpu", torch.bfloat16), torch.inference_mode():
        assert all(same_tokens(name) for name in FILES)


# ---- only with its model


@pytest.fixture
def copy(tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    """The model `tiny` in a folder of its own that a test may spoil."""
    shutil.copytree(tiny.path, tmp_path / "models" / "tiny")
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path / "models"))
    return find_model("tiny")


def overwrite(model: Model, file: str, data: bytes, *, admit: bool) -> None:
    """Replace a file of a model; admit: with its new checksum in the manifest, as somebody would who means it."""
    (model.path / file).write_bytes(data)
    if admit:
        manifest = json.loads((model.path / MANIFEST).read_text())
        manifest["files"][file] = hashlib.sha256(data).hexdigest()
        (model.path / MANIFEST).write_text(json.dumps(manifest))


def uses(data: bytes) -> list[Callable[[], object]]:
    """Ways to need the model of a file."""
    return [lambda: tokcodec.decode(data), lambda: tokcodec.encode(Image.new("RGB", (9, 9)), model="tiny")]


def flipped(data: bytes, bit: int) -> bytes:
    out = bytearray(data)
    out[bit // 8] ^= 1 << bit % 8
    return bytes(out)


@pytest.mark.parametrize("file", [WEIGHTS, TABLES])
def test_one_bit_of_a_models_file(file: str, copy: Model, make_tok: Callable[..., bytes]) -> None:
    data, good = make_tok(), (copy.path / file).read_bytes()
    for bit in (8 * 8 + 3, 4 * len(good), 8 * len(good) - 1):
        overwrite(copy, file, flipped(good, bit), admit=False)
        for use in uses(data):
            with pytest.raises(ModelFileError, match=rf"tiny.{file}: damaged or changed"):
                use()
    overwrite(copy, file, good, admit=False)
    for use in uses(data):
        use()


def test_one_bit_of_the_weights_with_a_checksum_that_admits_it(copy: Model, make_tok: Callable[..., bytes]) -> None:
    data, good = make_tok(), copy.weights_path.read_bytes()
    overwrite(copy, WEIGHTS, flipped(good, 8 * len(good) - 1), admit=True)
    for use in uses(data):
        with pytest.raises(ModelFileError, match="the hash does not belong to these tables and weights"):
            use()


# ---- no pickle


class Mine:
    """Its pickle makes a file when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


@pytest.fixture
def no_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every way to load a pickle fails the test."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a pickle is being loaded")

    for name in ("load", "loads", "_load", "_loads"):
        monkeypatch.setattr(pickle, name, refuse)
    for name in ("Unpickler", "_Unpickler"):  # still classes: torch derives from them
        monkeypatch.setattr(pickle, name, type(name, (getattr(pickle, name),), {"load": refuse}))
    for name in ("load", "jit.load", "package.PackageImporter", "_weights_only_unpickler.load"):
        monkeypatch.setattr(f"torch.{name}", refuse)


def test_no_pickle_is_loaded_on_the_way(no_pickle: None, copy: Model, tmp_path: Path) -> None:
    """From new tokenizer to pixels, with the shipped model too: its first use in this process may be elsewhere."""
    from tokcodec import tokenizers

    with pytest.raises(AssertionError):
        pickle.loads(b"N.")
    tokenizers._load.cache_clear()
    for model in (None, "tiny"):
        data = tokcodec.encode(Image.new("RGB", (300, 200), "teal"), tokens=4, model=model)
        assert tokcodec.decode(data).size == (300, 200)
        assert tokcodec.info(tokcodec.truncate(data, tokens=2)).held == 2
        find_model(model).verify()


def test_no_pickle_is_loaded_by_an_import_of_safetensors(
    no_pickle: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import save_file

    from tests.tokenizers.published.plain_titok import random_weights
    from tokcodec.tokenizers.importing import import_model
    from tokcodec.tokenizers.published.checkpoint import Variant
    from tokcodec.tokenizers.published.titok import Titok
    from tokcodec.tokenizers.published.titok_modules import Layout, TitokNet

    layout = Layout(width=64, layers=1, n_tokens=4, hidden=32)
    monkeypatch.setitem(Titok.variants, "small", Variant("Small-4", layout, True, 3, ""))
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path / "models"))
    with torch.device("meta"):
        net = TitokNet(layout)
    save_file(random_weights(net), tmp_path / "model.safetensors")
    model = import_model(tmp_path / "model.safetensors", "small")
    assert tokcodec.decode(tokcodec.encode(Image.new("RGB", (40, 30)), model=model.path), model=model.path)


@pytest.mark.parametrize("file", [WEIGHTS, TABLES, MANIFEST])
@pytest.mark.parametrize("kind", ["pickle", "torch"])
def test_a_pickle_in_a_models_folder_is_refused(
    kind: str, file: str, copy: Model, make_tok: Callable[..., bytes], tmp_path: Path
) -> None:
    data, mark, path = make_tok(), tmp_path / "mark", tmp_path / "pickle"
    content = {"decoder.mean": Mine(mark)}
    path.write_bytes(pickle.dumps(content)) if kind == "pickle" else torch.save(content, path)
    overwrite(copy, file, path.read_bytes(), admit=file != MANIFEST)
    for use in uses(data):
        with pytest.raises(tokcodec.TokError, match=file):
            use()
    assert not mark.exists()
    pickle.loads(pickle.dumps(content))
    assert mark.exists()
