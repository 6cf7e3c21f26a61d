"""Tokenizers shared between threads, and sent to other processes: the same tokens and the same pixels."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

import tokcodec
from tokcodec import cores
from tokcodec.models.registry import find_model
from tokcodec.tokenizers.base import Tokenizer
from tokcodec.tokenizers.cascade_file import read_cascade

TILES = np.random.default_rng(0).random((9, 3, 256, 256), np.float32)
BACK_ENDS: dict[str, dict[str, int]] = {"NumPy": {}, "torch": {"drawing": 1 << 20}}


@pytest.fixture(params=BACK_ENDS)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return tokcodec.load_tokenizer(None, "cpu", **BACK_ENDS[request.param])


def test_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens and pixels of a batch, and pixels of a picture whose tiles have different numbers of tokens."""
    numpy, found = tokcodec.load_tokenizer(None, "cpu"), list[list[Any]]()
    picture = (np.concatenate(TILES[:4].transpose(0, 2, 3, 1), 1) * 255).astype(np.uint8)
    data = tokcodec.encode(picture, target_size=200, pitch=256)
    for number in (1, 2, 8):
        monkeypatch.setattr(cores, "threads", lambda number=number: number)
        tokens = numpy.encode(TILES, 16)
        found.append([tokens, numpy.decode(tokens[:3]), np.asarray(tokcodec.decode(data))])
    for other in found[1:]:
        for expected, result in zip(found[0], other, strict=True):
            assert np.array_equal(expected, result)


def test_pickled(tokenizer: Tokenizer) -> None:
    """The copy gives the same tokens and pixels, and has the model's name. Derived arrays are not copied."""
    tokens = tokenizer.encode(TILES[:2], 16)
    drawn = tokenizer.decode(tokens)
    data = pickle.dumps(tokenizer)
    copy: Any = pickle.loads(data)
    assert np.array_equal(copy.encode(TILES[:2], 16), tokens) and np.array_equal(copy.decode(tokens), drawn)
    names = ("model_name", "token_values", "device", "looks", "tile_by_tile")
    assert [getattr(copy, name) for name in names] == [getattr(tokenizer, name) for name in names]
    tensors, looks = read_cascade(find_model())
    held = sum(array.nbytes for part in (tensors, *looks.values()) for array in part.values())
    assert len(data) < 1.2 * held  # with the tables; the arrays for searching would double it


class Tokens(Dataset[torch.Tensor]):
    """A data set that encodes its items on access."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(self.tokenizer.encode(TILES[index : index + 1], 8))


@pytest.mark.slow
@pytest.mark.parametrize("start", ["spawn", "forkserver"])
def test_a_worker_of_a_data_loader(start: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import multiprocessing

    if start not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {start} here")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    tokenizer = tokcodec.load_tokenizer(None, "cpu")
    loader = DataLoader(Tokens(tokenizer), batch_size=None, num_workers=1, multiprocessing_context=start)
    found = torch.cat(list(loader)).numpy()
    assert np.array_equal(found, tokenizer.encode(TILES[:2], 8))
