"""A picture format at its best below its usual sizes: it codes a reduced picture, which is enlarged after decoding.

Pictures are enlarged by bicubic interpolation ("NAME-down"), and for some formats also by nearest neighbour
("NAME-nearest"). Square pixels look worse and have a lower PSNR, but LPIPS prefers them to blur. Without them a table
of LPIPS would flatter all other codecs.

The reduced picture is coded at every scale and quality of a grid, since neither bytes nor PSNR always grow with the
quality (JPEG XL). For every byte budget the best by PSNR and the best by LPIPS are reported. A real file would also
need 2 to 4 bytes for the original's size. They are not counted, which favours the rivals.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from bench.codecs.classical import Classical
from bench.codecs.formats import FORMATS
from bench.codecs.interface import Codec, Point, Scene, Setting, attempt, timed

# On whole pictures LPIPS is measured at this many scales around the best by PSNR (finer, coarser), since each takes a
# quarter of a second. On crops it is measured at every scale. The best scale by LPIPS is up to five steps finer (JPEG).
WHOLE_WINDOW = (5, 2)
UPSCALERS = {"bicubic": Image.Resampling.BICUBIC, "nearest": Image.Resampling.NEAREST}
SQUARE = ("webp", "webp-pillow", "avif")
"""Formats whose pictures are also enlarged by nearest neighbour: the best ones by LPIPS.

Of WebP these are often written by Pillow's defaults, whose noise shaping costs PSNR.
"""


@dataclass
class _Trial:
    """One file of the search."""

    scale: int  # index into the scales
    quality: int
    data: bytes
    encode_s: float
    psnr: dict[str, float] = field(default_factory=dict)
    """By the way in which the picture is enlarged."""


class Downscaled(Codec):
    """A format at the best scale and quality for each byte budget.

    Args:
        codec: the format at full size.
        ups: how pictures are enlarged, names of UPSCALERS. Default: bicubic. The label is "NAME-down" for the first
            one, or "NAME-nearest". The points of the others have labels of their own.
    """

    def __init__(self, codec: Classical, *ups: str) -> None:
        self.codec = codec
        self.ups = ups or ("bicubic",)
        self.label = self._label(self.ups[0])
        self.scales = codec.form.scales
        # They include all qualities of the plain codec, so that it is never better at equal bytes.
        self.qualities = codec.form.search

    def _label(self, up: str) -> str:
        return f"{self.codec.label}-down" if up == "bicubic" else f"{self.codec.label}-{up}"

    def config(self) -> dict[str, Any]:
        found = {
            "options": self.codec.form.options,
            "qualities": self.qualities,
            "scales": self.scales,
            "window": WHOLE_WINDOW,
            "down": "lanczos",
            "up": self.ups,
        }
        return found | ({"whole": self.codec.form.whole} if self.codec.form.whole else {})

    def versions(self) -> dict[str, str]:
        return self.codec.versions()

    def encode(self, image: Image.Image, scale: float, quality: int) -> bytes:
        """The file of the picture reduced to `scale`."""
        return self.codec.encode(_shrink(image, scale), quality)

    def decode(self, data: bytes, size: tuple[int, int], up: str | None = None) -> Image.Image:
        """The decoded picture at `size` (width, height), enlarged as `up` says (None: the first way)."""
        return _enlarge(self.codec.decode(data), size, up or self.ups[0])

    def render(self, image: Image.Image, setting: Setting) -> tuple[int, Image.Image]:
        data = self.encode(image, setting["scale"], setting["quality"])
        return len(data), self.decode(data, image.size, setting.get("up"))

    def points(self, scene: Scene) -> Iterator[Point]:
        if scene.whole and self.codec.form.crops_only:
            return
        try:
            trials = self._search(scene)
            for up in self.ups:
                yield from self._best(trials, scene, up)
        except Exception as error:  # a failed search is one failure, and the bench continues
            yield Point({"scale": None, "quality": None}, error=f"{type(error).__name__}: {error}")

    def _search(self, scene: Scene) -> list[_Trial]:
        """Every file within the largest budget, with its PSNR, from the smallest scale on."""
        trials = []
        qualities = (scene.whole and self.codec.form.whole) or self.qualities
        for index, scale in reversed(list(enumerate(self.scales))):
            small = _shrink(scene.image, scale)
            files = [(quality, *timed(partial(self.codec.encode, small, quality))) for quality in qualities]
            for quality, data, seconds in files:
                if len(data) > scene.budgets[-1]:
                    continue
                trial = _Trial(index, quality, data, seconds)
                decoded = self.codec.decode(data)
                for up in self.ups:
                    trial.psnr[up] = scene.meter.psnr(np.asarray(_enlarge(decoded, scene.image.size, up)))
                trials.append(trial)
            if min(len(data) for _, data, _ in files) > 2 * scene.budgets[-1]:
                break  # files of larger scales are larger still
        return trials

    def _best(self, trials: list[_Trial], scene: Scene, up: str) -> Iterator[Point]:
        """The best files for each budget, by PSNR and by LPIPS, with their pictures enlarged in one way."""
        best = {"psnr": _winners(trials, scene, up)}
        scores: dict[int, float] = {}
        if scene.meter.lpips_name is not None:
            scores = self._lpips(trials, scene, best["psnr"], up)
            best[scene.meter.lpips_name] = {
                budget: min(candidates, key=lambda index: scores[index])
                for budget in best["psnr"]
                if (candidates := [i for i in scores if len(trials[i].data) <= budget])
            }
        chosen: dict[int, dict[str, list[int]]] = {}
        for metric, winners in best.items():
            for budget, index in winners.items():
                chosen.setdefault(index, {}).setdefault(metric, []).append(budget)
        for index in sorted(chosen):
            trial = trials[index]
            point = attempt(
                {"scale": self.scales[trial.scale], "quality": trial.quality}
                | ({} if up == self.ups[0] else {"up": up}),
                lambda t=trial: t.data,  # type: ignore[misc]
                lambda data: self.decode(data, scene.image.size, up),
            )
            point.encode_s = trial.encode_s
            point.best = chosen[index]
            point.label = self._label(up)
            if index in scores and scene.meter.lpips_name is not None:
                point.known = {scene.meter.lpips_name: scores[index]}
            yield point

    def _lpips(self, trials: list[_Trial], scene: Scene, winners: dict[int, int], up: str) -> dict[int, float]:
        """LPIPS of the candidates: at each budget and scale the file with the best PSNR."""
        finer, coarser = WHOLE_WINDOW if scene.whole else (len(self.scales), len(self.scales))
        candidates: set[int] = set()
        for budget, winner in winners.items():
            centre = trials[winner].scale
            for scale in range(max(0, centre - finer), min(len(self.scales), centre + coarser + 1)):
                fitting = [i for i, t in enumerate(trials) if t.scale == scale and len(t.data) <= budget]
                if fitting:
                    candidates.add(max(fitting, key=lambda index: trials[index].psnr[up]))
        size = scene.image.size
        scores = {i: scene.meter.lpips(np.asarray(self.decode(trials[i].data, size, up))) for i in sorted(candidates)}
        return {index: score for index, score in scores.items() if score is not None}


def downscaled_codecs() -> list[Downscaled]:
    """Every format that can be written here, at its best below its usual sizes."""
    return [
        Downscaled(Classical(form), *UPSCALERS) if form.name in SQUARE else Downscaled(Classical(form))
        for form in FORMATS
        if form.available()
    ]


def _winners(trials: list[_Trial], scene: Scene, up: str) -> dict[int, int]:
    """Index of the trial with the best PSNR, for each budget that holds one."""
    found = {}
    for budget in scene.budgets:
        fitting = [index for index, trial in enumerate(trials) if len(trial.data) <= budget]
        if fitting:
            found[budget] = max(fitting, key=lambda index: (trials[index].psnr[up], -len(trials[index].data)))
    return found


def _shrink(image: Image.Image, scale: float) -> Image.Image:
    if scale == 1:
        return image
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.LANCZOS)


def _enlarge(small: Image.Image, size: tuple[int, int], up: str) -> Image.Image:
    return small if small.size == size else small.resize(size, UPSCALERS[up])
