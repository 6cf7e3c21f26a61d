"""Encoding to a target: chooses pitch, tokens and their distribution over the tiles.

Curves (`curves`) predict the cost and the error of an allocation (`allocation`). A search for a size then packs real
files (`sizes`). A search for a quality draws them and corrects the prediction (`search`).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from PIL import Image

from ..models.modelfile import Model
from ..tokenizers import MANY_DRAWN, need_torch
from ..tokenizers.base import Tokenizer
from . import estimate, quality
from .focus import Weights
from .plans import Plan, Planner, Progress, Warn
from .search import Goal, QualitySearch
from .settings import LPIPS_WINDOW, PSNR_WINDOW, SEARCH
from .sizes import SizeSearch
from .targets import LPIPS, PSNR, TOLERANCE, Target


class RateControl:
    """Encodes one picture to a target size or quality.

    Args:
        picture: RGB picture.
        model: the model of the file.
        tokenizer: encodes, and draws unless `drawer` is given.
        pitch: the only pitch to use, as the header stores it. Default: the best one.
        container: "tok" or "bare". Default: "tok".
        measured: measure error curves by decoding even if the tokenizer can predict them. Default: False.
        weights: weights of the pixels' errors. Default: all count alike.
        tune: the look that a size is best for: "perceptual", "light", or "fidelity", which is the least squared error.
            Default: "perceptual".
        drawer: returns the tokenizer that draws a given number of tiles fastest. Default: `tokenizer`.
        warn: called with a line of text if a target is missed or estimated.
        progress: called with (tiles encoded, tiles) at each pitch that is tried.
    """

    def __init__(
        self,
        picture: Image.Image,
        model: Model,
        tokenizer: Tokenizer,
        *,
        pitch: int | None = None,
        container: str = "tok",
        measured: bool = False,
        weights: Weights | None = None,
        tune: str = "perceptual",
        drawer: Callable[[int], Tokenizer] | None = None,
        warn: Warn,
        progress: Progress | None = None,
    ) -> None:
        self.warn, self.tune = warn, tune
        self.planner = Planner(
            picture,
            model,
            tokenizer,
            pitch=pitch,
            container=container,
            measured=measured,
            weights=weights,
            drawer=drawer,
            progress=progress,
        )

    def encode(self, target: Target) -> bytes:
        """The file for a target. Raises LimitError if the picture needs more bytes than the target has."""
        if target.kind == PSNR:
            return self.for_psnr(target.value)
        if target.kind == LPIPS:
            return self.for_lpips(target.value)
        return self.for_size(target.budget(*self.planner.picture.size))

    def for_size(self, budget: int) -> bytes:
        """The best file of at most `budget` bytes. Raises LimitError if there is none."""
        return SizeSearch(self.planner, self.warn, self.tune).for_size(budget)

    def as_equal(self, tokens: int) -> bytes:
        """The file with the least error of at most the bytes that `tokens` tokens in each tile have."""
        (pitch,) = self.planner.pitches
        budget = len(self.planner.pack(self.planner.plan(pitch, self.planner.allocator(pitch).equal(tokens))))
        sizes = SizeSearch(self.planner, self.warn)
        return sizes.pack_within(pitch, sizes.fit(pitch, budget), budget)

    def for_psnr(self, target: float) -> bytes:
        """The smallest file whose fidelity look has at least `target` dB. If none has, the best one, with a warning."""
        planner, search = self.planner, QualitySearch(self.planner, PSNR_WINDOW, self.warn)
        look = "fidelity" if "fidelity" in planner.tokenizer.looks else None

        def margin(plan: Plan) -> float:
            return quality.psnr(planner.picture, planner.draw(plan, look), planner.weights) - target

        start = target + SEARCH.aim * TOLERANCE[PSNR]
        if planner.tokenizer.mends and not planner.measured:
            # The gain of the network depends on the picture: a first plan gives a good estimate.
            plan = search.plan_for(quality.to_error(target - SEARCH.usual_gain))
            fall = math.log(plan.first_error / plan.error)
            start -= estimate.network_gain(fall, plan.share)
        return search.run(Goal(f"PSNR of {target:g} dB", start, margin, TOLERANCE[PSNR], slope=1.0))

    def for_lpips(self, target: float) -> bytes:
        """The smallest file whose default look has at most this LPIPS. If none has, the best one, with a warning."""
        planner = self.planner
        distance: quality.Distance | None = None
        try:
            need_torch("LPIPS")
            distance = quality.Distance(planner.picture, planner.tokenizer.device)
            drawer = planner.drawer
            planner.drawer = lambda tiles: drawer(max(tiles, MANY_DRAWN))  # torch is imported already
        except (FileNotFoundError, ValueError) as error:  # no weights, no torch, or a picture too small
            self.warn(f"LPIPS is estimated, with an error of about {estimate.ERROR:g} ({error})")

        def margin(plan: Plan) -> float:
            if distance is not None:
                return target - distance(planner.draw(plan))
            density = int(plan.counts.sum()) / (planner.picture.width * planner.picture.height)
            return target - estimate.estimated_lpips(quality.to_psnr(plan.error), density)

        constant, slope = estimate.LINE
        goal = Goal(f"LPIPS of {target:g}", (target - constant) / slope, margin, TOLERANCE[LPIPS], slope=-slope)
        return QualitySearch(planner, LPIPS_WINDOW, self.warn).run(goal)
