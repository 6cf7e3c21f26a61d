"""The looks: each starts as the fidelity decode, learns, resumes, and leaves the model's hash alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.tokenizers.test_cascade import CONFIG, tensors, write
from tests.training.test_training import as_tensor, smooth_picture
from tokcodec.models.modelfile import read_model
from tokcodec.tokenizers import load_tokenizer
from tokcodec.tokenizers.cascade import CascadeTokenizer
from tokcodec.tokenizers.look import LOOKS, LookNet, looks_from, small_picture
from tokcodec.tokenizers.transform import TileTransform
from tokcodec.training.look import ADVERSARIAL, FIDELITY, LookRun, LookTraining, install_look, random_counts

TRAINING = LookTraining(steps=4, batch=2, part=64)
AGAINST = replace(ADVERSARIAL, steps=4, batch=2, part=64)


class Difference(torch.nn.Module):
    """Stands in for LPIPS, whose weights a test may not have."""

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return F.l1_loss(x, y, reduction="none").mean((1, 2, 3))


def run(folder: Path, training: LookTraining = TRAINING) -> LookRun:
    pictures = [as_tensor(smooth_picture(seed)) for seed in range(3)]
    return LookRun(CascadeTokenizer(CONFIG, tensors()), pictures, {}, folder, training, Difference())  # type: ignore[arg-type]


def test_an_untrained_look_is_the_fidelity_decode() -> None:
    plain, drawn = (
        CascadeTokenizer(CONFIG, tensors()),
        CascadeTokenizer(CONFIG, tensors(), nets={"perceptual": LookNet()}),
    )
    tokens = torch.randint(0, 16, (2, 5), generator=torch.Generator().manual_seed(0))
    assert plain.looks == ("fidelity",) and drawn.looks == ("perceptual", "fidelity")
    assert torch.equal(plain.decode(tokens), drawn.decode(tokens))
    with pytest.raises(ValueError, match="look must be fidelity"):
        plain.decode(tokens, "perceptual")


def test_the_network_sees_all_coefficients() -> None:
    transform = TileTransform(64, 32)
    vectors = torch.randn(2, transform.size)
    planes = transform.unpack(vectors)
    small = small_picture(planes)
    assert small.shape == (2, 3, 64, 64)
    grey = torch.full((1, 3, 256, 256), 0.5)
    assert small_picture(transform.unpack(transform.forward(grey))).abs().max() < 1e-4
    white = small_picture(transform.unpack(transform.forward(grey * 2)))
    assert torch.allclose(white[:, 0], torch.ones(1, 64, 64), atol=1e-4)
    # Orthonormal up to a factor: nothing is lost.
    shifted = small + small.new_tensor([1.0, 0.0, 0.0])[:, None, None]
    assert torch.allclose((shifted**2).sum((1, 2, 3)) * 12, (vectors**2).sum(1), rtol=1e-4)


def test_counts_for_tail_drop_cover_the_range() -> None:
    import numpy as np

    counts = random_counts(4000, 256, np.random.default_rng(0))
    assert min(counts) == 1 and max(counts) == 256
    assert 0.24 < counts.count(256) / 4000 < 0.28
    assert sum(count < 16 for count in counts) > 800


@pytest.mark.parametrize("training", [TRAINING, AGAINST])
def test_a_resumed_run_ends_where_an_unbroken_one_does(tmp_path: Path, training: LookTraining) -> None:
    whole = run(tmp_path / "whole", training)
    whole.train()
    part = run(tmp_path / "cut", training)
    for _ in range(2):
        part.train_step()
    part.save()
    resumed = run(tmp_path / "cut", training)
    resumed.train()
    assert resumed.step == 4
    for name, value in whole.averaged.items():
        assert torch.allclose(value, resumed.averaged[name], atol=1e-6), name
    assert (whole.adversary is None) == (resumed.adversary is None) == (training.adversarial == 0)
    if whole.adversary is not None and resumed.adversary is not None:
        for name, value in whole.adversary.tensors().items():
            assert torch.allclose(value, resumed.adversary.tensors()[name], atol=1e-6), name


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    losses = run(tmp_path, LookTraining(steps=12, batch=2, part=64, rate=3e-3))
    same = losses.sample(0)
    losses.sample = lambda step: same  # type: ignore[method-assign]
    parts = [losses.train_step() for _ in range(12)]
    assert parts[-1]["squared"] < parts[0]["squared"]


def test_the_adversary_is_a_training_of_its_own(tmp_path: Path) -> None:
    first, second = run(tmp_path), run(tmp_path, AGAINST)
    first.train()
    second.load()
    assert first.adversary is None and "adversary" not in first.train_step()
    assert second.step == 0 and second.train_step()["adversary"] > 0


def test_a_look_is_installed_without_a_new_identity(tmp_path: Path) -> None:
    model = write(tmp_path / "tiny")
    net = LookNet()
    torch.nn.init.normal_(net.last.bias, 0.0, 0.1)
    installed = install_look(tmp_path / "tiny", "perceptual", net)
    assert installed.hash == model.hash and read_model(tmp_path / "tiny") == installed
    tokenizer = load_tokenizer(installed, "cpu")
    assert tokenizer.looks == ("perceptual", "fidelity")
    tokens = torch.zeros(1, 3, dtype=torch.int64)
    changed = tokenizer.decode(tokens) - tokenizer.decode(tokens, "fidelity")
    assert 0.01 < changed.abs().max() < 1
    again = install_look(tmp_path / "tiny", "perceptual", LookNet((8, 16, 16), (8, 4)))
    assert load_tokenizer(again, "cpu").decode(tokens).shape == (1, 3, 256, 256)


def test_the_fidelity_look_needs_no_lpips_and_starts_as_the_other(tmp_path: Path) -> None:
    pictures = [as_tensor(smooth_picture(seed)) for seed in range(3)]
    with pytest.raises(ValueError, match="trained with LPIPS"):
        LookRun(CascadeTokenizer(CONFIG, tensors()), pictures, {}, tmp_path, TRAINING)
    perceptual = LookNet()
    torch.nn.init.normal_(perceptual.last.bias, 0.0, 0.1)
    tokenizer = CascadeTokenizer(CONFIG, tensors(), nets={"perceptual": perceptual})
    started = LookRun(tokenizer, pictures, {}, tmp_path, replace(FIDELITY, steps=3, batch=2))
    assert torch.equal(started.net.last.bias, perceptual.last.bias)
    started.train()
    assert not torch.equal(started.net.last.bias, perceptual.last.bias)
    resumed = LookRun(tokenizer, pictures, {}, tmp_path, replace(FIDELITY, steps=3, batch=2))
    resumed.load()
    assert resumed.step == 3 and torch.equal(started.net.last.bias, resumed.net.last.bias)


def test_a_look_starts_as_the_model_has_it_else_as_the_other(tmp_path: Path) -> None:
    nets = {look: LookNet() for look in LOOKS}
    for net in nets.values():
        torch.nn.init.normal_(net.last.bias, 0.0, 0.1)
    pictures = [as_tensor(smooth_picture(seed)) for seed in range(3)]
    for names, expected in ((("fidelity",), "fidelity"), (LOOKS, "perceptual")):
        tokenizer = CascadeTokenizer(CONFIG, tensors(), nets={name: nets[name] for name in names})
        started = LookRun(tokenizer, pictures, {}, tmp_path, TRAINING, Difference())  # type: ignore[arg-type]
        assert torch.equal(started.net.last.bias, nets[expected].last.bias)


@pytest.mark.parametrize("side", [64, 101, 256])
def test_the_metric_sees_the_same_part_of_both(tmp_path: Path, side: int) -> None:
    """Turned and mirrored parts hold the same samples; contrast is the same for both, and grey stays grey."""
    learning = run(tmp_path)
    rows, columns = torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij")
    tiles = torch.stack([rows / 255, columns / 255, torch.full_like(rows, 0.5)])[None].repeat(2, 1, 1, 1)
    shapes, spans = set(), set()
    for seed in range(12):
        view = learning.view(2, side, np.random.default_rng(seed))
        one, other = view(tiles), view(tiles + 0.1)
        shapes.add(tuple(one.shape))
        assert torch.allclose(one[:, 2], torch.tensor(0.5))
        gain = (other - one).mean((1, 2, 3)) / 0.1
        assert ((gain > 0.69) & (gain < 1.31)).all()
        assert torch.allclose(other - one, 0.1 * gain[:, None, None, None].expand_as(one), atol=1e-5)
        ends = one[0, 0] / gain[0]
        spans.add((bool(ends[0, 0] < ends[-1, 0]), bool(ends[0, 0] < ends[0, -1])))
        assert float(ends.max() - ends.min()) == pytest.approx(side / 256, abs=0.03)
    assert shapes == {(2, 3, 64, 64)} and len(spans) >= 3


def test_parts_are_between_the_smallest_and_the_whole_tile(tmp_path: Path) -> None:
    learning, rng = run(tmp_path), np.random.default_rng(0)
    sides = [learning.side(rng) for _ in range(200)]
    assert 64 <= min(sides) < 90 and 80 < sides.count(256) < 120


def test_each_look_has_its_network(tmp_path: Path) -> None:
    model = write(tmp_path / "tiny")
    nets = {look: LookNet() for look in LOOKS}
    for value, (look, net) in enumerate(nets.items(), 1):
        torch.nn.init.constant_(net.last.bias, value / 16)
        install_look(tmp_path / "tiny", look, net)
    installed = read_model(tmp_path / "tiny")
    assert installed.hash == model.hash
    tokenizer = load_tokenizer(installed, "cpu")
    assert isinstance(tokenizer, CascadeTokenizer)
    vectors, counts = tokenizer.vectors(torch.zeros(1, 3, dtype=torch.int64)), torch.tensor([3])
    bare = tokenizer.transform.inverse(vectors)
    for value, look in enumerate(LOOKS, 1):
        drawn = tokenizer.draw(tokenizer.nets[look], vectors, counts)
        assert torch.allclose(drawn - bare, torch.full_like(bare, value / 16), atol=1e-3)


def test_no_look_in_the_weights() -> None:
    assert looks_from({"decoder.mean": torch.zeros(3)}, torch.device("cpu"), torch.float32) == {}
