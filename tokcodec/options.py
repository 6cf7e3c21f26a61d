"""What can be asked of encoding and of decoding: the options with their defaults and checks; no torch.

The public functions take them as keyword arguments and hand them on as one of these; the command builds one itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .container.header import PITCHES
from .contents import check_container
from .pictures.limits import DEFAULT_MAX_PIXELS, DEFAULT_TILE, FIT
from .ratecontrol.focus import Weights, check_map, find_region, to_map
from .ratecontrol.targets import BPP, LPIPS, PSNR, SIZE, Target
from .tokfile import read

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PIL import Image

    from .contents import Contents
    from .models.modelfile import Model
    from .pictures.images import Warn
    from .tokfile import Data


@dataclass(frozen=True, kw_only=True)
class EncodeOptions:
    """How to encode a picture. The methods check, and raise ValueError for what cannot be.

    tokens: per tile, 1 to the model's number (None: the model's default); pitch: source pixels from tile to tile, one
    of `header.PITCHES`, or "fit" for one tile (None: as many as a tile of the model has samples, usually 256);
    container: "tok", or "bare" for two bytes instead of the header, which needs pitch fit (its None); model: name or
    folder (None: the default one); device: auto, cpu or cuda.

    One target instead of `tokens` chooses the tokens of every tile, and the pitch unless it is given: target_size, at
    most so many bytes; target_bpp, bits of the file per pixel, above 0; target_psnr, the smallest file with so many dB
    in the fidelity look, up to 100; target_lpips, the smallest one with at most this distance in the default look, up
    to 1. adaptive: as many bytes as `tokens` take, but spent where the picture needs them.

    With a target or adaptive error may count more in some places when tokens are spent (and in the PSNR of a target):
    focus, rectangles as "X,Y,W,H" or "X,Y,W,H:WEIGHT" in pixels (120) or per cent (25%), or as 4 or 5 numbers; a weight
    is 4 unless given; focus_map, a PIL image of any size that is laid over the picture: black counts once, white 4
    times, and what is transparent once. No PIL image is a TypeError, a damaged one a PictureError.
    """

    tokens: int | None = None
    pitch: int | str | None = None
    container: str = "tok"
    target_size: int | None = None
    target_bpp: float | None = None
    target_psnr: float | None = None
    target_lpips: float | None = None
    adaptive: bool = False
    focus: Sequence[str | Sequence[float]] = ()
    focus_map: Image.Image | None = None
    model: str | Path | None = None
    device: str = "auto"

    def tokens_of(self, model: Model) -> int:
        """Tokens per tile with a model."""
        return check_tokens(self.tokens, model)

    def step(self, side: int = DEFAULT_TILE) -> int:
        """The pitch as the header stores it; side: samples along a side of the model's tiles."""
        check_container(self.container)
        if self.pitch == "fit" or (self.pitch is None and self.container == "bare"):
            return FIT
        if self.container == "bare":
            raise ValueError(f"the bare container holds one tile: pitch must be fit, not {self.pitch}")
        if self.pitch is None:
            return side
        if self.pitch not in PITCHES[1:]:
            raise ValueError(f"pitch must be fit or one of {', '.join(map(str, PITCHES[1:]))}, not {self.pitch}")
        return int(self.pitch)

    def target_of(self, model: Model) -> Target | None:
        """The one target that is given, None without; what no file of the model can meet is refused."""
        found = self._targets()
        if (found or self.adaptive) and not model.ordered:
            raise ValueError(
                f"model {model.name} is not ordered: it always takes all tokens, there is nothing to choose"
            )
        self._check_focus(bool(found))
        if not found:
            return None
        if len(found) > 1:
            raise ValueError(f"give one target, not {len(found)}: {' and '.join(target.kind for target in found)}")
        if self.tokens is not None:
            raise ValueError("a target chooses the tokens: give no tokens with it")
        found[0].check(model, self.container)
        return found[0]

    def _check_focus(self, target: bool) -> None:
        for region in self.focus:
            find_region(region)
        if self.focus_map is not None:
            check_map(self.focus_map)
        if not self.focus and self.focus_map is None:
            return
        if not target and not self.adaptive:
            raise ValueError("focus says where tokens are spent: give a target or adaptive with it")
        if self.container == "bare" or self.pitch == "fit":
            raise ValueError("focus chooses between tiles, and there is only one")

    def weights_of(self, width: int, height: int, warn: Warn) -> Weights | None:
        """What the error of every pixel of a picture counts, None where all count alike; warn: see `focus.to_map`."""
        if not self.focus and self.focus_map is None:
            return None
        mask = None if self.focus_map is None else to_map(self.focus_map, warn)
        return Weights(width, height, [find_region(region) for region in self.focus], mask)

    @property
    def plain(self) -> bool:
        """Whether all tiles of all pictures are treated alike, so that pictures can share batches."""
        return self.container == "tok" and not self.adaptive and not self._targets()

    def _targets(self) -> list[Target]:
        given = {SIZE: self.target_size, BPP: self.target_bpp, PSNR: self.target_psnr, LPIPS: self.target_lpips}
        return [Target(kind, value) for kind, value in given.items() if value is not None]


@dataclass(frozen=True, kw_only=True)
class DecodeOptions:
    """How to read a file and to draw its picture.

    tokens: use no more than a file cut to so many per tile has, 1 to the model's number (None: all); look: "perceptual"
    or "fidelity", as the model offers (None: its first); container: "tok" or "bare"; size: width and height in pixels
    of a bare file's picture (None: as many pixels as a tile has); device: auto, cpu or cuda; dtype: float32 or
    bfloat16, for the decoder's networks; model: name or folder of the one to use instead of the installed one that the
    header names (None: that one; of a bare file the default); max_pixels: of a picture, more are refused.
    """

    tokens: int | None = None
    look: str | None = None
    container: str = "tok"
    size: tuple[int, int] | None = None
    device: str = "auto"
    dtype: str = "float32"
    model: str | Path | None = None
    max_pixels: int = DEFAULT_MAX_PIXELS

    def read(self, data: Data) -> Contents:
        """Header, model and tokens of a file or a prefix that holds the header. Raises as `tokfile.read`."""
        return read(data, self.model, container=self.container, size=self.size, max_pixels=self.max_pixels)

    def check(self, model: Model) -> None:
        """Raise ValueError for what a file's model, which is known once it is read, cannot do."""
        check_tokens(self.tokens, model)


def check_tokens(tokens: int | None, model: Model) -> int:
    """The number of tokens per tile that is meant. Raises ValueError outside 1 .. the model's number."""
    if tokens is None:
        return model.default_tokens
    if not 1 <= tokens <= model.n_tokens:
        raise ValueError(f"tokens must be 1..{model.n_tokens} for model {model.name}, not {tokens}")
    if not model.ordered and tokens != model.n_tokens:
        raise ValueError(f"model {model.name} is not ordered (no tail drop): it needs all {model.n_tokens} tokens")
    return tokens
