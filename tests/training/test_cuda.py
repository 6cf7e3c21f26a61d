"""Training of the looks on CUDA."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.tokenizers.test_cascade import tensors
from tests.training.test_training import as_tensor, smooth_picture
from tokcodec.tokenizers.cascade import CascadeTokenizer
from tokcodec.training.look_run import LookRun
from tokcodec.training.settings import TRAININGS


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_look_is_trained_on_cuda(tmp_path: Path) -> None:
    training = replace(TRAININGS["fidelity"], steps=2, batch=2)
    pictures = [as_tensor(smooth_picture(seed)) for seed in range(3)]
    tokenizer = CascadeTokenizer(tensors(), device=torch.device("cuda"))
    run = LookRun(tokenizer, pictures, {}, tmp_path, training)
    run.train()
    assert run.step == 2 and all(torch.isfinite(weight).all() for weight in run.shipped().state_dict().values())
