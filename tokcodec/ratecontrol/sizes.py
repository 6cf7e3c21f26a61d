"""The search for a size: the pitch and the counts that are best for a look, checked by packing real files."""

from __future__ import annotations

import math

from ..container.counts import FACTORS
from ..errors import LimitError
from .plans import Plan, Planner, Warn
from .settings import LPIPS_WINDOW, PSNR_WINDOW, SIZE


class SizeSearch:
    """Searches for the best file within a budget.

    Args:
        planner: the planner of the picture.
        warn: called with a line of text if all tokens use too little of the budget.
        tune: "fidelity" for the pitch with the least squared error. Others prefer a larger pitch with more tokens for
            each tile, unless its squared error is clearly more. Default: "fidelity".
    """

    def __init__(self, planner: Planner, warn: Warn, tune: str = "fidelity") -> None:
        self.planner, self.warn = planner, warn
        # Weights ask for the least error in a region, and for tiles that follow its outline.
        perceptual = tune != "fidelity" and planner.weights is None
        self.window = LPIPS_WINDOW if perceptual else PSNR_WINDOW
        self.least_gain = SIZE.least_gain if perceptual else 0.0

    def for_size(self, budget: int) -> bytes:
        """The best file of at most `budget` bytes. Raises LimitError if there is none."""
        planner = self.planner
        place = self._place_for(budget)
        best = self.fit(planner.pitches[place], budget)
        smaller = 1 if planner.weights is None else SIZE.focused_pitches
        for other in range(place + 1, min(place + 1 + smaller, len(planner.pitches))):
            if best is None or planner.weights is not None or self._worth_trying(other, best):
                plan = self.fit(planner.pitches[other], budget)
                if best is None or (plan is not None and self._better(plan, best, budget)):
                    best = plan
        if best is None:
            return self.pack_within(planner.pitches[place], None, budget)
        data = self.pack_within(best.pitch, best, budget)
        if len(data) < SIZE.target_fill * budget and best.complete:
            pitch = f"pitch {best.pitch}" if best.pitch else "pitch fit"
            self.warn(f"all tokens at {pitch} take {len(data)} of {budget} bytes")
        return data

    def fit(self, pitch: int, budget: int, less: float = 0.0) -> Plan | None:
        """The plan with the least error for a budget at a pitch. None if one token for each tile does not fit.

        Args:
            pitch: the pitch, as the header stores it.
            budget: bytes of the file at most.
            less: bits of the budget to leave unused. Default: 0.
        """
        planner = self.planner
        room = 8 * (budget - planner.overhead) - SIZE.padding_bits - less
        # Upper bound on the tokens of a tile: the other tiles have a least share, and no model halves the bits.
        others = (planner.tiles[planner.pitches.index(pitch)] - 1) * min(FACTORS) / max(FACTORS)
        count = math.ceil(max(1.0, 8 * budget / (planner.token_bits / 2 * (1 + others))))
        allocation = planner.allocator(pitch, min(count, planner.model.n_tokens)).for_bits(room)
        return None if allocation is None else planner.plan(pitch, allocation)

    def pack_within(self, pitch: int, plan: Plan | None, budget: int) -> bytes:
        """Pack a plan, then plans with fewer bits, until the real file fits into the budget.

        Args:
            pitch: the pitch of the plan, as the header stores it.
            plan: the first plan to try. None: one token for each tile.
            budget: bytes of the file at most.

        Raises:
            LimitError: no file fits.
        """
        planner, less = self.planner, 0.0
        while plan is not None:
            data = planner.pack(plan)
            if len(data) <= budget:
                return data
            less += 8.0 * (len(data) - budget)
            plan = self.fit(pitch, budget, less)
        data = planner.pack(planner.plan(pitch, planner.allocator(pitch, 1).equal(1)))
        if len(data) > budget:
            bpp = 8 * len(data) / (planner.picture.width * planner.picture.height)
            least = f"{len(data)} bytes{planner.where} ({bpp:.2g} bpp)"
            raise LimitError(f"this picture needs at least {least}, not {budget}")
        return data

    def _place_for(self, budget: int) -> int:
        """Index of the larger of the two pitches to try: one above the smallest that has enough tokens per tile."""
        bits = 8 * (budget - self.planner.overhead)
        whole = self.planner.token_bits * self.planner.model.n_tokens
        affordable = [i for i, tiles in enumerate(self.planner.tiles) if bits >= self.window.low * whole * tiles]
        return max(0, max(affordable, default=0) - 1)

    def _better(self, plan: Plan, wider: Plan, budget: int) -> bool:
        """Whether the plan at a smaller pitch is better than the one at a larger pitch."""
        # A larger pitch that leaves bytes unused, since its tiles have all of their tokens, gets no advantage.
        filled = wider.allocation.bits + 8 * self.planner.overhead >= SIZE.target_fill * 8 * budget
        gain = self.least_gain if filled else 0.0
        return plan.error * 10 ** (gain / 10) < wider.error

    def _worth_trying(self, place: int, wider: Plan) -> bool:
        """Whether the pitch at index `place` may be so much better than a larger one that it is worth its time."""
        if wider.share > PSNR_WINDOW.high:
            return True
        capped = wider.allocation.tokens > SIZE.smaller_pitch_tokens * self.planner.model.n_tokens
        few_tiles = self.planner.tiles[place] <= SIZE.most_tiles_ratio * wider.curves.tiles
        return few_tiles and (wider.share > SIZE.smaller_pitch_share or capped)
