"""Training: crops are what they claim, a run resumes without loss, and it makes a model that beats its mean."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tokcodec.models.modelfile import read_model
from tokcodec.tokenizers import load_tokenizer
from tokcodec.tokenizers.cascade import CascadeConfig
from tokcodec.tokenizers.transform import TileTransform
from tokcodec.training.__main__ import main
from tokcodec.training.cascade import CascadeTraining, kmeans
from tokcodec.training.data import centre_tile, crop_pixels, crop_vectors, load_pictures, random_crop
from tokcodec.training.run import Run, code_usage, psnr_by_tokens

CONFIG = CascadeConfig(n_tokens=10, codewords=16, dims=4, luma=8, chroma=4)
TRAINING = CascadeTraining(steps=4, crops=16, init_crops=64, init_iterations=2)


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
    smooth_picture(0, (255, 300)).save(tmp_path / "small.png")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("not even a name of one")
    with tarfile.open(tmp_path / "more.tar", "w") as archive:
        archive.add(photos / "0.png", "inner/0.png")
    with caplog.at_level(logging.WARNING):
        pictures = load_pictures([photos, tmp_path, tmp_path / "more.tar"])
    assert len(pictures) == 7 and all(p.shape == (3, 272, 288) and p.dtype == torch.uint8 for p in pictures)
    assert "1 UnidentifiedImageError, 1 too small" in caplog.text


def test_validation_pictures_are_never_trained_on(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "renamed.png").write_bytes((photos / "3.png").read_bytes())
    run = Run([photos], [tmp_path], tmp_path / "m", TRAINING, CONFIG)
    assert len(run.trainer.pictures) == 5
    assert run.valid[tmp_path.name].shape == (1, 3, 256, 256)


def test_a_large_picture_is_reduced(tmp_path: Path) -> None:
    smooth_picture(0, (800, 640)).save(tmp_path / "large.png")
    assert load_pictures([tmp_path])[0].shape == (3, 320, 400)


def test_no_usable_picture_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="no usable picture"):
        load_pictures([tmp_path])
    errors = []
    for stage in ([], ["cascade"]):
        assert main([*stage, str(tmp_path), "--out", str(tmp_path / "m")]) == 1
        errors.append(capsys.readouterr().err)
    assert "no usable picture" in errors[0] and errors[0] == errors[1] and errors[0].count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["missing", "--out", "m"], "missing does not exist"),
        ([".", "--out", "m", "--crops", "0"], "0 is not at least 1"),
        (["."], "required: --out"),
        (["look", ".", "--model", ".", "--look", "good"], "invalid choice: 'good'"),
        (["look", ".", "--model", ".", "--look", "fidelity", "--adversarial"], "not allowed with argument --look"),
    ],
)
def test_wrong_arguments(arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(arguments)
    assert exit_info.value.code == 2 and reason in capsys.readouterr().err


def test_training_needs_few_packages() -> None:
    """From a bare checkout: torch, numpy, pillow and safetensors alone."""
    code = """
import sys
for name in ("click", "constriction", "platformdirs", "skimage", "matplotlib"):
    sys.modules[name] = None
import tokcodec.training.__main__ as command
from tokcodec.training import look, run
from tokcodec.tokenizers import load_tokenizer
from tokcodec.ratecontrol import lpips
try:
    command.main(["--help"])
except SystemExit as end:
    assert end.code == 0
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0 and "--valid" not in result.stderr, result.stderr


def test_a_crop_of_the_whole_is_the_picture() -> None:
    picture = as_tensor(smooth_picture(1, (256, 256)))

    class Middle:
        """Chooses the full size at the origin."""

        def random(self) -> float:
            return 0.0

        def integers(self, low: int, high: int, count: int) -> list[int]:
            return [0] * count

    crop = random_crop(picture, Middle())  # type: ignore[arg-type]
    assert torch.allclose(crop, picture / 255, atol=1e-5)


def test_vectors_are_the_transform_of_the_crop_and_of_its_mirror() -> None:
    pictures = [as_tensor(smooth_picture(2))]
    transform = TileTransform(16, 8)
    vectors = crop_vectors(pictures, [0], np.random.default_rng(5), transform)
    crop = random_crop(pictures[0], np.random.default_rng(5))[None]
    assert torch.allclose(vectors[:1], transform.forward(crop), atol=1e-3)
    assert torch.allclose(vectors[1:], transform.forward(crop.flip(-1)), atol=1e-3)


def test_crops_lie_in_range() -> None:
    crops = crop_pixels([as_tensor(smooth_picture(3))], 5, np.random.default_rng(0))
    assert crops.shape == (5, 3, 256, 256) and crops.min() >= 0 and crops.max() <= 1 and crops.std() > 0.05


def test_kmeans_finds_separate_clusters() -> None:
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])
    points = centres.repeat(50, 1) + 0.1 * torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
    # Some seeds start two words in one cluster; this one does not.
    words, counts = kmeans(points, torch.ones(200), 4, 10, np.random.default_rng(3))
    assert torch.cdist(centres, words).min(1).values.max() < 0.1
    assert counts.sum() == 200


def test_usage_is_the_perplexity() -> None:
    assert torch.allclose(code_usage(torch.tensor([[0, 0], [1, 0], [2, 0], [3, 0]]), 8), torch.tensor([4.0, 1.0]))


def test_a_resumed_run_ends_where_an_unbroken_one_does(photos: Path, tmp_path: Path) -> None:
    whole = Run([photos], [], tmp_path / "whole", TRAINING, CONFIG)
    whole.train()
    Run([photos], [], tmp_path / "cut", CascadeTraining(2, 16, 64, 2), CONFIG).train()
    resumed = Run([photos], [], tmp_path / "cut", TRAINING, CONFIG)
    resumed.train()
    assert resumed.trainer.step == whole.trainer.step == 4
    for name, tensor in whole.trainer.tensors.items():
        assert torch.equal(tensor, resumed.trainer.tensors[name]), name


def test_training_makes_a_model_that_improves_with_tokens(photos: Path, tmp_path: Path) -> None:
    smooth_picture(9).save(tmp_path / "other.png")
    run = Run([photos], [tmp_path], tmp_path / "tiny", TRAINING, CONFIG)
    run.train()
    run.finish("none", tiles=1000)
    model = read_model(tmp_path / "tiny")
    model.verify()
    tokenizer = load_tokenizer(model, "cpu")
    figures = psnr_by_tokens(tokenizer, torch.stack([centre_tile(p) for p in load_pictures([photos])]), (1, 4, 10))  # type: ignore[arg-type]
    assert figures[1] + 0.5 < figures[4] and figures[4] + 0.5 < figures[10]
    lines = [json.loads(line) for line in (tmp_path / "tiny.training" / "log.jsonl").read_text().splitlines()]
    assert any("psnr" in line for line in lines) and len(lines[-1]["usage"]) == CONFIG.n_tokens
