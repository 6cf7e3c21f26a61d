"""Adapter of tokcodec: encodes once per pitch, cuts to every token count and byte budget, and decodes in every look.

"tokcodec-packed" is the size of the same tokens at 12 bits each, which shows the gain of entropy coding.
"""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors import safe_open

from bench.codecs.interface import Codec, Point, Scene, Setting, attempt, timed
from tokcodec.container.header import HEADER_SIZE
from tokcodec.pictures.tiling import TILE

PITCHES = (512, 256, 128, 64)
COUNTS = (1, 2, 4, 8, 16, 32, 48, 64, 96, 128, 192, 256)
# Fewer on whole pictures and at other pitches, where decoding takes many tiles. All tokens are decoded as well.
WHOLE_COUNTS = (1, 4, 16, 64, 128)
OTHER_COUNTS = (64,)
# A pitch other than the default is tried for budgets from this share of its full size. Below, a wider pitch is better.
SERVES_FROM = 0.25
# Steps of the token count at which file sizes are recorded for the plot of bits per token by position.
SIZES_STEP = 8


@dataclass(frozen=True)
class ModelFacts:
    """Properties of a model that the adapter needs."""

    name: str
    hash: str
    n_tokens: int
    ordered: bool
    looks: tuple[str | None, ...]
    token_bits: int = 12
    tile: int = TILE
    """Samples along a tile's side, and the pitch at which a picture keeps its size."""
    parameters: int = 0
    """Values in the file of weights."""


def model_facts(api: Any, name: str | None) -> ModelFacts:
    """Properties of an installed model; None: the default model. Raises TokError if it is not installed."""
    model = importlib.import_module("tokcodec.models.registry").find_model(name)
    return ModelFacts(
        model.name,
        model.hash.hex(),
        model.n_tokens,
        model.ordered,
        api.load_tokenizer(name, "cpu").looks,
        math.ceil(math.log2(math.prod(model.radices))),
        model.tile,
        _parameters(model.weights_path),
    )


def _parameters(weights: Path) -> int:
    """Number of values in a safetensors file."""
    with safe_open(weights, framework="numpy") as file:
        return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118


class TokCodec(Codec):
    """tokcodec with one model. Its label is "tokcodec" for the default model, "tokcodec:NAME" for a named one."""

    def __init__(
        self,
        model: str | None = None,
        *,
        pitches: Sequence[int] | None = None,
        device: str = "auto",
        api: Any = None,
        facts: ModelFacts | None = None,
    ) -> None:
        self.api = api if api is not None else importlib.import_module("tokcodec")
        self.model = model
        self.facts = facts if facts is not None else model_facts(self.api, model)
        self.pitches = tuple(pitches or PITCHES)
        self.device = device
        self.label = "tokcodec" if model is None else f"tokcodec:{self.facts.name}"
        self._last: tuple[bytes, int, bytes] | None = None

    def config(self) -> dict[str, Any]:
        return {
            "pitches": self.pitches,
            "looks": self.facts.looks,
            "counts": (COUNTS, WHOLE_COUNTS, OTHER_COUNTS),
            "serves_from": SERVES_FROM,
        }

    def versions(self) -> dict[str, str]:
        return {
            "tokcodec": str(getattr(self.api, "__version__", "unknown")),
            "model": self.facts.name,
            "model_hash": self.facts.hash[:16],
        }

    def encode(self, image: Image.Image, pitch: int) -> bytes:
        """The file with all tokens."""
        data: bytes = self.api.encode(
            image, tokens=self.facts.n_tokens, pitch=pitch, model=self.model, device=self.device
        )
        return data

    def decode(self, data: bytes, look: str | None) -> Image.Image:
        """The picture; `look` is None for a model with a single look."""
        choice = {} if look is None else {"look": look}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the file is cut on purpose
            image: Image.Image = self.api.decode(data, device=self.device, model=self.model, **choice)
        return image

    def render(self, image: Image.Image, setting: Setting) -> tuple[int, Image.Image]:
        key = image.tobytes()
        if self._last is None or self._last[:2] != (key, setting["pitch"]):
            self._last = key, setting["pitch"], self.encode(image, setting["pitch"])
        data = self._cut(self._last[2], setting)
        return len(data), self.decode(data, setting.get("look"))

    def points(self, scene: Scene) -> Iterator[Point]:
        image = scene.image
        seen: list[Any] = []
        for pitch in sorted(self.pitches, key=lambda pitch: (pitch != self.facts.tile, pitch)):
            try:
                self.decode(self.encode(image, pitch), self.facts.looks[0])  # loads the model outside the timing
                full, seconds = timed(lambda p=pitch: self.encode(image, p))  # type: ignore[misc]
                tokens = np.asarray(self.api.read_tokens(full, model=self.model))
                cuts = self._cuts(scene, full, pitch)
            except Exception as error:  # as in `attempt`: a codec's failure is a result
                yield Point({"pitch": pitch}, error=f"{type(error).__name__}: {error}")
                continue
            # On a small picture several pitches give the same tiles.
            if any(np.array_equal(tokens, other) for other in seen):
                continue
            seen.append(tokens)
            yield from self._decoded(pitch, full, seconds, cuts, tiles=len(tokens))

    def _cuts(self, scene: Scene, full: bytes, pitch: int) -> list[Setting]:
        """Token counts and byte budgets of a pitch. For an unordered model, all tokens only."""
        if not self.facts.ordered:
            return [{"tokens": self.facts.n_tokens}]
        default = pitch == self.facts.tile
        counts = (WHOLE_COUNTS if scene.whole else COUNTS) if default else () if scene.whole else OTHER_COUNTS
        cuts: list[Setting] = [{"tokens": count} for count in counts if count < self.facts.n_tokens]
        cuts.append({"tokens": self.facts.n_tokens})
        least = HEADER_SIZE + math.ceil((self.facts.token_bits + 1) / 8)  # as `targets.smallest_file`
        lowest = least if default and not scene.whole else SERVES_FROM * len(full)
        return cuts + [{"size": budget} for budget in scene.budgets if lowest <= budget < len(full)]

    def _cut(self, full: bytes, cut: Setting) -> bytes:
        if cut.get("tokens") == self.facts.n_tokens:
            return full
        data: bytes = self.api.truncate(
            full, model=self.model, **{key: cut[key] for key in ("tokens", "size") if key in cut}
        )
        return data

    def _decoded(self, pitch: int, full: bytes, seconds: float, cuts: list[Setting], tiles: int) -> Iterator[Point]:
        for cut in cuts:
            for look in self.facts.looks:
                setting: Setting = {"pitch": pitch, **cut} | ({} if look is None else {"look": look})
                point = attempt(setting, partial(self._cut, full, cut), partial(self.decode, look=look))
                if point.error is None and point.encode_s is not None:
                    point.encode_s += seconds
                    point.extra["tiles"] = tiles
                    if cut.get("tokens") == self.facts.n_tokens:
                        point.extra |= self._whole(pitch, full, first=look == self.facts.looks[0])
                yield point
                if "tokens" in cut and point.error is None and look == self.facts.looks[0]:
                    yield self._packed(point, cut["tokens"] * tiles)

    def _packed(self, point: Point, tokens: int) -> Point:
        """The same picture, with the size of its tokens at a fixed number of bits each after the same header."""
        size = HEADER_SIZE + math.ceil(tokens * self.facts.token_bits / 8)
        return Point(point.setting, size, point.decoded, label=f"{self.label}-packed")

    def _whole(self, pitch: int, full: bytes, *, first: bool) -> dict[str, Any]:
        """Further fields of the row of a file with all tokens. `first`: in the first look."""
        found: dict[str, Any] = {}
        if pitch == (self.facts.tile if self.facts.tile in self.pitches else min(self.pitches)):
            found["model"] = {"tile": self.facts.tile, "parameters": self.facts.parameters}
        if first and self.facts.ordered:
            found["sizes"] = self._sizes(full)
        return found

    def _sizes(self, full: bytes) -> list[list[int]]:
        """Pairs of token count and bytes of the file, in steps."""
        steps = range(SIZES_STEP, self.facts.n_tokens, SIZES_STEP)
        sizes = [[count, len(self.api.truncate(full, tokens=count))] for count in steps]
        return [*sizes, [self.facts.n_tokens, len(full)]]
