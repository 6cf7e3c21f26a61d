"""What a run shows of itself: pictures by tokens kept, and a plot of its log."""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from ...pictures.files import write_atomic

log = logging.getLogger(__name__)


def counts_of(n_tokens: int) -> list[int]:
    """The token counts of the figures: the powers of two below all tokens, and all."""
    return [*(1 << power for power in range(n_tokens.bit_length()) if 1 << power < n_tokens), n_tokens]


def save_pictures(path: Path, columns: Sequence[torch.Tensor]) -> None:
    """Write tiles as one PNG, with a row for each tile and a column for each way to draw it.

    Args:
        path: path of the file, which is replaced.
        columns: float N x 3 x T x T in [0, 1] each.
    """
    sheet = torch.cat([torch.cat(list(column.float().cpu()), 1) for column in columns], 2)
    pixels = (sheet * 255).round().byte().permute(1, 2, 0).numpy()
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    write_atomic(path, stream.getvalue(), force=True)


def draw_plot(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Draw the log of a run: the loss by step, and PSNR by tokens kept. Without matplotlib there is no plot.

    Args:
        path: path of the file, SVG, which is replaced.
        lines: the lines of the log.
    """
    if find_spec("matplotlib") is None:
        log.info("no plot: it needs matplotlib")
        return
    from matplotlib.figure import Figure

    steps = [line for line in lines if "squared" in line]
    valid = [line for line in lines if "psnr" in line]
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name in ("squared", "commitment", "lpips", "feature"):
        if found := [line for line in steps if name in line]:
            left.plot([line["step"] for line in found], [line[name] for line in found], label=name, linewidth=1)
    left.set(xlabel="step", yscale="log")
    if steps:
        left.legend()
    for line in [*valid[:-1:4], *valid[-1:]]:
        counts = [int(count) for count in line["psnr"]]
        right.plot(counts, list(line["psnr"].values()), marker=".", label=f"{line['valid']}, step {line['step']}")
    right.set(xlabel="tokens kept", ylabel="PSNR in dB", xscale="log")
    if valid:
        right.legend(fontsize="x-small")
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    write_atomic(path, stream.getvalue(), force=True)
