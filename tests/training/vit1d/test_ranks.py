"""Two processes train like one with twice the batch."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.vit1d.conftest import SIZE, TRAINING
from tokcodec.training.vit1d.ranks import Ranks
from tokcodec.training.vit1d.run import Run1d
from tokcodec.training.vit1d.samples import Samples

SHARED = replace(TRAINING, steps=3, batch=4, shards=2, adversary=0.1, adversary_from=1, dead=0.5)

WORKER = """
import sys
from pathlib import Path
import torch
from tests.training.vit1d.test_ranks import SHARED, SIZE
from tokcodec.training.vit1d.ranks import joined
from tokcodec.training.vit1d.run import Run1d
torch.set_num_threads(1)
with joined("cpu") as ranks:
    assert ranks.world == 2
    run = Run1d([Path(sys.argv[1])], [], Path(sys.argv[2]), SIZE, SHARED, ranks)
    run.train()
"""


@pytest.mark.slow
def test_two_processes_train_like_one_with_twice_the_batch(photos: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    work = [sys.executable, "-c", WORKER, str(photos), str(tmp_path / "two")]
    shared = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": port}
    root = Path(__file__).parents[3]
    started = [subprocess.Popen(work, env=shared | {"RANK": rank, "LOCAL_RANK": rank}, cwd=root) for rank in "01"]
    assert [process.wait() for process in started] == [0, 0]
    one = Run1d([photos], [], tmp_path / "one", SIZE, replace(SHARED, batch=8), Ranks(torch.device("cpu")))
    one.train()
    two = torch.load(tmp_path / "two.training" / "checkpoint.pt", weights_only=True)
    assert two["step"] == one.step == 3
    for name, wanted in one.forward.state_dict().items():
        assert torch.allclose(two["forward"][name], wanted, atol=2e-4), name
    assert torch.allclose(two["codes"]["counts"], one.codes.counts, atol=1e-3)


def test_each_process_reads_its_own_photographs(photos: Path) -> None:
    whole = Samples([photos], frozenset(), 128, replace(TRAINING, batch=8, shards=2), Ranks(torch.device("cpu")))
    assert {shard: len(pictures) for shard, pictures in whole.pictures.items()} == {0: 50, 1: 50}
    assert not torch.equal(whole.pictures[0][0], whole.pictures[1][0])
    assert whole.count == 100 and whole.tiles(3).shape == (8, 3, 128, 128)
    assert torch.equal(whole.tiles(3), whole.tiles(3)) and not torch.equal(whole.tiles(3), whole.tiles(4))
    with pytest.raises(ValueError, match="3 shards do not fit 1 processes and batches of 4"):
        Samples([photos], frozenset(), 128, replace(TRAINING, shards=3), Ranks(torch.device("cpu")))
