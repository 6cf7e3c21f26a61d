"""The settings of rate control, each with the study that fitted it: on photographs, with base-2 if none is named."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PitchWindow:
    """The mean shares of a tile's tokens, 0 to 1, at which a pitch is a good choice.

    A medium share is better than few tokens on many tiles, and than many tokens on few tiles.
    """

    low: float
    """Below this share a larger pitch is better."""
    best: float
    """The share at which a pitch is best."""
    high: float
    """Above this share a smaller pitch is better."""


PSNR_WINDOW = PitchWindow(low=0.2, best=0.4, high=0.8)
"""Fitted by `bench.studies.pitch`."""
LPIPS_WINDOW = PitchWindow(low=0.4, best=0.65, high=0.95)
"""At equal bytes LPIPS prefers larger pitches with more tokens."""


PLAIN_TILES_RATIO = 4
"""An automatic pitch has at most this many times the tiles of the default pitch, or at most `DEFAULT_MAX_TILES`.

The larger of the two limits holds. It bounds the time of a target for every picture, and always allows pitches from
128 pixels on. The option `pitch` can set a smaller pitch.
"""


@dataclass(frozen=True)
class SizeSettings:
    """Settings of the search for a size. Checked by `bench.studies.pitch`."""

    target_fill: float = 0.95
    """Part of the budget that a file should use. A file with all of its tokens that uses less gives a warning."""
    smaller_pitch_share: float = 0.68
    """The next smaller pitch is tried if the tiles use a larger share of their tokens than this."""
    smaller_pitch_tokens: float = 0.8
    """It is also tried if the largest count is more than this part of all tokens."""
    most_tiles_ratio: float = 2.5
    """It is not tried if it has more than this many times the tiles, since the time of encoding grows with them."""
    least_gain: float = 0.2
    """For a perceptual look, dB by which the squared error of a smaller pitch must be less: at equal squared error the
    larger pitch has the better LPIPS and features. Fitted with base-3 (`bench.studies.effort --sizes`)."""
    focused_pitches: int = 3
    """Number of smaller pitches to try if weights are given: small tiles follow the outlines of a region."""
    padding_bits: float = 4.0
    """Bits of the budget left unused, since a payload ends on a whole byte: half a byte on average."""


SIZE = SizeSettings()


@dataclass(frozen=True)
class SearchLimits:
    """Settings of the search for a quality: its start, its end and its cost."""

    first_tiles: int = 2
    """The search starts at the smallest pitch with at most this many tiles. More tiles would cost time."""
    usual_gain: float = 0.6
    """dB by which the fidelity network usually beats the predicted curves (`bench.studies.estimate_fit`)."""
    db_per_octave: float = 2.2
    """dB that a photograph gains, at an equal share of tokens, when the pitch is halved."""
    aim: float = 0.4
    """Part of the tolerance by which a plan should exceed the target."""
    attempts: int = 10
    """At most this many pictures are drawn in one search."""
    flat_tiles: int = 16
    """A picture of one colour gets at most this many tiles: they are all alike, so more of them hardly add anything."""
    allocations: int = 60
    """At most this many allocations are tried in one search. Several may give the same file, which is drawn once."""
    done_within_db: float = 0.005
    """The search ends if a plan that fails and one that succeeds are predicted to differ by less than this many dB."""
    reuse_tiles: int = 6
    """From this many tiles on, a plan that misses closely is changed in a few tiles, and only those are drawn again."""
    reuse_within_db: float = 0.25
    """The largest distance to the goal, in predicted dB, at which a plan is changed in a few tiles."""
    complete_pitches: int = 3
    """A quality counts as out of reach if this many of the smallest pitches fail with all of their tokens."""


SEARCH = SearchLimits()
