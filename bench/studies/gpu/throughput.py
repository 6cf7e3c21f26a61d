"""Tiles a second of encoding and decoding, by family, device, precision and batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import torch

from tokcodec.tokenizers import load_tokenizer
from tokcodec.tokenizers.base import Tokenizer
from tokcodec.tokenizers.published.catalogue import FAMILIES
from tokcodec.tokenizers.vit1d.modules import Layout, Vit1dNet
from tokcodec.tokenizers.vit1d.tokenizer import Vit1d
from tokcodec.training.vit1d.settings import PRESETS

SPREAD = 0.02
"""Deviation of random weights: time does not depend on them."""
SMALL = 100e6
"""Most parameters of a network that is measured on a CPU."""


@dataclass(frozen=True)
class Speed:
    """One measurement."""

    name: str
    """The tokenizer."""
    device: str
    dtype: str
    """Precision of the decoder."""
    batch: int
    """Tiles at once."""
    encode: float
    """Tiles a second."""
    decode: float
    """Tiles a second, from all tokens."""


def measure(
    device: str, batches: tuple[int, ...], seconds: float, chosen: Callable[[str, int], bool]
) -> Iterator[Speed]:
    """Measure all tokenizers on a device.

    Args:
        device: cpu or cuda.
        batches: numbers of tiles at once.
        seconds: time for each measurement, about.
        chosen: whether a tokenizer takes part, by its name and its number of parameters.
    """
    for dtype in (torch.float32, torch.bfloat16) if device == "cuda" else (torch.float32,):
        for name, make in _makers(chosen):
            tokenizer = make(device, dtype)
            for batch in batches:
                rates = _rates(tokenizer, batch, device, seconds)
                yield Speed(name, device, str(dtype).removeprefix("torch."), batch, *rates)


def _rates(tokenizer: Tokenizer, batch: int, device: str, seconds: float) -> tuple[float, float]:
    """Tiles a second of encoding and decoding."""
    tiles = torch.rand(batch, 3, tokenizer.tile, tokenizer.tile, device=device)
    tokens = tokenizer.encode(tiles)
    encode = _seconds(lambda: tokenizer.encode(tiles), device, seconds)
    return batch / encode, batch / _seconds(lambda: tokenizer.decode(tokens), device, seconds)


def _makers(
    chosen: Callable[[str, int], bool],
) -> Iterator[tuple[str, Callable[[str, torch.dtype], Tokenizer]]]:
    """Names of the tokenizers, and what makes them on a device."""
    if chosen("base-2", 0):
        # The look has a precision only where it is drawn by torch.
        yield "base-2", lambda device, dtype: load_tokenizer(
            "base-2", device, str(dtype).removeprefix("torch."), drawing=1 << 20
        )
    for preset, size in PRESETS.items():
        layout = Layout(**asdict(size))
        if chosen(f"vit1d {preset}", _parameters(lambda layout=layout: Vit1dNet(layout))):  # type: ignore[misc]
            yield f"vit1d {preset}", lambda device, dtype, layout=layout: Vit1d(  # type: ignore[misc]
                _random(lambda: Vit1dNet(layout)), True, device, dtype
            )
    for family in FAMILIES.values():
        for variant in family.variants.values():
            if chosen(variant.title, _parameters(variant.layout.build)):
                yield variant.title, lambda device, dtype, family=family, build=variant.layout.build: family(  # type: ignore[misc]
                    _random(build), device, dtype
                )


def _parameters(build: Callable[[], torch.nn.Module]) -> int:
    with torch.device("meta"):
        return sum(entry.numel() for entry in build().state_dict().values())


def _random(build: Callable[[], torch.nn.Module]) -> dict[str, torch.Tensor]:
    """A state dict of random weights."""
    with torch.device("meta"):
        entries = build().state_dict()
    return {name: torch.randn(entry.shape) * SPREAD for name, entry in entries.items()}


def _seconds(work: Callable[[], object], device: str, limit: float) -> float:
    """Seconds of one call, the mean over calls for about `limit` seconds after one that is not counted."""
    work()
    calls, started = 0, _now(device)
    while calls == 0 or _now(device) - started < limit:
        work()
        calls += 1
    return (_now(device) - started) / calls


def _now(device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()
