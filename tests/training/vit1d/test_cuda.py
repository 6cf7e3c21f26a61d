"""The training of a 1D tokenizer on CUDA: bfloat16, a compiled pass, and resuming."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.vit1d.conftest import SIZE, TRAINING
from tokcodec.models.modelfile import read_model
from tokcodec.tokenizers import load_tokenizer
from tokcodec.training.vit1d.finish import write_result
from tokcodec.training.vit1d.ranks import joined
from tokcodec.training.vit1d.run import Run1d

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]


def test_a_run_on_cuda_makes_a_model_for_the_cpu(photos: Path, held_out: Path, tmp_path: Path) -> None:
    training = replace(TRAINING, adversary=0.1, adversary_from=2)
    with joined("auto") as ranks:
        assert ranks.device.type == "cuda"
        run = Run1d([photos], [held_out], tmp_path / "m", SIZE, training, ranks)
        assert run.forward.precision == torch.bfloat16
        run.train()
        again = Run1d([photos], [held_out], tmp_path / "m", SIZE, replace(training, steps=8), ranks)
        again.train()
        assert (run.step, again.step) == (6, 8)
        write_result(again, "none", tiles=40)
    model = read_model(tmp_path / "m")
    tiles = again.valid[held_out.name]
    by_cpu, by_cuda = (load_tokenizer(model, device) for device in ("cpu", "cuda"))
    tokens = by_cpu.encode(tiles)
    assert float((tokens == by_cuda.encode(tiles)).float().mean()) > 0.9  # near ties may differ
    assert torch.allclose(by_cuda.decode(tokens), by_cpu.decode(tokens), atol=2e-3)
