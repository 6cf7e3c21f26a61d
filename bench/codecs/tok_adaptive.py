"""Adapters of tokcodec with a byte budget as target: whole pictures, crops with an effort, and bare previews."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

from PIL import Image

from bench.codecs.interface import Point, Scene, Setting, attempt
from bench.codecs.tok import TokCodec
from tokcodec.options import TUNES

# Bytes of previews: ThumbHash has about 24, BlurHash 28 with 4x3 components and 36 with 4x4.
PREVIEW_BUDGETS = (24, 28, 36)
# The scene's budgets up to this number of bytes are also used for previews.
LARGEST_PREVIEW = 64
SMALLEST_FILE = 12  # bytes of the header and a token
# Sizes of crops that are coded with an effort: few, since each takes seconds.
EFFORT_BUDGETS = (36, 108, 202, 300, 396, 512, 768, 1024)


class AdaptiveTokCodec(TokCodec):
    """Whole pictures: for each budget and look a file that is tuned for this look.

    The encoder chooses pitch, tokens and their distribution over the tiles.
    """

    container = "tok"

    def __init__(self, model: str | None = None, **arguments: Any) -> None:
        super().__init__(model, **arguments)
        self.label = self.label.replace("tokcodec", "tokcodec-adaptive", 1)

    def config(self) -> dict[str, Any]:
        tune = {"tune": "look"} if self.container == "tok" else {}
        return {"looks": self.facts.looks, "target": "size", "container": self.container} | tune

    def budgets(self, scene: Scene) -> list[int]:
        """The targets. None for a crop, whose single tile leaves nothing to distribute."""
        return [budget for budget in scene.budgets if budget >= SMALLEST_FILE] if scene.whole else []

    def encode_to(self, image: Image.Image, budget: int, **options: Any) -> bytes:
        """A file of at most `budget` bytes. `options` are further ones of `encode`."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # all tokens take fewer bytes: the rows show it
            data: bytes = self.api.encode(
                image, target_size=budget, container=self.container, model=self.model, device=self.device, **options
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
            for look in self.facts.looks:
                setting: Setting = {"target": budget} | ({} if look is None else {"look": look})
                encode = partial(self.encode_to, image, budget, **tune_of(look))
                point = attempt(setting, encode, partial(self.decode_at, look=look, size=image.size))
                if point.data is not None:
                    point.extra |= self.facts_of(point.data)
                yield point

    def render(self, image: Image.Image, setting: Setting) -> tuple[int, Image.Image]:
        data = self.encode_to(image, setting["target"], **tune_of(setting.get("look")))
        return len(data), self.decode_at(data, setting.get("look"), image.size)


def tune_of(look: str | None) -> dict[str, str]:
    """Options of `encode` for the best file of a look."""
    return {"tune": look} if look in TUNES else {}


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


class EffortTokCodec(AdaptiveTokCodec):
    """Crops with an effort: for each budget and look a file that is tuned for this look.

    Args:
        effort: 1 to 9.
        model: name or folder. Default: the default model.
    """

    def __init__(self, effort: int, model: str | None = None, **arguments: Any) -> None:
        super().__init__(model, **arguments)
        self.effort = effort
        self.label = self.label.replace("-adaptive", f"-effort{effort}", 1)

    def config(self) -> dict[str, Any]:
        return super().config() | {"effort": self.effort, "budgets": EFFORT_BUDGETS}

    def points(self, scene: Scene) -> Iterator[Point]:
        budgets = [] if scene.whole else sorted({*EFFORT_BUDGETS} & {*scene.budgets})
        looks = [look for look in self.facts.looks if look in TUNES]
        image = scene.image
        if budgets and looks:
            self.encode_to(image, budgets[0], effort=1)  # loads the model outside the timing
        for budget in budgets:
            for look in looks:
                yield attempt(
                    {"target": budget, "look": look},
                    partial(self.encode_to, image, budget, effort=self.effort, tune=look),
                    partial(self.decode, look=look),
                )

    def render(self, image: Image.Image, setting: Setting) -> tuple[int, Image.Image]:
        data = self.encode_to(image, setting["target"], effort=self.effort, tune=setting["look"])
        return len(data), self.decode(data, setting["look"])
