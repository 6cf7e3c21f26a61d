"""Training of a cascade: a run resumes without loss, and its model improves with more tokens."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import tarfile
from contextlib import suppress
from dataclasses import replace
from functools import partialmethod
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tokcodec.cli import cli
from tokcodec.container.tables import FrequencyTables
from tokcodec.models.modelfile import read_model, write_model
from tokcodec.tokenizers import load_tokenizer
from tokcodec.tokenizers.cascade import CascadeConfig, CascadeTokenizer
from tokcodec.training.cascade import ScaleTrainer
from tokcodec.training.cascade_run import CascadeRun, code_usage, psnr_by_tokens
from tokcodec.training.data import centre_tile, crop_pixels, load_pictures
from tokcodec.training.settings import CascadeTraining

CONFIG = CascadeConfig(n_tokens=10, codewords=8, half=2, luma=8, chroma=4, scales=(192,), weights=(1.0, 1.0, 1.0))
TRAINING = CascadeTraining(steps=4, crops=16, init_crops=64, init_iterations=2)


def train(*arguments: str) -> int | str | None:
    """The exit status of `tokcodec train` with these arguments."""
    with pytest.raises(SystemExit) as end:
        cli(["train", *arguments], prog_name="tokcodec")
    return end.value.code


def smooth_picture(seed: int, size: tuple[int, int] = (288, 272)) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


def as_tensor(picture: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.asarray(picture).transpose(2, 0, 1).copy())


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for seed in range(6):
        smooth_picture(seed).save(folder / f"{seed}.png")
    return folder


def test_bad_pictures_are_counted_and_skipped(photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    smooth_picture(0, (255, 300)).save(folder / "small.png")
    (folder / "broken.jpg").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("not even a name of one")
    with tarfile.open(tmp_path / "more.tar", "w") as archive:
        archive.add(photos / "0.png", "inner/0.png")
    with caplog.at_level(logging.WARNING):
        pictures = load_pictures([photos, folder, tmp_path / "more.tar"])
    assert len(pictures) == 7 and all(p.shape == (3, 272, 288) and p.dtype == torch.uint8 for p in pictures)
    assert "1 PictureError, 1 too small" in caplog.text


def test_validation_pictures_are_never_trained_on(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "renamed.png").write_bytes((photos / "3.png").read_bytes())
    run = CascadeRun([photos], [tmp_path], tmp_path / "m", TRAINING, CONFIG)
    assert [len(trainer.pictures) for trainer in run.trainers] == [5, 5]
    assert run.valid[tmp_path.name].shape == (1, 3, 256, 256)


def test_a_large_picture_is_reduced(tmp_path: Path) -> None:
    smooth_picture(0, (800, 640)).save(tmp_path / "large.png")
    assert load_pictures([tmp_path])[0].shape == (3, 320, 400)


def test_no_usable_picture_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="no usable picture"):
        load_pictures([tmp_path])
    errors = []
    for stage in ([], ["cascade"]):
        assert train(*stage, str(tmp_path), "--out", str(tmp_path / "m")) == 1
        errors.append(capsys.readouterr().err)
    assert "no usable picture" in errors[0] and errors[0] == errors[1] and errors[0].count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["missing", "--out", "m"], "'missing' does not exist"),
        ([".", "--out", "m", "--crops", "0"], "0 is not in the range x>=1"),
        (["."], "Missing option '--out'"),
        (["look", ".", "--model", ".", "--look", "good"], "'good' is not one of 'perceptual', 'fidelity', 'light'"),
        (["look", ".", "--model", ".", "--features", "vgg"], "'vgg' is not efficientnet-lite0 or efficientnet-lite1"),
        (["look", ".", "--model", ".", "--lpips-weights", "missing"], "'missing' does not exist"),
    ],
)
def test_wrong_arguments(arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(*arguments) == 2 and reason in capsys.readouterr().err


def test_training_needs_few_packages() -> None:
    """Training needs only torch, numpy, pillow, safetensors and click."""
    code = """
import sys
for name in ("constriction", "platformdirs", "skimage", "matplotlib", "efficientnet_lite_pytorch"):
    sys.modules[name] = None
from tokcodec.cli import cli
from tokcodec.training import cascade_run, features, look_run
from tokcodec.tokenizers import load_tokenizer
from tokcodec.ratecontrol import lpips
try:
    cli(["train", "--help"])
except SystemExit as end:
    assert end.code == 0
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0 and "--valid" not in result.stderr, result.stderr


def test_usage_is_the_perplexity() -> None:
    assert np.allclose(code_usage(np.array([[0, 0], [1, 0], [2, 0], [3, 0]]), 8), [4, 1])


def same(one: CascadeRun, other: CascadeRun) -> bool:
    """Whether both are at the same step with the same tensors."""
    return all(
        a.step == b.step
        and a.tensors.keys() == b.tensors.keys()
        and all(torch.equal(tensor, b.tensors[name]) for name, tensor in a.tensors.items())
        for a, b in zip(one.trainers, other.trainers, strict=True)
    )


@pytest.fixture(scope="module")
def whole(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> CascadeRun:
    """An unbroken run."""
    run = CascadeRun([photos], [], tmp_path_factory.mktemp("whole") / "whole", TRAINING, CONFIG)
    run.train()
    assert [trainer.step for trainer in run.trainers] == [4, 4]
    return run


@pytest.mark.parametrize("last", [1, 4, 5, 8])
def test_a_killed_run_ends_where_an_unbroken_one_does(
    photos: Path, tmp_path: Path, whole: CascadeRun, last: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is killed in the first scale, between the two, in the second, and at the end."""
    step, taken = ScaleTrainer.train_step, []

    def killed(trainer: ScaleTrainer) -> dict[str, float]:
        if len(taken) == last:
            raise KeyboardInterrupt
        taken.append(trainer.scale)
        return step(trainer)

    with monkeypatch.context() as patch:
        patch.setattr(ScaleTrainer, "train_step", killed)
        with suppress(KeyboardInterrupt):
            CascadeRun([photos], [], tmp_path / "cut", TRAINING, CONFIG).train(save_every=0)
    assert len(taken) == last
    resumed = CascadeRun([photos], [], tmp_path / "cut", TRAINING, CONFIG)
    resumed.train()
    assert same(resumed, whole)


def test_a_finished_run_goes_on_with_more_steps(photos: Path, tmp_path: Path, whole: CascadeRun) -> None:
    CascadeRun([photos], [], tmp_path / "short", replace(TRAINING, steps=2), CONFIG).train()
    longer = CascadeRun([photos], [], tmp_path / "short", TRAINING, CONFIG)
    longer.train()
    assert same(longer, whole)


def test_what_is_random_depends_on_the_seed_alone(photos: Path, tmp_path: Path, whole: CascadeRun) -> None:
    again = CascadeRun([photos], [], tmp_path / "again", TRAINING, CONFIG)
    again.train()
    assert same(again, whole)
    other = CascadeRun([photos], [], tmp_path / "other", replace(TRAINING, seed=1), CONFIG)
    other.train()
    assert not same(other, whole)


def test_training_makes_a_model_that_improves_with_tokens(photos: Path, tmp_path: Path) -> None:
    smooth_picture(9).save(tmp_path / "other.png")
    run = CascadeRun([photos], [tmp_path], tmp_path / "tiny", TRAINING, CONFIG)
    run.train()
    run.finish("none", tiles=1000)
    model = read_model(tmp_path / "tiny")
    model.verify()
    assert (model.scales, model.radices, model.n_tokens, model.licence) == ((192,), (8, 8), 10, "none")
    tokenizer = load_tokenizer(model, "cpu")
    assert isinstance(tokenizer, CascadeTokenizer)
    figures = psnr_by_tokens(tokenizer, torch.stack([centre_tile(p) for p in load_pictures([photos])]), (1, 4, 10, 64))
    assert list(figures) == [1, 4, 10]
    assert figures[1] + 0.5 < figures[4] and figures[4] + 0.5 < figures[10]
    # The tables are of what the encoder chooses by them, at each scale.
    uniform = FrequencyTables.uniform(10, (8, 8))
    for scale in (0, 1):
        crops = crop_pixels(load_pictures([photos]), 40, np.random.default_rng(0), scale).numpy()
        tokens = tokenizer.encode(crops, scale=scale)
        assert model.tables[scale].bits(tokens).sum() < uniform.bits(tokens).sum()
    lines = [json.loads(line) for line in (tmp_path / "tiny.training" / "log.jsonl").read_text().splitlines()]
    assert any("psnr" in line for line in lines) and len(lines[-1]["usage"]) == CONFIG.n_tokens
    assert [line["scale"] for line in lines if "bits_per_token" in line] == [0, 1]


def test_the_commands_make_a_model_with_a_look(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run with few tokens, and tables fitted to few crops."""
    monkeypatch.setattr("tokcodec.tokenizers.cascade.CascadeConfig", lambda: CONFIG)
    monkeypatch.setattr(CascadeRun, "finish", partialmethod(CascadeRun.finish, tiles=100))
    monkeypatch.setattr("tokcodec.training.cascade_run.TABLE_CROPS", 50)
    out, sizes = str(tmp_path / "mine"), ["--crops", "4", "--init-crops", "16", "--init-iterations", "1"]
    assert train(str(photos), "--out", out, "--steps", "1", *sizes, "--licence", "CC0-1.0") == 0
    model = read_model(tmp_path / "mine")
    assert (model.name, model.licence) == ("mine", "CC0-1.0")
    look = ["look", str(photos), "--model", out, "--device", "cpu", "--look", "fidelity"]
    assert train(*look, "--valid", str(photos / "0.png")) == 1
    assert "not a folder, a tar archive or a Parquet file" in capsys.readouterr().err
    assert train(*look, "--features", "efficientnet-lite0") == 2
    assert "--features is not for the look 'fidelity': it is squared error alone" in capsys.readouterr().err
    assert train(*look, "--steps", "2", "--batch", "1") == 0
    installed = read_model(tmp_path / "mine")
    assert installed.hash == model.hash and installed.files != model.files
    tokenizer = load_tokenizer(installed, "cpu")
    assert tokenizer.mends and tokenizer.looks == ("fidelity",)


def test_looks_are_for_our_own_models_alone(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_model(
        tmp_path / "other",
        name="other",
        family="titok",
        tables=[FrequencyTables.uniform(4, (8,))],
        tensors={"decoder.x": np.zeros(1)},
        hashed=["decoder."],
        ordered=True,
        default_tokens=4,
        licence="none",
        description="test",
    )
    arguments = ["look", str(photos), "--model", str(tmp_path / "other"), "--look", "fidelity", "--device", "cpu"]
    assert train(*arguments) == 1
    error = capsys.readouterr().err
    assert "only our own models have looks to train" in error and error.count("\n") == 1


@pytest.mark.parametrize("stage", ["cascade", "1d"])
@pytest.mark.parametrize("name", ["my model", ".", "..", "a" * 65])
def test_a_name_that_no_model_can_have_is_refused(stage: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(stage, ".", "--out", name) == 2
    assert "the model's name: letters, digits" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("stage", ["cascade", "1d"])
def test_an_output_that_is_no_model_is_refused_before_the_training(
    stage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").touch()
    for out in (tmp_path, tmp_path / "notes.txt"):
        assert train(stage, str(tmp_path), "--out", str(out)) == 1
        assert capsys.readouterr().err == f"tokcodec: {out}: exists already and is not a model\n"
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
