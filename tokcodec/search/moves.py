"""Changes single digits of tokens so that the sum of their codewords comes closer to a target.

Tokens that share no coefficient can change at the same time, so a sweep over all tokens takes about ten steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..tokenizers.codewords import Codewords

PREFIXES = 16, 64, 128
"""Lengths of the prefixes whose sums are held, in tokens, since files are cut."""


@dataclass(frozen=True)
class Group:
    """G tokens that share no coefficient."""

    tokens: torch.Tensor
    """Ranks of the tokens, int64 [G]."""
    dims: torch.Tensor
    """Numbers of their coefficients, int64 [G, 2 h]."""
    words: torch.Tensor
    """Codewords of their digits, float32 [G, 2, K, h]."""
    half: torch.Tensor
    """Half of the squared weighted lengths of the codewords, float32 [G, 2, 1, K]."""
    weighted: torch.Tensor
    """Codewords times the weights of their coefficients, float32 [G, 2, K, h]."""
    bits: torch.Tensor
    """Bits of each codeword in a file, float32 [G, 2, 1, K]."""


class Moves:
    """The codewords and bits of the first tokens of tiles, and changes of their digits.

    Args:
        codewords: codewords of a tokenizer on torch.
        count: largest number of tokens of a tile.
    """

    def __init__(self, codewords: Codewords, count: int) -> None:
        self.radix, self._mean = codewords.radix, codewords.mean.float()
        self._dims, self._words = codewords.dims[:count], codewords.words[:count].float()
        self._bits = codewords.bits[:count].float()
        self._weights = None if codewords.weights is None else codewords.weights.float()
        device = self._dims.device
        level, last = [0] * count, dict[int, int]()
        for token, dims in enumerate(self._dims.tolist()):
            level[token] = 1 + max(last.get(dim, -1) for dim in dims)
            last |= dict.fromkeys(dims, level[token])
        self.groups = [
            self._group(torch.tensor([token for token in range(count) if level[token] == number], device=device))
            for number in range(1 + max(level))
        ]

    def _group(self, tokens: torch.Tensor) -> Group:
        dims, words, bits = self._dims[tokens], self._words[tokens], self._bits[tokens]
        weighted = words if self._weights is None else words * self._weights[dims].unflatten(1, (2, 1, -1))
        return Group(tokens, dims, words, (words * weighted).sum(3)[:, :, None] / 2, weighted, bits[:, :, None])

    def _digits(self, tokens: torch.Tensor) -> torch.Tensor:
        return torch.stack([tokens // self.radix, tokens % self.radix], 2)

    def vectors(self, tokens: torch.Tensor, used: torch.Tensor) -> torch.Tensor:
        """Sum the codewords of some tokens.

        Args:
            tokens: int64 N x T.
            used: bool N x T, the tokens to add.

        Returns:
            Coefficients, float32 N x D.
        """
        token, digit = (torch.arange(size, device=tokens.device) for size in (tokens.shape[1], 2))
        words = self._words[token[:, None], digit, self._digits(tokens)] * used[:, :, None, None]
        start: torch.Tensor = self._mean.repeat(len(tokens), 1)
        return start.index_add_(1, self._dims.flatten(), words.flatten(1))

    def bits(self, tokens: torch.Tensor, used: torch.Tensor) -> torch.Tensor:
        """Bits of the used tokens in a file: tokens int64 N x T, used bool N x T -> float32 N."""
        token, digit = (torch.arange(size, device=tokens.device) for size in (tokens.shape[1], 2))
        bits: torch.Tensor = self._bits[token[:, None], digit, self._digits(tokens)].sum(2)
        return (bits * used).sum(1)

    def drifts(self, tokens: torch.Tensor, first: torch.Tensor, used: torch.Tensor) -> torch.Tensor:
        """How far the sums of the prefixes have moved since the search began.

        Args:
            tokens: int64 N x T.
            first: int64 N x T, the tokens at the beginning.
            used: bool N x T, the tokens to add.

        Returns:
            Changes of coefficients, float32 P x N x D, for each of the P prefixes of PREFIXES.
        """
        place = torch.arange(tokens.shape[1], device=tokens.device)
        parts = [used & (place < length) for length in PREFIXES]
        return torch.stack([self.vectors(tokens, part) - self.vectors(first, part) for part in parts])

    def sweep(
        self,
        tokens: torch.Tensor,
        used: torch.Tensor,
        rest: torch.Tensor,
        price: torch.Tensor,
        drifts: torch.Tensor | None = None,
        hold: float = 0.0,
    ) -> None:
        """Give each digit in turn the best codeword for the present values of all others.

        Args:
            tokens: int64 N x T. Changed in place.
            used: bool N x T, the tokens that may change.
            rest: float32 N x D, the target less the sum of the codewords. Changed in place.
            price: float32 N, half of the weighted squared error that equals one bit in cost.
            drifts: float32 P x N x D, from `drifts`. Changed in place. Default: no prefix is held.
            hold: weight of a drift's squared length, relative to that of the rest. Default: 0.
        """
        prefixes = torch.tensor(PREFIXES, device=tokens.device)[:, None]
        held = (used.sum(1) > prefixes) * (0.0 if drifts is None else hold)
        tile = torch.arange(len(tokens), device=tokens.device)[None, :, None]
        digit = torch.arange(2, device=tokens.device)[:, None]
        for group in self.groups:
            place = tile, group.dims[:, None]
            number = torch.arange(len(group.tokens), device=tokens.device)[:, None, None]
            old = self._digits(tokens[:, group.tokens]).permute(1, 2, 0)  # G x 2 x N
            words = group.words[number, digit, old]
            holds = (group.tokens < prefixes)[:, :, None] * held[:, None]  # P x G x N
            share = 1 / (1 + holds.sum(0))[:, :, None]
            left = rest[place] if drifts is None else rest[place] - (holds[..., None] * drifts[:, *place]).sum(0)
            target = (left * share).unflatten(2, (2, -1)).transpose(1, 2) + words  # G x 2 x N x h
            scores = target @ group.weighted.mT - group.half - (price[:, None] * share)[:, None] * group.bits
            new = torch.where(used[:, group.tokens].T[:, None], scores.argmax(3), old)
            tokens[:, group.tokens] = (new[:, 0] * self.radix + new[:, 1]).T
            change = group.words[number, digit, new] - words
            rest[place] -= change.transpose(1, 2).flatten(2)
            if drifts is not None:
                drifts[:, *place] += (group.tokens < prefixes)[..., None, None] * change.transpose(1, 2).flatten(2)
