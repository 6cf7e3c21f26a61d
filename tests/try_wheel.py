"""Installs a wheel without extras in a new environment of every Python found, and runs the README's examples.

Those that need an extra must fail with the line that names it.

    python tests/try_wheel.py dist/tokcodec-*.whl

Prints the sizes of the wheel and of the base installation. Exit code 1 when an example fails or a size is beyond its
limit. Needs the package index for the dependencies.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
WHEEL_MB, INSTALL_MB = 5.5, 150.0
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXTRA = re.compile(r"pip install '(tokcodec\[\w+\])'")
PICTURES = """
from pathlib import Path
from PIL import Image

Path("photos").mkdir()
for name in ("photo.jpg", "photos/a.jpg", "photos/b.png"):
    Image.effect_mandelbrot((320, 240), (-2, -1.2, 1, 1.2), 60).convert("RGB").save(name)
"""


def pythons() -> Iterator[Path]:
    """One interpreter of every version on the path or in pyenv."""
    seen = set()
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep)]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for folder in [*folders, *sorted(pyenv.glob("*/bin"))]:
        for version in VERSIONS:
            path = folder / f"python{version}"
            if version in seen or not path.is_file():
                continue
            # pyenv has commands of its own of that name for versions that are not there
            found = subprocess.run([path, "-c", "import ensurepip"], capture_output=True)
            if found.returncode == 0:
                seen.add(version)
                yield path


def try_one(python: Path, wheel: Path) -> tuple[float, list[str]]:
    """Run everything with one interpreter; MB of the installed packages, and extras that examples ask for.

    Raises CalledProcessError.
    """
    with tempfile.TemporaryDirectory() as folder:
        place, work = Path(folder) / "venv", Path(folder) / "work"
        work.mkdir()
        subprocess.run([python, "-m", "venv", place], check=True)
        binaries = place / ("Scripts" if os.name == "nt" else "bin")
        before = installed_mb(place)
        subprocess.run([binaries / "python", "-m", "pip", "install", "--quiet", wheel], check=True)
        grown = installed_mb(place) - before
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "TOKCODEC"))}
        environment["PATH"] = f"{binaries}{os.pathsep}{environment.get('PATH', '')}"
        environment["TOKCODEC_MODELS"] = str(work / "none")

        def run(*command: str | Path) -> None:
            subprocess.run(command, cwd=work, env=environment, check=True, capture_output=True, text=True)

        run(binaries / "python", "-c", PICTURES)
        extras: set[str] = set()
        for kind, text in BLOCK.findall(README.read_text(encoding="utf-8")):
            command = [binaries / "python", "-c"] if kind == "python" else ["bash", "-euo", "pipefail", "-c"]
            try:
                run(*command, text)
            except subprocess.CalledProcessError as error:
                found = EXTRA.search(error.stderr)
                if found is None:
                    raise
                extras.add(found[1])
        return grown, sorted(extras)


def installed_mb(place: Path) -> float:
    """Of an environment, without compiled bytecode: the same with and without."""
    files = (path for path in place.rglob("*") if path.is_file() and not path.is_symlink() and path.suffix != ".pyc")
    return sum(path.stat().st_size for path in files) / 1e6


def main(arguments: list[str]) -> int:
    """0 if every Python passes."""
    (wheel,) = (Path(argument).resolve() for argument in arguments)
    size = wheel.stat().st_size / 1e6
    print(f"{wheel.name}: {size:.2f} MB (limit {WHEEL_MB:g})")
    good, found = size <= WHEEL_MB, 0
    for python in pythons():
        found += 1
        try:
            megabytes, extras = try_one(python, wheel)
        except subprocess.CalledProcessError as error:
            print(f"{python}: {error}\n{error.stdout or ''}{error.stderr or ''}")
            good = False
        else:
            asked = f" or ask for {', '.join(extras)}" if extras else ""
            size_of = f"base installation {megabytes:.0f} MB (limit {INSTALL_MB:g})"
            print(f"{python}: the README's examples work{asked}; {size_of}")
            good &= megabytes <= INSTALL_MB
    if not found:
        print(f"no Python of {', '.join(VERSIONS)} here")
    return 0 if good and found else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
