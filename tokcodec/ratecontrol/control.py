"""Encoding to a target: chooses pitch, tokens and their distribution over the tiles.

Predicted curves (`curves`) say what an allocation (`allocation`) will cost and be worth. A size is then met by packing
real files; a quality by decoding them and correcting the prediction. The pitch follows from the tokens a tile gets: few
tokens on many tiles and many on few are both worse than the middle.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import TypeAlias

from ..container.counts import FACTORS
from ..errors import LimitError
from ..tokenizers import MANY_DRAWN, need_torch
from . import estimate, quality
from .allocation import Allocation, Allocator
from .curves import Curves
from .plans import KEPT, Planned, Planner
from .targets import LPIPS, PSNR, TOLERANCE, Target

FEW, MIDDLE, MANY = PSNR_WINDOW = 0.2, 0.4, 0.8
"""Mean share of a tile's tokens between which a pitch is as good as its neighbours or better, and where it is best (see
`bench.studies.pitch`)."""
LPIPS_WINDOW = 0.4, 0.65, 0.95
"""The same for LPIPS, which at equal bytes likes wide tiles with many tokens better."""
ENOUGH, CAPPED, DEARER = 0.68, 0.8, 2.5
"""The next smaller pitch is tried for a size where tiles have a larger share than this, or the largest count comes near
to all tokens, and if it has no more than so many times the tiles: it costs as many times the time."""
FOCUSED = 3
"""So many smaller pitches are tried where some places matter more: they follow their outlines."""
FIRST_TILES = 2
"""For a quality the search begins at the smallest pitch with so few tiles: more would cost time, fewer save none."""
USUAL_GAIN = 0.6
"""dB by which a fidelity network is usually better than the predicted error curves."""
PSNR_PER_OCTAVE = 2.2
"""dB by which a usual photograph gains, at an equal share of the tokens, when the pitch is halved."""
SLACK_BITS = 4.0
"""A payload ends on a byte: half of one on average."""
ATTEMPTS = 10
"""Files decoded at most on the way to a quality; two or three are the rule."""
STEPS = 60
"""Allocations tried at most; with few tokens several goals give the same file, which is decoded once."""
AIM = 0.4
"""Part of the tolerance that a plan is made for."""
MENDED, NEAR = 6, 0.25
"""From so many tiles on, a plan that misses by less than so many dB is changed in a few tiles."""
CLOSE = 0.005
"""dB of prediction between a file that fails and one that does not: there is none between them."""
SMALLEST = 3
"""So many of the smallest pitches must fail with all of their tokens before a quality counts as out of reach."""
USED = 0.95
"""Part of a size that is used unless all tokens are spent."""

Tried: TypeAlias = dict[Hashable, tuple[float, Planned]]
"""Plans that were drawn, by their key, each with its margin."""


class RateControl(Planner):
    """One picture on its way to a file of a wanted size or quality."""

    window = PSNR_WINDOW

    def encode(self, target: Target) -> bytes:
        """The file for a target. Raises LimitError where the picture needs more bytes than the target has."""
        if target.kind == PSNR:
            return self.for_psnr(target.value)
        if target.kind == LPIPS:
            return self.for_lpips(target.value)
        return self.for_size(target.budget(*self.picture.size))

    def as_equal(self, tokens: int) -> bytes:
        """At most as many bytes as so many tokens for each tile take, spent where the picture needs them."""
        (step,) = self.steps
        equal = self.pack(self._certain(step, lambda _, allocator: allocator.equal(tokens)))
        return self._packed_within(step, self.fit(step, len(equal)), len(equal))

    # ---- a size

    def for_size(self, budget: int) -> bytes:
        """The file with the least squared error of at most `budget` bytes. Raises LimitError where there is none."""
        place = self._place_for(budget)
        best = self.fit(self.steps[place], budget)
        for other in range(place + 1, min(place + 1 + (1 if self.weights is None else FOCUSED), len(self.steps))):
            if best is None or self.weights is not None or self._worth_trying(other, best):
                found = self.fit(self.steps[other], budget)
                best = found if best is None or (found is not None and found.error < best.error) else best
        if best is None:
            return self._packed_within(self.steps[place], None, budget)
        data = self._packed_within(best.curves.step, best, budget)
        if len(data) < USED * budget and best.complete:
            pitch = f"pitch {best.curves.step}" if best.curves.step else "pitch fit"
            self.warn(f"all tokens at {pitch} take {len(data)} of {budget} bytes")
        return data

    def fit(self, step: int, budget: int, less: float = 0.0) -> Planned | None:
        room = 8 * (budget - self.overhead) - SLACK_BITS - less
        # No tile can have more tokens than this: the others have a least share of them, and no model halves their bits.
        others = (self.tiles[self.steps.index(step)] - 1) * min(FACTORS) / max(FACTORS)
        count = math.ceil(max(1.0, 8 * budget / (self.token_bits / 2 * (1 + others))))
        return self.plan(step, lambda _, allocator: allocator.for_bits(room), min(count, self.model.n_tokens))

    def _packed_within(self, step: int, planned: Planned | None, budget: int) -> bytes:
        """Real files decide: what is too large loses room until it fits. Raises LimitError where nothing does."""
        less = 0.0
        while planned is not None:
            data = self.pack(planned)
            if len(data) <= budget:
                return data
            less += 8.0 * (len(data) - budget)
            planned = self.fit(step, budget, less)
        data = self.pack(self._certain(step, lambda _, allocator: allocator.least()))
        if len(data) > budget:
            where = "" if len(self.steps) > 1 else " at this pitch"
            bpp = 8 * len(data) / (self.picture.width * self.picture.height)
            raise LimitError(f"this picture takes at least {len(data)} bytes{where} ({bpp:.2g} bpp), not {budget}")
        return data

    def _certain(self, step: int, find: Callable[[Curves, Allocator], Allocation]) -> Planned:
        planned = self.plan(step, find)
        assert planned is not None
        return planned

    def _place_for(self, budget: int) -> int:
        """Place of the widest of the two pitches that come into question: its tiles get a middling share, or more."""
        bits = 8 * (budget - self.overhead)
        whole = self.token_bits * self.model.n_tokens
        return max(0, max([i for i, count in enumerate(self.tiles) if bits >= FEW * whole * count], default=0) - 1)

    def _worth_trying(self, place: int, wider: Planned) -> bool:
        """Whether the pitch at `place` may be better than a wider one by enough for the time that it takes."""
        if wider.share > MANY:
            return True
        capped = wider.allocation.tokens > CAPPED * self.model.n_tokens
        return self.tiles[place] <= DEARER * wider.curves.tiles and (wider.share > ENOUGH or capped)

    # ---- a quality

    def for_psnr(self, target: float) -> bytes:
        """The smallest file whose fidelity look has at least `target` dB; the best, with a warning, if none."""
        look = "fidelity" if "fidelity" in self.tokenizer.looks else None

        def margin(planned: Planned) -> float:
            return quality.psnr(self.picture, self.draw(planned, look), self.weights) - target

        start = target + AIM * TOLERANCE[PSNR]
        if self.tokenizer.mends and not self.measured:
            # What the network mends depends on the picture: a first plan shows it well enough to begin with.
            planned = self._reach(quality.to_error(target - USUAL_GAIN))
            fall = math.log(planned.first_error / planned.error)
            start -= estimate.network_gain(fall, planned.share)
        return self._for_quality(start, margin, TOLERANCE[PSNR], 1.0, f"PSNR of {target:g} dB")

    def for_lpips(self, target: float) -> bytes:
        """The smallest file whose default look has an LPIPS of at most `target`; the best, with a warning, if none."""
        distance: quality.Distance | None = None
        try:
            need_torch("LPIPS")
            distance = quality.Distance(self.picture, self.tokenizer.device)
            drawer = self.drawer
            self.drawer = lambda tiles: drawer(max(tiles, MANY_DRAWN))  # torch is there already
        except (FileNotFoundError, ValueError) as error:  # no weights, no torch, or a picture too small
            self.warn(f"LPIPS is estimated, to about {estimate.ERROR:g} ({error})")

        def margin(planned: Planned) -> float:
            if distance is not None:
                return target - distance(self.draw(planned))
            density = int(planned.counts.sum()) / (self.picture.width * self.picture.height)
            return target - estimate.estimated_lpips(quality.to_psnr(planned.error), density)

        constant, slope = estimate.LINE
        self.window = LPIPS_WINDOW
        return self._for_quality((target - constant) / slope, margin, TOLERANCE[LPIPS], -slope, f"LPIPS of {target:g}")

    def _for_quality(
        self, start: float, margin: Callable[[Planned], float], tolerance: float, slope: float, name: str
    ) -> bytes:
        """The file whose `margin` lies in 0 .. tolerance; where that is not found the best one, with a warning.

        start: the predicted PSNR to begin with; slope: by how much the margin grows with each predicted dB, at first
        guess.
        """
        tried: Tried = {}
        best = self._search(start, margin, tolerance, slope, tried)
        if best is None:  # too early to give up: on graphics a dB of the prediction may be worth a third of one
            complete = self._complete(margin, tried)
            best = complete and self._search(start, margin, tolerance, slope, tried, complete)
        if best is not None:
            return self.pack(best)
        self.warn(f"no {name} with this model{'' if len(self.steps) > 1 else ' at this pitch'}: this is the best file")
        return self.pack(max(tried.values(), key=lambda pair: pair[0])[1])

    def _complete(self, margin: Callable[[Planned], float], tried: Tried) -> Planned | None:
        """All tokens of one of the smallest pitches: of those whose margin is not below 0 the fewest bits."""
        plans = [self._certain(step, lambda _, allocator: allocator.all()) for step in self.steps[-SMALLEST:]]
        for planned in plans:
            if planned.key not in tried:
                tried[planned.key] = margin(planned), planned
        reaching = [planned for planned in plans if tried[planned.key][0] >= 0]
        return min(reaching, key=lambda planned: planned.allocation.bits, default=None)

    def _search(
        self,
        goal: float,
        margin: Callable[[Planned], float],
        tolerance: float,
        slope: float,
        tried: Tried,
        complete: Planned | None = None,
    ) -> Planned | None:
        """Search over the predicted PSNR, from `goal` on, for the plan whose margin lies in 0 .. tolerance.

        tried: gets the plans that were drawn, with their margins; complete: one of them that does not fail, and whose
        pitch alone is searched. None where all plans fail.
        """
        below: tuple[float, float] | None = None  # (predicted PSNR, margin) of the best plan that fails
        above: tuple[float, float] | None = None  # and of the worst that does not
        step, planned, best, most = None, None, complete, len(tried) + ATTEMPTS
        if complete is not None:
            step, above = complete.curves.step, (quality.to_psnr(complete.error), tried[complete.key][0])
            goal = min(goal, above[0])
        for _ in range(STEPS):
            planned = self._near(planned, goal) if step is not None else None
            planned = planned or self._reach(quality.to_error(goal), step)
            step = planned.curves.step
            predicted = quality.to_psnr(planned.error)
            known = planned.key in tried
            if not known:
                if len(tried) == most:
                    break
                tried[planned.key] = margin(planned), planned
            elif tried[planned.key][0] >= 0:
                predicted = goal  # with less it is the same file still
            found = tried[planned.key][0]
            if found >= 0:
                above = predicted, found
                best = planned if best is None or planned.allocation.bits < best.allocation.bits else best
                if found <= tolerance or (planned.allocation.tokens == 1 and step == self.steps[0]):
                    break
            elif planned.complete:
                if step == self.steps[-1]:
                    break
                step = self.steps[self.steps.index(step) + 1]
                continue
            else:
                below = predicted, found
            if below and above and abs(above[0] - below[0]) < CLOSE:
                break
            goal = _next_goal(below, above, slope, tolerance)
            if known and below and above:  # files are coarse here: look next to the one that fails whether there is one
                goal = below[0] + 0.1 * (above[0] - below[0])
            if complete is None and not FEW / 4 < planned.share < 0.95:
                step = None
        return best

    def _near(self, planned: Planned | None, goal: float) -> Planned | None:
        """A plan for a predicted PSNR with most tiles as another plan has them: they need not be drawn again."""
        if planned is None or not MENDED <= planned.curves.tiles <= KEPT:
            return None
        if abs(goal - quality.to_psnr(planned.error)) > NEAR:
            return None
        error = quality.to_error(goal) - planned.curves.floor
        return self.plan(planned.curves.step, lambda _, allocator: allocator.mend(planned.allocation, error))

    def _reach(self, error: float, step: int | None = None) -> Planned:
        """The fewest predicted bits for a mean squared error; all tokens of the smallest pitch if they are too few."""
        if step is not None:
            found = self.plan(step, lambda curves, allocator: allocator.for_error(error - curves.floor))
            return found or self._certain(step, lambda _, allocator: allocator.all())
        place = max(i for i, count in enumerate(self.tiles) if count <= max(FIRST_TILES, self.tiles[0]))
        few, _, many = self.window
        seen: dict[int, Planned | None] = {}
        while place not in seen:
            found = self.plan(self.steps[place], lambda curves, allocator: allocator.for_error(error - curves.floor))
            seen[place] = found
            if found is None or found.share > many:
                place = max(min(len(self.steps) - 1, place + 1), self._from(place, error))
            elif found.share < few:
                place = min(max(0, place - 1), self._from(place, error))
        plans = [planned for planned in seen.values() if planned is not None]
        if plans:
            return min(plans, key=lambda planned: planned.allocation.bits)
        return self._certain(self.steps[max(seen)], lambda _, allocator: allocator.all())

    def _from(self, place: int, error: float) -> int:
        """Place of the pitch that will reach an error with a middling share of its tokens, seen from another pitch."""
        curves, allocator = self.coded(self.steps[place])
        reached = allocator.equal(max(1, round(allocator.most * self.window[1]))).error + curves.floor
        missing = quality.to_psnr(error) - quality.to_psnr(reached)
        tiles = self.tiles[place] * 4 ** (missing / PSNR_PER_OCTAVE)
        return max((i for i, count in enumerate(self.tiles) if count <= tiles), default=0)


def _next_goal(
    below: tuple[float, float] | None, above: tuple[float, float] | None, slope: float, tolerance: float
) -> float:
    """The predicted PSNR to try next: by the slope, or straight between a failure and a success."""
    aim = AIM * tolerance
    if below is None or above is None:
        goal, margin = below or above or (0.0, 0.0)
        return goal + min(4.0, max(-4.0, (aim - margin) / slope))
    if above[0] <= below[0]:  # the prediction is not quite monotone
        return (above[0] + below[0]) / 2
    part = (aim - below[1]) / (above[1] - below[1])
    return below[0] + min(0.95, max(0.05, part)) * (above[0] - below[0])
