"""Targets: a size or a quality, checked before any work. Does not import torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..container.bare import BARE_SIZE
from ..container.header import HEADER_SIZE
from ..models.modelfile import Model

SIZE, BPP, PSNR, LPIPS = "size", "bpp", "psnr", "lpips"
LARGEST_PSNR = 100.0
"""The largest PSNR in dB. 8-bit pictures whose only difference is 1 in a single value have about this PSNR."""
LARGEST = 1e18
"""The largest value of any target. No picture needs more, and numbers would overflow."""
TOLERANCE = {PSNR: 0.1, LPIPS: 0.01}
"""A quality may be better than its target by this much."""


@dataclass(frozen=True)
class Target:
    """A size or a quality to reach."""

    kind: str
    """SIZE, BPP, PSNR or LPIPS."""
    value: float
    """Bytes (SIZE), bits of the file per pixel (BPP), dB in the fidelity look (PSNR), LPIPS of the default look."""

    @property
    def sized(self) -> bool:
        """Whether it is a number of bytes, in one of the two units."""
        return self.kind in (SIZE, BPP)

    def budget(self, width: int, height: int) -> int:
        """Largest number of bytes of a SIZE or BPP target, for a picture of width x height pixels."""
        return int(self.value) if self.kind == SIZE else math.floor(self.value * width * height / 8)

    def check(self, model: Model, container: str = "tok") -> None:
        """Raise ValueError if no file of the model can have the value."""
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
    """Bytes that are enough for a file of one tile with one token."""
    bits = math.log2(math.prod(model.radices))
    header = BARE_SIZE if container == "bare" else HEADER_SIZE
    return header + math.ceil((bits + 1) / 8)
