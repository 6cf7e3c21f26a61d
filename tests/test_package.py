"""The package: the contents of the wheel, and that the wheel is sufficient."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import tokcodec
from tokcodec.models.registry import DEFAULT_MODEL, MODELS_VARIABLE

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MODELS = (DEFAULT_MODEL, "base-2")  # base-2 is that of 1.0, whose files still decode
MODEL_FILES = {"README.md", "model.json", "model.safetensors", "tables.safetensors"}
MOST_BYTES = 7_000_000
"""Limit of the wheel, most of which are the models."""
BYTE_MODULES = (
    "errors", "pictures.canvas", "pictures.files", "pictures.images", "pictures.limits", "pictures.tiling",
    "container.bare", "contents", "container.counts", "container.entropy", "container.header",
    "container.tables", "models.modelfile", "models.registry", "tokfile", "tokenizers", "tokenizers.families",
    "tokenizers.importing",
    "tokenizers.tiles", "ratecontrol.allocation", "ratecontrol.targets", "options", "codec", "progressive",
    "datasets.bulk", "datasets.pack", "pillow", "cli", "cli.dataset", "cli.decoding", "cli.jobs", "cli.models",
    "cli.packing",
)  # fmt: skip

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of its sources with a third model, which must not be included."""
    pytest.importorskip("hatchling")
    place = tmp_path_factory.mktemp("build")
    shutil.copytree(ROOT / "tokcodec", place / "tokcodec", ignore=shutil.ignore_patterns("__pycache__"))
    for name in MODELS:
        shutil.copytree(ROOT / "models" / name, place / "models" / name)
    shutil.copytree(ROOT / "models" / DEFAULT_MODEL, place / "models" / "other")
    (place / "models" / DEFAULT_MODEL / "log.jsonl").write_text("{}")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, place)
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "dist"], cwd=place, check=True)
    (built,) = (place / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's content and nothing of the checkout."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run(folder: Path, *arguments: str) -> str:
    """Output of Python in a folder with only the contents of the wheel."""
    environment = os.environ | {"PYTHONPATH": str(folder), MODELS_VARIABLE: str(folder / "none")}
    result = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return result.stdout


def test_the_wheel_holds_the_package_and_the_shipped_models(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert {name.split("/")[0] for name in names} == {"tokcodec"}
    models = {name.removeprefix("tokcodec/_models/") for name in names if name.startswith("tokcodec/_models/")}
    assert models == {f"{model}/{name}" for model in MODELS for name in MODEL_FILES}
    assert "tokcodec/py.typed" in names
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "tokcodec").rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == sources
    assert wheel.stat().st_size <= MOST_BYTES


def test_metadata(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        text = archive.read(metadata).decode()
        licence = archive.read(metadata.replace("METADATA", "licenses/LICENSE")).decode()
    assert f"\nVersion: {tokcodec.__version__}\n" in text
    assert "\nLicense-Expression: Apache-2.0\n" in text and "Apache License" in licence
    assert "\nRequires-Dist: constriction~=0.5.0\n" in text


def test_one_version_everywhere() -> None:
    """The npm package has the same version, and the changelog begins with it and its date."""
    package = json.loads((ROOT / "formats" / "web" / "package.json").read_text(encoding="utf-8"))
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = next(line for line in changes.splitlines() if line.startswith("## ") and line != "## Unreleased")
    assert package["version"] == tokcodec.__version__
    assert re.fullmatch(rf"## {re.escape(tokcodec.__version__)} - \d{{4}}-\d\d-\d\d", newest)


def test_the_wheel_works_alone(unpacked: Path) -> None:
    code = "import tokcodec.models.registry as m; model = m.find_model(); model.verify(); print(model.path)"
    assert run(unpacked, "-c", code).strip() == str(unpacked / "tokcodec" / "_models" / DEFAULT_MODEL)
    code = "from PIL import Image; Image.linear_gradient('L').convert('RGB').save('in.png')"
    run(unpacked, "-c", code)
    run(unpacked, "-m", "tokcodec", "encode", "--tokens", "4", "in.png")
    run(unpacked, "-m", "tokcodec", "decode", "in.tok", "-o", "out.png")
    assert f"model {DEFAULT_MODEL}" in run(unpacked, "-m", "tokcodec", "info", "in.tok")
    assert (unpacked / "out.png").stat().st_size > 0


def test_the_wheel_reads_files_of_1_0(unpacked: Path) -> None:
    shutil.copy(ROOT / "formats" / "vectors" / "tile-64.tok", unpacked / "old.tok")
    run(unpacked, "-m", "tokcodec", "decode", "old.tok", "-o", "old.png")
    assert "model base-2" in run(unpacked, "-m", "tokcodec", "info", "old.tok")
    assert (unpacked / "old.png").stat().st_size > 0


def test_what_handles_bytes_imports_no_torch() -> None:
    lines = [f"import tokcodec.{module}; assert 'torch' not in sys.modules, {module!r}" for module in BYTE_MODULES]
    subprocess.run([sys.executable, "-c", "\n".join(["import sys", *lines])], cwd=ROOT, check=True)


def test_importing_the_package_costs_nothing() -> None:
    code = "import sys, tokcodec; assert not {'torch', 'numpy', 'PIL', 'click'} & set(sys.modules), sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_every_dependency_is_pinned_in_the_constraints() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines if line and not line.startswith("#")}
    project = PROJECT["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    names = {re.split(r"[\[~<>= ]", one)[0].lower().replace("_", "-") for one in wanted} - {"tokcodec"}
    assert names <= pinned


def test_the_command_is_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command starts in a function that handles Ctrl-C during the import."""
    from importlib.metadata import entry_points

    (entry,) = entry_points(group="console_scripts", name="tokcodec") or pytest.skip("not installed")
    called: list[str] = []
    monkeypatch.setattr("tokcodec.cli.main.cli", lambda prog_name: called.append(prog_name))
    handler = signal.getsignal(signal.SIGINT)
    try:
        entry.load()()
    finally:
        signal.signal(signal.SIGINT, handler)
    assert called == ["tokcodec"]
