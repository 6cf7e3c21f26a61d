"""A classical codec at its best below its usual sizes: it codes a reduced picture, which is enlarged after decoding.

Pictures are enlarged by bicubic interpolation ("NAME-down"), and for WebP also by nearest neighbour ("webp-nearest").
Square pixels look worse and have a lower PSNR, but LPIPS prefers them to blur. Without them a table of LPIPS would
flatter all other codecs.

The reduced picture is coded at every scale and quality of a grid. For every byte budget the best by PSNR and the best
by LPIPS are reported. A real file would also need 2 to 4 bytes for the original's size. They are not counted, which
favours the rivals.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from bench.codecs.classical import Classical
from bench.codecs.interface import Codec, Point, Scene, Setting, attempt, timed

# Side of the coded picture as a fraction of the original. 1 is the plain codec, so the search is never worse.
SCALES = (1.0, 0.75, 0.625, 0.5, 0.375, 0.3125, 0.25, 0.1875, 0.15625, 0.125, 0.09375, 0.0625)
# On whole pictures LPIPS is measured at this many scales around the best by PSNR (finer, coarser), since each takes a
# quarter of a second. On crops it is measured at every scale. The best scale by LPIPS is up to five steps finer (JPEG).
WHOLE_WINDOW = (5, 2)


@dataclass
class _Trial:
    """One file of the search."""

    scale: int  # index into SCALES
    quality: int
    data: bytes
    encode_s: float
    psnr: float = 0.0


UPSCALERS = {"bicubic": Image.Resampling.BICUBIC, "nearest": Image.Resampling.NEAREST}


class Downscaled(Codec):
    """A codec at the best scale and quality for each byte budget. Its label is "NAME-down" or "NAME-nearest"."""

    def __init__(self, codec: Classical, up: str = "bicubic") -> None:
        self.codec = codec
        self.up = up
        self.label = f"{codec.label}-down" if up == "bicubic" else f"{codec.label}-{up}"
        # They include all qualities of the plain codec, so that it is never better at equal bytes.
        self.qualities = codec.form.search

    def config(self) -> dict[str, Any]:
        return {
            "options": self.codec.form.options,
            "qualities": self.qualities,
            "scales": SCALES,
            "window": WHOLE_WINDOW,
            "down": "lanczos",
            "up": self.up,
        }

    def versions(self) -> dict[str, str]:
        return self.codec.versions()

    def encode(self, image: Image.Image, scale: float, quality: int) -> bytes:
        """The file of the picture reduced to `scale`."""
        return self.codec.encode(_shrink(image, scale), quality)

    def decode(self, data: bytes, size: tuple[int, int]) -> Image.Image:
        """The decoded picture at `size` (width, height)."""
        small = self.codec.decode(data)
        return small if small.size == size else small.resize(size, UPSCALERS[self.up])

    def render(self, image: Image.Image, setting: Setting) -> tuple[int, Image.Image]:
        data = self.encode(image, setting["scale"], setting["quality"])
        return len(data), self.decode(data, image.size)

    def points(self, scene: Scene) -> Iterator[Point]:
        image = scene.image
        try:
            trials = self._search(scene, image)
        except Exception as error:  # a failed search is one failure, and the bench continues
            yield Point({"scale": None, "quality": None}, error=f"{type(error).__name__}: {error}")
            return
        best = {"psnr": _winners(trials, scene)}
        scores: dict[int, float] = {}
        if scene.meter.lpips_name is not None:
            scores = self._lpips(trials, scene, best["psnr"])
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
                {"scale": SCALES[trial.scale], "quality": trial.quality},
                lambda t=trial: t.data,  # type: ignore[misc]
                lambda data: self.decode(data, image.size),
            )
            point.encode_s = trial.encode_s
            point.best = chosen[index]
            if index in scores and scene.meter.lpips_name is not None:
                point.known = {scene.meter.lpips_name: scores[index]}
            yield point

    def _search(self, scene: Scene, image: Image.Image) -> list[_Trial]:
        """Every file within the largest budget, with its PSNR."""
        trials = []
        for index, scale in enumerate(SCALES):
            small = _shrink(image, scale)
            for quality in self.qualities:
                data, seconds = timed(lambda s=small, q=quality: self.codec.encode(s, q))  # type: ignore[misc]
                if len(data) > scene.budgets[-1]:
                    break  # files of higher quality are larger still
                trial = _Trial(index, quality, data, seconds)
                trial.psnr = scene.meter.psnr(np.asarray(self.decode(data, image.size)))
                trials.append(trial)
        return trials

    def _lpips(self, trials: list[_Trial], scene: Scene, winners: dict[int, int]) -> dict[int, float]:
        """LPIPS of the candidates: at each budget and scale the file with the best PSNR."""
        finer, coarser = WHOLE_WINDOW if scene.whole else (len(SCALES), len(SCALES))
        candidates: set[int] = set()
        for budget, winner in winners.items():
            centre = trials[winner].scale
            for scale in range(max(0, centre - finer), min(len(SCALES), centre + coarser + 1)):
                fitting = [i for i, t in enumerate(trials) if t.scale == scale and len(t.data) <= budget]
                if fitting:
                    candidates.add(max(fitting, key=lambda index: trials[index].psnr))
        size = scene.image.size
        scores = {i: scene.meter.lpips(np.asarray(self.decode(trials[i].data, size))) for i in sorted(candidates)}
        return {index: score for index, score in scores.items() if score is not None}


def _winners(trials: list[_Trial], scene: Scene) -> dict[int, int]:
    """Index of the trial with the best PSNR, for each budget that holds one."""
    found = {}
    for budget in scene.budgets:
        fitting = [index for index, trial in enumerate(trials) if len(trial.data) <= budget]
        if fitting:
            found[budget] = max(fitting, key=lambda index: (trials[index].psnr, -len(trials[index].data)))
    return found


def _shrink(image: Image.Image, scale: float) -> Image.Image:
    if scale == 1:
        return image
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.LANCZOS)
