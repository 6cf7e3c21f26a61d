"""Options of encoding and of decoding: their defaults and checks. Does not import torch.

`codec.encode` and `codec.decode` document each option.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from PIL import ImageColor

from .container.header import PITCHES
from .contents import check_container
from .models.registry import find_model
from .pictures.limits import DEFAULT_MAX_PIXELS, DEFAULT_MAX_TILES, DEFAULT_TILE, FIT
from .ratecontrol.focus import Region, Weights, check_map, find_region, to_map
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


MOST_EFFORT = 9
"""The largest effort."""
TUNES = "perceptual", "fidelity", "light"
"""The pictures that an effort can improve. The first is the default."""


@dataclass(frozen=True, kw_only=True)
class EncodeOptions:
    """The options of `codec.encode`, not yet checked. `resolve` checks them."""

    tokens: int | None = None
    """Tokens per tile, 1 to the model's number. None: the model's default. Not with a target."""
    pitch: int | str | None = None
    """Source pixels from tile to tile, or "fit". None: samples along a side of a tile, or the target's choice."""
    container: str = "tok"
    """"tok" or "bare"."""
    target_size: int | None = None
    """Bytes of the file at most."""
    target_bpp: float | None = None
    """Bits of the file per pixel at most."""
    target_psnr: float | None = None
    """PSNR of the look "fidelity" at least, in dB."""
    target_lpips: float | None = None
    """LPIPS of the default look at most, above 0 and at most 1."""
    adaptive: bool = False
    """Give detailed tiles more tokens, at the size that `tokens` has."""
    focus: Sequence[str | Sequence[float]] = ()
    """Rectangles whose error counts more, see `codec.encode`."""
    focus_map: Image.Image | None = None
    """Map of weights: black and transparent 1, white 4."""
    model: str | Path | None = None
    """Name or folder of a model. None: base-3."""
    background: str = "white"
    """Colour behind transparent pixels, a name of CSS or "#rrggbb"."""
    device: str = "auto"
    """"auto", "cpu" or "cuda"."""
    effort: int = 0
    """How long to search for better tokens, 0 (not at all) to 9."""
    tune: str | None = None
    """One of TUNES: the look that effort and size are best for. None: perceptual."""

    def resolve(self, model: Model | None = None) -> EncodeSettings:
        """Check the options and find the model, the tokens, the pitch and the target.

        Args:
            model: the model to use. Default: the one that the option names.

        Raises:
            ValueError: an option is out of range, or two options contradict each other.
            TypeError: focus_map is not a PIL image.
            UnknownModelError, ModelFileError: the model is not installed or is damaged.
        """
        model = model or find_model(self.model)
        target = self._target()
        controlled = target is not None or self.adaptive
        if controlled and not model.ordered:
            raise ValueError(f"model {model.name} is not ordered: it needs all tokens, so there is nothing to choose")
        regions = tuple(find_region(region) for region in self.focus)
        check_background(self.background)
        if self.focus_map is not None:
            check_map(self.focus_map)
        if regions or self.focus_map is not None:
            if not controlled:
                raise ValueError("focus distributes tokens over tiles: give a target or adaptive with it")
            if self.container == "bare" or self.pitch == "fit":
                raise ValueError("focus distributes tokens over tiles, and there is only one")
        pitch = self._pitch(model.tile)
        if target is not None:
            if self.tokens is not None:
                raise ValueError("a target chooses the tokens: give no tokens with it")
            target.check(model, self.container)
        return EncodeSettings(
            effort=check_effort(self.effort, model),
            tune=check_tune(self.tune, bool(self.effort) or (target is not None and target.sized)),
            model=model,
            tokens=check_tokens(self.tokens, model),
            pitch=pitch,
            pitch_given=self.pitch is not None or self.container == "bare",
            container=self.container,
            target=target,
            adaptive=self.adaptive,
            regions=regions,
            mask=self.focus_map,
            device=self.device,
        )

    def _target(self) -> Target | None:
        given = {SIZE: self.target_size, BPP: self.target_bpp, PSNR: self.target_psnr, LPIPS: self.target_lpips}
        targets = [Target(kind, value) for kind, value in given.items() if value is not None]
        if len(targets) > 1:
            raise ValueError(f"give one target, not {len(targets)}: {' and '.join(target.kind for target in targets)}")
        return targets[0] if targets else None

    def _pitch(self, side: int = DEFAULT_TILE) -> int:
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


@dataclass(frozen=True, kw_only=True)
class EncodeSettings:
    """Checked options, ready for a picture."""

    model: Model
    """The model of the file."""
    tokens: int
    """Tokens per tile. A target ignores it."""
    pitch: int
    """Source pixels from tile to tile, as the header stores it: FIT for one tile."""
    pitch_given: bool
    """Whether a target keeps the pitch. Otherwise it chooses one."""
    container: str
    """"tok" or "bare"."""
    target: Target | None
    """The size or quality to reach. None: `tokens` per tile."""
    adaptive: bool
    """Whether detailed tiles get more tokens, at the size that `tokens` has."""
    regions: tuple[Region, ...]
    """Rectangles whose error counts more."""
    mask: Image.Image | None
    """Map of weights. None: all count alike."""
    device: str
    """"auto", "cpu" or "cuda"."""
    effort: int
    """0 to 9."""
    tune: str
    """One of TUNES."""

    @property
    def plain(self) -> bool:
        """Whether all tiles of all pictures have the same settings, so that pictures can share batches."""
        return self.container == "tok" and not self.adaptive and self.target is None and self.effort == 0

    def weights(self, width: int, height: int, warn: Warn) -> Weights | None:
        """The weight of the error of every pixel of a picture, None if all are equal.

        Args:
            width: pixels along the picture's horizontal side.
            height: pixels along the picture's vertical side.
            warn: called with a line for each property of the map that is dropped.

        Raises:
            TokError: a region is outside of the picture, or the map cannot be decoded.
        """
        if not self.regions and self.mask is None:
            return None
        return Weights(width, height, self.regions, None if self.mask is None else to_map(self.mask, warn))


@dataclass(frozen=True, kw_only=True)
class DecodeOptions:
    """The options of `codec.decode`."""

    tokens: int | None = None
    """Use the tokens of the file cut to this many per tile. None: all."""
    look: str | None = None
    """A look of the model. None: its first."""
    container: str = "tok"
    """"tok" or "bare"."""
    size: tuple[int, int] | None = None
    """Width and height in pixels of a bare file's picture. None: about 256x256."""
    device: str = "auto"
    """"auto", "cpu" or "cuda"."""
    dtype: str = "float32"
    """"float32" or "bfloat16", the precision of the decoder's network."""
    model: str | Path | None = None
    """Name or folder of a model. None: the one that the header names, or base-3 for a bare file."""
    max_pixels: int = DEFAULT_MAX_PIXELS
    """Refuse pictures of more pixels."""
    max_tiles: int = DEFAULT_MAX_TILES
    """Refuse files of more tiles."""

    def read(self, data: Data) -> Contents:
        """Read a file, or a prefix that holds the header: header, model and tokens. Raises as `tokfile.read`."""
        return read(
            data,
            self.model,
            container=self.container,
            size=self.size,
            max_pixels=self.max_pixels,
            max_tiles=self.max_tiles,
        )


def check_tokens(tokens: int | None, model: Model) -> int:
    """The number of tokens per tile, by default the model's. Raises ValueError outside 1 .. the model's number."""
    if tokens is None:
        return model.default_tokens
    if not 1 <= tokens <= model.n_tokens:
        raise ValueError(f"tokens must be 1..{model.n_tokens} for model {model.name}, not {tokens}")
    if not model.ordered and tokens != model.n_tokens:
        raise ValueError(f"model {model.name} is not ordered (no tail drop): it needs all {model.n_tokens} tokens")
    return tokens


def check_background(colour: str) -> None:
    """Raise ValueError unless a colour behind transparent pixels is known and opaque."""
    try:
        known = isinstance(colour, str) and len(ImageColor.getrgb(colour)) == 3
    except ValueError:
        known = False
    if not known:
        raise ValueError(f"background must be a colour such as white or #ff8800, not {colour!r}")


def check_effort(effort: int, model: Model) -> int:
    """Check an effort, and return it.

    Raises:
        ValueError: it is not 0 .. MOST_EFFORT. Above 0, the model is not a cascade, or PyTorch is not installed.
    """
    if not 0 <= effort <= MOST_EFFORT:
        raise ValueError(f"effort must be 0..{MOST_EFFORT}, not {effort}")
    if effort and model.family != "cascade":
        raise ValueError(f"model {model.name} has no effort: tokens are searched for our own models alone")
    if effort and find_spec("torch") is None:
        raise ValueError(f"effort {effort} needs PyTorch: pip install 'tokcodec[torch]'")
    return effort


def check_tune(tune: str | None, used: bool) -> str:
    """The look to encode for. Raises ValueError unless it is one of TUNES, or if it is given and not `used`."""
    if tune is not None and tune not in TUNES:
        raise ValueError(f"tune must be {', '.join(TUNES)}, not {tune!r}")
    if tune is not None and not used:
        raise ValueError("tune says for which look to encode: give effort or a target size with it")
    return tune or TUNES[0]
