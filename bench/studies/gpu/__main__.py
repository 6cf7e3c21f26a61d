"""`python -m bench.studies.gpu PHOTOS... --valid DIR --out DIR`: all that the project does on a GPU, in one run.

    tests.txt          the CUDA tests of the project
    throughput.md      tiles a second of every family, by batch, on CPU and CUDA
    train.log, small/  a 1D tokenizer of the preset `small`, trained for some minutes in bfloat16
    train-1d.md        its table by tokens, against the default model
    small.tar.NN       the model in files below 16 MiB: `cat small.tar.* | tar x`

A part whose result exists is left out, and the training resumes, so that the command can be repeated after a kill.
Without a GPU, --dry does the same on the CPU with the preset `tiny` and less of everything.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import click
import torch

from bench.report.cells import markdown_lines
from bench.studies.gpu.throughput import SMALL, Speed, measure
from tokcodec.ratecontrol.lpips import LPIPS
from tokcodec.training.vit1d.finish import write_result
from tokcodec.training.vit1d.ranks import Ranks
from tokcodec.training.vit1d.run import Run1d
from tokcodec.training.vit1d.settings import PRESETS, Training1d

PIECE = 15 << 20
"""Bytes of a piece of the model."""
TRIED = 40, 20
"""Steps that are timed, and those before them, in which the forward pass is compiled."""
TEST_SECONDS = 300
"""Time limit of the tests."""


@click.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--valid", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder of the results.")
@click.option("--lpips-weights", type=click.Path(exists=True, path_type=Path), help="Default: as in the bench.")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), default=15.0, show_default=True, help="Training.")
@click.option("--batch", type=click.IntRange(1), default=64, show_default=True, help="Tiles per step.")
@click.option("--dry", is_flag=True, help="On the CPU, with less of everything.")
def main(
    photos: tuple[Path, ...],
    valid: Path,
    out: Path,
    lpips_weights: Path | None,
    minutes: float,
    batch: int,
    dry: bool,
) -> None:
    """Run the CUDA tests, measure throughput, and train a 1D tokenizer on PHOTOS."""
    if not dry and not torch.cuda.is_available():
        raise click.ClickException("no CUDA device here; --dry tries the script on the CPU")
    out.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    if not (out / "tests.txt").exists():
        run_tests(out / "tests.txt", dry)
    if not (out / "throughput.md").exists():
        write_throughput(out / "throughput.md", dry)
    train(photos, valid, out, lpips_weights, minutes, batch, dry)
    weights = () if lpips_weights is None else ("--lpips-weights", str(lpips_weights))
    study = [sys.executable, "-m", "bench.studies.train_1d", str(valid), "--model", str(out / "small"), *weights]
    subprocess.run([*study, "--out", str(out / "train-1d.md"), "--plot", str(out / "train-1d.svg")], check=False)


def run_tests(path: Path, dry: bool) -> None:
    """Write the report of the tests that are marked `cuda`. They are skipped where there is no CUDA device."""
    command = [sys.executable, "-m", "pytest", "-m", "cuda", "-rA", *(["--collect-only", "-q"] if dry else [])]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TEST_SECONDS)
        text = done.stdout + done.stderr
    except subprocess.TimeoutExpired as error:
        text = f"{error}\n{(error.stdout or b'').decode(errors='replace')}"
    path.write_text(text, encoding="utf-8")
    print(text.splitlines()[-1] if text else "no output of the tests", flush=True)


def write_throughput(path: Path, dry: bool) -> None:
    """Write the table of tiles a second."""
    found: list[Speed] = []
    if dry:
        found += measure("cpu", (1, 2), 0.1, lambda name, parameters: name in ("base-2", "vit1d tiny"))
    else:
        found += measure("cuda", (1, 8, 64), 1.0, lambda name, parameters: True)
        found += measure("cpu", (1, 8), 1.0, lambda name, parameters: parameters < SMALL)
    rows = [[s.name, s.device, s.dtype, s.batch, f"{s.encode:.1f}", f"{s.decode:.1f}"] for s in found]
    header = ["tokenizer", "device", "decoder", "batch", "encode, tiles/s", "decode, tiles/s"]
    device = "CPU" if dry else torch.cuda.get_device_name()
    lines = [f"{device}, torch {torch.__version__}; weights of the published families are random.", ""]
    path.write_text("\n".join([*lines, *markdown_lines(header, rows)]) + "\n", encoding="utf-8")


def train(
    photos: tuple[Path, ...],
    valid: Path,
    out: Path,
    lpips_weights: Path | None,
    minutes: float,
    batch: int,
    dry: bool,
) -> None:
    """Train for some minutes, and write the model, also in pieces.

    Args:
        photos: photographs to train on.
        valid: photographs for the figures.
        out: folder of the results.
        lpips_weights: file with the weights of LPIPS. None: see `lpips.load_weights`.
        minutes: time of the training.
        batch: tiles per step.
        dry: whether to try it on the CPU.
    """
    if (out / "small").exists():
        return
    ranks = Ranks(torch.device("cpu" if dry else "cuda"))
    size = PRESETS["tiny" if dry else "small"]
    training = Training1d(batch=4 if dry else batch, lpips=0.03, average=0.99 if dry else 0.999)
    lpips = LPIPS("squeeze", lpips_weights).to(ranks.device)
    steps = out / "steps"
    if not steps.exists():
        trial = Run1d(photos, [], out / "trial", size, training, ranks, lpips)
        timed, before = (2, 1) if dry else TRIED
        for _ in range(before):
            trial.train_step()
        started = time.perf_counter()
        for _ in range(timed):
            trial.train_step()
        steps.write_text(str(max(1, int(60 * minutes * timed / (time.perf_counter() - started)))))
        del trial
    training = replace(training, steps=int(steps.read_text()))
    run = Run1d(photos, [valid], out / "small", size, training, ranks, lpips)
    run.train(save_every=120)
    write_result(run, "not stated", tiles=100 if dry else 20000)
    whole = out / "small.tar"
    with tarfile.open(whole, "w") as archive:
        archive.add(out / "small", "small")
    data = whole.read_bytes()
    whole.unlink()
    for number, start in enumerate(range(0, len(data), PIECE)):
        (out / f"small.tar.{number:02}").write_bytes(data[start : start + PIECE])


if __name__ == "__main__":
    main()
