"""`python -m bench.studies.ratecontrol DIR`: measures the gain of adaptive token counts, and the time of targets.

Gain: an adaptive file with its own choice of pitch is compared, at equal bytes, with the largest equal counts that fit,
at the same pitch and at the best pitch for equal counts (by PSNR), and with allocation by measured error curves. All
files are real. PSNR is that of the fidelity look, LPIPS that of the default look.

Time: the CPU time of a target in one thread of a process with torch loaded is compared with that of a plain encode at
the resulting pitch and tokens. Wall and CPU time of the command with the target are compared with those of the command
with its defaults, in turn.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
from PIL import Image

import tokcodec
from bench import pictures
from bench.metrics import Meter
from bench.report.cells import markdown_lines
from bench.report.stats import bootstrap
from tokcodec.errors import TokError
from tokcodec.models.registry import find_model
from tokcodec.ratecontrol import quality
from tokcodec.ratecontrol.control import RateControl
from tokcodec.ratecontrol.lpips import LPIPS, WeightsMissingError
from tokcodec.ratecontrol.plans import distinct_pitches

TIMED = (
    {"target_bpp": 0.01},
    {"target_bpp": 0.05},
    {"target_bpp": 0.1},
    {"target_bpp": 0.5},
    {"target_psnr": 18.0},
    {"target_psnr": 21.0},
    {"target_psnr": 24.0},
)
WITH_WEIGHTS = {"target_lpips": 0.5}, {"target_lpips": 0.4}, {"target_lpips": 0.3}
"""Timed if the weights of LPIPS are installed."""
REPEATS = 3
SMALLEST_PITCH = 64
"""Smallest pitch for equal counts. Smaller ones are never best at these budgets."""

Gains = dict[str, list[float]]


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--bpp", "budgets", type=float, multiple=True, default=(0.05, 0.1), show_default=True, help="Repeatable.")
@click.option("--limit", type=click.IntRange(1), help="Only the first N files.")
@click.option("--part", type=click.Choice(["gain", "time", "both"]), default="both", show_default=True)
def main(folder: Path, budgets: tuple[float, ...], limit: int | None, part: str) -> None:
    """Compare adaptive with equal token counts on the pictures of FOLDER."""
    import torch

    torch.set_num_threads(1)
    try:
        net = LPIPS("squeeze")
    except WeightsMissingError as error:
        click.echo(f"LPIPS: no weights ({error})", err=True)
        net = None
    gains: dict[tuple[float, str], Gains] = defaultdict(lambda: defaultdict(list))
    times: dict[str, list[Times]] = defaultdict(list)
    for each in pictures.find(folder, (None,), limit)[0]:
        pixels = pictures.read(each.path)
        picture, meter = Image.fromarray(pixels), Meter(pixels, net)
        for bpp in budgets if part != "time" else ():
            _compare(picture, meter, bpp, gains)
        for target in (*TIMED, *(WITH_WEIGHTS if net else ())) if part != "gain" else ():
            times[", ".join(f"{name} {value:g}" for name, value in target.items())].append(
                _times(picture, each.path, target, meter)
            )
        click.echo(f"{each.name} done", err=True)
    for (bpp, rival), found in gains.items():
        print(f"\n{bpp:g} bpp: adaptive less {rival}\n")
        estimates = {metric: estimate for metric, values in found.items() if (estimate := bootstrap(values))}
        rows = [[name, f"{e.mean:+.3f} [{e.low:+.3f}, {e.high:+.3f}]", e.n] for name, e in estimates.items()]
        print("\n".join(markdown_lines(["", "mean, 95 % interval", "pictures"], rows)))
    if times:
        print("\nMeans over pictures: CPU seconds, ratios to a plain encode and to the command with its defaults,")
        print("quality above the target, and the geometric mean of the file sizes\n")
        header = ["target", "s", "plain s", "ratio (max)", "command: wall", "CPU (max)", "above (min)", "bytes"]
        cells = []
        for name, taken in times.items():
            target, plain, command, defaults, used, usual, better, size = np.array([astuple(one) for one in taken]).T
            cells.append(
                [
                    name,
                    f"{target.mean():.3f}",
                    f"{plain.mean():.3f}",
                    f"{(target / plain).mean():.2f} ({(target / plain).max():.2f})",
                    f"{(command / defaults).mean():.2f}",
                    f"{(used / usual).mean():.2f} ({(used / usual).max():.2f})",
                    f"{better.mean():.3f} ({better.min():.4f})",
                    f"{np.exp(np.log(size).mean()):.0f}",
                ]
            )
        print("\n".join(markdown_lines(header, cells)))


def _compare(picture: Image.Image, meter: Meter, bpp: float, gains: dict[tuple[float, str], Gains]) -> None:
    model, tokenizer = find_model(None), tokcodec.load_tokenizer(None, "cpu")
    budget = int(bpp * picture.width * picture.height / 8)
    data, seconds = _cpu(lambda: tokcodec.encode(picture, target_size=budget, tune="fidelity", warn=_silent))
    chosen = tokcodec.info(data).pitch
    mine = _measure(meter, data)
    measured = RateControl(picture, model, tokenizer, pitch=chosen, measured=True, tune="fidelity", warn=_silent)
    reference, reference_seconds = _cpu(lambda: measured.for_size(budget))
    equal = {pitch: _equal(picture, pitch, budget) for pitch in _pitches(picture)}
    qualities = {pitch: _measure(meter, file, fidelity_only=True)["psnr"] for pitch, file in equal.items() if file}
    best = max(qualities, key=lambda pitch: qualities[pitch])
    rivals = {"equal counts at its pitch": equal[chosen], "equal counts at their best pitch": equal[best]}
    rivals["the allocation by measured curves"] = reference
    for rival, file in rivals.items():
        if file is not None:
            for metric, value in _measure(meter, file).items():
                gains[bpp, rival][metric].append(mine[metric] - value)
            gains[bpp, rival]["bytes"].append(len(data) - len(file))
    gains[bpp, "the allocation by measured curves"]["seconds"].append(seconds - reference_seconds)


def _pitches(picture: Image.Image) -> list[int]:
    return [pitch for pitch in distinct_pitches(*picture.size) if pitch == 0 or pitch >= SMALLEST_PITCH]


def _equal(picture: Image.Image, pitch: int, budget: int) -> bytes | None:
    """The file with the largest equal counts within the budget; None if one token per tile exceeds it."""
    model = find_model(None)
    full = tokcodec.encode(picture, tokens=model.n_tokens, pitch=pitch or "fit")
    try:
        return full if len(full) <= budget else tokcodec.truncate(full, size=budget)
    except (ValueError, TokError):
        return None


def _measure(meter: Meter, data: bytes, fidelity_only: bool = False) -> dict[str, float]:
    found = {"psnr": meter.psnr(np.asarray(tokcodec.decode(data, look="fidelity")))}
    if meter.net is not None and not fidelity_only:
        metrics = meter.measure(np.asarray(tokcodec.decode(data)))
        found |= {name: value for name, value in metrics.items() if name.startswith("lpips")}
    return found


@dataclass(frozen=True)
class Times:
    """Seconds of a target and of its comparisons."""

    target: float
    """CPU seconds in this process."""
    plain: float
    """CPU seconds of a plain encode in this process."""
    command: float
    """Wall seconds of the command."""
    defaults: float
    """Wall seconds of the command with its defaults."""
    command_cpu: float
    """CPU seconds of the command."""
    defaults_cpu: float
    """CPU seconds of the command with its defaults."""
    better: float
    """Quality above the target, in dB or LPIPS."""
    size: int
    """Bytes of the file."""


def _times(picture: Image.Image, path: Path, target: dict[str, float], meter: Meter) -> Times:
    """Time a target in this process and as a command."""

    def encode() -> bytes:
        return tokcodec.encode(picture, warn=_silent, **target)  # type: ignore[arg-type]

    data, first = _cpu(encode)
    found = tokcodec.info(data)
    pitch: int | str = found.pitch or "fit"
    plain = [_cpu(lambda: tokcodec.encode(picture, tokens=found.tokens, pitch=pitch))[1] for _ in range(REPEATS)]
    again = [_cpu(encode)[1] for _ in range(REPEATS - 1)]
    (name, value), better = next(iter(target.items())), 0.0
    if name == "target_psnr":
        better = meter.psnr(np.asarray(tokcodec.decode(data, look="fidelity"))) - value
    elif name == "target_lpips":
        better = value - quality.Distance(picture, "cpu")(tokcodec.decode(data))
    option = [f"--{name.replace('_', '-')}", f"{value:g}"]
    with TemporaryDirectory() as folder:
        source = f"{folder}/picture.png"
        picture.save(source)
        runs = [(_command(source, option), _command(source, [])) for _ in range(REPEATS)]
    wall, cpu = np.array(runs).min(0).T
    return Times(min([first, *again]), min(plain), wall[0], wall[1], cpu[0], cpu[1], better, len(data))


def _command(source: str, options: list[str]) -> tuple[float, float]:
    """Wall and CPU seconds of `tokcodec encode`."""
    before = os.times()
    command = [sys.executable, "-m", "tokcodec", "encode", "-f", *options, source]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return after.elapsed - before.elapsed, cpu


def _cpu(call: Callable[[], bytes]) -> tuple[bytes, float]:
    start = time.process_time()
    result = call()
    return result, time.process_time() - start


def _silent(text: str) -> None:
    """Ignore notes about files that use all tokens."""


if __name__ == "__main__":
    main()
