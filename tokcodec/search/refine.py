"""Searches for tokens whose drawn tiles are closest to the originals.

The encoder chooses tokens whose sum of codewords is closest to the tile, but the decoder draws a network's picture.
Each round of the search draws the tiles and computes the gradient of their error by the sum of codewords. It moves a
target for the sum by the gradient over the curvature, which for a squared error is that of an orthonormal transform.
Then it changes single digits towards the target. The best tokens of all rounds are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from ..tokenizers.codewords import RATE_WEIGHT
from ..tokenizers.look import LIGHT, condition
from ..tokenizers.transform import COLOURS, coefficient_weights
from .distance import distances, load_distance
from .moves import Moves

if TYPE_CHECKING:
    from ..tokenizers.cascade import CascadeTokenizer

BATCH = 8
"""Tiles searched at a time, which bounds the memory."""
MEMORY = 0.7
"""Part of the target that is kept in the next round. Without it the digits oscillate."""
CURVATURE = 2.0
"""Second derivative of the squared error along a coefficient."""
CURVATURE_OF_FEATURES = 2 / 3000
"""The same for the distance of features, for each unit of its weight beside the squared error."""


@dataclass(frozen=True)
class Tune:
    """The loss of the search: squared error of a tile's 256 x 256 x 3 values, plus weighted distances.

    In the squared error the planes of colour have the model's weights. Weights of distances are those of a tile with
    all tokens, in units of its first squared error. They are proportional to the square root of the number of tokens.
    """

    look: str
    """Look that draws the tiles."""
    features: float = 0.0
    """Weight of the distance of a classifier's features."""
    lpips: float = 0.0
    """Weight of LPIPS."""
    hold: float = 0.0
    """Weight of the squared change of prefixes, relative to the squared distance of all tokens from the target. With
    squared error alone, prefixes do not become worse without it."""


TUNES = {
    "perceptual": Tune("perceptual", 2.2, 0.75, 0.5),
    "fidelity": Tune("fidelity"),
    LIGHT: Tune(LIGHT, 2.2, 0.75, 0.5),
}
ROUNDS = (0, 1, 2, 3, 4, 6, 8, 16, 32, 64)
"""Rounds of each effort from 0 to 9."""


def refine(
    tokenizer: CascadeTokenizer,
    tiles: NDArray[np.float32],
    tokens: NDArray[np.integer],
    counts: NDArray[np.integer],
    *,
    rounds: int,
    tune: Tune,
    scale: int = 0,
    weights: NDArray[np.float32] | None = None,
    price: float = 1.0,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find better tokens for some tiles. Each tile keeps its number of tokens.

    Args:
        tokenizer: the model, on torch.
        tiles: float32 [n, 3, 256, 256] in [0, 1].
        tokens: int [n, T], the tokens at the beginning.
        counts: int [n], number of tokens of each tile, 1 to T. Tokens after them are kept.
        rounds: number of drawings with a gradient; 0 changes nothing.
        tune: the loss.
        scale: the model's set of codewords. Default: 0.
        weights: float32 [n, 256, 256], weight of the squared error at each sample. Default: None, 1 everywhere.
        price: price of a bit, in units of the plain encoder's price. Default: 1.

    Returns:
        Tokens int64 [n, T], and by what share the loss with the price of the bits fell for each tile: float64 [n], 0 or
        more.
    """
    device = torch.device(tokenizer.device)
    moves = Moves(tokenizer.codewords(scale), tokens.shape[1])
    found: list[torch.Tensor] = []
    saved: list[torch.Tensor] = []
    for start in range(0, len(tiles), BATCH):
        part = slice(start, start + BATCH)
        search = Search(
            tokenizer,
            moves,
            torch.as_tensor(tiles[part], device=device),
            counts[part],
            tune,
            scale,
            None if weights is None else torch.as_tensor(weights[part], device=device),
            price,
        )
        better, gain = search.run(torch.as_tensor(np.asarray(tokens[part], np.int64), device=device), rounds)
        found.append(better)
        saved.append(gain)
    return torch.cat(found).cpu().numpy(), torch.cat(saved).double().cpu().numpy()


class Search:
    """State of the search for one batch of N tiles. The arguments are those of `refine`.

    Args:
        tokenizer: the model, on torch.
        moves: the codewords of the scale.
        tiles: float32 N x 3 x 256 x 256.
        counts: int [N].
        tune: the loss.
        scale: the model's set of codewords.
        weights: float32 N x 256 x 256, or None.
        price: price of a bit.
    """

    def __init__(
        self,
        tokenizer: CascadeTokenizer,
        moves: Moves,
        tiles: torch.Tensor,
        counts: NDArray[np.integer],
        tune: Tune,
        scale: int,
        weights: torch.Tensor | None,
        price: float,
    ) -> None:
        self.price = price
        self.tokenizer, self.moves, self.tiles, self.tune, self.weights = tokenizer, moves, tiles, tune, weights
        self.coefficients, self.planes = self._weights_of_errors()
        self.network = tokenizer.network(tune.look) if tokenizer.weights(tune.look) else None
        self.conditions = condition(counts.tolist(), scale, tokenizer.scales)
        self.counts = torch.as_tensor(counts, device=tiles.device)
        share = (self.counts / tokenizer.n_tokens).sqrt()
        self.features, self.lpips = tune.features * share, tune.lpips * share
        self.first: torch.Tensor | None = None  # squared errors of the first tokens
        self.distance = load_distance(tokenizer.device) if tune.features or tune.lpips else None
        with torch.no_grad():
            self.seen = None if self.distance is None else self.distance(tiles)

    def _weights_of_errors(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Weights of the errors of coefficients, float32 [D] or 1, and of planes, a matrix from RGB, 3 x 3 or None."""
        if not self.tokenizer.error_weights:
            return torch.ones((), device=self.tiles.device), None
        transform, weights = self.tokenizer.transform, self.tokenizer.error_weights
        coefficients = coefficient_weights(transform.luma, transform.chroma, weights)
        planes = np.sqrt(weights)[:, None] * COLOURS
        return torch.as_tensor(coefficients).to(self.tiles), torch.as_tensor(planes).to(self.tiles)

    def run(self, tokens: torch.Tensor, rounds: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Search, beginning at tokens int64 N x T. Returns the best ones and the share of the loss saved, float32 N."""
        used = torch.arange(tokens.shape[1], device=tokens.device) < self.counts[:, None]
        begun, tokens, best = tokens, tokens.clone(), tokens.clone()
        target = torch.zeros(())
        for number in range(rounds + 1):
            vectors = self.moves.vectors(tokens, used)
            loss, gradient = self.look(vectors, gradient=number < rounds)
            if number == 0:
                assert self.first is not None
                curvature = CURVATURE + CURVATURE_OF_FEATURES * self.features * self.first
                bit = self.price * RATE_WEIGHT * loss / self.counts  # error that equals one bit in cost
                start = lowest = loss + bit * self.moves.bits(tokens, used)
            else:
                whole = loss + bit * self.moves.bits(tokens, used)
                better = whole < lowest
                best[better], lowest = tokens[better], torch.where(better, whole, lowest)
            if gradient is not None:
                moved = vectors - gradient / (curvature[:, None] * self.coefficients)
                target = moved if number == 0 else MEMORY * target + (1 - MEMORY) * moved
                drifts = self.moves.drifts(tokens, begun, used) if self.tune.hold else None
                self.moves.sweep(tokens, used, target - vectors, bit / curvature, drifts, self.tune.hold)
        return best, 1 - lowest / start

    def look(self, vectors: torch.Tensor, gradient: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The loss, float32 N, of coefficients float32 N x D, and on request its gradient."""
        vectors = vectors.requires_grad_(gradient)
        with torch.set_grad_enabled(gradient):
            loss = self.loss(self.draw(vectors))
            if not gradient:
                return loss, None
            (found,) = torch.autograd.grad(loss.sum(), vectors)
        return loss.detach(), found

    def draw(self, vectors: torch.Tensor) -> torch.Tensor:
        """The drawn tiles. They are not clamped, since values out of range need a gradient."""
        if self.network is None:
            drawn: torch.Tensor = self.tokenizer.drawing.inverse(vectors)
        else:
            drawn = self.tokenizer.draw(self.network, vectors, self.conditions)
        return drawn

    def loss(self, drawn: torch.Tensor) -> torch.Tensor:
        """The loss of drawn tiles, float32 N."""
        differences = drawn - self.tiles
        if self.planes is not None:
            differences = torch.einsum("cd,ndhw->nchw", self.planes, differences)
        squares = differences.square().sum(1)
        loss = (squares if self.weights is None else squares * self.weights).sum((1, 2))
        if self.first is None:
            self.first = loss.detach()
        if self.distance is not None and self.seen is not None:
            features, lpips = distances(self.distance(drawn), self.seen)
            loss = loss + self.first * (self.features * features + self.lpips * lpips)
        return loss
