"""Adapters of tokcodec with a byte budget as target: files of whole pictures, and bare previews."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

from PIL import Image

from bench.codecs.interface import Point, Scene, Setting, attempt, timed
from bench.codecs.tok import TokCodec

# Bytes of previews: ThumbHash has about 24, BlurHash 28 with 4x3 components and 36 with 4x4.
PREVIEW_BUDGETS = (24, 28, 36)
# The scene's budgets up to this number of bytes are also used for previews.
LARGEST_PREVIEW = 64
SMALLEST_FILE = 12  # bytes of the header and a token


class AdaptiveTokCodec(TokCodec):
    """Whole pictures, one file per budget. The encoder chooses pitch, tokens and their distribution over the tiles."""

    container = "tok"

    def __init__(self, model: str | None = None, **arguments: Any) -> None:
        super().__init__(model, **arguments)
        self.label = self.label.replace("tokcodec", "tokcodec-adaptive", 1)

    def config(self) -> dict[str, Any]:
        return {"looks": self.facts.looks, "target": "size", "container": self.container}

    def budgets(self, scene: Scene) -> list[int]:
        """The targets. None for a crop, whose single tile leaves nothing to distribute."""
        return [budget for budget in scene.budgets if budget >= SMALLEST_FILE] if scene.whole else []

    def encode_to(self, image: Image.Image, budget: int) -> bytes:
        """A file of at most `budget` bytes."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # all tokens take fewer bytes: the rows show it
            data: bytes = self.api.encode(
                image, target_size=budget, container=self.container, model=self.model, device=self.device
            )
        return data

    def decode_at(self, data: bytes, look: str | None, size: tuple[int, int]) -> Image.Image:
        """The decoded picture, in the size of the original."""
        return self.decode(data, look)

    def facts_of(self, data: bytes) -> dict[str, Any]:
        """The settings that the encoder chose, for the result row."""
        found = self.api.info(data, model=self.model)
        return {"chosen": {"pitch": found.pitch, "tiles": found.tiles, "tokens": found.tokens, "held": found.held}}

    def points(self, scene: Scene) -> Iterator[Point]:
        if not self.facts.ordered:
            return
        image = scene.image
        budgets = self.budgets(scene)
        if budgets:
            self.decode_at(self.encode_to(image, budgets[0]), None, image.size)  # loads the model outside the timing
        for budget in budgets:
            try:
                data, seconds = timed(partial(self.encode_to, image, budget))
            except Exception as error:  # as in `attempt`: a codec's failure is a result
                yield Point({"target": budget}, error=f"{type(error).__name__}: {error}")
                continue
            for look in self.facts.looks:
                setting: Setting = {"target": budget} | ({} if look is None else {"look": look})
                point = attempt(setting, partial(bytes, data), partial(self.decode_at, look=look, size=image.size))
                if point.encode_s is not None:
                    point.encode_s += seconds
                    point.extra |= self.facts_of(data)
                yield point

    def render(self, image: Image.Image, setting: Setting) -> tuple[int, Image.Image]:
        data = self.encode_to(image, setting["target"])
        return len(data), self.decode_at(data, setting.get("look"), image.size)


class BareTokCodec(AdaptiveTokCodec):
    """Previews: one tile in the bare container, with 2 bytes of header. The original's size is not counted."""

    container = "bare"

    def __init__(self, model: str | None = None, **arguments: Any) -> None:
        super().__init__(model, **arguments)
        self.label = self.label.replace("tokcodec-adaptive", "tokcodec-bare", 1)

    def budgets(self, scene: Scene) -> list[int]:
        return sorted({*PREVIEW_BUDGETS, *(budget for budget in scene.budgets if budget <= LARGEST_PREVIEW)})

    def decode_at(self, data: bytes, look: str | None, size: tuple[int, int]) -> Image.Image:
        choice = {} if look is None else {"look": look}
        image: Image.Image = self.api.decode(
            data, container="bare", size=size, device=self.device, model=self.model, **choice
        )
        return image

    def facts_of(self, data: bytes) -> dict[str, Any]:
        return {"chosen": {"tokens": data[0] + 1}}
