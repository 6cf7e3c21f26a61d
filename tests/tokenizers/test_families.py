"""Families of other packages: the document's example in all commands, and every failure."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import skimage.data
from click.testing import CliRunner
from PIL import Image

import tokcodec
from bench import results
from bench import run as bench_run
from bench.__main__ import main as bench
from bench.report import plots
from tests.conftest import TINY_TOKENS
from tokcodec.cli import cli
from tokcodec.container.tables import FrequencyTables
from tokcodec.errors import DeviceError, MissingPackageError, ModelFileError
from tokcodec.models.modelfile import Model, read_model, write_model
from tokcodec.tokenizers import families, load_tokenizer
from tokcodec.tokenizers.base import Tokenizer
from tokcodec.tokenizers.families import GROUP, find_family, others_installed

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "models.md").read_text(encoding="utf-8").split("## A family of your own")[1]

PLAIN = "from tests.tokenizers.test_families import Plain"


def install(site: Path, module: str, code: str, entry: str, package: str | None = None) -> None:
    """The installed files of a package with one module and one entry point."""
    package = package or module.replace("_", "-")
    (site / f"{module}.py").write_text(code)
    info = site / f"{package.replace('-', '_')}-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{entry}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of packages on the path of this process and its children."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{ROOT}")
    before = set(sys.modules)
    find_family.cache_clear()
    yield folder
    find_family.cache_clear()
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(folder) in str(sys.modules[name].__file__):
            del sys.modules[name]


def run(*arguments: str | Path, status: int = 0) -> str:
    """Output of Python in a separate process."""
    done = subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def command(*arguments: str | Path) -> str:
    """Output of a command in this process, which saves the start of another."""
    done = CliRunner().invoke(cli, [*map(str, arguments)], prog_name="tokcodec")
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def squares(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install the document's package and its model. Returns the model's folder."""
    (settings,) = re.findall(r"^```toml\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
    (code,) = re.findall(r"^```python\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
    project = tomllib.loads(settings)["project"]
    ((name, module),) = project["entry-points"][GROUP].items()
    install(site, module, code, f"{name} = {module}", project["name"])
    monkeypatch.setenv("TOKCODEC_MODELS", str(tmp_path / "models"))
    run("-m", module, tmp_path / "models" / "squares")
    return tmp_path / "models" / "squares"


def photograph(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(skimage.data.astronaut()).resize((300, 200)).save(path)
    return path


# ---- the document's example


def test_the_example_works_everywhere(squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    photo = photograph(tmp_path)
    run("-m", "tokcodec", "encode", "--model", "squares", photo, "-o", "photo.tok")
    said = run("-m", "tokcodec", "info", "photo.tok")
    assert "2x2 tiles (pitch 128), 340 tokens" in said and "model squares" in said
    run("-m", "tokcodec", "decode", "photo.tok", "-o", "back.png")
    command("decode", "--tokens", "1", "photo.tok", "-o", "first.png")
    original, drawn, first = (np.asarray(Image.open(path), float) for path in (photo, "back.png", "first.png"))
    assert drawn.shape == original.shape
    assert ((drawn - original) ** 2).mean() < 0.6 * ((first - original) ** 2).mean()
    command("encode", "--model", "squares", "--target-size", "300", photo, "-o", "small.tok")
    assert 250 < (tmp_path / "small.tok").stat().st_size <= 300
    command("encode", "--model", "squares", "--adaptive", "--tokens", "9", photo, "-o", "adaptive.tok")
    command("truncate", "photo.tok", "--tokens", "5", "-o", "cut.tok")
    assert "20 tokens" in command("info", "cut.tok")
    (tmp_path / "photos").mkdir()
    for name in ("photo.png", "again.png"):
        (tmp_path / "photos" / name).write_bytes(photo.read_bytes())
    command("encode", "-r", "photos", "--model", "squares", "--output-dir", "many")
    assert (tmp_path / "many" / "photo.tok").read_bytes() == (tmp_path / "photo.tok").read_bytes()
    assert "squares" in command("models", "list")
    command("models", "show", "squares")


def test_the_example_in_the_bench(squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TOKCODEC_LPIPS", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(bench_run, "find_recognition", lambda: "not wanted")
    monkeypatch.setattr(plots, "draw", lambda summary, folder: [])
    (tmp_path / "pictures").mkdir()
    photograph(tmp_path).rename(tmp_path / "pictures" / "photo.png")
    options = ["--crop", "128", "--model", "squares", "--codec", "tokcodec", "--pitch", "128", "--jobs", "1"]
    arguments = ["pictures", "--out", "results", "--page-pictures", "0", *options]
    done = CliRunner().invoke(bench, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    rows = results.load(tmp_path / "results" / "results.jsonl")
    assert len(rows) > 10 and not any(row.get("error") for row in rows)
    assert any("tokcodec:squares-packed" in row["codec"] for row in rows)


def test_without_its_package_a_model_is_listed_and_its_files_described(
    squares: Path, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run("-m", "tokcodec", "encode", "--model", "squares", photograph(tmp_path), "-o", "photo.tok")
    (site / "tokcodec_squares.py").unlink()
    broken = run("-m", "tokcodec", "decode", "photo.tok", "-o", "back.png", status=1)
    assert "package tokcodec-squares does not load (ModuleNotFoundError: No module named 'tokcodec_squares')" in broken
    (site / "tokcodec_squares.py").write_text("raise SystemExit('no')")
    assert "does not load (SystemExit: no)" in run("-m", "tokcodec", "decode", "photo.tok", "-o", "back.png", status=1)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    lacking = run("-m", "tokcodec", "decode", "photo.tok", "-o", "back.png", status=1)
    assert lacking.count("\n") == 1 and f"an entry point 'squares' in the group {GROUP}" in lacking
    assert "model squares" in run("-m", "tokcodec", "info", "photo.tok")
    assert {"base-2", "squares"} <= {line.split()[0] for line in run("-m", "tokcodec", "models", "list").splitlines()}
    run("-m", "tokcodec", "encode", "photo.png", "-f", "-o", "photo.tok")


# ---- what can be wrong with a package


def test_two_packages_of_one_family(site: Path, tiny: Model) -> None:
    for name in ("one", "two"):
        install(site, name, "load = None", f"twice = {name}")
    with pytest.raises(MissingPackageError, match="provided by several packages: one, two"):
        load_tokenizer(replace(tiny, family="twice"))


@pytest.mark.parametrize(
    ("code", "error", "text"),
    [
        ("import nothing_of_this_name", MissingPackageError, "does not load .ModuleNotFoundError: No module named"),
        ("", MissingPackageError, "does not load .AttributeError: module 'odd' has no attribute 'load'"),
        ("1 +", MissingPackageError, "does not load .SyntaxError"),
        ("def load(*_): raise KeyError('words')", ModelFileError, "does not load it .KeyError: 'words'"),
        ("def load(*_): return 3", ModelFileError, "makes a int, not a Tokenizer"),
        ("def load(*_): raise SystemExit('bye')", ModelFileError, "does not load it .SystemExit: bye"),
        ("def load(*_): raise OSError('two\\nlines \\x1b[2J')", ModelFileError, r"OSError: two lines \\x1b"),
        ("load = 3", ModelFileError, "does not load it .TypeError: 'int' object is not callable"),
        ("raise SystemExit", MissingPackageError, "does not load .SystemExit"),
        (
            f"{PLAIN}\nclass Odd(Plain):\n  @property\n  def looks(self): exit(3)\ndef load(*_): return Odd()",
            ModelFileError,
            "properties of its tokenizer cannot be read .SystemExit: 3",
        ),
        (f"{PLAIN}\nclass Odd(Plain): looks = (3,)\ndef load(*_): return Odd()", ModelFileError, "has no looks"),
        (f"{PLAIN}\ndef load(*_): return Plain(n_tokens=3)", ModelFileError, "has 3 tokens"),
        (f"{PLAIN}\ndef load(*_): return Plain(tile=128)", ModelFileError, "has 128 samples along a tile's side"),
    ],
)
def test_a_package_that_fails_is_one_line(site: Path, tiny: Model, code: str, error: type, text: str) -> None:
    install(site, "odd", f"WITHOUT_TORCH = True\n{code}", "odd = odd")
    with pytest.raises(error, match=text) as caught:
        load_tokenizer(replace(tiny, family="odd"))
    assert "\n" not in str(caught.value)
    load_tokenizer(tiny)


def test_torch_is_for_those_who_want_it(site: Path, tiny: Model) -> None:
    code = (
        "from tests.tokenizers.test_families import Plain\ndef load(model, device, dtype): return Plain(device, dtype)"
    )
    install(site, "with_torch", code, "with = with_torch")
    install(site, "alone", f"WITHOUT_TORCH = True\n{code}", "alone = alone")
    theirs = load_tokenizer(replace(tiny, family="with"), "cpu")
    ours = load_tokenizer(replace(tiny, family="alone"), "cpu", drawing=10**6)
    assert isinstance(theirs, Plain) and str(theirs.told) == "(device(type='cpu'), torch.float32)"
    assert isinstance(ours, Plain) and ours.told == (None, None)


def test_built_in_families_ask_no_package(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    find_family.cache_clear()
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: pytest.fail("the packages were searched"))
    assert load_tokenizer(tiny).n_tokens == TINY_TOKENS


# ---- shapes that the format allows


class Plain(Tokenizer):
    """Draws the mean colour of a tile: one token of D digits, and any number of unused ones."""

    def __init__(self, *told: Any, n_tokens: int = TINY_TOKENS, tile: int = 256, values: int = 64) -> None:
        self.told, self.tile, self.values = told, tile, values
        self.n_tokens = n_tokens

    def encode(self, x: Any, count: int | None = None, scale: int = 0) -> Any:
        self.check_tiles(x)
        first = np.rint(x.mean((1, 2, 3)) * (self.values - 1)).astype(np.int64)
        return np.repeat(first[:, None], count or self.n_tokens, 1)

    def decode(self, tokens: Any, look: str | None = None, scale: int = 0) -> Any:
        self.check_tokens(tokens, self.values)
        grey = (tokens[:, 0] / (self.values - 1)).astype(np.float32)
        return np.broadcast_to(grey[:, None, None, None], (len(tokens), 3, self.tile, self.tile)).copy()


SHAPES: list[tuple[tuple[int, ...], int, int]] = [
    ((1 << 16,), 1, 256),
    ((1 << 8, 1 << 8), 256, 384),
    ((16, 16, 16, 16), 3, 512),
    ((2, 3, 5), 255, 128),
]


@pytest.mark.parametrize(("radices", "n_tokens", "tile"), SHAPES)
@pytest.mark.parametrize("size", [(300, 200), (1, 1), (520, 40)])
def test_other_vocabularies_numbers_and_tiles(
    radices: tuple[int, ...], n_tokens: int, tile: int, size: tuple[int, int], site: Path, tmp_path: Path
) -> None:
    values = int(np.prod(radices))
    arguments = f"n_tokens={n_tokens}, tile={tile}, values={values}"
    code = f"from tests.tokenizers.test_families import Plain\ndef load(*_): return Plain({arguments})"
    install(site, "plain_family", f"WITHOUT_TORCH = True\n{code}", "plain = plain_family")
    model = make(tmp_path / "plain", FrequencyTables.uniform(n_tokens, radices), tile)
    grey = Image.new("RGB", size, (90, 90, 90))
    for options in ({}, {"pitch": 64}, {"pitch": "fit"}, {"tokens": 1}, {"adaptive": True}, {"target_size": 400}):
        data = tokcodec.encode(grey, model=model.path, warn=lambda text: None, **options)
        found = tokcodec.info(data, model=model.path)
        assert found.complete and (found.width, found.height) == size
        assert found.pitch == (tile if options in ({}, {"tokens": 1}, {"adaptive": True}) else found.pitch)
        drawn = np.asarray(tokcodec.decode(data, model=model.path), int)
        assert drawn.shape == (size[1], size[0], 3) and np.abs(drawn - 90).max() <= 255 / (values - 1)
    bare = tokcodec.encode(grey, model=model.path, container="bare", warn=lambda text: None)
    assert tokcodec.decode(bare, model=model.path, container="bare", size=size).size == size


def make(folder: Path, tables: FrequencyTables, tile: int = 256, default: int | None = None) -> Model:
    return write_model(
        folder,
        name=folder.name,
        family="plain",
        tables=[tables],
        tensors={"decoder": np.zeros(1)},
        hashed=["decoder"],
        tile=tile,
        ordered=True,
        default_tokens=default or tables.n_tokens,
        licence="CC0-1.0",
        description="For tests.",
    )


def test_what_the_format_does_not_allow_is_refused_with_the_reason(tmp_path: Path) -> None:
    fitting = FrequencyTables.uniform(4, (8, 8))
    for tile in (0, 64, 255, 1024):
        with pytest.raises(ValueError, match="'tile' must be one of 128, 256, 384, 512 samples, not"):
            make(tmp_path / "model", fitting, tile)
    with pytest.raises(ValueError, match="'n_tokens' <= 256"):
        make(tmp_path / "model", FrequencyTables.uniform(257, (8, 8)))
    for radices, text in (
        ((1 << 17,), "radices must be 2..65536"),
        ((1 << 16, 1 << 16), "more than 2147483648 tokens"),
    ):
        with pytest.raises(ValueError, match=text):
            FrequencyTables.uniform(4, radices)
    assert not (tmp_path / "model").exists()
    assert read_model(make(tmp_path / "model", fitting, 128).path).tile == 128


# ---- what a tokenizer returns


@pytest.mark.parametrize(
    ("method", "result", "options", "text"),
    [
        (
            "encode",
            "np.zeros((len(x), 1), np.int64)",
            {"tokens": 4},
            r"encodes to int64 \[1, 1\], not to integers \[1, 4\]",
        ),
        ("encode", "np.zeros((len(x), count))", {"tokens": 4}, r"encodes to float64 \[1, 4\], not to integers"),
        ("encode", "None", {"tokens": 4}, r"encodes to object \[\]"),
        ("encode", "np.full((len(x), count), 64)", {"tokens": 4}, r"makes tokens 64\.\.64, outside of 0\.\.63"),
        ("encode", "np.full((len(x), count), -1)", {"target_size": 90}, r"makes tokens -1\.\.-1, outside of 0\.\.63"),
        ("encode_curves", "np.zeros((1, count), int), np.zeros((1, 1))", {"adaptive": True}, r"finds errors \[1, 1\]"),
        (
            "decode",
            "np.zeros((len(x), 3, 256, 1), np.float32)",
            {},
            r"decodes to float32 \[1, 3, 256, 1\], not to floats",
        ),
        ("decode", "np.zeros((len(x), 3, 256, 256), np.uint8)", {}, "decodes to uint8"),
        ("decode", "np.zeros((1, 3, 256), np.float32)", {"target_psnr": 9}, "decodes to float32"),
        ("decode", "np.full((len(x), 3, 256, 256), np.nan)", {}, "draws values that are not finite numbers"),
        ("encode", "exit('bye')", {"tokens": 4}, "fails .SystemExit: bye"),
        ("encode", "np.zeros(2) + np.zeros(3)", {"tokens": 4}, "fails .ValueError: operands could not be broadcast"),
        ("encode_curves", "1 / 0", {"adaptive": True}, "fails .ZeroDivisionError: division by zero"),
        ("decode", "{}['word']", {}, "fails .KeyError: 'word'"),
        ("decode", "exit()", {"target_psnr": 9}, "fails .SystemExit"),
    ],
)
def test_what_a_tokenizer_returns_is_checked(
    site: Path, tmp_path: Path, method: str, result: str, options: dict[str, Any], text: str
) -> None:
    code = f"def {method}(self, x, count=None, scale=0, *_): return {result}"
    load = f"def load(*_): return type('Odd', (Plain,), {{'{method}': {method}}})(n_tokens=8)"
    install(
        site, "odd_family", f"import numpy as np\n{PLAIN}\nWITHOUT_TORCH = True\n{code}\n{load}", "plain = odd_family"
    )
    model = make(tmp_path / "odd", FrequencyTables.uniform(8, (8, 8)))
    with pytest.raises(ModelFileError, match=f"^model odd: its tokenizer {text}"):
        tokcodec.decode(tokcodec.encode(Image.new("RGB", (9, 9)), model=model.path, **options), model=model.path)


def test_whether_other_packages_are_there(site: Path) -> None:
    assert not others_installed()
    install(site, "odd", "", "odd = odd")
    assert others_installed()


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "not enough memory"),
        (type("OutOfMemoryError", (RuntimeError,), {})("CUDA"), "the device's memory is full; use --device cpu"),
        (RuntimeError("another"), ""),
    ],
)
def test_full_memory_is_one_line(error: Exception, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object) -> None:
        raise error

    monkeypatch.setattr(families, "_module", lambda name: SimpleNamespace(load=load))
    with pytest.raises(DeviceError if line else RuntimeError, match=line or "another"):
        find_family("flextok").load(*[None] * 3)  # type: ignore[arg-type]
