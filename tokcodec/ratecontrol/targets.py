"""What a file shall come to: a size or a quality, checked before any work; no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..container.bare import BARE_SIZE
from ..container.header import HEADER_SIZE
from ..models.modelfile import Model

SIZE, BPP, PSNR, LPIPS = "size", "bpp", "psnr", "lpips"
LARGEST_PSNR = 100.0
"""dB. Pictures in 8 bit that differ in a single value by one have about this, depending on their size."""
TOLERANCE = {PSNR: 0.1, LPIPS: 0.01}
"""By how much a quality may be better than asked for."""


@dataclass(frozen=True)
class Target:
    """kind: SIZE (bytes), BPP (bits of the file per pixel), PSNR (dB, fidelity look) or LPIPS (default look)."""

    kind: str
    value: float

    def budget(self, width: int, height: int) -> int:
        """Bytes of a size or bpp target."""
        return int(self.value) if self.kind == SIZE else math.floor(self.value * width * height / 8)


def check_target(
    model: Model,
    *,
    target_size: float | None = None,
    target_bpp: float | None = None,
    target_psnr: float | None = None,
    target_lpips: float | None = None,
    adaptive: bool = False,
    tokens: int | None = None,
    container: str = "tok",
) -> Target | None:
    """The one target that is given, None without. Raises ValueError for several, and for one that no file can meet."""
    given = {SIZE: target_size, BPP: target_bpp, PSNR: target_psnr, LPIPS: target_lpips}
    found = [Target(kind, value) for kind, value in given.items() if value is not None]
    if (found or adaptive) and not model.ordered:
        raise ValueError(f"model {model.name} is not ordered: it always takes all tokens, there is nothing to choose")
    if not found:
        return None
    if len(found) > 1:
        raise ValueError(f"give one target, not {len(found)}: {' and '.join(target.kind for target in found)}")
    target = found[0]
    if tokens is not None:
        raise ValueError("a target chooses the tokens: give no tokens with it")
    if target.kind == SIZE:
        least = smallest_file(model, container)
        if not least <= target.value < math.inf:
            raise ValueError(f"target size must be at least {least} bytes, not {target.value:g}")
    elif target.kind == BPP:
        if not 0 < target.value < math.inf:
            raise ValueError(f"target bpp must be a number above 0, not {target.value:g}")
    elif target.kind == PSNR:
        if not 0 < target.value <= LARGEST_PSNR:
            raise ValueError(f"target PSNR must be above 0 and at most {LARGEST_PSNR:g} dB, not {target.value:g}")
    elif not 0 < target.value <= 1:
        raise ValueError(f"target LPIPS must be above 0 and at most 1, not {target.value:g}")
    return target


def smallest_file(model: Model, container: str = "tok") -> int:
    """Bytes into which one token fits for certain, in a tile of its own."""
    bits = math.log2(math.prod(model.radices))
    header = BARE_SIZE if container == "bare" else HEADER_SIZE
    return header + math.ceil((bits + 1) / 8)
