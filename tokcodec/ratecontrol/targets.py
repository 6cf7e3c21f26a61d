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
LARGEST = 1e18
"""Of any target: beyond it there is no picture, and numbers overflow."""
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

    def check(self, model: Model, container: str = "tok") -> None:
        """Raise ValueError for a value that no file of the model can have."""
        if math.inf > abs(self.value) > LARGEST:
            raise ValueError(f"target {self.kind} must be at most {LARGEST:g}")
        if self.kind == SIZE:
            least = smallest_file(model, container)
            if not least <= self.value < math.inf:
                raise ValueError(f"target size must be at least {least} bytes, not {self.value:g}")
        elif self.kind == BPP:
            if not 0 < self.value < math.inf:
                raise ValueError(f"target bpp must be a number above 0, not {self.value:g}")
        elif self.kind == PSNR:
            if not 0 < self.value <= LARGEST_PSNR:
                raise ValueError(f"target PSNR must be above 0 and at most {LARGEST_PSNR:g} dB, not {self.value:g}")
        elif not 0 < self.value <= 1:
            raise ValueError(f"target LPIPS must be above 0 and at most 1, not {self.value:g}")


def smallest_file(model: Model, container: str = "tok") -> int:
    """Bytes into which one token fits for certain, in a tile of its own."""
    bits = math.log2(math.prod(model.radices))
    header = BARE_SIZE if container == "bare" else HEADER_SIZE
    return header + math.ceil((bits + 1) / 8)
