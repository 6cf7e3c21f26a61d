"""Training of the looks: each starts from the model's weights, learns, resumes, and keeps the model's hash."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.tokenizers.test_cascade import CONFIG, CPU, some_tokens, tensors, write
from tests.tokenizers.test_look import SMALL, Weights, random_look
from tests.training.test_training import as_tensor, smooth_picture
from tokcodec.errors import ModelFileError
from tokcodec.models.modelfile import read_model
from tokcodec.tokenizers import load_tokenizer
from tokcodec.tokenizers.cascade import CascadeTokenizer
from tokcodec.tokenizers.look import LOOKS, condition, quantised, restored
from tokcodec.tokenizers.networks import SIZES, LookNet, LookSize
from tokcodec.training import look_loss, settings
from tokcodec.training.borders import AXES, MIDDLE, joined, parts
from tokcodec.training.data import centre_tile
from tokcodec.training.look_loss import LookLoss
from tokcodec.training.look_run import LookRun, install_look, random_counts, starting
from tokcodec.training.settings import TRAININGS, LookTraining

TRAINING = LookTraining(steps=4, batch=2, part=64, features=("one", "other"))
PLAIN = replace(TRAININGS["fidelity"], steps=4, batch=2)


class Difference(torch.nn.Module):
    """Stands in for LPIPS, whose weights a test may not have."""

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return F.l1_loss(x, y, reduction="none").mean((1, 2, 3))


class Stages(torch.nn.Module):
    """Stands in for a classifier: random convolutions, others for each name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        generator = torch.Generator().manual_seed(len(name))
        self.kernels = [torch.randn(4, 3 if stage == 0 else 4, 3, 3, generator=generator) / 4 for stage in range(5)]

    def stages(self, x: torch.Tensor, number: int) -> list[torch.Tensor]:
        found = []
        for kernel in self.kernels[:number]:
            x = F.relu(F.conv2d(x, kernel, stride=2, padding=1))
            found.append(x)
        return found


@pytest.fixture(autouse=True)
def classifiers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look_loss, "Classifier", Stages)


def make(folder: Path, training: LookTraining = TRAINING, looks: dict[str, Weights] | None = None) -> LookRun:
    pictures = [as_tensor(smooth_picture(seed)) for seed in range(3)]
    lpips = Difference() if training.features else None
    return LookRun(CascadeTokenizer(tensors(), looks, device=CPU), pictures, {}, folder, training, lpips)  # type: ignore[arg-type]


def weights(net: LookNet) -> Weights:
    return {name: value.numpy() for name, value in net.state_dict().items()}


def averaged(run: LookRun) -> dict[str, torch.Tensor]:
    """The averaged weights."""
    return run.averaged.module.state_dict()


def test_sizes_have_names_that_need_no_torch() -> None:
    assert set(settings.SIZES) == set(SIZES) and {training.size for training in TRAININGS.values()} <= {None, *SIZES}


def test_counts_for_tail_drop_cover_the_range() -> None:
    counts = random_counts(4000, 256, np.random.default_rng(0))
    assert min(counts) == 1 and max(counts) == 256
    assert 0.24 < counts.count(256) / 4000 < 0.28
    assert sum(count < 16 for count in counts) > 800


# ---- what it learns from


def test_a_step_has_tiles_of_one_scale_and_what_some_of_their_tokens_stand_for(tmp_path: Path) -> None:
    training = replace(PLAIN, batch=1, whole=0.6)
    run, scales = make(tmp_path, training), []
    for step in range(60):
        tiles, vectors, counts, scale = run.sample(step)
        scales.append(scale)
        tokens = run.tokenizer.encode(tiles, counts[0], scale)
        assert tiles.shape == (1, 3, 256, 256) and torch.equal(vectors, run.tokenizer.vectors(tokens, scale))
    assert set(scales) == {0, 1} and 0.4 < scales.count(0) / 60 < 0.8
    again, *_ = make(tmp_path, training).sample(59)
    assert torch.equal(again, tiles)


def test_a_model_of_one_scale_has_no_other(tmp_path: Path) -> None:
    packed = {name: tensor if name == "planes" else tensor[:1] for name, tensor in tensors().items()}
    run = LookRun(CascadeTokenizer(packed, device=CPU), [as_tensor(smooth_picture(0))], {}, tmp_path, PLAIN)
    assert {run.sample(step)[3] for step in range(20)} == {0} and run.net.scales == 1


@pytest.mark.parametrize("part", [64, 128])
def test_the_networks_see_the_same_part_of_both(tmp_path: Path, part: int) -> None:
    """Mirrored or not, whole or cut; contrast is the same for both, and grey stays grey."""
    run = make(tmp_path, replace(TRAINING, part=part, contrast=0.3))
    rows, columns = torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij")
    tiles = torch.stack([rows / 255, columns / 255, torch.full_like(rows, 0.5)])[None].repeat(2, 1, 1, 1)
    kinds, gains = set(), []
    for seed in range(24):
        view = run.loss.view(2, np.random.default_rng(seed))
        one, other = view(tiles), view(tiles + 0.1)
        assert one.shape == (2, 3, part, part) and torch.allclose(one[:, 2], torch.tensor(0.5))
        gain = (other - one).mean((1, 2, 3)) / 0.1
        gains += gain.tolist()
        assert torch.allclose(other - one, 0.1 * gain[:, None, None, None].expand_as(one), atol=1e-5)
        down = float((one[0, 0, -1, 0] - one[0, 0, 0, 0]) / gain[0])
        across = float((one[0, 1, 0, -1] - one[0, 1, 0, 0]) / gain[0])
        assert down == pytest.approx(abs(across), abs=1e-3)
        whole = down > 0.9
        assert whole or down == pytest.approx((part - 1) / 255, abs=1e-3)
        kinds.add((whole, across < 0))
    assert kinds == {(whole, mirrored) for whole in (False, True) for mirrored in (False, True)}
    assert 0.69 < min(gains) < 0.8 and 1.2 < max(gains) < 1.31


def test_the_classifiers_are_asked_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, stages = [], Stages.stages

    def spy(self: Stages, x: torch.Tensor, number: int) -> list[torch.Tensor]:
        asked.append(self.name)
        return stages(self, x, number)

    monkeypatch.setattr(Stages, "stages", spy)
    run = make(tmp_path)
    for _ in range(3):
        run.train_step()
    assert asked == ["one"] * 2 + ["other"] * 2 + ["one"] * 2


def test_features_fade_where_tokens_are_few(tmp_path: Path) -> None:
    """The weight of the squared error does not depend on their number."""
    run = make(tmp_path, replace(TRAINING, contrast=0.0))
    tiles = torch.stack([centre_tile(as_tensor(smooth_picture(seed))) for seed in (7, 8)])
    drawn = (tiles * 0.5 + 0.2).requires_grad_()
    losses = []
    for count in (20, 5):
        share = count / CONFIG.n_tokens
        loss, parts = run.loss(drawn, tiles, [share, share], 0)
        expected = TRAINING.squared * (parts["squared"] + TRAINING.colour * parts["colour"])
        expected = expected + TRAINING.feature * share**TRAINING.fading * parts["feature"]
        expected = expected + TRAINING.lpips * share**TRAINING.lpips_fading * parts["lpips"]
        assert torch.allclose(loss, expected.mean())
        losses.append(float(loss.detach()))
    assert losses[1] < losses[0] and torch.allclose(parts["squared"], (drawn - tiles).square().mean((1, 2, 3)))
    perfect, _ = run.loss(tiles.clone(), tiles, [1, 1], 0)
    assert float(perfect) == pytest.approx(0, abs=1e-5)


def test_the_fidelity_look_is_trained_on_psnr(tmp_path: Path) -> None:
    run = make(tmp_path, replace(PLAIN, colour=0.0))
    tiles = torch.rand(2, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    loss, _ = run.loss(tiles + torch.tensor([0.1, 0.001])[:, None, None, None], tiles, [1, 0.05], 0)
    assert float(loss) == pytest.approx((np.log(1e-2) + np.log(1.2e-6)) / 2, abs=1e-2)


def test_colour_counts_as_the_model_says_and_in_large_fields_once_more() -> None:
    tiles = torch.full((1, 3, 256, 256), 0.5)
    red = tiles + torch.tensor([0.1, 0, -0.1])[:, None, None]
    plain, weighted = (LookLoss(PLAIN, None, CPU, weights)(red, tiles, [1], 0)[1] for weights in ((), (1, 3, 5)))
    assert float(weighted["squared"]) == pytest.approx(3 * float(plain["squared"]), rel=1e-4)
    assert float(plain["colour"]) > 1e-3
    with_colour, without = (LookLoss(replace(PLAIN, colour=c), None, CPU)(red, tiles, [1], 0)[0] for c in (1, 0))
    assert with_colour > without


# ---- steps


@pytest.mark.parametrize("training", [TRAINING, PLAIN], ids=["perceptual", "fidelity"])
def test_a_resumed_run_ends_where_an_unbroken_one_does(tmp_path: Path, training: LookTraining) -> None:
    whole = make(tmp_path / "whole", training)
    whole.train()
    part = make(tmp_path / "cut", training)
    for _ in range(2):
        part.train_step()
    part.save()
    resumed = make(tmp_path / "cut", training)
    resumed.train()
    assert resumed.step == 4
    average, again = averaged(whole), averaged(resumed)
    for name, value in average.items():
        assert torch.allclose(value, again[name], atol=1e-6), name
    assert average["last.bias"].abs().max() > 0


@pytest.mark.parametrize("training", [TRAINING, PLAIN], ids=["perceptual", "fidelity"])
def test_training_lowers_the_loss(tmp_path: Path, training: LookTraining) -> None:
    run = make(tmp_path, replace(training, steps=30, rate=1e-2))
    same = run.sample(0)
    run.sample = lambda step: same  # type: ignore[method-assign]
    parts = [run.train_step()["squared"] for _ in range(30)]
    assert parts[-1] < 0.97 * parts[0]


def test_only_the_network_learns_in_bfloat16(tmp_path: Path) -> None:
    run = make(tmp_path, replace(PLAIN, bfloat16=True), {"fidelity": random_look()})
    _, vectors, counts, scale = run.sample(0)
    with torch.no_grad():
        rough = run.draw(run.net, vectors, counts, scale)
        exact = run.draw(run.shipped(), vectors, counts, scale)
    bare = run.tokenizer.drawing.inverse(vectors)
    assert rough.dtype == torch.float32 and not torch.equal(rough, exact)
    assert torch.allclose(rough - bare, exact - bare, atol=0.03 * float((exact - bare).abs().max()))


def test_a_step_of_neighbours_learns_from_the_joined_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, seen = make(tmp_path, replace(PLAIN, borders=1.0)), []
    tiles, vectors, counts, _ = run.sample(0)
    axis, start = run.border(0) or (0, 0)
    assert axis in AXES and counts[0] == counts[1] and torch.equal(tiles, run.sample(0)[0])
    monkeypatch.setattr(run, "loss", lambda *pictures: seen.append(pictures) or LookLoss(PLAIN, None, CPU)(*pictures))
    run.train_step()
    drawn = run.tokenizer.drawing.inverse(vectors)  # an untrained network adds nothing
    for part, whole in zip(seen[0], (drawn, tiles), strict=False):
        assert torch.allclose(part, parts(joined(whole, axis), axis, start), atol=1e-6)


def test_a_share_of_the_steps_has_tokens_searched_for_the_look(tmp_path: Path) -> None:
    looks = {"fidelity": random_look()}
    run = make(tmp_path, replace(PLAIN, refined=0.5), looks)
    tiles = run.sample(0)[0]
    plain, network = run.tokenizer.encode(tiles), run.tokenizer.network("fidelity")
    counts, kinds = [CONFIG.n_tokens, 3], set()

    def errors(tokens: torch.Tensor) -> torch.Tensor:
        vectors = [run.tokenizer.vectors(row[None, :count], 0) for row, count in zip(tokens, counts, strict=True)]
        drawn = run.tokenizer.draw(network, torch.cat(vectors), condition(counts, 0, 2))
        return (drawn - tiles).square().mean((1, 2, 3))

    for step in range(8):
        tokens = run.tokens(step, tiles, counts, 0)
        kinds.add(same := torch.equal(tokens, plain))
        assert torch.equal(tokens, run.tokens(step, tiles, counts, 0)) and torch.equal(tokens[1, 3:], plain[1, 3:])
        with torch.no_grad():
            assert same or errors(tokens).sum() < errors(plain).sum()
    assert kinds == {False, True}


def test_the_share_of_steps_with_neighbours(tmp_path: Path) -> None:
    run = make(tmp_path, replace(PLAIN, borders=0.25))
    borders = [run.border(step) for step in range(400)]
    assert 0.2 < np.mean([border is not None for border in borders]) < 0.3
    assert {border[0] for border in borders if border} == set(AXES)
    assert all(0 <= border[1] <= MIDDLE for border in borders if border)


def test_what_ships_is_the_average(tmp_path: Path) -> None:
    run = make(tmp_path, PLAIN)
    start = averaged(run)["last.bias"].clone()
    run.train_step()
    learned = run.net.state_dict()["last.bias"]
    assert torch.allclose(averaged(run)["last.bias"], start + 0.9 * (learned - start))
    shipped = run.shipped()
    assert not shipped.training
    assert all(torch.equal(value, averaged(run)[name]) for name, value in shipped.state_dict().items())


def test_the_log_has_figures_by_count(tmp_path: Path) -> None:
    """PSNR only for the fidelity look, and further figures for the other."""
    for training, length in ((TRAINING, 5), (PLAIN, 1)):
        run = make(tmp_path, training)
        run.valid = {"some": torch.stack([centre_tile(as_tensor(smooth_picture(seed))) for seed in (7, 8)])}
        run.validate()
        (line,) = (tmp_path / f"{training.look}.jsonl").read_text().splitlines()
        figures = json.loads(line)["psnr_lpips_half_features"]
        assert list(figures) == ["16"] and len(figures["16"]) == length
        bare = run.tokenizer.decode(run.tokenizer.encode(run.valid["some"], 16), "fidelity")
        psnr = -10 * (bare - run.valid["some"]).square().mean((1, 2, 3)).log10().mean()
        assert figures["16"][0] == pytest.approx(float(psnr), abs=0.01)


# ---- where it starts, and where it goes


def test_a_larger_network_starts_with_the_weights_that_fit() -> None:
    start = random_look()
    more = LookSize(**(SMALL | {"blocks": (2, 2, 2, 1, 2)}))
    small, told = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)), condition([3], 0, 2)
    with torch.no_grad():
        expected = LookNet.from_weights(start)(small, told)
        assert torch.allclose(starting(2, start, more)(small, told), expected, atol=1e-6)  # a new block adds nothing
        assert torch.equal(starting(2, start, None)(small, told), expected)
    assert LookNet.size_of(weights(starting(2, start, SIZES["light"]))) == SIZES["light"]
    assert LookNet.size_of(weights(starting(2, {}, None))) == SIZES["full"]


def test_the_light_look_is_small_and_python_does_not_draw_with_it(tmp_path: Path) -> None:
    run = make(tmp_path, replace(TRAININGS["light"], steps=1, batch=1, part=64, features=("one",)))
    run.train_step()
    assert sum(value.numel() for value in run.net.parameters()) < 60_000
    tokenizer = CascadeTokenizer(tensors(), {"light": weights(run.net)})
    assert tokenizer.weights("light") is not None and tokenizer.looks == ("fidelity",) and not tokenizer.mends


def test_the_perceptual_look_needs_lpips(tmp_path: Path) -> None:
    tokenizer, pictures = CascadeTokenizer(tensors(), device=CPU), [as_tensor(smooth_picture(0))]
    with pytest.raises(ValueError, match="trained with LPIPS"):
        LookRun(tokenizer, pictures, {}, tmp_path, TRAINING)
    LookRun(tokenizer, pictures, {}, tmp_path, PLAIN).train_step()


@pytest.mark.parametrize(
    ("there", "start"), [(("perceptual",), "perceptual"), (("fidelity",), "fidelity"), (LOOKS, "own"), ((), None)]
)
@pytest.mark.parametrize("training", [TRAINING, PLAIN], ids=["perceptual", "fidelity"])
def test_a_look_starts_as_the_model_has_it_else_as_the_other(
    tmp_path: Path, there: tuple[str, ...], start: str | None, training: LookTraining
) -> None:
    looks = {name: random_look(seed) for seed, name in enumerate(LOOKS)}
    run = make(tmp_path, training, {name: looks[name] for name in there})
    if start is None:
        assert not run.net.state_dict()["last.weight"].any()
        return
    expected = looks[training.look if start == "own" else start]
    assert all(np.array_equal(value, expected[name]) for name, value in weights(run.net).items())


def test_a_look_is_installed_without_a_new_identity(tmp_path: Path) -> None:
    model = write(tmp_path / "tiny", card="# Tiny, a card\n")
    for seed, name in enumerate((*LOOKS, "perceptual")):  # the last replaces the first
        net = LookNet.from_weights(random_look(seed, **({} if seed else {"blocks": (1, 1, 1, 1, 1)})))
        installed = install_look(tmp_path / "tiny", name, net)
        assert installed.hash == model.hash and read_model(tmp_path / "tiny") == installed
        assert (installed.scales, installed.default_tokens) == (model.scales, model.default_tokens)
        assert (installed.path / "README.md").read_text() == "# Tiny, a card\n"
        rough: Weights = {}
        for key, value in weights(net).items():
            rough |= quantised(key, value)
        tokenizer, expected = load_tokenizer(installed, "cpu"), CascadeTokenizer(tensors(), {name: restored(rough)})
        for scale in (0, 1):
            drawn = tokenizer.decode(some_tokens(), name, scale)
            assert np.abs(drawn - expected.decode(some_tokens(), name, scale)).max() < 1e-5
    assert tokenizer.looks == LOOKS and tokenizer.mends
    for before, after in zip(model.tables, installed.tables, strict=True):
        assert before.to_bytes() == after.to_bytes()
    (installed.path / "README.md").unlink()
    with pytest.raises(ModelFileError, match=r"README\.md: cannot be read"):
        install_look(tmp_path / "tiny", LOOKS[0], net)
