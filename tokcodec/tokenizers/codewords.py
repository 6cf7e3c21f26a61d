"""The codewords of a cascade at one scale: the search for the tokens of tiles, and the sum of codewords.

A token has two digits. Each digit names a codeword for its own half of the token's coefficients (product quantisation,
Jegou et al. 2011). A beam search chooses the first tokens jointly. Each later token has the codewords with the least
remaining error. All computations are in float64: unless two codewords are equally good to twelve digits, a tile has the
same tokens in batches of any size, with any number of threads, with NumPy and with torch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import Array, Maker, add_at, largest, repeated, stack, take_along

RATE_WEIGHT = 0.013
"""Price of a bit in the encoder: this part of a tile's remaining squared error, divided by the number of the token.

The error falls by about this much with every additional bit.
"""
BEAM = (2, 4, 8)
"""Number of paths that are kept after each of the first tokens. The last number holds for all further ones.

More paths would improve files of 16 tokens and worsen files of 1 token.
"""
BEAM_TOKENS = 16
"""Number of tokens searched jointly. It is always the same, so that files of more tokens begin with the same ones."""
BEST = 3
"""Number of codewords of each half that continue a path."""


class Codewords:
    """The codewords of one scale: T tokens, K codewords for each half, h coefficients in a half, D in a tile.

    Args:
        mean: mean of the coefficients, float [D].
        dims: indices of the coefficients of both halves, int [T, 2 h].
        words: the codewords, float [T, 2, K, h].
        bits: cost of each codeword in bits, float [T, 2, K]. Default: the encoder ignores their cost.
        array: converts NumPy arrays, float64 and int64, to the kind of array to compute with. Default: NumPy.
        weights: what the squared error of each coefficient counts to the encoder, float [D]. Default: 1.
    """

    def __init__(
        self,
        mean: NDArray[Any],
        dims: NDArray[Any],
        words: NDArray[Any],
        bits: NDArray[Any] | None = None,
        array: Maker = np.asarray,
        weights: NDArray[Any] | None = None,
    ) -> None:
        self.n_tokens, _, self.radix, half = words.shape
        self._half = half
        self._array = array
        words = words.astype(np.float64)
        self.words, self.dims = array(words), array(dims.astype(np.int64))
        self.mean = array(mean.astype(np.float64))
        self._all_words = array(words.reshape(self.n_tokens, 2 * self.radix, half))
        self.weights = None if weights is None else array(weights.astype(np.float64))
        if weights is not None:
            # The search sees each coefficient times the root of its weight.
            root = np.sqrt(weights.astype(np.float64))
            words = words * root[dims].reshape(self.n_tokens, 2, 1, half)
            self._root, self._inverse = array(root), list(array(1 / weights.astype(np.float64)[dims]))
        # One matrix product computes the scores of both halves.
        blocks = np.zeros((self.n_tokens, 2, half, 2, self.radix))
        for digit in range(2):
            blocks[:, digit, :, digit] = words[:, digit].swapaxes(1, 2)
        # Only coefficients that tokens change are kept, in the order of their first use.
        numbers, first = np.unique(dims, return_index=True)
        touched = numbers[np.argsort(first)]
        place = np.zeros(int(numbers[-1]) + 1, np.int64)
        place[touched] = np.arange(len(touched))
        places = place[dims]
        self._needed = np.maximum.accumulate(places.max(1) + 1).tolist()
        self._touched, self._places = array(touched.astype(np.int64)), list(array(places))
        self._words = list(array(words.reshape(self.n_tokens, 2 * self.radix, half)))
        self._numbers = array(np.arange(self.n_tokens))
        self._blocks = list(array(blocks.reshape(self.n_tokens, 2 * half, 2 * self.radix)))
        self._halves = list(array((words * words).sum(3).reshape(self.n_tokens, -1) / 2))
        bits = np.zeros(words.shape[:3]) if bits is None else bits
        self.bits = array(bits.astype(np.float64))
        weight = RATE_WEIGHT / (2 * np.arange(1, self.n_tokens + 1))
        self._prices = list(array(weight[:, None] * bits.astype(np.float64).reshape(self.n_tokens, -1)))
        self._second = array(np.array([0, self.radix]))

    def encode(self, vectors: Array, count: int) -> tuple[Array, Array]:
        """The first `count` tokens of tiles, float64 N x D.

        Returns:
            The tokens, int64 N x count, and the squared error over the coefficients after 0, 1, ... count tokens,
            float64 N x (count + 1), without weights.
        """
        residual = vectors - self.mean
        error = left = (residual * residual).sum(1)
        if self.weights is not None:
            residual = residual * self._root
            left = (residual * residual).sum(1)
        searched = min(BEAM_TOKENS, self.n_tokens)
        rest = residual[:, self._touched[: self._needed[max(count, searched) - 1]]]
        first = self._search(rest[:, : self._needed[searched - 1]], left)
        tokens, errors = [], [error]
        for token in range(count):
            places = self._places[token]
            target = rest[:, places]
            if token < searched:
                digits = first[token]
            else:
                digits = self._scores(token, target, left).reshape(-1, 2, self.radix).argmax(2)
            remains = target - self._word(token, digits)
            rest[:, places] = remains
            change = remains * remains - target * target
            left = left + change.sum(1)
            error = left if self.weights is None else error + (change * self._inverse[token]).sum(1)
            tokens.append(digits[:, 0] * self.radix + digits[:, 1])
            errors.append(error)
        return stack(tokens, 1), stack(errors, 1)

    def _scores(self, token: int, target: Array, left: Array) -> Array:
        """Score of each codeword: half of the squared error that it removes, less the price of its bits.

        Args:
            token: number of the token.
            target: residual of the token's coefficients, float64 ... x 2 h.
            left: weighted squared error of the tile, float64 ...

        Returns:
            float64 ... x 2 K.
        """
        return target @ self._blocks[token] - self._halves[token] - left[..., None] * self._prices[token]

    def _word(self, token: int, digits: Array) -> Array:
        """Codewords of both halves: int64 ... x 2 -> float64 ... x 2 h."""
        return self._words[token][digits + self._second].reshape(*digits.shape[:-1], 2 * self._half)

    def _search(self, rest: Array, left: Array) -> Array:
        """Digits of the first tokens by beam search, from the path with the least error: int64 tokens x N x 2."""
        tiles = self._array(np.arange(len(rest)))[:, None]
        rest, left = rest[:, None], left[:, None]
        number, kept = min(BEAM_TOKENS, self.n_tokens), min(BEST, self.radix)
        steps: list[tuple[Array, Array]] = []
        for token in range(number):
            width = 1 if token == number - 1 else BEAM[min(token, len(BEAM) - 1)]
            target = rest[:, :, self._places[token]]
            scores = self._scores(token, target, left).reshape(*left.shape, 2, self.radix)
            # The best pairs of digits consist of good digits.
            best = largest(scores, kept)
            value = take_along(scores, best)
            pairs = value[:, :, 0, :, None] + value[:, :, 1, None, :] - left[:, :, None, None] / 2
            pairs = pairs.reshape(len(pairs), left.shape[1] * kept**2)
            survivors = largest(pairs, min(width, pairs.shape[1]))
            parent, first, second = survivors // kept**2, survivors // kept % kept, survivors % kept
            digits = stack([best[tiles, parent, 0, first], best[tiles, parent, 1, second]], 2)
            target = target[tiles, parent]
            remains = target - self._word(token, digits)
            left = left[tiles, parent] + (remains * remains - target * target).sum(2)
            rest = rest[tiles, parent]
            rest[:, :, self._places[token]] = remains
            steps.append((parent, digits))
        path, backwards = 0 * tiles[:, 0], []
        for parent, digits in reversed(steps):
            backwards.append(digits[tiles[:, 0], path])
            path = parent[tiles[:, 0], path]
        return stack(backwards[::-1], 0)

    def vectors(self, tokens: Array) -> Array:
        """Mean and sum of the codewords: tokens int64 N x k -> coefficients float64 N x D."""
        count = tokens.shape[1]
        digits = stack([tokens // self.radix, tokens % self.radix], 2) + self._second
        words = self._all_words[self._numbers[:count, None], digits]
        out = repeated(self.mean, len(tokens))
        add_at(out, self.dims[:count].reshape(-1), words.reshape(len(tokens), count * 2 * self._half))
        return out
