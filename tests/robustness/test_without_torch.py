"""Where torch is not installed: our own models code all the same; what needs it says so, and what to install."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tokcodec
from tests.robustness.inputs import ROOT, noise
from tests.robustness.processes import Commands, needs_fork
from tokcodec.container.header import Header
from tokcodec.container.tables import FrequencyTables
from tokcodec.contents import pack
from tokcodec.models.modelfile import Model, write_model
from tokcodec.models.registry import DEFAULT_MODEL, MODELS_VARIABLE
from tokcodec.tokenizers import MANY_DRAWN

pytestmark = [pytest.mark.slow, needs_fork]

Run = Callable[..., subprocess.CompletedProcess[str]]
INSTALL = "needs PyTorch: pip install 'tokcodec[torch]'"


@pytest.fixture(scope="module")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH by which Python, and what it starts, has no torch."""
    folder = tmp_path_factory.mktemp("hidden")
    (folder / "sitecustomize.py").write_text("import sys\nsys.modules['torch'] = None\n")
    return folder


@pytest.fixture
def python(tiny: Model, tmp_path: Path, hidden: Path) -> Run:
    """Run Python with arguments in tmp_path, in a process that has no torch."""

    def run(*arguments: str, torch: bool = False) -> subprocess.CompletedProcess[str]:
        paths = [str(ROOT)] if torch else [str(hidden), str(ROOT)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture(scope="module")
def torchless(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path, hidden: Path) -> Iterator[Commands]:
    """Run commands in processes without torch that one server forks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(MODELS_VARIABLE, str(tiny_folder))
        started = Commands(tmp_path_factory.mktemp("printed"), hidden)
    yield started
    started.close()


@pytest.fixture
def works(torchless: Commands, tiny: Model, tmp_path: Path) -> Callable[..., str]:
    """Run a command that must succeed; gives what it prints."""

    def command(*arguments: str) -> str:
        (ended,) = torchless.run(arguments, folder=tmp_path)
        assert ended.code == 0, ended.stderr
        return ended.stdout + ended.stderr

    return command


@pytest.fixture
def photograph(tmp_path: Path) -> Image.Image:
    """300 x 200 pixels, in.png."""
    coarse = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize((300, 200), Image.Resampling.BICUBIC)
    picture.save(tmp_path / "in.png")
    return picture


@pytest.fixture
def titok(tiny: Model, tmp_path: Path) -> Model:
    """A model of a family that runs on torch alone."""
    return write_model(
        tmp_path / "titok",
        name="titok",
        family="titok",
        tables=[FrequencyTables.uniform(4, (4096,))],
        tensors={"decoder.x": np.zeros(1)},
        hashed=["decoder."],
        ordered=True,
        default_tokens=4,
        licence="none",
        description="test",
    )


def same(path: Path, expected: Image.Image) -> bool:
    """Whether a picture's pixels are those expected, up to rounding."""
    with Image.open(path) as image:
        return int(np.abs(np.asarray(image, int) - np.asarray(expected, int)).max()) <= 1


def test_torch_is_not_there(python: Run) -> None:
    result = python("-c", "import importlib.util as u; print(u.find_spec('torch')); import torch")
    assert result.stdout == "None\n" and "ModuleNotFoundError" in result.stderr


@pytest.mark.parametrize("model", ["tiny", DEFAULT_MODEL])
@pytest.mark.parametrize("pitch", ["256", "fit"])
def test_there_and_back(
    works: Callable[..., str], tmp_path: Path, photograph: Image.Image, model: str, pitch: str
) -> None:
    """The files, and the pixels of every look, are those that are made where torch is."""
    works("encode", "in.png", "--model", model, "--pitch", pitch)
    data = (tmp_path / "in.tok").read_bytes()
    assert data == tokcodec.encode(photograph, model=model, pitch=pitch if pitch == "fit" else int(pitch))
    assert f"model {model}" in works("info", "in.tok")
    works("truncate", "in.tok", "--tokens", "3", "-o", "short.tok")
    assert (tmp_path / "short.tok").read_bytes() == tokcodec.truncate(data, tokens=3)
    for look in tokcodec.load_tokenizer(model).looks:
        works("decode", "in.tok", "--look", look, "-o", "out.png", "--force")
        assert same(tmp_path / "out.png", tokcodec.decode(data, look=look))
    works("decode", "short.tok", "--progressive", "stages.gif")
    assert (tmp_path / "stages.gif").stat().st_size > 1000


@pytest.mark.parametrize("model", ["tiny", DEFAULT_MODEL])
def test_targets(works: Callable[..., str], tmp_path: Path, photograph: Image.Image, model: str) -> None:
    for number, (option, value) in enumerate((("--target-size", "90"), ("--target-psnr", "12"), ("--tokens", "4"))):
        more = ["--adaptive", "--pitch", "96"] if option == "--tokens" else []
        works("encode", "in.png", "--model", model, option, value, *more, "-o", f"{number}.tok")
        works("decode", f"{number}.tok")
        assert (tmp_path / f"{number}.png").stat().st_size > 0
    assert (tmp_path / "0.tok").stat().st_size <= 90


def test_an_lpips_is_estimated(works: Callable[..., str], tmp_path: Path, photograph: Image.Image) -> None:
    said = works("encode", "in.png", "--target-lpips", "0.5")
    assert "LPIPS is estimated" in said and INSTALL in said and said.count("\n") == 2
    assert (tmp_path / "in.tok").stat().st_size > 10


def test_folders_and_packs(works: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    names = ["0", "1", "deep/2"]
    for seed, name in enumerate(names):
        (tmp_path / "photos" / f"{name}.png").write_bytes(noise(seed))
    works("encode", "-r", "photos", "-j", "2", "--model", "tiny", "--output-dir", "coded")
    works("pack", "coded", "-o", "all.npz")
    works("pack", "--unpack", "all.npz", "--output-dir", "again")
    works("decode", "-r", "coded", "--output-dir", "drawn")
    for name in names:
        data = (tmp_path / "coded" / f"{name}.tok").read_bytes()
        with Image.open(tmp_path / "photos" / f"{name}.png") as picture:
            assert data == tokcodec.encode(picture, model="tiny")
        assert data == (tmp_path / "again" / f"{name}.tok").read_bytes()
        assert same(tmp_path / "drawn" / f"{name}.png", tokcodec.decode(data))


def test_many_tiles(works: Callable[..., str], tmp_path: Path, photograph: Image.Image) -> None:
    """For which torch would be used, where it is."""
    data = tokcodec.encode(photograph, model="tiny", pitch=16, tokens=2)
    assert tokcodec.info(data).tiles > MANY_DRAWN
    (tmp_path / "in.tok").write_bytes(data)
    works("decode", "in.tok", "-o", "out.png")
    assert same(tmp_path / "out.png", tokcodec.decode(data))


@pytest.mark.parametrize("model", ["tiny", DEFAULT_MODEL])
def test_pillow(python: Run, tmp_path: Path, photograph: Image.Image, model: str) -> None:
    code = f"""
from PIL import Image
import tokcodec.pillow
tokcodec.pillow.register()
Image.open("in.png").save("x.tok", model={model!r}, tokens=4)
with Image.open("x.tok") as image:
    assert image.size == (300, 200) and image.info["tokens"] == 4
    image.save("x.png")
"""
    result = python("-W", "error", "-c", code)
    assert result.returncode == 0, result.stderr
    data = tokcodec.encode(photograph, model=model, tokens=4)
    assert (tmp_path / "x.tok").read_bytes() == data and same(tmp_path / "x.png", tokcodec.decode(data))


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["encode", "in.png", "--device", "cuda"], "device cuda"),
        (["encode", "in.png", "--device", "cuda", "--target-size", "99"], "device cuda"),
        (["encode", "in.png", "other.png", "--device", "cuda"], "device cuda"),
        (["encode", "-r", ".", "--device", "cuda"], "device cuda"),
        (["decode", "own.tok", "--device", "cuda"], "device cuda"),
        (["decode", "own.tok", "other.tok", "--device", "cuda"], "device cuda"),
        (["decode", "own.tok", "--dtype", "bfloat16"], "dtype bfloat16"),
        (["encode", "in.png", "--model", "titok"], "model titok"),
        (["encode", "in.png", "--model", "titok", "--target-size", "99"], "model titok"),
        (["decode", "other.tok", "--model", "titok"], "model titok"),
        (["train", ".", "--out", "x"], "training"),
        (["models", "import", "checkpoint", "--name", "mine"], "importing a checkpoint"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_needs_torch_says_what_to_install(
    torchless: Commands, tmp_path: Path, photograph: Image.Image, titok: Model, arguments: list[str], what: str
) -> None:
    """In one line, with exit status 1 and nothing written."""
    (tmp_path / "own.tok").write_bytes(tokcodec.encode(photograph, model="tiny"))
    header = Header(titok.id, 4, 256, 300, 200)
    (tmp_path / "other.tok").write_bytes(pack(header, titok, np.zeros((1, 4), int)))
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "model.safetensors").write_bytes(b"")
    if "other.png" in arguments:
        photograph.save(tmp_path / "other.png")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    (ended,) = torchless.run(arguments, folder=tmp_path)
    assert (ended.code, ended.stdout) == (1, ""), ended
    assert ended.stderr.startswith("tokcodec: ") and ended.stderr.endswith(f"{what} {INSTALL}\n")
    assert ended.stderr.count("\n") == 1
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_what_handles_bytes_needs_no_torch_for_any_model(python: Run, tmp_path: Path, titok: Model) -> None:
    """Here as a shell starts the command."""

    def works(*arguments: str) -> str:
        result = python("-m", "tokcodec", *arguments)
        assert result.returncode == 0, result.stderr
        return result.stdout

    data = pack(Header(titok.id, 4, 256, 300, 200), titok, np.zeros((1, 4), int))
    (tmp_path / "in.tok").write_bytes(data)
    assert "300x200" in works("info", "in.tok")
    assert "tiny" in works("models", "list")
    assert "titok" in works("models", "show", str(titok.path))


# ---- where it is installed


SMALL_JOBS = """
import io, sys
import tokcodec, tokcodec.pillow
from click.testing import CliRunner
from PIL import Image
from tokcodec.cli import cli

def command(*arguments):
    result = CliRunner().invoke(cli, arguments, prog_name="tokcodec")
    assert result.exit_code == 0, result.output
    assert "torch" not in sys.modules, arguments

for model in sys.argv[1:]:
    command("encode", "in.png", "--model", model, "--force")
    command("encode", "in.png", "--model", model, "--target-size", "99", "-o", "x.tok", "--force")
    command("encode", "in.png", "in.png", "--model", model, "-j", "2", "--output-dir", "out", "--force")
    for look in tokcodec.load_tokenizer(model).looks:
        command("decode", "in.tok", "--look", look, "-o", "out.png", "--force")
    command("decode", "in.tok", "--progressive", "out.gif", "--force")
    command("info", "in.tok")
tokcodec.pillow.register()
Image.open("in.tok").load()
assert "torch" not in sys.modules
"""


def test_small_jobs_do_not_import_it(python: Run, photograph: Image.Image) -> None:
    result = python("-c", SMALL_JOBS, "tiny", DEFAULT_MODEL, torch=True)
    assert result.returncode == 0, result.stderr


def test_many_tiles_do(python: Run, tmp_path: Path, photograph: Image.Image) -> None:
    (tmp_path / "in.tok").write_bytes(tokcodec.encode(photograph, model="tiny", pitch=16, tokens=2))
    code = "import sys, tokcodec; tokcodec.decode(open('in.tok', 'rb').read()); print('torch' in sys.modules)"
    assert python("-c", code, torch=True).stdout == "True\n"
