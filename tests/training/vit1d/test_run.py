"""The training of a 1D tokenizer: it learns, resumes to the step, and makes a model like any other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import tokcodec
from tests.training.test_look import Difference, Stages
from tests.training.vit1d.conftest import SIZE, TRAINING, smooth_picture
from tokcodec.errors import ModelFileError, PictureError, TrainingError
from tokcodec.models.modelfile import read_model
from tokcodec.tokenizers import load_tokenizer
from tokcodec.tokenizers.vit1d.tokenizer import Vit1d
from tokcodec.training.vit1d import adversary
from tokcodec.training.vit1d import run as run_module
from tokcodec.training.vit1d.finish import write_result
from tokcodec.training.vit1d.ranks import Ranks
from tokcodec.training.vit1d.run import Run1d
from tokcodec.training.vit1d.settings import Size, Training1d

CPU = Ranks(torch.device("cpu"))


def make(photos: Path, out: Path, training: Training1d = TRAINING, size: Size = SIZE, **more: Any) -> Run1d:
    return Run1d([photos], more.pop("valid", []), out, size, training, CPU, **more)


def flat(state: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The tensors of a state by their path."""
    found = {}
    for name, value in state.items():
        if isinstance(value, torch.Tensor):
            found[name] = value
        elif isinstance(value, Mapping):
            found |= {f"{name}.{key}": tensor for key, tensor in flat({str(k): v for k, v in value.items()}).items()}
    return found


def same(one: Run1d, other: Run1d) -> bool:
    """Whether both are at the same step with the same tensors."""
    a, b = flat(one.state_dict()), flat(other.state_dict())
    return one.step == other.step and a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def whole(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Run1d:
    """An unbroken run."""
    run = make(photos, tmp_path_factory.mktemp("whole") / "whole")
    run.train()
    assert run.step == TRAINING.steps
    return run


def test_a_killed_run_ends_where_an_unbroken_one_does(
    photos: Path, tmp_path: Path, whole: Run1d, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, taken = Run1d.train_step, []

    def killed(run: Run1d) -> dict[str, float]:
        if len(taken) == 3:
            raise KeyboardInterrupt
        taken.append(run.step)
        return step(run)

    with monkeypatch.context() as patch:
        patch.setattr(Run1d, "train_step", killed)
        with suppress(KeyboardInterrupt):
            make(photos, tmp_path / "cut").train(save_every=0)
    resumed = make(photos, tmp_path / "cut")
    resumed.train()
    assert taken == [0, 1, 2] and same(resumed, whole)


def test_what_is_random_depends_on_the_seed_alone(photos: Path, tmp_path: Path, whole: Run1d) -> None:
    again, other = make(photos, tmp_path / "again"), make(photos, tmp_path / "other", replace(TRAINING, seed=1))
    again.train()
    other.train()
    assert same(again, whole) and not same(other, whole)


def test_a_checkpoint_of_other_sizes_is_refused(photos: Path, tmp_path: Path) -> None:
    make(photos, tmp_path / "m").save()
    checkpoint = (tmp_path / "m.training" / "checkpoint.pt").read_bytes()
    with pytest.raises(ModelFileError, match="other sizes") as error:
        make(photos, tmp_path / "m", size=replace(SIZE, n_tokens=4)).train()
    assert "\n" not in str(error.value)
    assert (tmp_path / "m.training" / "checkpoint.pt").read_bytes() == checkpoint


@pytest.mark.parametrize(
    ("training", "size"),
    [
        (replace(TRAINING, tail_drop="powers"), replace(SIZE, levels=(4, 3))),
        (replace(TRAINING, padding=3), SIZE),
        (replace(TRAINING, tail_drop="none"), SIZE),
    ],
    ids=["finite-scalars", "padding", "all-tokens"],
)
def test_training_makes_a_model_like_any_other(
    photos: Path, held_out: Path, tmp_path: Path, training: Training1d, size: Size
) -> None:
    run = make(photos, tmp_path / "mine", training, size, valid=[held_out])
    run.train()
    write_result(run, "CC0-1.0", tiles=40)
    model = read_model(tmp_path / "mine")
    model.verify()
    ordered = training.tail_drop != "none"
    assert (model.family, model.tile, model.n_tokens, model.licence) == ("vit1d", 128, 8, "CC0-1.0")
    assert (model.ordered, model.radices) == (ordered, size.levels or (16,))
    picture = smooth_picture(300, 200)
    data = tokcodec.encode(picture, pitch=96, model=str(tmp_path / "mine"), device="cpu")
    assert tokcodec.decode(data, model=str(tmp_path / "mine"), device="cpu").size == picture.size
    if ordered:
        cut = tokcodec.truncate(data, tokens=2, model=str(tmp_path / "mine"))
        assert tokcodec.read_tokens(cut, model=str(tmp_path / "mine")).shape == (4, 2)
        assert tokcodec.decode(cut, model=str(tmp_path / "mine"), device="cpu").size == picture.size
    # The tokenizer draws what the run would, up to the rounding of its weights to 16 bits.
    tokenizer = load_tokenizer(model, "cpu")
    assert isinstance(tokenizer, Vit1d)
    tokens = tokenizer.encode(run.valid[held_out.name])
    drawn = run.averaged_net().decode(tokens).clamp(0, 1)
    assert torch.allclose(tokenizer.decode(tokens), drawn, atol=0.01)


def test_the_journal_has_figures_pictures_and_a_plot(photos: Path, held_out: Path, tmp_path: Path) -> None:
    run = make(photos, tmp_path / "m", replace(TRAINING, steps=11), valid=[held_out])
    first = run.train_step()["squared"]
    run.train(log_every=10)
    lines = [json.loads(line) for line in (tmp_path / "m.training" / "log.jsonl").read_text().splitlines()]
    assert lines[0]["step"] == 11 and lines[0]["squared"] < first
    assert list(lines[1]["psnr"]) == ["1", "2", "4", "8"] and 0 < lines[1]["use"] <= 1
    sheet = Image.open(tmp_path / "m.training" / "pictures-0000011.png")
    assert sheet.size == (5 * 128, 4 * 128)
    assert b"<svg" in (tmp_path / "m.training" / "plot.svg").read_bytes()


def test_all_losses_together(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "Classifier", Stages)
    monkeypatch.setattr(adversary, "WIDTHS", (16, 32))
    everything = replace(
        TRAINING, steps=2, lpips=0.1, feature=0.1, semantic=0.1, adversary=0.1, adversary_from=1,
        classifiers=("one", "other"),
    )  # fmt: skip
    run = make(photos, tmp_path / "m", everything, lpips=Difference())
    assert "discriminator" not in run.train_step()
    assert run.forward.align is not None
    before = run.forward.align.weight.detach().clone()
    figures = run.train_step()
    assert {"squared", "lpips", "feature", "semantic", "commitment", "adversarial", "discriminator"} <= set(figures)
    assert not torch.equal(before, run.forward.align.weight)
    run.save()
    again = make(photos, tmp_path / "m", everything, lpips=Difference())
    again.resume()
    assert same(again, run)


def test_few_photographs_are_an_error(photos: Path, tmp_path: Path) -> None:
    for number in range(3):
        smooth_picture(number, 260).save(tmp_path / f"{number}.png")
    with pytest.raises(PictureError, match=r"3 usable photographs .* needs at least 100"):
        make(tmp_path, tmp_path / "m")
    with pytest.raises(PictureError, match=r"0 usable photographs \(short side at least 256 pixels\).* smaller --tile"):
        make(photos, tmp_path / "m", size=replace(SIZE, tile=256))


def test_a_collapsed_codebook_ends_the_run_and_keeps_the_checkpoint(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make(photos, tmp_path / "m", replace(TRAINING, patience=4))
    run.save()
    checkpoint = (tmp_path / "m.training" / "checkpoint.pt").read_bytes()
    monkeypatch.setattr(run_module, "LEAST_USE", 1.1)  # more than any codebook reaches
    with pytest.raises(TrainingError, match="collapsed: the last 2 of 4 steps used") as error:
        run.train()
    assert "of 4.0 bits tell tiles apart" in str(error.value)
    assert "\n" not in str(error.value)
    assert (tmp_path / "m.training" / "checkpoint.pt").read_bytes() == checkpoint


def test_codes_that_are_the_same_for_all_tiles_end_the_run(photos: Path, tmp_path: Path) -> None:
    run = make(photos, tmp_path / "m", replace(TRAINING, patience=2))
    run.step, run.codes.use, run.codes.bits = 2, 1.0, 0.1
    with pytest.raises(TrainingError, match=r"used 100.0% of its 16 codes, and 0.10 of 4.0 bits tell tiles apart"):
        run.check_use()
    run.codes.bits = 2.0
    run.check_use()
