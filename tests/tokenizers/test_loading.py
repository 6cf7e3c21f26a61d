"""Loading a model's tokenizer: once, with NumPy unless torch is requested or faster, and errors of one line."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tokcodec import errors, tokenizers
from tokcodec.errors import DeviceError, MissingPackageError, ModelFileError, UnknownModelError
from tokcodec.models.modelfile import Model, read_model
from tokcodec.tokenizers import MANY_DRAWN, MANY_ENCODED, check_device, load_tokenizer, need_torch
from tokcodec.tokenizers.cascade import CascadeTokenizer


def runs_on(tokenizer: object) -> str:
    """The kind of array that a cascade computes with."""
    assert isinstance(tokenizer, CascadeTokenizer)
    return "NumPy" if tokenizer._torch is None else f"torch on {tokenizer._torch}, {tokenizer._dtype}"


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizers, "NVIDIA", ())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the package look as if it were not installed."""
    for module in (tokenizers, errors):
        monkeypatch.setattr(module, "find_spec", lambda name: None)


def test_once_by_name_by_path_and_as_a_model(tiny: Model) -> None:
    assert load_tokenizer("tiny") is load_tokenizer(tiny) is load_tokenizer(str(tiny.path)) is load_tokenizer(tiny.path)
    assert load_tokenizer(tiny, "auto", encoding=1, drawing=2) is load_tokenizer(tiny, "cpu")


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_numpy_unless_many_tiles_are_drawn(tiny: Model, no_gpu: None, device: str) -> None:
    few = load_tokenizer(tiny, device, encoding=10**6, drawing=MANY_DRAWN - 1)
    many = load_tokenizer(tiny, device, drawing=MANY_DRAWN)
    assert (runs_on(few), runs_on(many)) == ("NumPy", "torch on cpu, torch.float32")


def test_many_tiles_are_encoded_with_torch_where_there_may_be_a_gpu(
    tiny: Model, no_gpu: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not if the CPU is requested. torch decides whether the GPU can be used."""
    monkeypatch.setattr(tokenizers, "NVIDIA", (tmp_path / "none", tmp_path))
    assert runs_on(load_tokenizer(tiny, encoding=MANY_ENCODED - 1)) == "NumPy"
    assert runs_on(load_tokenizer(tiny, encoding=MANY_ENCODED)) == "torch on cpu, torch.float32"
    assert runs_on(load_tokenizer(tiny, "cpu", encoding=MANY_ENCODED)) == "NumPy"


def test_bfloat16_is_torchs(tiny: Model, no_gpu: None) -> None:
    assert runs_on(load_tokenizer(tiny, dtype="bfloat16")) == "torch on cpu, torch.bfloat16"


def test_both_give_the_same_file(tiny: Model, no_gpu: None) -> None:
    x = np.random.default_rng(0).random((3, 3, 256, 256)).astype(np.float32)
    ours, theirs = load_tokenizer(tiny), load_tokenizer(tiny, drawing=MANY_DRAWN)
    for scale in (0, 1):
        tokens = ours.encode(x, scale=scale)
        assert np.array_equal(tokens, theirs.encode(x, scale=scale))
        assert np.abs(ours.decode(tokens, scale=scale) - theirs.decode(tokens, scale=scale)).max() < 1e-5


def test_without_torch_everything_of_our_own_is_numpys(tiny: Model, no_torch: None) -> None:
    assert runs_on(load_tokenizer(tiny, encoding=10**6, drawing=10**6)) == "NumPy"


def test_what_needs_torch_says_so_where_there_is_none(tiny: Model, no_torch: None) -> None:
    for call, what in (
        (lambda: load_tokenizer(tiny, "cuda"), "device cuda"),
        (lambda: load_tokenizer(tiny, "cuda:1"), "device cuda:1"),
        (lambda: load_tokenizer(tiny, dtype="bfloat16"), "dtype bfloat16"),
        (lambda: load_tokenizer(replace(tiny, family="titok")), "model tiny"),
        (lambda: need_torch("LPIPS"), "LPIPS"),
    ):
        with pytest.raises(MissingPackageError) as caught:
            call()
        assert str(caught.value) == f"{what} needs PyTorch: pip install 'tokcodec[torch]'"


def test_no_such_device(tiny: Model, no_gpu: None) -> None:
    for call in (lambda: load_tokenizer(tiny, "cuda"), lambda: check_device("cuda:0")):
        with pytest.raises(DeviceError, match="no CUDA device here; use --device cpu"):
            call()
    for device in ("gpu", "", "CPU", "cpu:0"):
        with pytest.raises(ValueError, match="device must be auto, cpu or cuda"):
            load_tokenizer(tiny, device)
    with pytest.raises(ValueError, match="dtype must be float32 or bfloat16, not 'float16'"):
        load_tokenizer(tiny, dtype="float16")


def test_what_is_no_usable_model(tiny: Model, tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError):
        load_tokenizer("nowhere")
    with pytest.raises(MissingPackageError, match=r"'diffusion' is none of cascade, .*titok, .*, and no installed"):
        load_tokenizer(replace(tiny, family="diffusion"))
    shutil.copytree(tiny.path, tmp_path / "damaged")
    weights = bytearray((tmp_path / "damaged" / tiny.weights_path.name).read_bytes())
    weights[-1] ^= 1
    (tmp_path / "damaged" / tiny.weights_path.name).write_bytes(weights)
    with pytest.raises(ModelFileError, match="damaged or changed"):
        load_tokenizer(read_model(tmp_path / "damaged"))
