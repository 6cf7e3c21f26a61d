"""The search for the smallest file of a quality: plans by predicted errors are drawn, measured and corrected."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from itertools import compress
from typing import TypeAlias

from . import quality
from .plans import KEPT_TILES, Plan, Planner, Warn
from .settings import SEARCH, PitchWindow

Tried: TypeAlias = dict[Hashable, tuple[float, Plan]]
"""Plans that were drawn, by their key, each with its margin."""


@dataclass(frozen=True)
class Goal:
    """A quality to reach."""

    name: str
    """Its name in messages: "PSNR of 30 dB"."""
    start: float
    """The predicted PSNR of the first plan, in dB."""
    margin: Callable[[Plan], float]
    """Draws a plan and returns its margin: its quality above the target, in the unit of the target."""
    tolerance: float
    """The largest margin of a good result, in the same unit."""
    slope: float
    """Expected growth of the margin per predicted dB."""


class QualitySearch:
    """Searches for the smallest file whose quality reaches a goal.

    The cost is bounded by the tiles of the smallest pitch that is tried: they are drawn at most 23 times (twice
    `attempts`, and `complete_pitches`), and all pitches together are encoded to at most 4 times as many tiles. A
    picture of one colour has at most `flat_tiles` tiles.

    Args:
        planner: the planner of the picture.
        window: the shares of the tokens at which a pitch is a good choice.
        warn: called with a line of text if no file reaches the goal.
    """

    def __init__(self, planner: Planner, window: PitchWindow, warn: Warn) -> None:
        self.planner, self.window, self.warn = planner, window, warn
        flat = planner.picture.getcolors(1) is not None
        useful = [tiles <= SEARCH.flat_tiles or not place or not flat for place, tiles in enumerate(planner.tiles)]
        self.pitches, self.tiles = (list(compress(listed, useful)) for listed in (planner.pitches, planner.tiles))

    def run(self, goal: Goal) -> bytes:
        """The file with a margin of 0 to `tolerance`, or the nearest above. If none, the best one, with a warning."""
        tried: Tried = {}
        best = self._search(goal, goal.start, tried)
        if best is None:  # on graphics a predicted dB may be a third of a real one: try all tokens
            complete = self._complete(goal, tried)
            best = complete and self._search(goal, goal.start, tried, complete)
        if best is not None:
            return self.planner.pack(best)
        self.warn(f"no {goal.name} with this model{self.planner.where}: this is the best file")
        return self.planner.pack(max(tried.values(), key=lambda pair: pair[0])[1])

    def plan_for(self, error: float, pitch: int | None = None) -> Plan:
        """The fewest predicted bits for a mean squared error. If none reach it, all tokens of the smallest pitch.

        Args:
            error: the mean squared error, of values in [0, 1].
            pitch: the only pitch to use, as the header stores it. Default: the best one within the window.
        """
        planner = self.planner
        if pitch is not None:
            return self._at(pitch, error) or planner.plan(pitch, planner.allocator(pitch).all())
        place = max(i for i, count in enumerate(self.tiles) if count <= max(SEARCH.first_tiles, self.tiles[0]))
        seen: dict[int, Plan | None] = {}
        while place not in seen:
            plan = seen[place] = self._at(self.pitches[place], error)
            if plan is None or plan.share > self.window.high:
                place = max(min(len(self.pitches) - 1, place + 1), self._place_from(place, error))
            elif plan.share < self.window.low:
                place = min(max(0, place - 1), self._place_from(place, error))
        plans = [plan for plan in seen.values() if plan is not None]
        if plans:
            return min(plans, key=lambda plan: plan.allocation.bits)
        smallest = self.pitches[max(seen)]
        return planner.plan(smallest, planner.allocator(smallest).all())

    def _complete(self, goal: Goal, tried: Tried) -> Plan | None:
        """All tokens of one of the smallest pitches: the plan with the fewest bits among those that reach the goal."""
        planner = self.planner
        pitches = self.pitches[-SEARCH.complete_pitches :]
        plans = [planner.plan(pitch, planner.allocator(pitch).all()) for pitch in pitches]
        for plan in plans:
            if plan.key not in tried:
                tried[plan.key] = goal.margin(plan), plan
        reaching = [plan for plan in plans if tried[plan.key][0] >= 0]
        return min(reaching, key=lambda plan: plan.allocation.bits, default=None)

    def _search(self, goal: Goal, wanted: float, tried: Tried, complete: Plan | None = None) -> Plan | None:
        """Search over the predicted PSNR for a plan with a margin of 0 to `tolerance`. None if all plans fail.

        Args:
            goal: the quality.
            wanted: the predicted PSNR to start with, in dB.
            tried: gets the drawn plans, with their margins.
            complete: a drawn plan that succeeds. Only its pitch is searched. Default: all pitches.
        """
        below: tuple[float, float] | None = None  # (predicted PSNR, margin) of the best plan that fails
        above: tuple[float, float] | None = None  # and of the worst that succeeds
        pitch, plan, best, most = None, None, complete, len(tried) + SEARCH.attempts
        if complete is not None:
            pitch, above = complete.pitch, (quality.to_psnr(complete.error), tried[complete.key][0])
            wanted = min(wanted, above[0])
        for _ in range(SEARCH.allocations):
            plan = self._near(plan, wanted) if pitch is not None else None
            plan = plan or self.plan_for(quality.to_error(wanted), pitch)
            pitch = plan.pitch
            predicted = quality.to_psnr(plan.error)
            known = plan.key in tried
            if not known:
                if len(tried) == most:
                    break
                tried[plan.key] = goal.margin(plan), plan
            elif tried[plan.key][0] >= 0:
                predicted = wanted  # a lower prediction gives the same file
            margin = tried[plan.key][0]
            if margin >= 0:
                above = predicted, margin
                best = plan if best is None or plan.allocation.bits < best.allocation.bits else best
                if margin <= goal.tolerance or (plan.allocation.tokens == 1 and pitch == self.pitches[0]):
                    break
            elif plan.complete:
                if pitch == self.pitches[-1]:
                    break
                pitch = self.pitches[self.pitches.index(pitch) + 1]
                continue
            else:
                below = predicted, margin
            if below and above and abs(above[0] - below[0]) < SEARCH.done_within_db:
                break
            wanted = _next_wanted(below, above, goal)
            if known and below and above:  # few different files here: try one just above the failing one
                wanted = below[0] + 0.1 * (above[0] - below[0])
            if complete is None and not self.window.low / 4 < plan.share < 0.95:
                pitch = None
        return best

    def _near(self, plan: Plan | None, wanted: float) -> Plan | None:
        """A plan for a predicted PSNR that shares most tiles with another plan, so that few are drawn again."""
        if plan is None or not SEARCH.reuse_tiles <= plan.curves.tiles <= KEPT_TILES:
            return None
        if abs(wanted - quality.to_psnr(plan.error)) > SEARCH.reuse_within_db:
            return None
        error = quality.to_error(wanted) - plan.curves.floor
        allocation = self.planner.allocator(plan.pitch).revise(plan.allocation, error)
        return None if allocation is None else self.planner.plan(plan.pitch, allocation)

    def _at(self, pitch: int, error: float) -> Plan | None:
        """The fewest predicted bits for a mean squared error at a pitch. None if all tokens do not reach it."""
        allocation = self.planner.allocator(pitch).for_error(error - self.planner.curves(pitch).floor)
        return None if allocation is None else self.planner.plan(pitch, allocation)

    def _place_from(self, place: int, error: float) -> int:
        """Index of the pitch that should reach an error with the best share of its tokens, judged from another."""
        planner = self.planner
        curves, allocator = planner.coded(self.pitches[place])
        reached = allocator.equal(max(1, round(allocator.most * self.window.best))).error + curves.floor
        missing = quality.to_psnr(error) - quality.to_psnr(reached)
        tiles = self.tiles[place] * 4 ** (missing / SEARCH.db_per_octave)
        return max((i for i, count in enumerate(self.tiles) if count <= tiles), default=0)


def _next_wanted(below: tuple[float, float] | None, above: tuple[float, float] | None, goal: Goal) -> float:
    """The predicted PSNR to try next: by the slope, or by linear interpolation between a failure and a success.

    Args:
        below: predicted PSNR and margin of the best plan that fails. None: none yet.
        above: predicted PSNR and margin of the worst plan that succeeds. None: none yet.
        goal: the quality.
    """
    aim = SEARCH.aim * goal.tolerance
    if below is None or above is None:
        predicted, margin = below or above or (0.0, 0.0)
        return predicted + min(4.0, max(-4.0, (aim - margin) / goal.slope))
    if above[0] <= below[0]:  # the prediction is not quite monotone
        return (above[0] + below[0]) / 2
    part = (aim - below[1]) / (above[1] - below[1])
    return below[0] + min(0.95, max(0.05, part)) * (above[0] - below[0])
